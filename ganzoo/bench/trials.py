"""A search: its trials, each a cell for every seed, as the lines of results and the run folders know them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import mean
from typing import Any

from ganzoo.bench.cells import Cell, plan_one
from ganzoo.bench.proposals import Tried, falls_behind, propose, refuse_without_optuna
from ganzoo.bench.ranges import Search, Value, shown, with_values
from ganzoo.bench.rows import Row, Trial
from ganzoo.bench.suite import Asked
from ganzoo.errors import UsageError
from ganzoo.system.console import notice, number
from ganzoo.system.records import LONGEST, Damaged, decoded
from ganzoo.training.rows import MetricsRow, is_of_training

ASKED = "trial.json"  # in the run folders of trials
ATTEMPTS = 100  # to find settings that were not tried, or that can be planned


@dataclasses.dataclass
class Attempt:
    """One trial: settings, and what became of its seeds.

    Attributes:
        cells: for every seed; none while nobody had to plan them.
        rows: results by seed.
        behind: why it is not worth going on with, or "".
    """

    number: int
    asked: Mapping[str, Value]
    reported: dict[int, float] = dataclasses.field(default_factory=dict)
    cells: Sequence[Cell] = ()
    rows: dict[int, Row] = dataclasses.field(default_factory=dict)
    behind: str = ""


class Study:
    """The search over one combination of a suite.

    Raises:
        UsageError: a range does not fit, or Optuna is not installed.
    """

    def __init__(self, asked: Asked, threads: int) -> None:
        refuse_without_optuna()
        assert asked.search is not None  # by plan_studies
        self.asked, self.search, self.threads = asked, asked.search, threads
        corners = [self._plan(values)[0] for values in _corners(self.search)]
        self.like = corners[0]
        assert self.like.aim is not None
        self.score, self.higher = self.like.aim
        self.name = _name(corners, self.search)
        self.exhausted = False
        self.attempts: dict[int, Attempt] = {}
        self._hashes: set[str] = set()

    def recall(self, rows: Iterable[Row], runs: Path, retry: bool) -> None:
        """Take up what is known of earlier trials.

        Args:
            rows: all results of the suite so far.
            runs: the folder of its runs, where trials are found that were under way.
            retry: forget the trials that failed, which are then made again.
        """
        for row in rows:
            self._recall(row, retry)
        for path in sorted(runs.glob(f"*/{ASKED}")):
            with suppress(OSError, Damaged):
                self._known(decoded(path.read_bytes(), Trial))

    def _recall(self, row: Row, retry: bool) -> None:
        attempt = self._known(row["trial"]) if "trial" in row else None
        if attempt is not None:
            self._hashes.add(row["hash"])
            if not (retry and row["status"] == "failed"):
                attempt.rows[row["seed"]] = row
                steps = row.get("trial", {}).get("reported", {}) if row["seed"] == self.asked.seeds[0] else {}
                attempt.reported |= {int(step): value for step, value in steps.items() if step.isdecimal()}

    def _known(self, trial: Trial) -> Attempt | None:
        """The attempt that a record is of; None where it is of another search."""
        ranges, asked = self.search.ranges, trial["asked"]
        if trial["search"] != self.name or asked.keys() != ranges.keys():
            return None
        if not all(ranges[name].holds(value) for name, value in asked.items()):
            return None
        ordered = {name: asked[name] for name in ranges}
        return self.attempts.setdefault(trial["number"], Attempt(trial["number"], ordered))

    def _plan(self, values: Mapping[str, Value]) -> list[Cell]:
        label = shown(values) if self.asked.label == "default" else f"{self.asked.label}, {shown(values)}"
        training = with_values(self.asked.training, values)
        return plan_one(dataclasses.replace(self.asked, training=training, label=label), self.threads)

    # What is known

    def tried(self, attempt: Attempt) -> Tried:
        rows = [attempt.rows[seed] for seed in self.asked.seeds if seed in attempt.rows]
        values = [row["scores"].get(self.score) for row in rows if row["status"] == "done"]
        finite = [value for value in values if value is not None]
        bad = len(finite) < len(rows)
        whole = len(finite) == len(self.asked.seeds)
        return Tried(
            attempt.asked, dict(attempt.reported), mean(finite) if whole else None, ended=bad or whole
        )

    def others(self, attempt: Attempt | None) -> list[Tried]:
        """All trials but one, by their numbers."""
        return [self.tried(one) for _, one in sorted(self.attempts.items()) if one is not attempt]

    def rows(self) -> list[Row]:
        """Its results, trial by trial."""
        return [row for _, one in sorted(self.attempts.items()) for row in one.rows.values()]

    @property
    def cells(self) -> int:
        """How many there are if no trial is stopped."""
        return self.search.trials * len(self.asked.seeds)

    @property
    def ended(self) -> int:
        """How many trials there is nothing to do for any more."""
        return sum(self.tried(one).ended for one in self.attempts.values())

    def best(self) -> tuple[Attempt, float] | None:
        """The best trial, with its score: the mean over its seeds."""
        found = [(one, self.tried(one).value) for _, one in sorted(self.attempts.items())]
        done = [(one, value) for one, value in found if value is not None]
        if not done:
            return None
        return (max if self.higher else min)(done, key=lambda pair: pair[1])

    def left(self) -> int:
        """How many cells there may still be."""
        seeds = self.asked.seeds
        new = 0 if self.exhausted else max(self.search.trials - len(self.attempts), 0)
        under_way = [one for one in self.attempts.values() if not self.tried(one).ended]
        return new * len(seeds) + sum(len(seeds) - len(one.rows) for one in under_way)

    # What is done next

    def open_cells(self) -> Iterator[tuple[Attempt, Cell]]:
        """Those that may run now: of each trial under way the first seed, and the others when it is done."""
        for _, attempt in sorted(self.attempts.items()):
            if self.tried(attempt).ended:
                continue
            if not attempt.cells:
                attempt.cells = self._plan(attempt.asked)
                self._hashes.add(attempt.cells[0].hash)
            first = attempt.cells[0]
            cells = attempt.cells if first.config.seed in attempt.rows else [first]
            yield from ((attempt, cell) for cell in cells if cell.config.seed not in attempt.rows)

    def begin(self) -> Attempt | None:
        """A new trial, of settings that no other has; None where there are no more."""
        number = next(n for n in range(1, len(self.attempts) + 2) if n not in self.attempts)
        if self.exhausted or len(self.attempts) >= self.search.trials:
            return None
        for again in range(ATTEMPTS):
            asked = propose(self.search, self.higher, self.others(None), number, again)
            try:
                cells = self._plan(asked)
            except UsageError as error:
                notice(f"{shown(asked)} is left out: {error}")
                continue
            if cells[0].hash not in self._hashes:
                self._hashes.add(cells[0].hash)
                self.attempts[number] = Attempt(number, asked, cells=cells)
                return self.attempts[number]
        self.exhausted = True
        return None

    def stop_for(self, attempt: Attempt, folder: Path) -> str:
        """One sentence where the trial has fallen behind by what its run says, else ""."""
        steps = attempt.cells[0].config.recipe.steps
        warmup = steps // 4 if self.search.warmup is None else self.search.warmup
        for step, value in _scores(folder, self.score):
            if attempt.behind or step in attempt.reported or step >= steps:
                continue
            attempt.reported[step] = value
            if step >= warmup and falls_behind(
                self.search, self.higher, self.others(attempt), self.tried(attempt)
            ):
                best = (max if self.higher else min)(attempt.reported.values())
                attempt.behind = (
                    f"at step {step:,} of {steps:,} its best {self.score} was {number(best)}, worse than the "
                    f"median of the trials before it at that step"
                )
        return attempt.behind

    def about(self, attempt: Attempt) -> Trial:
        """What a record says of it."""
        reported = {str(step): value for step, value in attempt.reported.items()}
        asked: dict[str, Value] = dict(attempt.asked)
        return {"search": self.name, "number": attempt.number, "asked": asked, "reported": reported}


def plan_studies(asked: Sequence[Asked], threads: int) -> list[Study]:
    """A search for each combination of a suite that has one. Raises UsageError: two of them are the same."""
    studies: dict[str, Study] = {}
    for one in asked:
        if one.search is not None:
            study = Study(one, threads)
            other = studies.setdefault(study.name, study)
            if other is not study:
                raise UsageError(f"{one.where} searches the same as {other.asked.where}: remove one of them")
    return list(studies.values())


def _corners(search: Search) -> Iterator[dict[str, Value]]:
    """Settings in which each end and each choice of every range comes up once, to be refused early."""
    ends = {name: one.ends() for name, one in search.ranges.items()}
    for i in range(max(map(len, ends.values()))):
        yield {name: values[i % len(values)] for name, values in ends.items()}


def _name(corners: Sequence[Cell], search: Search) -> str:
    """Of a search and what it is over: with another budget, or other seeds, it is the same one."""
    ranges = {name: dataclasses.astuple(one) for name, one in search.ranges.items()}
    said: Any = [[cell.group for cell in corners], ranges, search.seed]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _scores(folder: Path, score: str) -> list[tuple[int, float]]:
    """(step, score) of each measurement during a training, as far as its lines are whole."""
    try:
        with (folder / "metrics.jsonl").open("rb") as file:
            lines = file.read(LONGEST).split(b"\n")[:-1]
    except OSError:
        return []
    found: dict[int, float] = {}
    for line in lines:
        with suppress(Damaged):
            row = decoded(line, MetricsRow)
            same = [value for key, value in row["scores"].items() if _plain(key) == _plain(score)]
            if is_of_training(row) and same:
                found[row["step"]] = same[0]
    return sorted(found.items())


def _plain(score: str) -> str:
    """Without its extractor, which may be another one during a training."""
    return score.partition("@")[0]
