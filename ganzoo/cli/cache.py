"""`ganzoo cache`"""

from __future__ import annotations

import math
import sys
import time
from datetime import datetime

import click

from ganzoo.errors import UsageError
from ganzoo.system.cache import KINDS, LIMIT, MADE_HERE, Entry, entries, limit, place, sweep
from ganzoo.system.console import Grid, in_bytes, say, say_json, stderr, tell, terminal
from ganzoo.system.files import cache_folder

DAY = 24 * 3600


@click.group("cache", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """What is kept on disk because it can be made or fetched again.

    Of folders of images and of statistics of real data, what was not used for longest goes by itself when
    together they are larger than $GANZOO_CACHE_GB, 20 by default. Weights and downloads stay until they are
    cleared.
    """
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise UsageError("--json shows what is in the cache: it goes without clear")
        return
    found, most = entries(), limit()
    if as_json:
        rows = [_row(entry) for entry in reversed(found)]
        total = sum(entry.bytes for entry in found)
        bound = None if math.isinf(most) else int(most)
        whole = {"folder": str(cache_folder()), "bytes": total, "limit_bytes": bound, "entries": rows}
        say_json(whole)
        return
    _print(found, most)


@command.command("clear")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="All of them by default."
)
@click.option(
    "--older-than",
    "days",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="DAYS",
    help="Those alone that were not used for so long.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def clear(kinds: tuple[str, ...], days: float, yes: bool) -> int:
    """Remove what is in the cache, but what a living process uses.

    \b
    ganzoo cache clear --kind folders --kind statistics
    ganzoo cache clear --older-than 30 --yes
    """
    if math.isnan(days):
        raise UsageError("--older-than nan: expected a number of days")
    before = time.time() - days * DAY
    found = [entry for entry in entries(*kinds) if not days or entry.used <= before]
    if found and not yes:
        _ask(found)
    left = [entry for entry in found if not entry.drop(certain=False)]
    for kind in kinds or KINDS:
        sweep(place(kind))
    gone = [entry for entry in found if entry not in left]
    say(f"removed: {_sum(gone)}")
    for entry in left:
        say(f"left:    {entry.path}: a process uses it, or it may not be removed")
    return 1 if left else 0


def _ask(found: list[Entry]) -> None:
    for kind in KINDS:
        some = [entry for entry in found if entry.kind == kind]
        if some:
            again = "" if kind in MADE_HERE else ", to be downloaded again"
            stderr.say(f"{kind:<11} {_sum(some)}{again}")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask whether all of that may go: --yes says so")
    click.confirm("Remove them?", abort=True, err=True)


def _sum(found: list[Entry]) -> str:
    total = in_bytes(sum(entry.bytes for entry in found))
    return f"{len(found)} entr{'y' if len(found) == 1 else 'ies'}, {total}"


def _row(entry: Entry) -> dict[str, object]:
    used = datetime.fromtimestamp(entry.used).astimezone().isoformat(timespec="seconds")
    row = {"kind": entry.kind, "bytes": entry.bytes, "used": used, "path": str(entry.path)}
    return row | {"of": of} if (of := entry.of()) else row


def _print(found: list[Entry], most: float) -> None:
    table = Grid()
    for title in ("kind", "size", "last used", "path"):
        table.column(title, right=title == "size", overflow="fold")
    for kind in KINDS:
        for entry in reversed(found):
            if entry.kind == kind:
                of = entry.of()
                path = str(entry.path.relative_to(cache_folder())) + f"  (of {of})" * bool(of)
                used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
                table.row(kind, in_bytes(entry.bytes), used, path)
    if found:
        terminal().table(table)
    made = [entry for entry in found if entry.kind in MADE_HERE]
    bound = "no limit" if math.isinf(most) else f"a limit of {in_bytes(most)}"
    tell(f"{_sum(found)} in {cache_folder()}")
    tell(f"{' and '.join(MADE_HERE)}: {_sum(made)}, with {bound} ({LIMIT})")
