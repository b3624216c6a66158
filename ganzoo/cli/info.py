"""`ganzoo info`"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from ganzoo.cli.commands import COMMANDS
from ganzoo.cli.plugin import USES
from ganzoo.cli.words import AnyMember
from ganzoo.errors import UsageError, nearest
from ganzoo.registry import REGISTRIES
from ganzoo.registry.kinds import kind_in, plainly, required, told
from ganzoo.registry.reading import Said
from ganzoo.registry.registry import Registry
from ganzoo.running import pretrained
from ganzoo.system.console import Grid, Terminal, say, terminal

HEADING = re.compile(r"[A-Z][\w ]*:")  # of a section of a docstring


@click.command("info")
@click.argument("name", type=AnyMember())
def command(name: str) -> None:
    """What NAME is: its paper, its recipes, its options with their defaults.

    \b
    ganzoo info dcgan
    ganzoo info dcgan:mnist     (a generator that comes with ganzoo: how it was made, and its scores)
    """
    if name in pretrained.names():
        _pretrained(name)
        return
    registries = [registry for registry in REGISTRIES.values() if name in registry.names()]
    if not registries and name in COMMANDS.names():
        raise UsageError(f"{name} is a command: ganzoo {name} --help says what it does")
    if not registries:
        everything = [known for registry in REGISTRIES.values() for known in registry.names()]
        everything += pretrained.names()
        raise UsageError(f"nothing is called {name!r}: {nearest(name, everything)}")
    for registry in registries:
        _describe(registry, name)


def _pretrained(name: str) -> None:
    from ganzoo.running.generator import load_generator

    loaded = load_generator(name, "cpu")
    console = terminal()
    console.say((name, "bold"), " is a generator that comes with ganzoo")
    console.print()
    table = Grid()
    for title in ("what", "value"):
        table.column(title, overflow="fold")
    for what, value in [*loaded.facts(), *loaded.about.told_scores()]:
        table.row(what, value)
    _table(console, table, 12)
    console.print()
    console.say(("try it", "bold"))
    for line in (f"ganzoo sample {name}", f"ganzoo export {name} --format onnx"):
        say(f"  {line}")


def _describe(registry: Registry, name: str) -> None:
    kind = registry.kind
    said, origin = registry.said(name), registry.origin(name)
    console = terminal()
    article = "an" if kind[0] in "aeiou" else "a"
    console.say((name, "bold"), f" is {article} {kind} of {origin['distribution']} {origin['version']}")
    console.print()
    for indent, text in paragraphs(said.doc or "(no description)"):
        console.say(text, indent=indent, hang=2 if indent else 0)
    options = registry.options(name)
    if options:
        console.print()
        console.say(("options", "bold"), f" ({how_typed(kind, name)})")
        table = Grid()
        for title in ("option", "what"):
            table.column(title, overflow="fold")
        for key, default in options.items():
            what = kind_in(options, key)
            shown = "required" if required(default) else f"default {plainly(default)!r}"
            table.row(key, shown + ("" if what is Any else f" ({told(what)})"))
        _table(console, table, 13)
    if kind == "model":
        console.print()
        console.say(("conditions", "bold"), f" {', '.join(said.attributes['conditions']) or 'none'}")
    console.print()
    console.say(("try it", "bold"))
    for line in uses(registry, name, said):
        say(f"  {line}")  # whole, to be copied
    for recipe_name, recipe in said.attributes.get("recipes", {}).items():
        chosen, _, data = recipe_name.partition("/")
        how = "what runs unless you say otherwise" if chosen == "default" else f"--recipe {chosen}"
        console.print()
        console.say(("recipe", "bold"), f" {chosen}{f' for {data}' if data else ''} ({how})")
        table = Grid()
        for title in ("setting", "value"):
            table.column(title, overflow="fold")
        for key, value in _unlike_default(recipe).items():
            table.row(key, value)
        _table(console, table, 23)


def _table(console: Terminal, table: Grid, width: int) -> None:
    """Two columns below a heading."""
    table.show_header = False
    table.columns[0].min_width, table.columns[0].no_wrap = width, True
    console.table(table, indent=2)


def paragraphs(doc: str) -> Iterator[tuple[int, str]]:
    """A docstring as indentations and texts, each to be broken into lines anew; "" between paragraphs.

    Lines below a heading such as "Args:" begin a text each, unless they are indented more than it is.
    """
    text, indent = "", 0
    for line in doc.split("\n"):
        words, own = line.strip(), len(line) - len(line.lstrip())
        goes_on = own > indent if indent else not own
        if text and words and goes_on and not HEADING.fullmatch(text):
            text += f" {words}"
            continue
        if text:
            yield indent, text
        text, indent = words, own
        if not words:
            yield 0, ""
    if text:
        yield indent, text


def uses(registry: Registry, name: str, said: Said) -> list[str]:
    """What to type to try a member."""
    from ganzoo.data.open import spelled

    own, kind = said.attributes, registry.kind
    if "uses" in own:
        lines = [*own["uses"]]
    elif kind == "model":
        lines = [*(f"ganzoo run NAME --dataset {data}" for data in own["tried_on"]), "ganzoo eval"]
    else:
        lines = USES[kind].split("\n")
        if "tried_on" in own:
            lines[0] = lines[0].replace("mlp-gan --dataset ring8", own["tried_on"])
    typed = spelled(name) if kind == "dataset" else name
    return [re.sub(r"\bNAME\b", typed, line) for line in lines]


def how_typed(kind: str, name: str) -> str:
    """How an option of a member is given on a command line."""
    return {
        "model": "--set model.KEY=VALUE",
        "dataset": "--set data.KEY=VALUE",
        "stabilizer": f"--stabilizer {name}:KEY=VALUE",
        "extractor": f"--extractor {name}:KEY=VALUE",
        "callback": f"--callback {name}:KEY=VALUE",
    }.get(kind, "KEY=VALUE")


def _unlike_default(recipe: Any) -> dict[str, str]:
    """What the recipe says, nested settings by dotted name; loss, rates, batch and budget always."""
    always = {"loss", "steps", "batch_size", "optimizer_g.lr", "optimizer_d.lr", "n_dis"}
    from ganzoo.plan.config import flatten, plain

    usual = flatten(plain(type(recipe)())) | {"stabilizers": ""}
    given = flatten(plain(recipe)) | {"stabilizers": ", ".join(map(str, recipe.stabilizers))}
    return {key: value for key, value in given.items() if key in always or usual.get(key) != value}
