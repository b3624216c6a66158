"""Locks between processes: the system's own, which no dead process keeps.

The lock of NAME is the file `.NAME.lock` beside it, or `.lock` in it where nothing can be made beside; it is
removed by whoever held it last, and one that a killed process left is free. What stands in it tells a person
who holds it, and decides nothing. The locks are flock's: on Linux they hold over NFS too. Where a file system
has none, work goes on without, and a notice says so. On Windows a file that is open is in use.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
import weakref
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO

from ganzoo.errors import UsageError
from ganzoo.system import flocks
from ganzoo.system.console import notice

PATIENCE = 0.2  # seconds: what holds a lock for a moment removes something
LONGEST = 200  # characters of what a lock says of its holder

_held: weakref.WeakSet[Lock] = weakref.WeakSet()
_said: set[Path] = set()  # folders without locks


class AtWork(UsageError):
    """Another process holds the lock; `holder` says which, since when, or is empty."""

    def __init__(self, sentence: str, holder: str) -> None:
        super().__init__(sentence)
        self.holder = holder


class Lock:
    """What keeps others out until it is released, or dropped, or the process has ended in any way.

    Attributes:
        real: false where the file system has no locks.
        place: the file to remove on release.
    """

    def __init__(self, handle: int | None, real: bool) -> None:
        self.real = real
        self.place: Path | None = None
        self._handle: int | None = handle
        _held.add(self)

    def release(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            ours = self.place if self.place is not None and _is(handle, self.place) else None
            if not flocks.OPEN_IS_A_MARK:
                _remove(ours)  # still locked: whoever waits for it looks whether it is there
            os.close(handle)
            if flocks.OPEN_IS_A_MARK:
                _remove(ours)  # which whoever has opened it by now prevents

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

    def not_ours(self) -> None:
        """In a forked child: the lock is the parent's, and ends with it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def only_one(path: Path, who: str = "process", cure: str = "wait for it", patience: float = PATIENCE) -> Lock:
    """The lock of `path`, a file or a folder that need not be there yet, for a `with` around work in it.

    Args:
        who: what the other one is called in the sentence: "ganzoo bench".
        cure: what a person can do.
        patience: seconds to try it.

    Raises:
        AtWork: another process, or another lock of this one, has it.
        OSError: nothing can be written there.
    """
    lock, holder = _take(path, patience)
    if lock is None:
        named = f" ({holder})" if holder else ""
        raise AtWork(f"another {who}{named} is at work in {path}: {cure}", holder)
    return lock


def holder(path: Path) -> str | None:
    """Who holds the lock of `path`; None where nobody does, or nobody can know. It is left as it is."""
    path = path.resolve()
    for place in (path.parent / f".{path.name}.lock", path / ".lock"):
        with contextlib.suppress(OSError):
            handle = os.open(place, os.O_RDONLY)
            lock = _lock(handle, shared=True)
            if lock is None:
                said = _holder(handle)
                os.close(handle)
                return said or "another process"
            lock.release()
    return None


def in_turn(path: Path, doing: str) -> Lock:
    """As `only_one`, but waits; `doing` ends the notice that says for what: "decodes the same images".

    Raises:
        OSError: nothing can be written there.
    """
    lock, holder = _take(path, PATIENCE)
    if lock is None:
        notice(f"waiting for another process{f' ({holder})' * bool(holder)} that {doing}")
        lock, _ = _take(path, 0, wait=True)
    assert lock is not None
    return lock


def in_use(file: Path) -> Lock | None:
    """A mark on a file, which any number of processes may set; None where it is gone or being removed."""
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return None
    return _on(file, handle, shared=True)


def unused(file: Path) -> Lock | None:
    """The lock on a file that is there, for removing it, if no living process marks, locks or writes it.

    It is not `real` where nobody can know.
    """
    try:
        return _on(file, _open(file))
    except OSError:
        return None


@contextlib.contextmanager
def temporary(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file beside `path`, `.NAME.*.part`, to write and rename: not `unused` while this one lives."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            try:
                mark = None if flocks.OPEN_IS_A_MARK else _lock(os.dup(handle), wait=True)
                with mark or contextlib.nullcontext():
                    if os.fstat(handle).st_nlink:  # else it was swept away in between
                        yield file, Path(name)
                        return
            finally:
                if flocks.OPEN_IS_A_MARK:
                    file.close()
                Path(name).unlink(missing_ok=True)


def _take(path: Path, patience: float, wait: bool = False) -> tuple[Lock | None, str]:
    """The lock of `path`, or None and who has it."""
    path, until = path.resolve(), time.monotonic() + patience
    while True:
        place, handle = _place(path)
        lock = _lock(handle, wait=wait)
        if lock is None:
            holder = _holder(handle)
            os.close(handle)
            if time.monotonic() < until:
                time.sleep(PATIENCE / 8)
                continue
            return None, holder
        if lock.real and not _is(handle, place):  # the one before removed it when it was done
            lock.release()
            continue
        if not lock.real and place.parent not in _said:
            _said.add(place.parent)
            notice(f"{place.parent} is on a file system without locks: start nothing twice there")
        lock.place = place
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        with contextlib.suppress(OSError):  # a full disk, or somebody else's file
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}, since {now}\n".encode())
        return lock, ""


def _place(path: Path) -> tuple[Path, int]:
    place = path.parent / f".{path.name}.lock"
    try:
        return place, _open(place, os.O_CREAT)
    except OSError:  # a folder that is not ours, or a name too long
        if not path.is_dir():
            raise
        return path / ".lock", _open(path / ".lock", os.O_CREAT)


def _open(file: Path, more: int = 0) -> int:
    """A handle for writing, which NFS wants for locks; for reading where others may only read."""
    try:
        return os.open(file, os.O_RDWR | more, 0o644)
    except PermissionError:
        with contextlib.suppress(OSError):
            return os.open(file, os.O_RDONLY)
        raise


def _on(file: Path, handle: int, shared: bool = False) -> Lock | None:
    if flocks.OPEN_IS_A_MARK:
        if not shared:
            os.close(handle)
        return Lock(handle if shared else None, real=True)
    lock = _lock(handle, shared)
    if lock is None:
        os.close(handle)
    elif not _is(handle, file):
        lock.release()
        return None
    return lock


def _lock(handle: int, shared: bool = False, wait: bool = False) -> Lock | None:
    """The lock on an open file, or None where another has it."""
    try:
        return Lock(handle, flocks.lock(handle, shared, wait))
    except BlockingIOError:
        return None
    except BaseException:  # Ctrl-C while it waits, too
        os.close(handle)
        raise


def _is(handle: int, file: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except OSError:
        return False


def _remove(place: Path | None) -> None:
    if place is not None:
        with contextlib.suppress(OSError):
            place.unlink()


def _holder(handle: int) -> str:
    os.lseek(handle, 0, os.SEEK_SET)
    text = os.read(handle, LONGEST).decode(errors="replace").partition("\n")[0]
    return "".join(letter for letter in text if letter.isprintable())


def _after_fork() -> None:
    for lock in list(_held):
        lock.not_ours()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
