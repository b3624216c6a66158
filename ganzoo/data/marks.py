"""What a file system says of files, so that a copy of them is known to be theirs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from ganzoo.data.finding import Files
from ganzoo.errors import UsageError


def look_at(files: Files, wanted: str) -> tuple[str, int]:
    """A hash that changes when a file does, and the newest of their times in nanoseconds.

    As git does, it goes by more than the size and the time of the content, which programs set back: the time
    of the last change of any kind, which only the system sets, and the number of the file. Where they mean
    something else (on Windows the former is when it was made), they change for no reason at worst.
    """
    lines, newest, now = [f"{wanted} {files.root.resolve()} {files.test}"], 0, time.time_ns()
    if files.class_names != tuple(sorted(files.class_names)):  # then their labels are not what they were
        lines.append("\0".join(files.class_names))
    archive = files.tree.archive
    whole = None if archive is None else _marks(archive)
    for name, half in ((name, half) for names, half in files.parts for name in names):
        marks = whole or _marks(files.root / name)
        lines.append(f"{name}\0{' '.join(map(str, marks))}{half}")
        # Programs may set times that are yet to come.
        newest = max(newest, *(t for t in marks[1:3] if t <= now), 0)
    # Names are whatever bytes a file system allows.
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32], newest


def marks_of(paths: Iterable[Path]) -> str:
    """A hash that changes when a file does. Raises UsageError for one that is not there."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.absolute()}\0{_marks(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _marks(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def let_pass(newest: int) -> None:
    """Wait until the clock of the files has ticked since `newest`: a later change has another time then."""
    tick = 20_000_000 if newest % 1_000_000_000 else 2_000_000_000  # some file systems count in seconds
    wait = newest + tick - time.time_ns()
    if 0 < wait <= tick:
        time.sleep(wait / 1e9)
