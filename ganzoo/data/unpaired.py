"""Two folders of one's own images, of which none belongs to another."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.data.copies import Copy
from ganzoo.data.decoded import Options
from ganzoo.data.finding import Files
from ganzoo.data.folder import found
from ganzoo.data.images import check_channels, check_options
from ganzoo.data.sound import open_copy
from ganzoo.data.splits import find_splits
from ganzoo.data.streams import open_splits
from ganzoo.data.tensors import samples_to_make
from ganzoo.data.tree import look
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_paths
from ganzoo.system.rng import counted_seed


class Unpaired(Dataset):
    """Two folders of your own images: unpaired:PATH_A,PATH_B; what is in B is to be made from what is in A.

    No image of B belongs to one of A: each batch takes from either in an order of its own, as CycleGAN does
    (Zhu et al. 2017, arXiv 1703.10593), until all of its images were seen, and begins anew. Each is a folder
    as `folder` takes it, with splits where it has any, decoded, cut to one size and kept as there;
    classes do not count. Samples are uint8 [C, H, W], and so are conditions; networks see both in [-1, 1].

    Args:
        path: the two folders, or archives as `folder` takes them, with a comma between.
        size: of squares in pixels, or HEIGHTxWIDTH, such as 48x64; 0 is 64 if all images are that large,
            else 32.
        channels: of images of B, 1 or 3; 0 is 1 if all of them are grey, else 3.
        condition_channels: of images of A, likewise.
        memory_gb: up to which size of its pixels, in GiB, a folder is held in memory; 0 is a quarter of what
            the machine has. Larger ones are read from the cache as they are needed.
        workers: processes that read ahead, for each folder that is not in memory.
        white: the value that is white in images of more than 8 bits; 0 finds one for each folder.
        mirror: give each image of a training batch left to right with a chance of one half, those
            of A and of B each by itself.
        broken: "stop" with a list where files are broken, or "skip" these.

    Raises:
        UsageError: a wrong option, no two folders, fewer than two images, or files that are broken.
        WorkError: the images are too many for the memory, and the cache cannot be written.
    """

    paths: ClassVar[str] = "PATH_A,PATH_B"
    uses: ClassVar = ("ganzoo run cyclegan --dataset NAME",)

    def __init__(
        self,
        path: str,
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
        trees = [look(root) for root in typed_paths(path, 2)]
        ways = [Options(shape, (own,), white, memory_gb, broken) for own in (condition_channels, channels)]
        opened = [open_copy(tree, find_splits, way) for tree, way in zip(trees, ways, strict=True)]
        sizes = [copy.x.shape[2:] for _, copy in opened]
        if sizes[0] != sizes[1]:  # each has found its own
            i = sizes.index(max(sizes))
            opened[i] = open_copy(trees[i], find_splits, replace(ways[i], size=min(sizes)))
        copies = [copy for _, copy in opened]
        self.name = f"unpaired:{path}"
        self.condition_shape, self.sample_shape = (tuple(copy.x.shape[1:]) for copy in copies)
        both = " ".join(copy.meta["fingerprint"] for copy in copies)
        self.fingerprint = hashlib.sha256(f"unpaired {both}".encode()).hexdigest()[:16]
        splits = [open_splits(copy, None, workers, mirror=mirror) for copy in copies]
        self.train, self.test = (UnpairedSplit(x, y) for y, x in zip(*splits, strict=True))
        self.eval_samples = samples_to_make(len(self.test), self.eval_samples)
        for what, part in zip(("conditions", "images to make"), opened, strict=True):
            for sentence in _told(*part):
                notice(f"{self.name}: {what}: {sentence}")


class UnpairedSplit:
    """A split of x and one of y, each in an order of its own.

    Args:
        x, y: splits of images, of which labels are left out.
    """

    def __init__(self, x: Split, y: Split) -> None:
        self._x, self._y = x, y

    def __len__(self) -> int:
        """As many as the smaller one has."""
        return min(len(self._x), len(self._y))

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor]:
        """Batch number `step` of either; n must be at most len(self)."""
        # With one seed, two folders of equally many images would keep their partners for ever.
        return self._x.batch(n, step, seed)[0], self._y.batch(n, step, counted_seed(seed, "data/partner"))[0]

    def all(self) -> tuple[Tensor, Tensor]:
        """Equally many of both, uint8; of the larger one those at even distances."""
        return _evenly(self._x.all()[0], len(self)), _evenly(self._y.all()[0], len(self))

    def to(self, device: torch.device) -> UnpairedSplit:
        return UnpairedSplit(self._x.to(device), self._y.to(device))


def _evenly(x: Tensor, n: int) -> Tensor:
    return x if len(x) == n else x[torch.arange(n) * len(x) // n]


def _told(files: Files, copy: Copy) -> list[str]:
    without = replace(files, class_names=())
    return [found(without, copy.x.shape, copy.meta["train"]), *files.notes, *copy.meta["notes"]]
