"""The generated parts of the pages of losses, stabilizers, metrics, datasets, extractors and callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from member_facts import FACTS

from ganzoo.cli.info import how_typed, paragraphs
from ganzoo.registry import REGISTRIES
from ganzoo.registry.kinds import kind_in, plainly, required, told
from ganzoo.registry.registry import Registry

KINDS = ("losses", "stabilizers", "metrics", "datasets", "extractors", "callbacks")
# The latter where a guide, such as docs/metrics.md, has the address that an index would have.
INDEX = ("index", "overview")


def member_pages(docs: Path) -> Iterator[tuple[Path, Registry]]:
    """Each page of a member, with the registry that it is in."""
    for plural in KINDS:
        for page in sorted((docs / plural).glob("*.md")):
            if page.stem not in INDEX:
                yield page, REGISTRIES[plural]


def options_part(registry: Registry, name: str) -> str:
    """A table of its options, how they are typed, and what it goes with as far as the registry knows."""
    options = registry.options(name)
    meanings = arguments(registry.get(name))
    lines = ["| option | default | type | what it is |", "|---|---|---|---|"] if options else []
    for key, default in options.items():
        if key not in meanings:
            raise SystemExit(f"{registry.kind} {name}: its docstring says nothing of {key} under Args")
        usual = "required" if required(default) else f"`{_shown(default)}`" if default != "" else "nothing"
        cells = (f"`{key}`", usual, told(kind_in(options, key)), meanings[key])
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    said = f"Typed `{how_typed(registry.kind, name)}`." if options else f"{name} has no options."
    facts = FACTS[registry.kind](name) if registry.kind in FACTS else []
    return "\n".join([*lines, *([""] if lines else []), said, *(["", *facts] if facts else [])])


def arguments(member: type) -> dict[str, str]:
    """What a class and those that it extends say of each argument under Args."""
    found: dict[str, str] = {}
    for base in reversed(member.__mro__):
        heading = ""
        for indent, text in paragraphs(inspect.cleandoc(base.__doc__ or "")):
            if text and not indent:
                heading = text
            elif text and heading == "Args:":
                names, _, meaning = text.partition(": ")
                found |= dict.fromkeys(names.split(", "), meaning)
    return found


def _shown(default: object) -> object:
    """As it is typed."""
    plain = plainly(default)
    return str(plain).lower() if plain is None or isinstance(plain, bool) else plain
