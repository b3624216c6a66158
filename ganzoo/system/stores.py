"""Folders on other storage, at addresses such as s3://BUCKET/NAME: what fsspec can reach, file by file.

Nothing is locked there and nothing is renamed: whoever writes takes an order in which each moment is of use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

from ganzoo.errors import UsageError, WorkError, first_line, nearest

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a disk of Windows
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # of ganzoo, by protocol


def is_address(word: object) -> TypeGuard[str]:
    """Whether a word is an address, and not a path."""
    return isinstance(word, str) and ADDRESS.match(word) is not None


def check_address(address: str) -> None:
    """Raise a UsageError unless something that is installed reaches such an address; reaches for nothing."""
    from fsspec.registry import available_protocols, get_filesystem_class

    if not is_address(address):
        raise UsageError(f"{address!r} is no address: expected one such as s3://BUCKET/runs")
    protocol = address.partition("://")[0]
    try:
        get_filesystem_class(protocol)
    except ValueError as error:
        near = nearest(protocol, available_protocols())
        raise UsageError(f"{address}: there is no storage {protocol!r}: {near}") from error
    except ImportError as error:
        extra = f": pip install 'ganzoo-torch[{EXTRAS[protocol]}]'" if protocol in EXTRAS else ""
        raise UsageError(f"{address} needs a library that is missing ({first_line(error)}){extra}") from error


def below(address: str, name: str) -> str:
    """The address of something in the folder at an address."""
    return f"{address.rstrip('/')}/{name}"


def inside(name: str) -> bool:
    """Whether the name of a file, as somebody else says it, stays in the folder that it is put into."""
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and "\\" not in name and not PurePosixPath(name).is_absolute()


class Store:
    """A folder on other storage.

    Args:
        address: of it.

    Attributes:
        name: the last part of its address.

    Raises:
        UsageError: nothing that is installed reaches it.
        WorkError: it cannot be reached.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        check_address(address)
        self.address = address.rstrip("/")
        with self._reaching():
            self._storage, self._root = url_to_fs(self.address)
        self.name = self.address.rpartition("/")[2]
        if hasattr(self._storage, "auto_mkdir"):
            self._storage.auto_mkdir = True  # of file://: elsewhere a folder is there as soon as a file is

    def sizes(self) -> dict[str, int]:
        """The files that are there now, by their name below the address, and their bytes."""
        with self._reaching():
            self._storage.invalidate_cache()
            try:
                found: Mapping[str, Any] = self._storage.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        start = self._root.rstrip("/") + "/"
        return {
            name[len(start) :]: int(info["size"]) for name, info in found.items() if name.startswith(start)
        }

    def put(self, folder: Path, name: str) -> None:
        """Have the file of that name in a folder here there too."""
        with self._reaching():
            self._storage.put_file(str(folder / name), f"{self._root}/{name}")

    def get(self, folder: Path, names: Iterable[str], each: Callable[[str], object] = str) -> None:
        """Have files that are there in a folder here too; `each` is told of one that is done.

        Raises:
            WorkError: the name of one leads out of the folder.
        """
        for name in names:
            if not inside(name):
                raise WorkError(f"{self.address} has a file {name!r}, whose name leads elsewhere: not taken")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._reaching():
                self._storage.get_file(f"{self._root}/{name}", str(target))
            each(name)

    def remove(self, name: str) -> None:
        with self._reaching():
            self._storage.rm_file(f"{self._root}/{name}")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Somebody else's storage fails in ways of its own: each is told in a sentence."""
        try:
            yield
        except Exception as error:
            raise WorkError(f"cannot reach {self.address}: {first_line(error)}") from error
