"""Cells as tasks of a Ray cluster: each where its cores, or its GPU, are free."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ganzoo.bench.remote import Afar, Order, deliver
from ganzoo.bench.work import STOPPED
from ganzoo.errors import WorkError, first_line
from ganzoo.system.extras import extra

RETRIES = 20  # of a cell whose node is lost


class RayStarter:
    """Starts cells on a cluster, or on one of this machine's own where there is no address.

    Where a node is lost, Ray begins its cells again on another: from their last checkpoints if the folder of
    results is on storage that the nodes share, else from the start.

    Args:
        address: as `ray.init` takes it; None for RAY_ADDRESS, or this machine.

    Raises:
        UsageError: Ray is not installed.
        WorkError: there is no cluster at that address.
    """

    def __init__(self, address: str | None = None) -> None:
        self._ray = ray = extra("ray", "--launcher ray", "ray")
        try:
            if not ray.is_initialized():
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise WorkError(f"no Ray cluster at {address or 'this machine'}: {first_line(error)}") from error

    def room(self, threads: int) -> int:
        """How many cells of so many threads run at a time."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) // threads)

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    def start(self, folder: Path, task: dict[str, Any], log: Path, threads: int, device: str) -> RayProcess:
        need = {"num_cpus": threads, "num_gpus": int(device.startswith("cuda"))}
        order = Order.of(folder, task, threads)
        remote = self._ray.remote(**need, max_retries=RETRIES, max_calls=1)(deliver)
        return RayProcess(self._ray, remote.remote(order), folder, log)

    def close(self) -> None:
        self._ray.shutdown()


class RayProcess(Afar):
    """A task of Ray, looked at as if it were a process of this machine."""

    title = "a task of Ray"

    def __init__(self, ray: Any, task: Any, folder: Path, log: Path) -> None:
        super().__init__(folder, log)
        self._ray, self._task = ray, task

    def status(self) -> int | None:
        if not self._ray.wait([self._task], timeout=0)[0]:
            return None
        try:
            return self.received(self._ray.get(self._task))
        except (self._ray.exceptions.TaskCancelledError, KeyboardInterrupt):
            return STOPPED
        except self._ray.exceptions.RayError as error:
            return self.lost(error)

    def send_signal(self, sig: int) -> None:
        self.terminate()

    def terminate(self) -> None:
        """Have it save a checkpoint and end."""
        if self.poll() is None:
            self._ray.cancel(self._task, force=False)

    def kill(self) -> None:
        if self.poll() is None:
            self._ray.cancel(self._task, force=True)
