"""The rows of a run's log as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.system.lines import read_lines
from ganzoo.training.rows import FAULT, measured, observed

Column = NDArray[np.float64]


class History(Mapping[str, Column]):
    """Columns by name, as many numbers in each as there are rows; nan where a row has none.

    `step` and `images` are the first; the rest as log.jsonl has them, and scores that were measured during
    training, at their steps.

    Attributes:
        scores: which of the columns are scores.
    """

    def __init__(self, rows: list[dict[str, Any]], scores: Iterable[str] = ()) -> None:
        self.scores = list(dict.fromkeys(scores))
        names = dict.fromkeys(name for row in rows for name in row if name not in FAULT)
        self._columns = {
            name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in names
        }
        self._rows = len(rows)

    @classmethod
    def of(cls, folder: Path) -> History:
        """That of a run."""
        rows: dict[int, dict[str, Any]] = {}
        for row in read_lines(folder / "log.jsonl", observed):
            rows[int(row["step"])] = dict(row)
        scored_rows = measured(folder)
        for scored in scored_rows:
            rows.setdefault(scored["step"], {"step": scored["step"]}).update(scored["scores"])
        names = [name for scored in scored_rows for name in scored["scores"]]
        return cls([rows[step] for step in sorted(rows)], names)

    @property
    def columns(self) -> list[str]:
        return list(self._columns)

    def as_frame(self) -> Any:
        """The same as a frame of pandas, where that is installed."""
        try:
            import pandas
        except ImportError:
            return self
        frame = pandas.DataFrame(self._columns)
        return frame.astype({name: "int64" for name in ("step",) if name in frame})

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"<History of {self._rows} rows: {', '.join(self._columns)}>"
