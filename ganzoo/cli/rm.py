"""`ganzoo rm`"""

from __future__ import annotations

import sys

import click

from ganzoo.cli.words import RUNS_TO_REMOVE
from ganzoo.errors import UsageError


@click.command("rm")
@click.argument("runs", nargs=-1, required=True, type=RUNS_TO_REMOVE, metavar="RUN...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(runs: tuple[str, ...], yes: bool) -> int:
    """Remove each RUN (a folder, a name or a number under runs/) with its checkpoints, samples and scores.

    It asks first. A run that a process trains stays, and so does whatever a link leads to.

    \b
    ganzoo rm 3 7
    """
    from ganzoo.running.folder import find
    from ganzoo.running.listing import size_of
    from ganzoo.running.removal import remove, to_remove
    from ganzoo.system.console import in_bytes, say, stderr

    with to_remove([find(name) for name in runs]) as paths:
        sizes = {path: 0 if path.is_symlink() else size_of(path) for path in paths}
        total = in_bytes(sum(sizes.values()))
        if not yes:
            for path, size in sizes.items():
                what = "a link, which goes alone" if path.is_symlink() else in_bytes(size)
                stderr.say(f"{path}  {what}")
            if not sys.stdin.isatty():
                raise UsageError("there is no terminal to ask whether that may go: --yes says so")
            many = f"these {len(paths)} runs" if len(paths) > 1 else "this run"
            if not click.confirm(f"Remove {many}, {total}?", err=True):
                stderr.say("nothing was removed")
                return 1
        for path in paths:
            remove(path)
            say(f"removed: {path}, {in_bytes(sizes[path])}")
    return 0
