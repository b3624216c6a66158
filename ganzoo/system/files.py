"""Files that appear whole or not at all, and JSON lines as the record."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ganzoo.errors import UsageError, WorkError
from ganzoo.system.console import in_bytes

NOT_FILES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, flush to the disk, rename: a reader sees the old file or the new one, never a part."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.chmod(0o644)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WorkError(
            f"cannot write {path}: {error.strerror or error}; what was saved before is whole"
        ) from error


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
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def append_line(path: Path, row: dict[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise WorkError(
            f"cannot write {path}: {error.strerror or error}; what was saved before is whole"
        ) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file; a last line cut off by a crash is left out."""
    rows: list[dict[str, Any]] = []
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def cut_lines(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Drop the rows that `keep` refuses."""
    if path.exists():
        rows = [row for row in read_lines(path) if keep(row)]
        write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def cache_folder() -> Path:
    """Where ganzoo keeps what it can make or fetch again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ganzoo", appauthor=False))


def user_folder() -> Path:
    """Where ganzoo keeps what cannot be fetched again: the classifiers that were trained here."""
    import platformdirs

    return Path(platformdirs.user_data_dir("ganzoo", appauthor=False))
