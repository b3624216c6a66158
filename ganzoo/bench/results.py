"""The results of a suite: JSON lines, the last one of a hash counting; and one writer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.bench.rows import Row, Says, as_row
from ganzoo.errors import UsageError, WorkError
from ganzoo.registry import METRICS
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


def columns(document: Mapping[str, Any]) -> dict[str, Says]:
    """Each score's metric and direction, so that a table of them needs no metric to be installed."""
    known: dict[str, Says] = {}
    for name in document["protocol"]["metrics"]:
        for score, higher in METRICS.get(name).higher_is_better.items():
            known[score] = {"metric": name, "higher_is_better": higher}
    # A spread, such as fid_std, is within one run and has no direction.
    plain = {key: key.partition("@")[0] for key in document["scores"]}
    return {key: known[score] for key, score in plain.items() if score in known}


def alone_in(out: Path) -> Lock:
    """Keep a second `ganzoo bench` out of the folder, which is made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return only_one(out, "ganzoo bench", "wait for it, or name another folder with --out")
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"--out {out}: part of that path is a file") from error
    except OSError as error:
        raise WorkError(f"cannot write to {out}: {error.strerror or error}") from error
