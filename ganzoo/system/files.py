"""Files that appear whole or not at all, and files of others that are opened with care."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from ganzoo.errors import UsageError, WorkError
from ganzoo.system.console import in_bytes
from ganzoo.system.flocks import OPEN_IS_A_MARK
from ganzoo.system.locks import temporary, unused

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
            if OPEN_IS_A_MARK:
                file.close()
            beside.replace(path)
        flush(path.parent)
    except OSError as error:
        raise unwritten(path, error.strerror or error) from error


def unwritten(path: Path, why: object) -> WorkError:
    return WorkError(f"cannot write {path}: {why}; what was saved before is whole")


def write_whole(path: Path, content: bytes) -> None:
    with whole(path) as file:
        file.write(content)


def flush(path: Path) -> None:
    """Have the disk hold what was written to a file, or which names a folder has; nothing if it is not there.

    Raises WorkError where the disk cannot.
    """
    try:
        # Windows flushes what may be written.
        handle = os.open(path, os.O_RDWR if OPEN_IS_A_MARK else os.O_RDONLY)
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
                with suppress(PermissionError):  # it is open, on Windows
                    path.unlink(missing_ok=True)


def is_file(path: Path) -> bool:
    """As Path.is_file, and False too where no file can have that name, or nobody may look."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """As Path.is_dir, and False too where no folder can have that name, or nobody may look."""
    try:
        return path.is_dir()
    except OSError:
        return False


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
        content = (as_json(path, value, indent=2) + "\n").encode()
    except UnicodeEncodeError as error:  # a path of other bytes, and another text would name another one
        raise unwritten(path, f"{error.object[: error.end][-40:]!r} is no Unicode") from error
    write_whole(path, content)


def as_json(path: Path, value: Any, **style: Any) -> str:
    """As it can be read again, which is not all that Python writes."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, **style)
    except ValueError as error:
        raise unwritten(path, error) from error


def cache_folder() -> Path:
    """Where ganzoo keeps what it can make or fetch again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ganzoo", appauthor=False))


def user_folder() -> Path:
    """Where ganzoo keeps what cannot be fetched again: the classifiers that were trained here."""
    import platformdirs

    return Path(platformdirs.user_data_dir("ganzoo", appauthor=False))
