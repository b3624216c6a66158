"""`ganzoo info`"""

from __future__ import annotations

import inspect
from typing import Any

import click

from ganzoo.cli.commands import COMMANDS
from ganzoo.cli.plugin import USES
from ganzoo.cli.words import AnyMember
from ganzoo.errors import UsageError, nearest
from ganzoo.registry import REGISTRIES
from ganzoo.registry.kinds import kind_in, plainly, required, told
from ganzoo.registry.registry import Registry
from ganzoo.system.console import terminal


@click.command("info")
@click.argument("name", type=AnyMember())
def command(name: str) -> None:
    """What NAME is: its paper, its recipes, its options with their defaults."""
    registries = [registry for registry in REGISTRIES.values() if name in registry.names()]
    if not registries and name in COMMANDS.names():
        raise UsageError(f"{name} is a command: ganzoo {name} --help says what it does")
    if not registries:
        everything = [known for registry in REGISTRIES.values() for known in registry.names()]
        raise UsageError(f"nothing is called {name!r}: {nearest(name, everything)}")
    for registry in registries:
        _describe(registry, name)


def _describe(registry: Registry, name: str) -> None:
    from ganzoo.data.open import spelled

    kind = registry.kind
    member, origin = registry.get(name), registry.origin(name)
    console = terminal(soft_wrap=True)
    article = "an" if kind[0] in "aeiou" else "a"
    console.say((name, "bold"), f" is {article} {kind} of {origin['distribution']} {origin['version']}")
    console.print()
    for line in (inspect.getdoc(member) or "(no description)").split("\n"):
        console.say(line)
    options = registry.options(name)
    if options:
        console.print()
        console.say(("options", "bold"), f" ({_how(kind, name)})")
        for key, default in options.items():
            shown = "required" if required(default) else f"default {plainly(default)!r}"
            what = kind_in(options, key)
            console.say(f"  {key:<14} {shown}" + ("" if what is Any else f" ({told(what)})"))
    if kind == "model":
        console.print()
        console.say(("conditions", "bold"), f" {', '.join(member.conditions) or 'none'}")
    console.print()
    console.say(("try it", "bold"))
    typed_name = spelled(name) if kind == "dataset" else name
    for line in _uses(kind, member):
        console.say(f"  {line.replace('NAME', typed_name)}")
    for recipe_name, recipe in getattr(member, "recipes", {}).items():
        chosen, _, data = recipe_name.partition("/")
        how = "what runs unless you say otherwise" if chosen == "default" else f"--recipe {chosen}"
        console.print()
        console.say(("recipe", "bold"), f" {chosen}{f' for {data}' if data else ''} ({how})")
        for key, value in _unlike_default(recipe).items():
            console.say(f"  {key:<24} {value}")


def _uses(kind: str, member: Any) -> list[str]:
    """What to type, with NAME for its name."""
    if kind == "stabilizer":
        return [f"ganzoo run {member.tried_on} --stabilizer NAME"]
    if kind != "model":
        return USES[kind].split("\n")
    return [*(f"ganzoo run NAME --dataset {data}" for data in member.tried_on), "ganzoo eval --metric fid"]


def _how(kind: str, name: str) -> str:
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
