"""All files below a folder: links are followed, but none round in a circle."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ganzoo.data.names import OTHERS, PICTURES, LeftOut, Wanted, ending_of, few, ignored
from ganzoo.errors import UsageError
from ganzoo.system.files import NOT_FILES, open_regular

MOST_LINKS = 10_000  # folders that are reached by links: more of them lead round and round
Place = tuple[int, int]
"""What a folder is, by whatever name: the numbers of its device and of itself."""


class Walk:
    """All files below a folder, found as they are: what `look` makes a tree of."""

    def __init__(self, root: Path, wanted: Wanted = PICTURES) -> None:
        self.names: list[str] = []
        self.faults: dict[str, str] = {}
        self._root = root
        self._real = root.resolve()
        self._wanted = wanted
        self._left_out = LeftOut(wanted)
        self._outside: list[str] = []
        self._round: list[str] = []
        self._links = 0

    def all(self) -> None:
        """Raises OSError for a folder that cannot be read, and UsageError for endless links."""
        above = frozenset(filter(None, map(_place, (self._real, *self._real.parents))))
        to_do = [("", above)]
        while to_do:
            below, above = to_do.pop()
            with os.scandir(os.path.join(self._root, below)) as entries:  # noqa: PTH118  # quicker
                for entry in entries:
                    self._entry(entry, f"{below}{entry.name}", above, to_do)

    def notes(self) -> Iterator[str]:
        if self._outside:
            yield f"links to folders that lie elsewhere were followed: {few(sorted(self._outside))}"
        if self._round:
            yield f"left out, as links that lead round in a circle: {few(sorted(self._round))}"
        yield from self._left_out.notes()

    def _entry(
        self,
        entry: os.DirEntry[str],
        name: str,
        above: frozenset[Place],
        to_do: list[tuple[str, frozenset[Place]]],
    ) -> None:
        kind = _kind(entry)
        if ignored(entry.name):
            if kind != "a folder":
                self._left_out.hidden_file(entry.name)
            elif _holds_files(Path(entry.path)):
                self._left_out.hidden_folder(entry.name)
        elif kind != "a folder":
            self._file(entry.path, name, kind)
        else:
            place = _place(Path(entry.path))
            if not entry.is_symlink() or self._follow(name, Path(entry.path), place, above):
                to_do.append((f"{name}/", above if place is None else above | {place}))

    def _follow(self, name: str, path: Path, place: Place | None, above: frozenset[Place]) -> bool:
        if place in above:
            self._round.append(name)
            return False
        self._links += 1
        if self._links > MOST_LINKS:
            raise UsageError(f"{path}: more than {MOST_LINKS:,} links to folders lead from one to another")
        target = path.resolve()
        if not target.is_relative_to(self._real):
            self._outside.append(f"{name} -> {target}")
        return True

    def _file(self, path: str, name: str, kind: str) -> None:
        last = name.rpartition("/")[2]
        wanted = self._wanted
        told, fault = wanted.told(last), f"is {kind}" if kind else ""
        other = ending_of(last) in OTHERS and not told
        if other or not (kind or wanted.fits(last, lambda count: _beginning(Path(path), count))):
            self._left_out.other(last)
            return
        if not kind or told:
            self.names.append(name)
            if wanted.fault(last):
                fault = fault or wanted.fault(last)
            elif not os.access(path, os.R_OK):
                fault = fault or "cannot be read (Permission denied)"
        if fault:
            self.faults[str(Path(path))] = fault


def walked(root: Path, wanted: Wanted = PICTURES) -> Walk:
    """All files below `root`. Raises UsageError for a folder that cannot be read, or endless links."""
    walk = Walk(root, wanted)
    try:
        walk.all()
    except OSError as error:
        raise UsageError(
            f"{Path(error.filename or root)} cannot be read: {error.strerror or error}"
        ) from error
    return walk


def _kind(entry: os.DirEntry[str]) -> str:
    """What it is, links followed; an empty word for a file."""
    try:
        if entry.is_file():
            return ""
        return NOT_FILES.get(stat.S_IFMT(entry.stat().st_mode), "no file")
    except FileNotFoundError:
        return "a link to nothing"
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})"


def _place(path: Path) -> Place | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _holds_files(folder: Path) -> bool:
    """Whether there is a file in it, at any depth; links are not followed, and nothing is an error."""
    return any(files for _, _, files in os.walk(folder))


def _beginning(path: Path, count: int) -> bytes:
    try:
        with open_regular(path, "an image") as file:
            return file.read(count)
    except (OSError, UsageError):
        return b""
