"""Where the cells of a suite come from: a list of them, or a search, which makes them as it goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from ganzoo.bench.cells import Cell
from ganzoo.bench.rows import Trial
from ganzoo.bench.trials import Attempt, Study


class Source:
    """Cells in the order in which they are done."""

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self._waiting = list(cells)
        self._taken: set[str] = set()  # hashes of cells that have not ended

    @property
    def left(self) -> Sequence[Cell]:
        """What was not taken yet, for the time that it takes."""
        return self._waiting

    @property
    def unfinished(self) -> int:
        """How many cells are not done yet: those that are left, and those under way."""
        return len(self.left) + len(self._taken)

    def take(self, busy: Collection[str]) -> Cell | None:
        """The next cell, whose training is none of those that are `busy`; None where there is none now."""
        for at, cell in enumerate(self._waiting):
            if cell.trained not in busy:  # else the same run, measured in another way
                del self._waiting[at]
                self._taken.add(cell.hash)
                return cell
        return None

    def stop_for(self, cell: Cell, folder: Path) -> str:
        """Why a cell under way is not worth going on with, in one sentence; "" where it is."""
        return ""

    def trial_of(self, cell: Cell) -> Trial | None:
        """What its records say of the trial that it is part of, if any."""
        return None

    def ended(self, cell: Cell, row: dict[str, Any]) -> None:
        """It came to its end, and this is its line of results."""
        self._taken.discard(cell.hash)


class Searching(Source):
    """Cells of trials: one trial of every study after the other, each number of them in turn."""

    def __init__(self, studies: Sequence[Study]) -> None:
        super().__init__()
        self._studies = studies
        self._of: dict[str, tuple[Study, Attempt]] = {}  # by hash of the cell

    @property
    def left(self) -> Sequence[Cell]:
        cells = [study.like for study in self._studies for _ in range(study.left())]
        return cells[: len(cells) - len(self._taken)]

    def take(self, busy: Collection[str]) -> Cell | None:
        for study in self._studies:
            for attempt, cell in study.open_cells():
                if cell.trained not in busy:
                    return self._take(study, attempt, cell)
        for study in sorted(self._studies, key=lambda study: len(study.attempts)):
            begun = study.begin()
            if begun is not None:
                return self._take(study, begun, begun.cells[0])
        return None

    def _take(self, study: Study, attempt: Attempt, cell: Cell) -> Cell:
        self._of[cell.hash] = (study, attempt)
        self._taken.add(cell.hash)
        return cell

    def stop_for(self, cell: Cell, folder: Path) -> str:
        study, attempt = self._of[cell.hash]
        return study.stop_for(attempt, folder) if cell is attempt.cells[0] else ""

    def trial_of(self, cell: Cell) -> Trial | None:
        study, attempt = self._of[cell.hash]
        return study.about(attempt)

    def ended(self, cell: Cell, row: dict[str, Any]) -> None:
        super().ended(cell, row)
        _, attempt = self._of[cell.hash]
        attempt.rows[cell.config.seed] = row  # type: ignore[assignment]  # as_row reads it so
