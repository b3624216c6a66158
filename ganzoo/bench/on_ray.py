"""Cells as tasks of a Ray cluster: each where its cores, or its GPU, are free."""

from __future__ import annotations

import logging
import subprocess
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from ganzoo.bench.remote import Delivered, Order, deliver, unpack
from ganzoo.bench.work import STOPPED
from ganzoo.errors import UsageError, WorkError, first_line

RETRIES = 20  # of a cell whose node is lost
TICK = 0.1


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
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "--launcher ray needs Ray, which is not installed: pip install 'ganzoo-torch[ray]'"
            ) from error
        self._ray: Any = ray
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


class RayProcess:
    """A task of Ray, looked at as if it were a process of this machine."""

    def __init__(self, ray: Any, task: Any, folder: Path, log: Path) -> None:
        self._ray, self._task, self._folder, self._log = ray, task, folder, log
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None

    def poll(self) -> int | None:
        if self.returncode is None and self._ray.wait([self._task], timeout=0)[0]:
            self.returncode = self._fetched()
        return self.returncode

    def _fetched(self) -> int:
        try:
            found: Delivered = self._ray.get(self._task)
        except (self._ray.exceptions.TaskCancelledError, KeyboardInterrupt):
            return STOPPED
        except self._ray.exceptions.RayError as error:
            self._log.write_text(f"{type(error).__name__}: {first_line(error)}\n", encoding="utf-8")
            return 1
        if found.archive is not None:
            unpack(found.archive, self._folder)
        self._log.write_bytes(found.said)
        return found.status

    def wait(self, timeout: float | None = None) -> int:
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a task of Ray", timeout or 0.0)
            time.sleep(TICK)
        return status

    def send_signal(self, sig: int) -> None:
        self.terminate()

    def terminate(self) -> None:
        """Have it save a checkpoint and end."""
        if self.poll() is None:
            self._ray.cancel(self._task, force=False)

    def kill(self) -> None:
        if self.poll() is None:
            self._ray.cancel(self._task, force=True)
