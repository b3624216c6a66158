"""The cells of a suite, so many at a time, each in a process of its own; stopped at any time, it goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ganzoo.bench.cells import Cell, folders
from ganzoo.bench.copied import Copied
from ganzoo.bench.progress import Job, Show
from ganzoo.bench.rows import Broken, Result, as_result
from ganzoo.bench.source import Source
from ganzoo.bench.starting import Launcher, Starter
from ganzoo.bench.trials import ASKED
from ganzoo.bench.work import RESULT
from ganzoo.errors import UsageError, WorkError
from ganzoo.running.run import load
from ganzoo.system.console import notice
from ganzoo.system.files import write_json
from ganzoo.system.lines import append_line
from ganzoo.system.processes import ask_to_end, named
from ganzoo.system.records import Damaged, parsed
from ganzoo.training.callbacks import stops_cleanly
from ganzoo.training.checkpoint import steps_done

LOG = "bench.log"  # what the process of a cell said
PATIENCE = 60.0  # seconds for a cell to end its step and save, before it is killed
TICK = 0.1


class Runner:
    """Does cells of a suite.

    Args:
        suite: its name.
        out: the folder of its results, SUITE.jsonl, and of its runs, SUITE/.
        jobs: how many cells at a time.
        launcher: where they are worked on; on this machine where it is None.
        copied: where all of it is copied to, if anywhere.
    """

    def __init__(
        self,
        suite: str,
        out: Path,
        jobs: int,
        show: Show,
        launcher: Launcher | None = None,
        copied: Copied | None = None,
    ) -> None:
        self.suite, self.jobs, self.show = suite, jobs, show
        self.results, self.runs = out / f"{suite}.jsonl", out / suite
        self._starter: Launcher = launcher or Starter()
        self._copied = copied
        self._there: dict[str, Path] = {}  # run folders, by the hash of their training

    def run(self, source: Source) -> bool:
        """Whether all came to an end, good or bad; False where Ctrl-C or SIGTERM stopped it."""
        running = list[Job]()
        self._there = folders(self.runs)
        with stops_cleanly() as stop, self.show:
            try:
                while not stop.is_set():
                    self._fill(source, running)
                    if not running:
                        break
                    self.show.update(running, source.left)
                    stop.wait(TICK)
                    self._end_stragglers(source, running)
                    self._collect(source, running)
                if running:
                    self._stop(source, running)
            finally:
                for job in running:  # those that did not stop in time, or nobody waited for
                    job.process.kill()
                    job.end()
                self._starter.close()
        return not source.left and not running

    def _fill(self, source: Source, running: list[Job]) -> None:
        with self._starter.at_once():
            self._begin(source, running)

    def _begin(self, source: Source, running: list[Job]) -> None:
        busy = {job.cell.trained for job in running}
        while len(running) < self.jobs:
            cell = source.take(busy)
            if cell is None:
                return
            folder = cell.folder(self.runs, self._there)
            try:
                result = self._outcome(source, cell, folder)
                if result is None:
                    running.append(self._start(source, cell, folder))
                    self._there[cell.trained[:12]] = folder
                    busy.add(cell.trained)
                    continue
            except (UsageError, WorkError) as error:
                result = Broken(status="failed", error=str(error))
            self._record(source, cell, folder, result, None)

    def _start(self, source: Source, cell: Cell, folder: Path) -> Job:
        if self._copied:
            self._copied.fetch_run(folder)
        if not (folder / "config.json").exists():
            write_json(folder / "config.json", cell.config.as_json())
        trial = source.trial_of(cell)
        if trial is not None:
            write_json(folder / ASKED, trial)
        (folder / RESULT).unlink(missing_ok=True)
        task = {"hash": cell.hash, "evaluation": dict(cell.evaluation), "alone": self.jobs == 1}
        if self._copied:
            task["copies"] = self._copied.runs
        config = load(folder).config
        process = self._starter.start(folder, task, folder / LOG, config.threads, config.device)
        before = steps_done(folder)
        job = Job(cell, folder, process, before)
        self.show.began(job)
        return job

    def _end_stragglers(self, source: Source, running: list[Job]) -> None:
        """Ask the cells that are not worth going on with to end."""
        for job in running:
            if job.stopped_at is None and source.stop_for(job.cell, job.folder):
                ask_to_end(job.process)
                job.stopped_at = time.monotonic()
            elif job.stopped_at is not None and time.monotonic() > job.stopped_at + PATIENCE:
                job.process.kill()

    def _collect(self, source: Source, running: list[Job]) -> None:
        """Record the cells that have ended."""
        for job in [job for job in running if job.process.poll() is not None]:
            running.remove(job)
            job.end()
            result = self._outcome(source, job.cell, job.folder) or Broken(status="failed", error=_why(job))
            self._record(source, job.cell, job.folder, result, job)

    def _stop(self, source: Source, running: list[Job]) -> None:
        """Ask the cells under way to save a checkpoint and end."""
        self.show.say(f"stopping: {len(running)} under way save a checkpoint (Ctrl-C again: at once)")
        for job in running:
            ask_to_end(job.process)
        until = time.monotonic() + PATIENCE
        while any(job.process.poll() is None for job in running) and time.monotonic() < until:
            time.sleep(TICK)
        for job in list(running):
            result = self._outcome(source, job.cell, job.folder)
            if result is not None:  # it was just done
                running.remove(job)
                job.process.kill()  # where it hangs
                job.end()
                self._record(source, job.cell, job.folder, result, job)

    def _outcome(self, source: Source, cell: Cell, folder: Path) -> Result | None:
        """What it came to, by what lies in its folder; None where it is not done."""
        why = source.stop_for(cell, folder)
        return Broken(status="stopped", error=why) if why else _left_behind(cell, folder)

    def _record(self, source: Source, cell: Cell, folder: Path, result: Result, job: Job | None) -> None:
        trial = source.trial_of(cell)
        row: dict[str, Any] = {
            "hash": cell.hash,
            "group": cell.group,
            "suite": self.suite,
            "model": cell.config.model,
            "dataset": cell.config.dataset,
            "options": cell.label,
            "seed": cell.config.seed,
            "steps": cell.config.recipe.steps,
            **result,
            "jobs": self.jobs,
            "run": folder.relative_to(self.runs.parent).as_posix(),
            "commands": dict(cell.commands),
            **({"trial": trial} if trial else {}),
        }
        append_line(self.results, row)
        (folder / RESULT).unlink(missing_ok=True)
        if self._copied:
            self._copied.ended(folder)
        source.ended(cell, row)
        self.show.ended(cell, row, job, source.left)


def _left_behind(cell: Cell, folder: Path) -> Result | None:
    """The result of a cell that its process wrote and nobody has recorded yet."""
    path = folder / RESULT
    try:
        which, result = as_result(parsed(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, Damaged) as error:
        notice(f"{path} is left out: {error}")
        return None
    return result if which == cell.hash else None


def _why(job: Job) -> str:
    """One sentence on a process that ended without a result."""
    status = job.process.returncode
    said = (job.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    how = f"with status {status}"
    if status < 0:
        name = named(-status)
        how = f"by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    last = f": {said[-1]}" if said else ""
    return f"its process was ended {how} at step {job.steps_done}{last}"
