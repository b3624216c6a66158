"""One's own pairs of images: one is made from the other."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar, Literal

from ganzoo.data.base import Dataset
from ganzoo.data.decoded import Options
from ganzoo.data.finding import Files
from ganzoo.data.folder import sides
from ganzoo.data.images import check_channels, check_options
from ganzoo.data.partners import find_pairs
from ganzoo.data.sound import open_copy
from ganzoo.data.streams import open_splits
from ganzoo.data.tensors import samples_to_make
from ganzoo.data.tree import look
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path


class Pairs(Dataset):
    """Your own pairs of images: pairs:PATH; one of a pair is to be made from the other, its condition.

    Pairs are two sub-folders with the same names in them (A/1.png, B/1.jpg), or files with two squares, or
    rectangles of the proportions of `size`, side by side, as the datasets of pix2pix have them (Isola et al.
    2017, arXiv 1611.07004). Either may be below splits: train/A and train/B, trainA and trainB, A/train and
    B/train, train/1.png. Without, a tenth of the pairs, chosen by hash, is the test split. Samples are uint8
    [C, H, W], and so are conditions; networks see both in [-1, 1]. They are decoded, cut, scaled and kept as
    those of `folder` are.

    Args:
        path: the folder, or a .zip or .tar of it.
        condition: the side that is the condition, the name of a folder, or left or right; the first one
            where it is left out.
        size: of squares in pixels, or HEIGHTxWIDTH, such as 48x64; 0 is 64 if all images are that large,
            else 32.
        channels: of what is made, 1 or 3; 0 is 1 if all of these images are grey, else 3.
        condition_channels: of the conditions, likewise.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has. Larger sets are read from the cache as they are needed.
        workers: processes that read ahead, where the set is not in memory.
        white: the value that is white in images of more than 8 bits; 0 finds one for all, as in `folder`.
        mirror: give each image of a training batch left to right with a chance of one half; a pair together.
        broken: "stop" with a list where files are broken, or "skip" these.

    Raises:
        UsageError: a wrong option, no such folder, fewer than two pairs, files that are broken, one without a
            partner or one whose partner has other proportions.
        WorkError: the images are too many for the memory, and the cache cannot be written.
    """

    uses: ClassVar = ("ganzoo run pix2pix --dataset NAME",)

    def __init__(
        self,
        path: str | Path,
        condition: str = "",
        size: int | str = 0,
        channels: int = 0,
        condition_channels: int = 0,
        memory_gb: float = 0.0,
        workers: int = 0,
        white: float = 0.0,
        mirror: bool = False,
        broken: Literal["stop", "skip"] = "stop",
    ) -> None:
        shape = check_options(size, channels, memory_gb, workers, white, broken)
        check_channels("condition_channels", condition_channels)
        options = Options(shape, (channels, condition_channels), white, memory_gb, broken)
        files, copy = open_copy(look(typed_path(path)), lambda tree: find_pairs(tree, condition), options)
        count, train, (made, given) = len(copy.x), copy.meta["train"], copy.meta["channels"]
        self.name = f"pairs:{path}"
        self.sample_shape, self.condition_shape = ((c, *copy.x.shape[2:]) for c in (made, given))
        parts = f"pairs {made} {given} {copy.meta['fingerprint']}"
        self.fingerprint = hashlib.sha256(parts.encode()).hexdigest()[:16]
        self.eval_samples = samples_to_make(count - train, self.eval_samples)
        self.train, self.test = open_splits(copy, None, workers, made, mirror)
        for sentence in (
            _found(files, copy.x.shape, (made, given), train),
            *files.notes,
            *copy.meta["notes"],
        ):
            notice(f"{self.name}: {sentence}")


def _found(files: Files, shape: tuple[int, ...], channels: tuple[int, int], train: int) -> str:
    assert files.partners is not None
    image, condition = (
        f"{side} ({'grey' if own == 1 else 'RGB'})"
        for side, own in zip(files.partners.sides, channels, strict=True)
    )
    here = f", in {files.train_folder}" if files.train_folder else ""
    there = f"in {files.test_folder}" if files.test else "a tenth of them, by hash"
    return (
        f"{train if files.test else shape[0]:,} pairs, {sides(*shape[2:])}, {image} made from {condition}"
        f"{', side by side' * files.partners.halved}{here}; {shape[0] - train:,} to test, {there}"
    )
