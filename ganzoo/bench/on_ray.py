"""Cells as tasks of a Ray cluster: each where its cores, or its GPU, are free."""

from __future__ import annotations

import logging
import time
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
        self._deliver = ray.remote(max_retries=RETRIES, max_calls=1)(deliver)
        self._under_way: set[Any] = set()
        self._ready: set[Any] = set()
        self._asked_at = 0.0

    def room(self, threads: int) -> int:
        """How many cells of so many threads run at a time."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) // threads)

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    def start(self, folder: Path, task: dict[str, Any], log: Path, threads: int, device: str) -> RayProcess:
        need = {"num_cpus": threads, "num_gpus": int(device.startswith("cuda"))}
        begun = self._deliver.options(**need).remote(Order.of(folder, task, threads))
        self._under_way.add(begun)
        return RayProcess(self, begun, folder, log)

    def taken(self, task: Any) -> Any:
        """What a task came to, once; None where it runs. Raises what Ray raises.

        A cluster is asked for all of its tasks at once: where they are many, one by one takes long.
        """
        if time.monotonic() > self._asked_at + RayProcess.tick / 2 and self._under_way:
            ready, left = self._ray.wait(list(self._under_way), num_returns=len(self._under_way), timeout=0)
            self._ready.update(ready)
            self._under_way = set(left)
            self._asked_at = time.monotonic()
        if task not in self._ready:
            return None
        self._ready.remove(task)
        return self._ray.get(task)

    @property
    def exceptions(self) -> Any:
        return self._ray.exceptions

    def cancel(self, task: Any, at_once: bool) -> None:
        self._ray.cancel(task, force=at_once)

    def close(self) -> None:
        self._ray.shutdown()


class RayProcess(Afar):
    """A task of Ray, looked at as if it were a process of this machine."""

    title = "a task of Ray"

    def __init__(self, cluster: RayStarter, task: Any, folder: Path, log: Path) -> None:
        super().__init__(folder, log)
        self._cluster, self._task = cluster, task

    def status(self) -> int | None:
        failures = self._cluster.exceptions
        try:
            found = self._cluster.taken(self._task)
            return None if found is None else self.received(found)
        except (failures.TaskCancelledError, KeyboardInterrupt):
            return STOPPED
        except failures.RayError as error:
            return self.lost(error)

    def send_signal(self, sig: int) -> None:
        self.terminate()

    def terminate(self) -> None:
        """Have it save a checkpoint and end."""
        if self.poll() is None:
            self._cluster.cancel(self._task, at_once=False)

    def kill(self) -> None:
        if self.poll() is None:
            self._cluster.cancel(self._task, at_once=True)
