"""How the process of a cell is started: forked by one that has imported everything, or as a new Python."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol

from ganzoo.system.processes import APART, Polled, Process

FORKS = sys.platform == "linux"  # elsewhere there is no fork, or system libraries do not bear it


class Launcher(Protocol):
    """Where cells are worked on."""

    def start(self, folder: Path, task: dict[str, Any], log: Path, threads: int, device: str) -> Process:
        """Work on the cell of a run folder; what its process says goes to `log`."""
        ...

    def room(self, threads: int) -> int:
        """How many cells of so many threads run at a time."""
        ...

    def at_once(self) -> AbstractContextManager[None]:
        """What starts inside the block may start together, as it is left."""
        ...

    def close(self) -> None:
        """End whatever was started."""


class Starter:
    """Starts processes of cells on this machine, and ends with all that it started."""

    def __init__(self) -> None:
        self._warm: dict[int, Warm] = {}  # by threads, which libraries read when they are loaded

    def room(self, threads: int) -> int:
        return 1

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    def start(self, folder: Path, task: dict[str, Any], log: Path, threads: int, device: str) -> Process:
        log.write_bytes(b"")
        words = [str(folder), json.dumps(task)]
        warm = self._warmed(threads) if FORKS and device == "cpu" else None  # a GPU's driver bears no fork
        if warm is not None:
            return warm.start(words, log)
        with log.open("ab") as file:
            # The end of its stdin tells the child that we are gone.
            return _python("work", words, threads, stdin=subprocess.PIPE, stdout=file, stderr=file)

    def _warmed(self, threads: int) -> Warm | None:
        """One that is ready; None where it does not come up: then each cell says itself why."""
        if threads in self._warm and self._warm[threads].is_gone:
            self._warm.pop(threads).close()
        if threads not in self._warm:
            warm = Warm(threads)
            if warm.is_gone:
                return None
            self._warm[threads] = warm
        return self._warm[threads]

    def close(self) -> None:
        for warm in self._warm.values():
            warm.close()


class Warm:
    """A `ganzoo.bench.warm` and its forks, of so many threads; it is waited for until it is ready."""

    def __init__(self, threads: int) -> None:
        self._process = _python(
            "warm", [], threads, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asks, self._answers = self._process.stdin, self._process.stdout
        self._rest, self._started = b"", 0
        self._ended: dict[int, int] = {}  # status by number
        self.is_gone = not self._answers.readline()
        if self.is_gone:
            self.close()

    def start(self, words: list[str], log: Path) -> Forked:
        self._started += 1
        folder, task = words
        place = {"log": str(log), "place": str(Path.cwd())}
        self.ask({"number": self._started, "folder": folder, "task": task, **place})
        return Forked(self, self._started)

    def ask(self, request: dict[str, Any]) -> None:
        try:
            self._asks.write(json.dumps(request).encode() + b"\n")
            self._asks.flush()
        except BrokenPipeError:
            self.is_gone = True

    def status_of(self, number: int) -> int | None:
        """How a fork ended; None where it runs. Once this process is gone, they are too."""
        while not self.is_gone and select.select([self._answers], [], [], 0.0)[0]:
            more = os.read(self._answers.fileno(), 65536)
            self.is_gone = not more
            *whole, self._rest = (self._rest + more).split(b"\n")
            for line in whole:
                answer = json.loads(line)
                self._ended[answer["number"]] = answer["status"]
        if number not in self._ended and self.is_gone:
            self._ended[number] = self._process.wait() or 1
        return self._ended.get(number)

    def close(self) -> None:
        """End it, and so all of its forks."""
        self.is_gone = True
        self._process.kill()
        self._process.wait()
        self._answers.close()
        with suppress(BrokenPipeError):  # of what it was not there to read
            self._asks.close()


class Forked(Polled):
    """A cell's process that a `Warm` has forked."""

    title = "ganzoo.bench.work"
    tick = 0.02

    def __init__(self, warm: Warm, number: int) -> None:
        super().__init__()
        self._warm, self._number = warm, number

    def status(self) -> int | None:
        return self._warm.status_of(self._number)

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            self._warm.ask({"number": self._number, "signal": int(sig)})

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.Signals["SIGKILL"])


def _python(module: str, words: list[str], threads: int, **files: Any) -> subprocess.Popen[bytes]:
    """A module of ours in a new Python, apart from the terminal."""
    command = [sys.executable, "-P", "-m", f"ganzoo.bench.{module}", *words]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, env=env, **files, **APART)
