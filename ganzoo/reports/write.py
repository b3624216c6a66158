"""From run folders to one HTML file."""

from __future__ import annotations

from pathlib import Path

from ganzoo.errors import UsageError
from ganzoo.reports.page import MARK, render
from ganzoo.reports.subject import subjects
from ganzoo.reports.views import view
from ganzoo.running.record import Shown
from ganzoo.system.files import is_folder, open_regular, write_whole
from ganzoo.system.paths import typed_path

NAME = "report.html"
MOST = 16  # runs


def report(*runs: str | Path | Shown, out: str | Path | None = None, nearest: bool = True) -> Path:
    """Write one HTML file about a run, or about several side by side: it needs no network and no server.

    Args:
        runs: folders, names or numbers under runs/, or runs; the one that was trained last where left out.
        out: the file; left out, report.html in the run's folder, or of several runs in this one.
        nearest: look for the nearest training images, for which the data are opened.

    Returns:
        The file.

    Raises:
        UsageError: there is no such run, or it is damaged; or `out` is something else that is kept.
        WorkError: the file cannot be written.
    """
    if out is not None:
        refuse_other(typed_path(out))
    found = subjects(runs or [None])
    if len(found) > MOST:
        raise UsageError(f"{len(found)} runs are too many for one page: name {MOST} at most")
    path = (found[0].path if len(found) == 1 else Path()) / NAME if out is None else typed_path(out)
    refuse_other(path)
    write_whole(path, render(view(found, nearest)))
    return path


def refuse_other(path: Path) -> None:
    """Raise a UsageError where a report may not be written: over anything but a report."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {path}: expected a name that ends in .html")
    if is_folder(path):
        raise UsageError(f"--out {path} is a folder: name a file, such as {path / NAME}")
    if path.exists() or path.is_symlink():
        with open_regular(path, "a report, or a new name") as file:
            begun = file.read(2 * len(MARK) + 512)
        if MARK not in begun:
            raise UsageError(f"{path} is there, and is no report of ganzoo's: name another file with --out")
