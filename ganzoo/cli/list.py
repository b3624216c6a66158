"""`ganzoo list`"""

from __future__ import annotations

import click

from ganzoo.cli.commands import COMMANDS
from ganzoo.cli.words import Word
from ganzoo.errors import UsageError, nearest
from ganzoo.registry import REGISTRIES
from ganzoo.registry.registry import DISTRIBUTION, Entry, Registry
from ganzoo.running.pretrained import names, summary
from ganzoo.system.console import Grid, say_json, terminal

PRETRAINED = "pretrained"
LISTED: dict[str, Registry] = {**REGISTRIES, "commands": COMMANDS}


@click.command("list")
@click.argument("kind", required=False, type=Word(*LISTED, PRETRAINED))
@click.option("--json", "as_json", is_flag=True, help="One JSON array on stdout.")
@click.option("--check", is_flag=True, help="Import every member, and say which are broken and why.")
def command(kind: str | None, as_json: bool, check: bool) -> int:
    """What there is.

    KIND is models, losses, stabilizers, metrics, datasets, extractors, callbacks, commands; or pretrained:
    generators that come with ganzoo.
    """
    if kind == PRETRAINED:
        _pretrained(as_json)
        return 0
    if kind is not None and kind not in LISTED:
        raise UsageError(f"no kind {kind!r}: {nearest(kind, [*LISTED, PRETRAINED])}")
    everything = LISTED if check else REGISTRIES  # of commands there is --help
    registries = [LISTED[kind]] if kind else list(everything.values())
    entries = [entry for registry in registries for entry in registry.entries()]
    faults = {entry: _fault(entry) for entry in entries} if check else {}
    if as_json:
        rows = [entry.as_json() | ({"fault": faults[entry]} if check else {}) for entry in entries]
        say_json(rows)
    else:
        _print(entries, faults)
    return 1 if any(faults.values()) else 0


def _pretrained(as_json: bool) -> None:
    rows = [{"name": name, "kind": PRETRAINED, "summary": summary(name)} for name in names()]
    if as_json:
        say_json(rows)
        return
    table = Grid()
    for title in ("name", "what"):
        table.column(title, no_wrap=title == "name")
    for row in rows:
        table.row(row["name"], row["summary"])
    terminal().table(table)


def _fault(entry: Entry) -> str:
    try:
        next(of for of in LISTED.values() if of.kind == entry.kind).get(entry.name)
    except UsageError as error:
        return str(error)
    return ""


def _print(entries: list[Entry], faults: dict[Entry, str]) -> None:
    table = Grid()
    mixed = any(entry.distribution != DISTRIBUTION for entry in entries)  # else all lines would say the same
    for title in ("kind", "name", *(["from"] if mixed else []), "summary"):
        table.column(title, no_wrap=title != "summary")
    kind = ""
    for entry in entries:
        if kind and entry.kind != kind:
            table.add_section()
        fault = faults.get(entry, "")
        text = (fault, "red") if fault else entry.summary()
        origin = [f"{entry.distribution} {entry.version}"] if mixed else []
        table.row(entry.kind if entry.kind != kind else "", entry.name, *origin, text)
        kind = entry.kind
    terminal().table(table)
