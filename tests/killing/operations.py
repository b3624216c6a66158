"""What this process does to files below a folder, counted; it dies before one, or copies it before each.

Most of it has an audit event; for the rest, functions of `os` and the files that `open` makes are replaced.
Libraries in C that write by themselves are not seen: `unseen` tells when there was one.
"""

from __future__ import annotations

import builtins
import functools
import io
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

# Audit events: where their arguments have paths, each with where the descriptor of its folder is, if any.
EVENTS = {
    "os.rename": ((0, 2), (1, 3)),  # os.replace too
    "os.remove": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),  # os.ftruncate too
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.setxattr": ((0, None),),
    "fcntl.flock": ((0, None),),
    "fcntl.lockf": ((0, None),),
}
ON_DESCRIPTORS = ("fsync", "fdatasync", "pwrite", "writev", "pwritev", "sendfile", "posix_fallocate")
WRITES = ("write", "pwrite", "writev", "pwritev", "sendfile", "copy_file_range")
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Operations:
    """A count that starts with `start`; before that, all passes."""

    def __init__(self) -> None:
        self.root: str | None = None
        self.count = 0

    def start(self, root: str, kill: int | None, half: bool, copies: str | None, report: int) -> None:
        """Count below `root`, a line each in the file of the descriptor `report`.

        Args:
            kill: die before the operation of this number; `half`: after half of it, if it is a write.
            copies: copy the root to copies/K before each operation K, and to copies/K-half in mid write.
        """
        self.kill, self.half, self.copies, self.report = kill, half, copies, report
        self.root = os.path.realpath(root)

    def place(self, path: Any, folder: Any = None) -> str | None:
        """A path or a descriptor as a path relative to the root; None outside of it."""
        if self.root is None:
            return None
        if isinstance(path, int):
            whole = _of_descriptor(path)
        elif isinstance(folder, int) and folder >= 0:
            whole = os.path.normpath(f"{_of_descriptor(folder)}/{os.fsdecode(path)}")
        else:
            whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        return whole.removeprefix(f"{self.root}/") if whole.startswith(f"{self.root}/") else None

    def before(self, name: str, *places: str | None) -> int | None:
        """Count an operation, or die or copy before it; its number, None if it is elsewhere."""
        here = [place for place in places if place is not None]
        if not here:
            return None
        PLAIN_WRITE(self.report, f"{json.dumps([name, *here])}\n".encode())
        number = self.count
        self.count += 1
        if number == self.kill and not (self.half and name == "write"):
            die()
        self.copy(str(number))
        return number

    def write(self, write: Any, descriptor: int, data: Any) -> int:
        """Write bytes: where it matters, in halves."""
        number = self.before("write", self.place(descriptor))
        if number is None or (number != self.kill and not self.copies):
            return write(data)
        view = memoryview(data).cast("B")
        half: int = write(view[: len(view) // 2])
        if number == self.kill:
            die()
        self.copy(f"{number}-half")
        return half + write(view[half:])

    def copy(self, name: str) -> None:
        if self.copies:
            root, self.root = self.root, None  # the copy is none of the process's own doing
            shutil.copytree(root, f"{self.copies}/{name}", symlinks=True)
            self.root = root


def _of_descriptor(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}").removesuffix(" (deleted)")  # noqa: PTH115
    except OSError:
        return ""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    while True:  # nothing may be done until it comes
        signal.pause()


operations = Operations()
PLAIN_WRITE, PLAIN_OPEN, PLAIN_COPY = os.write, io.open, os.copy_file_range


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    if operations.root is None:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = flags & FOR_WRITING if isinstance(flags, int) else set(mode or "") & set("wax+")
        if writes and not isinstance(path, int):  # a descriptor is open already
            operations.before("open", operations.place(path))
    elif event in EVENTS:
        found = []
        for index, folder in EVENTS[event]:
            descriptor = arguments[folder] if folder is not None and folder < len(arguments) else None
            found.append(operations.place(arguments[index], descriptor))
        operations.before(event.partition(".")[2], *found)


class Raw(io.FileIO):
    """A file each write of which counts: those that reach the system, after all buffers."""

    def write(self, data: Any) -> int:
        written: int = operations.write(super().write, self.fileno(), data)
        return written


@functools.wraps(PLAIN_OPEN)
def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    if not set(mode) & set("wax+") or operations.place(file) is None:
        return PLAIN_OPEN(file, mode, buffering, encoding, errors, newline, closefd, opener)
    raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
    if buffering == 0:
        return raw
    size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
    buffer = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw, size)
    if "b" in mode:
        return buffer
    text = io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering=buffering == 1)
    text.mode = mode
    return text


def _counted(name: str) -> Any:
    plain = getattr(os, name)

    @functools.wraps(plain)
    def call(descriptor, *arguments, **options):
        operations.before(name, operations.place(descriptor))
        return plain(descriptor, *arguments, **options)

    return call


@functools.wraps(PLAIN_COPY)
def _copied(source, target, *arguments, **options):
    operations.before("copy_file_range", operations.place(target))
    return PLAIN_COPY(source, target, *arguments, **options)


def patch(add_audit_hook: Any) -> None:
    """To be called before others are imported, so that they find what counts."""
    import _io

    add_audit_hook(audit)
    for module in (builtins, io, _io):
        module.open = opened  # type: ignore[attr-defined]
    for name in ON_DESCRIPTORS:
        setattr(os, name, _counted(name))
    os.write = lambda fd, data, /: operations.write(functools.partial(PLAIN_WRITE, fd), fd, data)
    os.copy_file_range = _copied


def unseen(folder: Path, done: list[list[str]]) -> list[str]:
    """Files in a folder that no counted operation wrote: something wrote past those that are counted."""
    written: set[str] = set()
    for name, *places in done:
        if name in WRITES:
            written.add(places[0])
        elif name in ("rename", "link") and places[0] in written:
            written.add(places[-1])
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return [file for file in files if file not in written]
