"""`ganzoo report`"""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.words import PATH, RUN


@click.command("report")
@click.argument("runs", nargs=-1, type=RUN, metavar="[RUN]...")
@click.option(
    "--out", type=PATH, metavar="FILE.html", help="The file; report.html in the run's folder if left out."
)
@click.option(
    "--no-nearest", is_flag=True, help="Without the nearest training images, for which data are opened."
)
def command(runs: tuple[str, ...], out: Path | None, no_nearest: bool) -> None:
    """Write an HTML file about RUN, or about several side by side, to open, keep and send.

    It shows the samples growing up, curves, scores beside those of real data, what is wrong with the
    training, and all settings. It needs no network and no server. RUN is a folder, or a name or a number
    under runs/; left out, it is the run that was trained last. Of several runs it is report.html in this
    folder, unless --out says another.

    \b
    ganzoo report
    ganzoo report 1 2 --out both.html
    """
    from ganzoo.reports.write import report
    from ganzoo.system.console import say

    say(str(report(*runs, out=out, nearest=not no_nearest)))
