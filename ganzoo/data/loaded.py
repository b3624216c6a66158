"""A DataLoader of somebody's own as a dataset: what its batches mean, and what is held out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ganzoo.data.base import Dataset, Modes, Standardization, shares, to_uint8
from ganzoo.data.items import as_tensor, pair_of
from ganzoo.data.kinds import PIXELS, kind_of
from ganzoo.data.loaders import Batch, LoadedSplit, held_out, read_some
from ganzoo.data.numbers import CHANNELS
from ganzoo.data.open import GIVEN
from ganzoo.data.ranges import REMEDY, Range
from ganzoo.data.tensors import TensorSplit, fingerprint, samples_to_make
from ganzoo.errors import UsageError, first_line
from ganzoo.system.console import notice

KNOWN_BY = 256  # training rows, with their number and all that is held out


class LoadedSet(Dataset):
    """What a DataLoader gives, with samples that are held out of it or given beside it.

    Args:
        loader: gives x, or (x, y), in batches of any size.
        test: what is held out, as x and y in the data's own units; a tenth of the loader's items, by chance
            but always the same, where it is None.
        pixels: the range of images that are floats.

    Raises:
        UsageError: its batches are no samples, or nothing can be held out of it.
    """

    def __init__(self, loader: DataLoader[Any], test: Batch | None, pixels: Range | None) -> None:
        understood = Meaning(loader, pixels)
        if test is None:
            loader, other = held_out(loader)
            test = _in_units(read_some(other, understood)[0], understood)
        kept, whole = read_some(loader, understood)
        x, y = kept = _in_units(kept, understood)
        self.kind, self.sample_shape = understood.kind, tuple(x.shape[1:])
        self.endless = not whole
        if not whole:
            notice(f"the DataLoader gives more than {len(x):,} rows: scores compare with the first of them")
        held, held_y = test
        if held.shape[1:] != x.shape[1:] or held.dtype != x.dtype or (held_y is None) != (y is None):
            raise UsageError(
                f"the DataLoader gives {_told(x, y)}, and test has {_told(held, held_y)}: expected the same"
            )
        self.fingerprint = fingerprint(
            x[:KNOWN_BY], None if y is None else y[:KNOWN_BY], held, held_y, _count(x)
        )
        self.name = f"{GIVEN}:{self.fingerprint}"
        if y is not None and held_y is not None and y.dim() == 1:
            names = tuple(map(str, getattr(_innermost(loader), "classes", None) or ()))
            self.num_classes = max(int(y.max()) + 1, int(held_y.max()) + 1, len(names))
            self.class_names = names if len(names) == self.num_classes else ()
        elif y is not None:
            self.condition_shape = tuple(y.shape[1:])
        if kind_of(self) not in PIXELS:
            self.standardization = Standardization.of(x)
        elif self.num_classes:
            self.modes = Modes(self.num_classes, shares=shares(y, self.num_classes))
        splits = [
            TensorSplit(own, own_y, None if kind_of(self) in PIXELS else self.from_units(own))
            for own, own_y in ((x, y), (held, held_y))
        ]
        self.train = LoadedSplit(loader, understood, splits[0], self.standardization)
        self.test = splits[1]
        self.batch_size = loader.batch_size
        self.eval_samples = samples_to_make(len(held), self.eval_samples)


class Meaning:
    """What x and y are in what a loader gives, by its first batch.

    Attributes:
        kind: "tensors" for numbers on a grid that are no pixels.
    """

    def __init__(self, loader: DataLoader[Any], pixels: Range | None) -> None:
        try:
            first = next(iter(loader), None)
        except Exception as error:  # whatever somebody's own data raise
            raise UsageError(f"the DataLoader fails: {type(error).__name__}: {first_line(error)}") from error
        if first is None:
            raise UsageError("the DataLoader gives no batch: expected samples, or pairs (x, y)")
        x = as_tensor(pair_of(first)[0])
        self.kind, self._last, self._scale = "", False, None
        if x.dim() < 2:
            raise UsageError(
                f"the DataLoader gives batches of shape {list(x.shape)}: expected [N, D] or more"
            )
        grid = x.dim() in (4, 5)
        self._last = (
            grid and x.dtype == torch.uint8 and x.shape[1] not in CHANNELS and x.shape[-1] in CHANNELS
        )
        if grid and x.is_floating_point() and x.shape[1] in CHANNELS:
            low, high = float(x.min()), float(x.max())
            if pixels is not None:
                self._scale = pixels
            elif low >= 0.0 and high <= 1.0:
                raise UsageError(
                    f"the DataLoader gives images, or something alike, of floats from 0 to 1: {REMEDY}"
                )
            elif low >= -1.0 and high <= 1.0:
                self._scale = (-1.0, 1.0)
        self.pixels = self._scale is not None or (
            grid and x.dtype == torch.uint8 and bool(self._last or x.shape[1] in CHANNELS)
        )
        self.kind = "tensors" if grid and not self.pixels else ""

    def __call__(self, given: Any) -> Batch:
        x, y = map(lambda part: None if part is None else as_tensor(part), pair_of(given))
        assert x is not None
        if self._last:
            x = x.movedim(-1, 1).contiguous()
        if not self.pixels:
            x = x.float()
        elif self._scale not in (None, (-1.0, 1.0)):
            low, high = self._scale
            x = (x - low) * (2.0 / (high - low)) - 1.0
        if y is not None and not (y.dtype == torch.uint8 and y.dim() == 4):
            whole = not y.is_floating_point()
            y = y.long() if whole and y.dim() == 1 else y.float().reshape(len(y), *(y.shape[1:] or (1,)))
        return x, y


def _in_units(batch: Batch, meaning: Meaning) -> Batch:
    x, y = batch
    return (to_uint8(x) if meaning.pixels and x.dtype != torch.uint8 else x), y


def _count(x: Tensor) -> Tensor:
    return torch.tensor(len(x))


def _told(x: Tensor, y: Tensor | None) -> str:
    return f"{x.dtype} of shape {tuple(x.shape[1:])}" + ("" if y is None else " with y")


def _innermost(loader: DataLoader[Any]) -> Any:
    """The set itself, of which parts were taken."""
    data = loader.dataset
    while hasattr(data, "dataset"):
        data = data.dataset
    return data
