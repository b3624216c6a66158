"""`ganzoo runs`"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.words import PATH

if TYPE_CHECKING:
    from ganzoo.running.listing import RunRow
    from ganzoo.system.console import Part

STYLES = {"failed": "red", "damaged": "red", "running": "green"}
AGES = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@click.command("runs")
@click.argument("folder", required=False, type=PATH, metavar="[FOLDER]")
@click.option("--json", "as_json", is_flag=True, help="One JSON array on stdout.")
def command(folder: Path | None, as_json: bool) -> None:
    """The runs under runs/, or in FOLDER: how far each is, how good, how large, and what is wrong with it.

    The last line is the run that was trained last: it is meant wherever a command takes a RUN and none is
    named.

    \b
    ganzoo runs
    ganzoo runs results/quick --json
    """
    from ganzoo.running.folder import RUNS
    from ganzoo.running.listing import list_runs
    from ganzoo.system.console import say, say_json

    rows = list_runs(folder or RUNS)
    if as_json:
        say_json([row.as_json() for row in rows])
    elif rows:
        _print(rows)
    else:
        say(f"there is no run in {folder or RUNS} yet: start one with ganzoo run MODEL --dataset NAME")


def _print(rows: list[RunRow]) -> None:
    from ganzoo.system.console import Grid, in_bytes, number, tell, terminal

    table = Grid()
    more = [what for what in ("model", "dataset") if any(not _is_in_name(row, what) for row in rows)]
    for title in ("run", *more, "status", "age", "size", "best", "seen"):
        folds = title in ("run", "seen", *more)
        table.column(title, right=title == "size", no_wrap=not folds, overflow="fold")
    now = time.time()
    for row in rows:
        best = "" if row.best is None else f"{row.score.partition('@')[0]} {number(row.best)}"
        status: Part = (_status(row), STYLES.get(row.status, ""))
        own = [str(getattr(row, what)) for what in more]
        table.row(
            row.name, *own, status, age(now - row.trained), in_bytes(row.bytes), best, ", ".join(row.seen)
        )
    terminal().table(table)
    for row in rows:
        if row.damage:
            tell((f"damaged: {row.damage}", "red"))


def _is_in_name(row: RunRow, what: str) -> bool:
    """Whether the name of a run says its model or its data, as those do that ganzoo gives."""
    return not row.model or f"-{Path(getattr(row, what)).name}-" in row.name


def _status(row: RunRow) -> str:
    if row.status in ("running", "stopped", "ended early", "failed"):
        return f"{row.status} {row.step}/{row.steps}"
    return row.status


def age(seconds: float) -> str:
    """5 min, 3 h, 12 d."""
    unit, long = next(((unit, long) for unit, long in AGES if seconds >= long), AGES[-1])
    return f"{max(0, int(seconds // long))} {unit}"
