"""What makes a sample of a folder: an image, or the two of a pair, whose channels are one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.broken import Broken
from ganzoo.data.deep import White
from ganzoo.data.finding import Files
from ganzoo.data.images import Header, Size, choose, read_headers, read_image, white_of
from ganzoo.data.tree import Source
from ganzoo.errors import UsageError

ALIKE = 0.02  # sides of the two of a pair may differ by so much in proportion, as scaled ones do


@dataclass(frozen=True)
class Rows:
    """How to decode samples.

    Args:
        paths: of each part, the file of each sample.
        halves: of each part, which half of the file is meant, or an empty word.
        channels: of each part.
        size: of the samples, height and width in pixels.
        white: what is white in images of more than 8 bits.
        headers: of the files that have any.
        faults: what is wrong with the others, by their paths; found as they are read.
    """

    paths: tuple[tuple[Source, ...], ...]
    halves: tuple[str, ...]
    channels: tuple[int, ...]
    size: Size
    white: White
    headers: dict[Source, Header]
    faults: dict[str, str]

    @classmethod
    def of(cls, files: Files, size: Size, channels: tuple[int, ...], white: float) -> Rows:
        """Those of files; size, channels and white are found where they are 0.

        Raises UsageError for a pair that is of two shapes.
        """
        headers, faults = read_headers(list(dict.fromkeys(path for part in files.paths for path in part)))
        if len(files.paths) == 2:
            _check_pairs(*files.paths, headers)
        deep = [path for path, header in headers.items() if header.deep]
        found = white_of(deep, white, faults=faults)
        size, channels = _chosen(files, headers, size, channels)
        halves = tuple(half for _, half in files.parts)
        return cls(files.paths, halves, channels, size, found, headers, faults)

    def fit(self, files: Files, size: Size, channels: tuple[int, ...]) -> bool:
        """Whether these are also the rows of some of their files, but for those that are left out."""
        return _chosen(files, self.headers, size, channels) == (self.size, self.channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W) of all of them."""
        return (len(self.paths[0]), sum(self.channels), *self.size)

    def read(self, i: int) -> NDArray[np.uint8] | None:
        """The i-th sample, uint8 [C, H, W]; None where a file of it is among the `faults`."""
        made = []
        for paths, half, channels in zip(self.paths, self.halves, self.channels, strict=True):
            if str(paths[i]) not in self.faults:
                try:
                    made.append(read_image(paths[i], self.size, channels, self.white, half))
                except Broken as error:
                    self.faults[error.path] = error.reason
        return np.concatenate(made) if len(made) == len(self.paths) else None


def _chosen(
    files: Files, headers: Mapping[Source, Header], size: Size, channels: tuple[int, ...]
) -> tuple[Size, tuple[int, ...]]:
    known = [[headers[path] for path in part if path in headers] for part in files.paths]
    side = choose([header for part in known for header in part], 0, 1)[0]
    found = tuple(choose(part, side, c)[1] for part, c in zip(known, channels, strict=True))
    return size if any(size) else (side, side), found


def _check_pairs(
    paths: Sequence[Source], partners: Sequence[Source], headers: Mapping[Source, Header]
) -> None:
    """Cut to one shape, two of unequal proportions would show unequal parts of what is in them.

    Headers know nothing of a turn by EXIF: what is compared is the short side with the long one.
    """
    for path, partner in zip(paths, partners, strict=True):
        if path not in headers or partner not in headers:
            continue
        shapes = [headers[file].size for file in (path, partner)]
        one, two = (min(shape) / max(shape) for shape in shapes)
        if abs(one - two) > ALIKE * max(one, two):
            sizes = [f"{width} x {height}" for width, height in shapes]
            raise UsageError(
                f"{path} is {sizes[0]}, and its partner {partner} {sizes[1]}: expected two of equal "
                f"proportions, as both are cut to one shape; cut or scale one of them first"
            )
