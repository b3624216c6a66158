"""The results of a suite: JSON lines, the last one of a hash counting; and one writer at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ganzoo.bench.rows import Row, as_row
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.lines import cut_lines, read_lines
from ganzoo.system.locks import Lock, only_one


def latest(rows: Iterable[Row]) -> dict[str, Row]:
    """The last row of each hash: a cell that was tried again counts once."""
    return {row["hash"]: row for row in rows}


def read_results(path: Path) -> dict[str, Row]:
    """The results of a suite so far, by hash."""
    return latest(read_lines(path, as_row))


def repair(path: Path) -> None:
    """Remove a last line that a crash cut off; a line that is no result stays."""
    cut_lines(path, lambda row: True, as_row)


def alone_in(out: Path) -> Lock:
    """Keep a second `ganzoo bench` out of the folder, which is made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return only_one(out, "ganzoo bench", "wait for it, or name another folder with --out")
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"--out {out}: part of that path is a file") from error
    except OSError as error:
        raise WorkError(f"cannot write to {out}: {error.strerror or error}") from error
