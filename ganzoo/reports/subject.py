"""What a report says of a run, read from its folder without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganzoo.data.open import GIVEN
from ganzoo.diagnosis.finding import Finding
from ganzoo.diagnosis.judge import diagnose, unjudged
from ganzoo.diagnosis.log import Log
from ganzoo.errors import UsageError
from ganzoo.plan.config import Config
from ganzoo.registry.spec import Ref
from ganzoo.running.folder import find
from ganzoo.running.history import History
from ganzoo.running.listing import RunRow, list_runs
from ganzoo.running.record import Shown
from ganzoo.system.console import typed
from ganzoo.system.lines import read_lines
from ganzoo.training.rows import MetricsRow, metrics_row, observed


@dataclass(frozen=True)
class Subject:
    """One run.

    Attributes:
        name: of its folder, or its path where two have that name.
        row: how far it is, as `ganzoo runs` has it.
        log, scored: the rows of log.jsonl and of metrics.jsonl.
        held: the run as somebody has it, who may have given it its data.
    """

    path: Path
    name: str
    config: Config
    row: RunRow
    log: list[dict[str, Any]]
    scored: list[MetricsRow]
    held: Shown | None = None

    @cached_property
    def history(self) -> History:
        return History.of(self.path)

    @property
    def data(self) -> str:
        """What it learnt from, in a word."""
        ref = Ref.parse(self.config.dataset)
        return f"data from Python ({ref.path})" if ref.name == GIVEN else self.config.dataset

    @property
    def step(self) -> int:
        """The last that anything is known of."""
        return max([self.row.step, *(int(row["step"]) for row in self.log[-1:])])

    @cached_property
    def findings(self) -> list[Finding]:
        return diagnose(self.log, self.config)

    @property
    def unjudged(self) -> list[str]:
        return unjudged(self.log, self.config) if self.log else []

    @cached_property
    def unit(self) -> str:
        """Of what D says: "probability" or "logit"; "" where its loss belongs to a plugin that is gone."""
        facts = Log((), self.config).loss
        return "" if facts is None else "probability" if facts.probabilistic else "logit"

    @cached_property
    def loss_of_nothing(self) -> float | None:
        """D's loss where it answers 0 to everything; None where that says nothing."""
        facts = Log((), self.config).loss
        return facts.of_nothing if facts is not None and facts.of_nothing > 0.0 else None

    @property
    def commands(self) -> dict[str, str]:
        """What does it again: as it was typed, and by its settings."""
        words = self.config.provenance.get("command")
        told = isinstance(words, list | tuple) and list(words[:2]) == ["ganzoo", "run"]
        found = {"as it was typed": typed(*map(str, words))} if told and words is not None else {}
        if Ref.parse(self.config.dataset).name != GIVEN:  # which no name opens
            found["from its record, all settings the same"] = typed("ganzoo", "run", "--from", self.path)
        return found


def subjects(runs: Sequence[str | Path | Shown | None]) -> list[Subject]:
    """The runs by folder, name or number; the one that was trained last for None. Each once.

    Raises:
        UsageError: there is no such run, or its settings or records cannot be read.
    """
    found: dict[Path, tuple[Path, Shown | None]] = {}
    for run in runs:
        held = run if isinstance(run, Shown) else None
        path = held.path if held is not None else find(None if run is None else str(run))
        found.setdefault(path.resolve(), (path, held))
    names = [path.name for path in found]
    return [
        _subject(path, name if names.count(name) == 1 else str(path), held)
        for (path, held), name in zip(found.values(), names, strict=True)
    ]


def _subject(path: Path, name: str, held: Shown | None) -> Subject:
    (row,) = list_runs(path)
    if row.damage:
        raise UsageError(row.damage)
    log = read_lines(path / "log.jsonl", observed)
    scored = read_lines(path / "metrics.jsonl", metrics_row)
    return Subject(path, name, Config.read(path / "config.json"), row, log, scored, held)
