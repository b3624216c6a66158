"""Files that appear whole or not at all, and JSON lines as the record."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Generic, TypeVar

from ganzoo.errors import UsageError, WorkError
from ganzoo.system.console import in_bytes, notice
from ganzoo.system.locks import temporary, unused
from ganzoo.system.records import LONGEST, Damaged, checked, parsed

T = TypeVar("T")

NAMED = 10  # lines of one file that are no rows; of more, their number
CHUNK = 2**20
NOT_FILES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Write beside, flush to the disk, rename: a reader sees the old file or the new one, never a part.

    Both the content and the name are on the disk then, and outlive a power cut.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary(path) as (file, beside):
            yield file
            file.flush()
            os.fsync(file.fileno())
            beside.chmod(0o644)
            beside.replace(path)
        flush(path.parent)
    except OSError as error:
        raise _unwritten(path, error.strerror or error) from error


def _unwritten(path: Path, why: object) -> WorkError:
    return WorkError(f"cannot write {path}: {why}; what was saved before is whole")


def write_whole(path: Path, content: bytes) -> None:
    with whole(path) as file:
        file.write(content)


def flush(path: Path) -> None:
    """Have the disk hold what was written to a file, or which names a folder has; nothing if it is not there.

    Raises WorkError where the disk cannot.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    except PermissionError:
        return  # Windows opens no folder, and needs no flush of one
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without it
            raise WorkError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        os.close(handle)


def drop_orphans(folder: Path) -> None:
    """Remove the parts of files in a folder that processes which are dead by now did not finish."""
    for path in folder.glob(".*.part"):
        with unused(path) or nullcontext() as lock:
            if lock is not None:
                path.unlink(missing_ok=True)


def open_regular(path: Path, expected: str) -> BinaryIO:
    """A file that somebody named, to be read as bytes. A pipe or a device is never waited for, nor touched.

    Raises:
        UsageError: it is not there, no regular file, or may not be read; `expected` is in the sentence.
    """
    try:
        # Before it is opened, as that alone can move a tape; and after, as another may be in its place.
        _refuse_irregular(path, path.stat().st_mode, expected)
        ways = (getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC"))
        handle = os.open(path, os.O_RDONLY | sum(ways))
        file = os.fdopen(handle, "rb")
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise UsageError(f"{path} cannot be read ({error.strerror}): expected {expected}") from error
        what = "a link to nothing" if path.is_symlink() else "not there"
        raise UsageError(f"{path} is {what}: expected {expected}") from error
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{str(path)!r} is no name that a file can have: expected {expected}") from error
    try:
        _refuse_irregular(path, os.fstat(handle).st_mode, expected)
    except UsageError:
        file.close()
        raise
    return file


def _refuse_irregular(path: Path, mode: int, expected: str) -> None:
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is {NOT_FILES.get(stat.S_IFMT(mode), 'no file')}: expected {expected}")


def read_regular(path: Path, expected: str, at_most: int) -> bytes:
    """The content of a file that somebody named. Raises UsageError as `open_regular`, and if it is larger."""
    with open_regular(path, expected) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            content = b"" if size > at_most else file.read(min(size, at_most) + 1)  # /proc says 0
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror}): expected {expected}") from error
    size = max(size, len(content))
    if size > at_most:
        bound = in_bytes(at_most)
        raise UsageError(f"{path} has {in_bytes(size)}: expected {expected}, of {bound} at most")
    return content


def write_json(path: Path, value: Any) -> None:
    try:
        content = (_json(path, value, indent=2) + "\n").encode()
    except UnicodeEncodeError as error:  # a path of other bytes, and another text would name another one
        raise _unwritten(path, f"{error.object[: error.end][-40:]!r} is no Unicode") from error
    write_whole(path, content)


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, on a line of its own also where a crash left the one before without an end."""
    line = f"{_json(path, row)}\n".encode(errors="replace")
    try:
        with path.open("ab+") as file:
            file.write(line if _ends_whole(file) else b"\n" + line)
    except OSError as error:
        raise _unwritten(path, error.strerror or error) from error


def _json(path: Path, value: Any, **style: Any) -> str:
    """As it can be read again, which is not all that Python writes."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, **style)
    except ValueError as error:
        raise _unwritten(path, error) from error


def _ends_whole(file: IO[bytes]) -> bool:
    """Whether a file is empty, or ends with a newline."""
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


@dataclass
class Line(Generic[T]):
    """Where a line lies in its file, and the row that it is; None where it is none."""

    start: int
    end: int
    row: T | None = None
    is_json: bool = False


def an_object(value: Any) -> dict[str, Any]:
    return checked(value, dict[str, Any])


Check = Callable[[Any], T | None]
"""The row that a parsed line is, or None where it is none of ours; raises Damaged for anything else."""


def read_lines(path: Path, check: Check[T] = an_object) -> list[T]:  # type: ignore[assignment]  # T is a dict
    """The rows of a JSON-lines file, none where there is no file; a notice for each damaged line.

    Raises:
        UsageError: the file cannot be read.
    """
    if not path.exists():
        return []
    with _opened(path) as file:
        return [line.row for line in _lines(path, file, check) if line.row is not None]


def cut_lines(path: Path, keep: Callable[[T], bool], check: Check[T]) -> None:
    """Drop the rows that `keep` refuses, and a last line that a crash cut off.

    All other bytes stay as they are, also those of lines that are no rows.

    Raises:
        UsageError: the file cannot be read.
        WorkError: the file cannot be written.
    """
    if not path.exists():
        return
    with _opened(path) as file:
        lines = list(_lines(path, file, check))
        ends = _ends_whole(file)
        kept = [line for line in lines if line.row is None or keep(line.row)]
        if kept and not ends and not lines[-1].is_json and kept[-1] is lines[-1]:
            kept.pop()
        if len(kept) == len(lines) and ends:
            return
        with whole(path) as new:
            for line in kept:
                _copy(file, new, line)
            if kept and kept[-1].end == lines[-1].end and not ends:
                new.write(b"\n")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def _lines(path: Path, file: IO[bytes], check: Check[T]) -> Iterator[Line[T]]:
    end = number = wrong = 0
    while part := file.readline(LONGEST + 1):
        content, number = part, number + 1
        while len(part) > LONGEST and not part.endswith(b"\n"):  # not held, as it may be of any size
            part = file.readline(LONGEST + 1)
        line = Line[T](end, file.tell())
        end = line.end
        if content.strip():
            try:
                value = parsed(content)
                line.is_json = True
                line.row = check(value)
            except Damaged as error:
                wrong += 1
                if wrong <= NAMED:
                    _tell(f"{path}, line {number} is left out: {error}")
        yield line
    if wrong > NAMED:
        _tell(f"{path}: {wrong - NAMED:,} more lines are left out")


def _copy(file: IO[bytes], new: IO[bytes], line: Line[T]) -> None:
    file.seek(line.start)
    left = line.end - line.start
    while left and (part := file.read(min(left, CHUNK))):
        new.write(part)
        left -= len(part)


_told: set[str] = set()


def _tell(sentence: str) -> None:
    """Once, however often a command reads its file."""
    if sentence not in _told:
        _told.add(sentence)
        notice(sentence)


def tell_again() -> None:
    """Another command begins in this process: it may say what was said before."""
    _told.clear()


def cache_folder() -> Path:
    """Where ganzoo keeps what it can make or fetch again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ganzoo", appauthor=False))


def user_folder() -> Path:
    """Where ganzoo keeps what cannot be fetched again: the classifiers that were trained here."""
    import platformdirs

    return Path(platformdirs.user_data_dir("ganzoo", appauthor=False))
