"""What makes a sample of a folder: an image, or the two of a pair, whose channels are one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.deep import White
from ganzoo.data.finding import Files
from ganzoo.data.images import Header, choose, read_header, read_image, white_of
from ganzoo.errors import UsageError

ALIKE = 0.02  # sides of the two of a pair may differ by so much in proportion, as scaled ones do


@dataclass(frozen=True)
class Rows:
    """How to decode samples.

    Args:
        paths: of each part, the file of each sample.
        halves: of each part, which half of the file is meant, or an empty word.
        channels: of each part.
        size: of the squares in pixels.
        white: what is white in images of more than 8 bits.
    """

    paths: tuple[tuple[Path, ...], ...]
    halves: tuple[str, ...]
    channels: tuple[int, ...]
    size: int
    white: White

    @classmethod
    def of(cls, files: Files, size: int, channels: tuple[int, ...], white: float) -> Rows:
        """Those of files; size, channels and white are found where they are 0.

        Raises UsageError for a file that is no image, or a pair that is of two shapes.
        """
        paths = tuple(tuple(files.root / name for name in names) for names, _ in files.parts)
        headers = [[read_header(path) for path in part] for part in paths]
        if len(paths) == 2:
            _check_pairs(*paths, *headers)
        seen = {
            path: header
            for part, own in zip(paths, headers, strict=True)
            for path, header in zip(part, own, strict=True)
        }
        size = choose(list(seen.values()), size, 1)[0]
        channels = tuple(choose(own, size, c)[1] for own, c in zip(headers, channels, strict=True))
        found = white_of([path for path, header in seen.items() if header.deep], white)
        return cls(paths, tuple(half for _, half in files.parts), channels, size, found)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W) of all of them."""
        return (len(self.paths[0]), sum(self.channels), self.size, self.size)

    def read(self, i: int) -> NDArray[np.uint8]:
        """The i-th sample, uint8 [C, H, W]."""
        parts = zip(self.paths, self.halves, self.channels, strict=True)
        made = [
            read_image(paths[i], self.size, channels, self.white, half) for paths, half, channels in parts
        ]
        return np.concatenate(made)


def _check_pairs(
    paths: Sequence[Path], partners: Sequence[Path], headers: Sequence[Header], others: Sequence[Header]
) -> None:
    """Cut to squares, two of unequal proportions would show unequal parts of what is in them.

    Headers know nothing of a turn by EXIF: what is compared is the short side with the long one.
    """
    for path, partner, header, other in zip(paths, partners, headers, others, strict=True):
        one, two = (min(found.size) / max(found.size) for found in (header, other))
        if abs(one - two) > ALIKE * max(one, two):
            sizes = [f"{width} x {height}" for width, height in (header.size, other.size)]
            raise UsageError(
                f"{path} is {sizes[0]}, and its partner {partner} {sizes[1]}: expected two of equal "
                f"proportions, as both are cut to a square; cut or scale one of them first"
            )
