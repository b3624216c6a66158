"""One's own images, decoded once into a cache, then in memory or streamed from it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from ganzoo.data.base import Dataset, Modes, shares
from ganzoo.data.decoded import Options
from ganzoo.data.finding import Files
from ganzoo.data.images import check_options
from ganzoo.data.sound import open_copy
from ganzoo.data.splits import find_splits
from ganzoo.data.streams import open_splits
from ganzoo.data.tensors import samples_to_make
from ganzoo.data.tree import look
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path

NAMED = 3  # classes, in the line that says what was found


class ImageFolder(Dataset):
    """Your own images: folder:PATH, or a .zip or .tar of them; sub-folders are classes, if there are any.

    Every image is decoded once, scaled to one size (Lanczos, centre crop) and kept in ganzoo's cache until
    the folder changes, or the cache is over its limit. Sub-folders train and test are the splits, if there
    are no others; else a tenth of the images, chosen by hash, is the test split.

    Args:
        path: the folder, or the archive.
        size: of a square in pixels, or HEIGHTxWIDTH, such as 48x64; 0 is 64 if all images are that large,
            else 32.
        channels: 1 or 3; 0 is 1 if all images are grey, else 3.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has. Larger sets are read from the cache as they are needed.
        workers: processes that read ahead, where the set is not in memory.
        white: the value that is white in images of more than 8 bits; 0 finds one for all: the smallest of
            255, 1023, 4095, 16383, 65535 that holds their largest value, 1 for fractions.
        mirror: give each image of a training batch left to right with a chance of one half.
        broken: "stop" with a list where files are broken, or "skip" these.

    Raises:
        UsageError: a wrong option, no such folder, fewer than two images, or files that are broken.
        WorkError: the images are too many for the memory, and the cache cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        size: int | str = 0,
        channels: int = 0,
        memory_gb: float = 0.0,
        workers: int = 0,
        white: float = 0.0,
        mirror: bool = False,
        broken: Literal["stop", "skip"] = "stop",
    ) -> None:
        sides = check_options(size, channels, memory_gb, workers, white, broken)
        options = Options(sides, (channels,), white, memory_gb, broken)
        files, copy = open_copy(look(typed_path(path)), find_splits, options)
        x, meta, train = copy.x, copy.meta, copy.meta["train"]
        y = torch.from_numpy(copy.y) if files.class_names else None
        self.name = f"folder:{path}"
        self.white: float = meta["white"]  # given or found; 0 where no image has more than 8 bits
        self.sample_shape = tuple(x.shape[1:])
        self.class_names = files.class_names
        self.num_classes = len(files.class_names)
        if y is not None:
            self.modes = Modes(self.num_classes, shares=shares(y[:train], self.num_classes))
        self.fingerprint = meta["fingerprint"]
        self.eval_samples = samples_to_make(len(x) - train, self.eval_samples)
        self.train, self.test = open_splits(copy, y, workers, mirror=mirror)
        for sentence in (found(files, x.shape, train), *files.notes, *meta["notes"]):
            notice(f"{self.name}: {sentence}")


def sides(height: int, width: int) -> str:
    """Of images, in pixels, in words."""
    return f"{height} x {width}{' (height x width)' if height != width else ''}"


def found(files: Files, shape: tuple[int, ...], train: int) -> str:
    """What is told of a folder with images of a `shape` in all, the first `train` of them to train on."""
    count, channels, height, width = shape
    classes = len(files.class_names)
    few = ", ".join([*files.class_names[:NAMED], *["..."] * (classes > NAMED)])
    what = f"of {classes:,} class{'es' * (classes != 1)} ({few})" if classes else "without classes"
    here = f", in {files.train_folder}/" if files.train_folder else ""
    there = f"in {files.test_folder}/" if files.test else "a tenth of them, by hash"
    return (
        f"{train if files.test else count:,} images {what}, {sides(height, width)}, "
        f"{'grey' if channels == 1 else 'RGB'}{here}; {count - train:,} to test, {there}"
    )
