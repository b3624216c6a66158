"""The log and the scores as one table, for whatever reads .csv files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.errors import WorkError
from ganzoo.system.console import plain
from ganzoo.system.files import write_whole
from ganzoo.training.trainer import Callback, Trainer

NAME = "log.csv"
HEAD = ["step", "kind", "name", "value"]


class CsvLog(Callback):
    """All numbers of the log and all scores in log.csv of the run's folder, one in each row.

    The columns are step, kind (log or score), name and value: tidy, as pandas and R want it.
    `pandas.read_csv(FILE).pivot_table("value", "step", "name")` has a column for each name.
    """

    def __init__(self) -> None:
        self._path = Path()

    def begin(self, trainer: Trainer) -> None:
        self._path = trainer.folder / NAME
        kept = [row for row in rows_of(self._path) if int(row[0]) <= trainer.step]
        write_whole(self._path, _text([HEAD, *kept]).encode())

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._add(trainer.step, "log", {key: value for key, value in row.items() if key != "step"})

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._add(trainer.step, "score", scores)

    def _add(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        rows = [[step, kind, plain(name), repr(value)] for name, value in values.items()]
        try:
            with self._path.open("ab") as file:
                file.write(_text(rows).encode())  # at once, as rows of one step belong together
        except OSError as error:
            raise WorkError(f"cannot write {self._path}: {error.strerror or error}") from error


def rows_of(path: Path) -> list[list[str]]:
    """The rows of such a file; none where it is not there, and no part of one that a crash cut off."""
    if not path.exists():
        return []
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from error
    whole = text[: text.rfind("\n") + 1]
    return [row for row in csv.reader(io.StringIO(whole)) if len(row) == len(HEAD) and row[0].isdecimal()]


def _text(rows: Iterable[Iterable[Any]]) -> str:
    csv.writer(text := io.StringIO(), lineterminator="\n").writerows(rows)
    return text.getvalue()
