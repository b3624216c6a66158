"""JSON lines as the record: rows that are added, read and cut, and damaged lines that stay as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from ganzoo.errors import UsageError
from ganzoo.system.console import notice, stderr
from ganzoo.system.files import as_json, unwritten, whole
from ganzoo.system.records import LONGEST, Damaged, checked, parsed
from ganzoo.system.told import first_time

T = TypeVar("T")

NAMED = 10  # lines of one file that are no rows; of more, their number
CHUNK = 2**20


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, on a line of its own also where a crash left the one before without an end."""
    line = f"{as_json(path, row)}\n".encode(errors="replace")
    try:
        with path.open("ab+") as file:
            file.write(line if _ends_whole(file) else b"\n" + line)
    except OSError as error:
        raise unwritten(path, error.strerror or error) from error


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
            file.close()  # Windows replaces no open file


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


def _tell(sentence: str) -> None:
    """Once, however often a command reads its file, and not where nobody would hear it."""
    if not stderr.quiet and first_time(sentence):
        notice(sentence)
