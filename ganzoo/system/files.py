"""Files that appear whole or not at all, and JSON lines as the record."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganzoo.errors import WorkError

PART = ".part"  # ends the name of a file that is being written


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, flush to the disk, rename: a reader sees the old file or the new one, never a part.

    Both the content and the name are on the disk then, and outlive a power cut.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=PART)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                _hold(handle)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                beside.chmod(0o644)
                beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        flush(path.parent)
    except OSError as error:
        raise WorkError(
            f"cannot write {path}: {error.strerror or error}; what was saved before is whole"
        ) from error


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


def _hold(handle: int) -> bool:
    """Mark a file as being written for as long as this process lives; False if another one holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def drop_orphans(folder: Path) -> None:
    """Remove the parts of files in a folder that processes which are dead by now did not finish."""
    for path in folder.glob(f".*{PART}"):
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:
            continue  # it was finished just now
        try:
            if _hold(handle):
                path.unlink(missing_ok=True)
        finally:
            os.close(handle)


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
