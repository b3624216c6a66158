"""What a person sees of a suite under way: bars and the time left in a terminal, else a line per cell."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID
from rich.table import Column

from ganzoo.bench.cells import Cell
from ganzoo.system.bars import Words
from ganzoo.system.console import number, plain, stderr
from ganzoo.system.processes import Process
from ganzoo.system.records import Damaged, decoded
from ganzoo.training.rows import Stepped

SHOWN = 3  # scores in a line


@dataclasses.dataclass
class Job:
    """A cell under way in a process of its own."""

    cell: Cell
    folder: Path
    process: Process
    steps_before: int
    began: float = dataclasses.field(default_factory=time.time)
    stopped_at: float | None = None  # when it was asked to end, as it is not worth going on with

    @property
    def seconds(self) -> float:
        return time.time() - self.began

    def end(self) -> None:
        """Wait for the process, and close what it was held by."""
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    @property
    def steps_done(self) -> int:
        """How far it is, by the end of the run's own log."""
        log = self.folder / "log.jsonl"
        if not log.exists() or log.stat().st_mtime < self.began:
            return self.steps_before
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().split(b"\n")[:-1]  # whole ones alone
        for line in reversed(lines):
            with suppress(Damaged):
                return decoded(line, Stepped)["step"]
        return self.steps_before


class Show(AbstractContextManager["Show"]):
    """Tells of cells that begin and end; `jobs` at a time, `done` of `total` before the first."""

    def __init__(self, total: int, done: int, jobs: int) -> None:
        self.total, self.done, self.jobs = total, done, jobs
        self._pace: dict[str, float] = {}  # seconds per step, by group of cells
        self._bars = Progress(
            Words("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            Words("{task.fields[left]}", table_column=Column(min_width=18, no_wrap=True)),
            console=stderr,
            refresh_per_second=4,
            expand=True,
            transient=True,
            disable=not stderr.is_terminal,
        )
        self._all = self._bars.add_task("cells", total=total, completed=done, left="")
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Show:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        stderr.say(text)

    def began(self, job: Job) -> None:
        steps, before = job.cell.config.recipe.steps, job.steps_before
        if stderr.is_terminal:
            task = self._bars.add_task(plain(job.cell.title), total=steps, completed=before, left="")
            self._tasks[job.cell.hash] = task
        else:
            how = "trained already" if before == steps else f"from step {before}"
            self.say(f"began {job.cell.title}" + f", {how}" * bool(before))

    def ended(self, cell: Cell, row: dict[str, Any], job: Job | None, left: Iterable[Cell]) -> None:
        self.done += 1
        if cell.hash in self._tasks:
            self._bars.remove_task(self._tasks.pop(cell.hash))
        seconds = 0.0 if job is None else job.seconds
        if job is not None and row["status"] == "done":
            self._learn(job, cell.config.recipe.steps)
        scores = [(key, value) for key, value in row.get("scores", {}).items() if "_std" not in key]
        how = row.get("error") or ", ".join(f"{key} {number(value)}" for key, value in scores[:SHOWN])
        self.say(
            f"[{self.done}/{self.total}] {cell.title}: {row['status']} in {duration(seconds)}: {how}"
            f"{self._left([], list(left))}"
        )

    def update(self, running: Collection[Job], waiting: Collection[Cell]) -> None:
        if not stderr.is_terminal:
            return
        for job in running:
            done = job.steps_done
            self._learn(job, done)
            measuring = "measuring" if done == job.cell.config.recipe.steps else ""
            task = self._tasks[job.cell.hash]
            self._bars.update(task, completed=done, left=measuring)
        left = self._left(running, waiting).removeprefix("; ")
        self._bars.update(self._all, completed=self.done, left=left)

    def _learn(self, job: Job, steps: int) -> None:
        if steps > job.steps_before:
            self._pace[job.cell.group] = job.seconds / (steps - job.steps_before)

    def _left(self, running: Collection[Job], waiting: Collection[Cell]) -> str:
        """The time left, from the pace of the same kind of cell, or of all where none was seen yet."""
        if not self._pace or not (running or waiting):
            return ""
        usual = sum(self._pace.values()) / len(self._pace)
        seconds = 0.0
        for cell in waiting:
            seconds += cell.config.recipe.steps * self._pace.get(cell.group, usual)
        for job in running:
            steps = job.cell.config.recipe.steps - job.steps_done
            seconds += steps * self._pace.get(job.cell.group, usual)
        if seconds == 0.0:  # measuring
            return ""
        return f"; about {duration(seconds / min(self.jobs, len(running) + len(waiting)))} left"


def duration(seconds: float) -> str:
    """In one or two units."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
