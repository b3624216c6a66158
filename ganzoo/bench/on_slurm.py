"""Cells as jobs of Slurm, those that begin together as one job array."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ganzoo.bench.remote import Afar, Delivered, Order, deliver
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.system.extras import extra

ROOM = 100  # cells at a time, where nobody says how many: the scheduler has a queue of its own


class Cell:
    """What a job calls. Where Slurm takes the job back, or its time is over, it is queued again."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def __call__(self) -> Delivered:
        return deliver(self.order)

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(Cell(self.order))


class SlurmStarter:
    """Starts cells by submitit, on storage that the nodes share.

    Args:
        folder: for the scripts and logs of jobs.
        options: of `sbatch`, as submitit calls them: slurm_partition, timeout_min, mem_gb, ...
        kind: "slurm", or "local" to try it without a scheduler.

    Raises:
        UsageError: submitit is not installed, or knows no such option.
        WorkError: there is no Slurm here.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any], kind: str = "slurm") -> None:
        submitit = extra("submitit", "--launcher slurm", "slurm")
        self._failed: Any = (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError)
        try:
            self._waiting: list[SlurmProcess] = []
            self._executor: Any = submitit.AutoExecutor(folder / "slurm", cluster=kind)
            self._executor.update_parameters(name="ganzoo", **{"timeout_min": 24 * 60, **options})
        except (NameError, TypeError, ValueError) as error:
            raise UsageError(f"--with: {first_line(error)}") from error
        except RuntimeError as error:
            raise WorkError(f"no Slurm here: {first_line(error)}") from error

    def room(self, threads: int) -> int:
        return ROOM

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What starts inside the block is one job array, for each kind of need."""
        self._waiting.clear()
        yield
        for need in dict.fromkeys(process.need for process in self._waiting):
            # Before the array begins: submitit changes no needs within one.
            self._executor.update_parameters(**dict(need))
            with self._executor.batch():
                for process in self._waiting:
                    if process.need == need:
                        process.job = self._executor.submit(process.cell)

    def start(self, folder: Path, task: dict[str, Any], log: Path, threads: int, device: str) -> SlurmProcess:
        """It is submitted as the block of `at_once` is left."""
        need = {"cpus_per_task": threads} | ({"gpus_per_node": 1} if device.startswith("cuda") else {})
        cell = Cell(Order.of(folder, task, threads))
        process = SlurmProcess(cell, tuple(need.items()), folder, log, self._failed)
        self._waiting.append(process)
        return process

    def close(self) -> None:
        """Jobs are ended one by one."""


class SlurmProcess(Afar):
    """A job, looked at as if it were a process of this machine."""

    title = "a job"
    tick = 0.5

    def __init__(
        self, cell: Cell, need: tuple[tuple[str, int], ...], folder: Path, log: Path, failed: Any
    ) -> None:
        super().__init__(folder, log)
        self.cell, self.need, self._failed = cell, need, failed
        self.job: Any = None  # until it is submitted

    def status(self) -> int | None:
        if self.job is None or not self.job.done():
            return None
        try:
            return self.received(self.job.result())
        except (*self._failed, OSError, pickle.UnpicklingError) as error:
            return self.lost(error)

    def send_signal(self, sig: int) -> None:
        self.kill()

    def terminate(self) -> None:
        self.kill()

    def kill(self) -> None:
        """Cancel it: it goes on from its last checkpoint another time."""
        if self.poll() is None and self.job is not None:
            with contextlib.suppress(OSError):
                self.job.cancel(check=False)
