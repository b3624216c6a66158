"""Processes of ours that are apart from the terminal, and are asked to end."""

from __future__ import annotations

import signal
import subprocess
from typing import IO, Any, Protocol

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
