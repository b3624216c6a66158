"""The runs in a folder as rows: what each is, how far it is, how good. Read from its JSON, without torch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ganzoo.diagnosis.judge import look
from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.columns import columns
from ganzoo.plan.config import Config
from ganzoo.running.folder import RUNS, all_runs, last_trained, number_of
from ganzoo.system.console import quiet
from ganzoo.system.files import is_file
from ganzoo.system.lines import read_lines
from ganzoo.system.locks import holder
from ganzoo.training.rows import MetricsRow, is_of_training, metrics_row, observed
from ganzoo.training.stored import pickled, step_of, steps_done

STATUSES = ("running", "finished", "ended early", "stopped", "failed", "not started", "damaged")


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
        number: that its name begins with, or None.
        status: one of STATUSES. It is "running" while a process trains it, "stopped" where the rest is left
            to do, "ended early" where a score said so, "failed" where its numbers are not finite any more.
        step, steps: done, and planned. A stopped run goes on from `step`.
        trained: when training last wrote to it, in seconds since 1970.
        bytes: on disk.
        score, best: the best value of its first score during training; where there was none, of the last
            evaluation; and at which step (`best_step`).
        seen: what is wrong with the training by its log, in a few words each; `ganzoo diagnose` says more.
        damage: why it cannot be read, or "".
    """

    path: str
    name: str
    number: int | None
    status: str
    trained: float
    bytes: int
    model: str = ""
    dataset: str = ""
    seed: int | None = None
    step: int = 0
    steps: int = 0
    score: str = ""
    best: float | None = None
    best_step: int | None = None
    seen: tuple[str, ...] = ()
    damage: str = ""

    def as_json(self) -> dict[str, Any]:
        trained = datetime.fromtimestamp(self.trained).astimezone().isoformat(timespec="seconds")
        return {**asdict(self), "seen": list(self.seen), "trained": trained}


def list_runs(folder: str | Path = RUNS) -> list[RunRow]:
    """A row for each run in a folder, the one that was trained last at the end; or for one run folder.

    Raises:
        UsageError: there is no such folder (but none yet under runs/ is no fault).
    """
    folder = Path(folder)
    if folder != RUNS and not folder.is_dir():
        raise UsageError(f"{folder} is no folder: expected one with run folders in it")
    paths = [folder] if is_file(folder / "config.json") else all_runs(folder)
    with quiet():  # what damaged lines there are `ganzoo diagnose` tells
        return [_row(path) for path in paths]


def size_of(path: Path) -> int:
    """Bytes of all files in a folder; what a link leads to is not in it."""
    total = 0
    for place, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  # quicker
    return total


def _row(path: Path) -> RunRow:
    name = path.name or path.resolve().name
    row = RunRow(
        *(str(path), name, number_of(Path(name)), "damaged"), last_trained(path) / 1e9, size_of(path)
    )
    try:
        config = Config.read(path / "config.json")
        row = replace(
            row,
            model=config.model,
            dataset=config.dataset,
            seed=config.seed,
            step=steps_done(path) or max(map(step_of, pickled(path)), default=0),
            steps=config.recipe.steps,
        )
        _refuse_irregular(path)
        log = read_lines(path / "log.jsonl", observed)
        scores = read_lines(path / "metrics.jsonl", metrics_row)
        found = look(log, config)
    except (UsageError, WorkError, OSError) as error:
        return replace(row, damage=str(error))
    row = replace(row, seen=tuple(one.short for one in found), **_best(scores, config))
    if holder(path) is not None:
        return replace(row, status="running", step=max([row.step, *(one["step"] for one in log[-1:])]))
    return replace(row, status=_status(row, log, scores))


def _refuse_irregular(path: Path) -> None:
    """A pipe would be waited for."""
    for name in ("log.jsonl", "metrics.jsonl"):
        if (path / name).exists() and not is_file(path / name):
            raise UsageError(f"{path / name} is no file: bring back a whole copy of it")


def _status(row: RunRow, log: list[dict[str, Any]], scores: list[MetricsRow]) -> str:
    if log and "fault" in log[-1]:
        return "failed"
    if row.step >= row.steps:
        return "finished"
    if any(one.get("ended") and one["step"] == row.step for one in scores):
        return "ended early"
    return "stopped" if row.step or log else "not started"


def _best(rows: list[MetricsRow], config: Config) -> dict[str, Any]:
    """The best value of the first score that has a direction; nothing where its metric is gone."""
    during = [row for row in rows if is_of_training(row)]
    first = config.eval_metrics[0] if during and config.eval_metrics else ""
    for rated in (during, rows[-1:]):
        with contextlib.suppress(UsageError, KeyError):
            found = _directed(rated[-1], first) if rated else {}
            for score, higher in found.items():
                values = [(row["scores"][score], row["step"]) for row in rated if score in row["scores"]]
                best, step = (max if higher else min)(values, key=lambda pair: pair[0])
                return {"score": score, "best": best, "best_step": step}
        first = ""
    return {}


def _directed(row: Mapping[str, Any], metric: str) -> dict[str, bool]:
    """The scores of a row that may be better or worse, of one metric or of all: whether higher is better."""
    return {
        score: says["higher_is_better"]
        for score, says in columns(row).items()
        if says["higher_is_better"] is not None and metric in ("", says["metric"])
    }
