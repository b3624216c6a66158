"""What ganzoo can make or fetch again: where it lies, how large it is, when it was used, what goes first."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes, notice
from ganzoo.system.files import cache_folder
from ganzoo.system.locks import Lock, only_one, unused

KINDS = {"folders": "folders", "statistics": "statistics", "weights": "weights", "downloads": "data"}
MADE_HERE = ("folders", "statistics")  # of what is on this machine: the limit is for these
MARK = "meta.json"  # of a copy: a process that reads the copy later on keeps a lock on it
LIMIT = "GANZOO_CACHE_GB"
USUAL = 20.0


@dataclass(frozen=True)
class Entry:
    """One thing in the cache.

    Attributes:
        kind: one of KINDS.
        path: a file, or a folder that is one thing.
        bytes: on disk.
        used: when last, in seconds since 1970.
    """

    kind: str
    path: Path
    bytes: int
    used: float

    def of(self) -> str:
        """What it was made of, where that is known."""
        try:
            return str(json.loads((self.path / MARK).read_text(encoding="utf-8"))["of"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def drop(self, certain: bool = True) -> bool:
        """Remove it, unless a living process reads it; where nobody knows, only if not `certain`."""
        lock = None
        mark = self.path / MARK
        if mark.exists():  # a single file stays readable for whoever has opened it
            lock = unused(mark)
            if lock is None or (certain and not lock.real):
                return False
        try:
            discard(self.path)
        except OSError:
            return False
        finally:
            if lock is not None:
                lock.release()
        return True


def place(kind: str) -> Path:
    """The folder of a kind."""
    return cache_folder() / KINDS[kind]


def entries(*kinds: str) -> list[Entry]:
    """What is there of these kinds, or of all; least recently used first."""
    found = []
    for kind in kinds or KINDS:
        for path in _inside(place(kind)):
            if not path.name.startswith("."):
                with contextlib.suppress(OSError):  # just removed
                    found.append(Entry(kind, path, _size(path), path.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def touch(path: Path) -> None:
    """It is used now."""
    with contextlib.suppress(OSError):  # not ours, or read-only
        os.utime(path)


def limit() -> float:
    """Bytes that may be kept of what was made here: $GANZOO_CACHE_GB, in GiB, or 20.

    Raises:
        UsageError: that is not a number, or below 0.
    """
    said = os.environ.get(LIMIT) or USUAL
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise UsageError(f"{LIMIT}={said}: expected a number of GiB, such as {USUAL:g}; inf is no limit")
    return value * 2**30


def keep_to_limit(but: Path) -> None:
    """Drop what was made here and not used for longest, until the rest is within the limit; never `but`."""
    kept = entries(*MADE_HERE)
    over, dropped = sum(entry.bytes for entry in kept) - limit(), 0
    many = 0
    for entry in kept:
        if over > dropped and entry.path != but and entry.drop():
            dropped, many = dropped + entry.bytes, many + 1
    if many:
        notice(
            f"the cache holds {in_bytes(limit())} ({LIMIT}): what was not used for longest is gone from "
            f"it, {many} entr{'y' if many == 1 else 'ies'} of {in_bytes(dropped)}"
        )


def sweep(folder: Path) -> None:
    """Remove what dead processes have left in a folder of the cache: parts, temporary files, locks."""
    for path in _inside(folder):
        name, part, _ = path.name.partition(".part-")
        with contextlib.suppress(OSError, UsageError):
            if part and path.is_dir():
                with only_one(folder / name.lstrip("."), patience=0) as lock:
                    if lock.real:
                        shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(".") and path.is_file():
                left = unused(path)
                if left is not None:
                    with left:
                        if left.real:
                            path.unlink()


@contextlib.contextmanager
def part_of(target: Path, lock: Lock) -> Iterator[Path]:
    """A new folder to make `target` in, whose lock is held; what is left of it at the end is removed."""
    if lock.real:  # then whoever left one is dead
        for left in target.parent.glob(f".{target.name}.part-*"):
            shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.part-"))
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def discard(path: Path) -> None:
    """Remove a file, or a folder at once and whole."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):  # another was quicker
        gone = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.part-"))
        try:
            path.rename(gone / "gone")
        finally:
            shutil.rmtree(gone, ignore_errors=True)


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
