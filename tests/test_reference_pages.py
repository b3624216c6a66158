"""The reference is whole: every command with its options, every public name."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import ganzoo
import ganzoo.testing
from ganzoo.cli.commands import COMMANDS, OWN
from ganzoo.cli.main import ganzoo as group
from ganzoo.registry.registry import DISTRIBUTION

DOCS = Path(__file__).parent.parent / "docs"
EVERYWHERE = {"-q", "--quiet", "-h", "--help"}


def sections(text):
    parts = re.split(r"^##+ (.*)\n", text, flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def all_commands():
    """By the words that call each: the zoo's own, and those below them."""
    found = {"ganzoo": group}
    for entry in COMMANDS.entries():
        if entry.distribution == DISTRIBUTION:
            found[f"ganzoo {entry.name}"] = command = COMMANDS.get(entry.name)
            for name, below in getattr(command, "commands", {}).items():
                found[f"ganzoo {entry.name} {name}"] = below
    return found


def test_every_command_and_option_is_in_the_reference():
    text = sections((DOCS / "commands.md").read_text(encoding="utf-8"))
    commands = all_commands()
    assert {name for name in text if name} == {*commands}
    assert re.findall(r"^\| \[`(.*?)`\]\(#ganzoo-\1\)", text[""], flags=re.M) == [*OWN]
    for word in EVERYWHERE:
        assert f"`{word}`" in text[""]
    for name, command in commands.items():
        rows = [line.split(" | ")[0] for line in text[name].splitlines() if line.startswith("| `-")]
        told = {word for row in rows for word in re.findall(r"`(-[\w-]+)", row)}
        options = [param for param in command.params if isinstance(param, click.Option)]
        known = {word for option in options for word in (*option.opts, *option.secondary_opts)}
        assert told == known - EVERYWHERE, name
        for param in command.params:
            if isinstance(param, click.Argument):
                assert param.make_metavar(click.Context(command)) in text[name].split("```")[1], name


def directives(page):
    return re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), flags=re.M)


@pytest.mark.parametrize("module", [ganzoo, ganzoo.testing], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_api(module):
    """What a page asks mkdocstrings for is on it, or the strict build of the pages fails."""
    pages = {page: directives(page) for page in sorted((DOCS / "api").glob("*.md"))}
    shown = [name for names in pages.values() for name in names]
    assert len(shown) == len({*shown})
    assert {f"{module.__name__}.{name}" for name in module.__all__} <= {*shown}


def test_every_public_name_has_its_line_in_the_overview():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    links = re.findall(r"\[`(\w+)`\]\(api/(\w+)\.md#ganzoo\.\1\)", text)
    assert sorted(name for name, _ in links) == sorted(ganzoo.__all__)
    for name, page in links:
        assert f"ganzoo.{name}" in directives(DOCS / "api" / f"{page}.md")
