"""Processes of ours that are apart from the terminal, and are asked to end."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from typing import IO, Any, ClassVar, Protocol

# Ctrl-C is for whoever has the terminal, who passes it on.
APART: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    if hasattr(subprocess, "CREATE_NEW_PROCESS_GROUP")
    else {"start_new_session": True}
)
# Those that ask a process to save and end: the terminal's, the system's, and Windows' for one that is apart.
ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
]  # fmt: skip


class Process(Protocol):
    """What of `subprocess.Popen` is needed of a process that works for us."""

    returncode: int | Any
    stdin: IO[bytes] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Polled(ABC):
    """A `Process` that is no child of ours, and can only be asked how it is.

    Attributes:
        title: what it is, in an error.
        tick: seconds between two questions, while it is waited for.
    """

    title: ClassVar[str]
    tick: ClassVar[float] = 0.1

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None

    @abstractmethod
    def status(self) -> int | None:
        """How it ended, which is asked for until there is an answer; None where it runs."""

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.status()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.title, timeout or 0.0)
            time.sleep(self.tick)
        return status


def ask_to_end(process: Process) -> None:
    """Of one that was started `APART`; it may save first. Nothing where it has ended."""
    ask = getattr(signal, "CTRL_BREAK_EVENT", None)
    if ask is None:
        process.terminate()  # which Windows does at once
    elif process.poll() is None:
        process.send_signal(ask)


def named(number: int) -> str:
    """The name of the signal that ended a process."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
