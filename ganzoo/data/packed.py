"""Images whose bytes are in other files: decoded as those that are files of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ganzoo.data.images import Header, choose, each, read_header, read_image
from ganzoo.data.opening import LARGEST_FILE
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes

T = TypeVar("T")
NAMED = 3  # files, in a sentence about many

Content = Callable[[int], bytes | Path]
"""The bytes of the i-th image, or the file that has them."""


def read_packed(content: bytes | Path, name: str, size: int, channels: int) -> Array:
    """Decode an image: uint8 [channels, size, size], as `read_image` does.

    Raises:
        UsageError: it cannot be decoded; it is called `name` there.
    """
    with _as_file(content, name) as path:
        return read_image(path, size, channels)


def choose_form(
    content: Content, names: Callable[[int], str], count: int, size: int, channels: int
) -> tuple[int, int]:
    """Size and channels of all images; where they are 0, by their headers, as of a folder.

    Raises:
        UsageError: one of them is no image.
    """
    if size and channels:
        return size, channels

    def look(i: int) -> Header:
        with _as_file(content(i), names(i)) as path:
            return read_header(path)

    return choose(each_told(look, count, "looking at images"), size, channels)


def each_told(work: Callable[[int], T], count: int, description: str) -> list[T]:
    """`work` on 0, 1, 2 ... `count`, several at a time. Raises one UsageError for all that raise one."""
    faults: dict[int, UsageError] = {}

    def tried(i: int) -> list[T]:
        try:
            return [work(i)]
        except UsageError as error:
            faults[i] = error
            return []

    made = each(tried, range(count), description)
    if len(faults) > 1:
        first = "; ".join(str(faults[i]).rpartition(": ")[0] for i in sorted(faults)[:NAMED])
        more = f"; and {len(faults) - NAMED:,} more" * (len(faults) > NAMED)
        raise UsageError(
            f"{len(faults):,} of {count:,} images cannot be read ({first}{more}): repair or drop them"
        )
    if faults:
        raise next(iter(faults.values()))
    return [one for own in made for one in own]


@contextmanager
def _as_file(content: bytes | Path, name: str) -> Iterator[Path]:
    """A file with the content, and its path taken for `name` in what is said of it."""
    if isinstance(content, Path):
        yield content
        return
    if len(content) > LARGEST_FILE:
        raise UsageError(f"{name} has {in_bytes(len(content))}, and {in_bytes(LARGEST_FILE)} is the most")
    # What reads files of images has bounds on all that they may ask for, and takes nothing else.
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        path = Path(folder, "image")
        path.write_bytes(content)
        try:
            yield path
        except UsageError as error:
            raise UsageError(str(error).replace(str(path), name)) from error
