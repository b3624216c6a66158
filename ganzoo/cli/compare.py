"""`ganzoo compare`"""

from __future__ import annotations

from typing import Any

import click

from ganzoo.cli.words import RUN
from ganzoo.system.console import Grid, number, say, say_json, terminal

NONE = "-"


@click.command("compare")
@click.argument("a", type=RUN)
@click.argument("b", type=RUN)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(a: str, b: str, as_json: bool) -> None:
    """What differs between the runs A and B, in options and in scores.

    Each is a folder, or a name or a number under runs/.

    \b
    ganzoo compare 1 2
    """
    from ganzoo.running.folder import look
    from ganzoo.table.compare import compare

    document = compare(look(a), look(b))
    if as_json:
        say_json(document)
    else:
        _print(document)


def _print(document: dict[str, Any]) -> None:
    console = terminal()
    for name, run in zip("AB", document["runs"], strict=True):
        say((name, "bold"), f"  {run}")
    for what, kind in (
        ("settings", "no setting differs"),
        ("provenance", "no version, commit or machine differs"),
    ):
        if document[what]:
            console.print()
            console.table(_table((what, "A", "B"), [[k, *map(_text, v)] for k, v in document[what].items()]))
        else:
            console.print()
            console.say(kind)
    scores = document["scores"]
    if not scores:
        console.print()
        console.say("no scores yet: ganzoo eval RUN measures a run")
        return
    rows = [
        [score, *(NONE if v is None else number(v) for v in one["values"]), _difference(one)]
        for score, one in scores.items()
    ]
    titles = [f"{name}{_step(scores, i)}" for i, name in enumerate("AB")]
    console.print()
    console.table(_table(("score", *titles, "B - A"), rows))
    apart: dict[str, list[str]] = {}
    for score, one in scores.items():
        if one["protocol"]:
            pairs = ", ".join(f"{key}: {pair[0]} vs {pair[1]}" for key, pair in one["protocol"].items())
            apart.setdefault(pairs, []).append(score)
    for pairs, names in apart.items():
        console.print()
        console.say(f"not to be compared, as the protocols differ ({pairs}): {', '.join(names)}")


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> Grid:
    table = Grid()
    for title in titles:
        table.column(title, overflow="fold")
    for row in rows:
        table.row(*row)
    return table


def _difference(score: dict[str, Any]) -> str:
    value, higher = score["difference"], score["higher_is_better"]
    if value is None:
        return NONE
    better = (
        "" if value == 0.0 or higher is None else f", {'B' if (value > 0.0) == higher else 'A'} is better"
    )
    return f"{'+' if value > 0.0 else ''}{number(value)}{better}"


def _step(scores: dict[str, dict[str, Any]], i: int) -> str:
    """At which step, if one says it for all scores."""
    steps = {one["steps"][i] for one in scores.values()} - {None}
    return f" (step {steps.pop()})" if len(steps) == 1 else ""


def _text(value: str | None) -> str:
    return NONE if value is None else value
