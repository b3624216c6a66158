"""A DataLoader of somebody's own as a dataset: what its batches mean, and what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ganzoo.data.base import to_uint8
from ganzoo.data.items import as_tensor, pair_of
from ganzoo.data.loaders import Batch, LoadedSplit, held_out, read_some, rows_per_epoch
from ganzoo.data.numbers import CHANNELS
from ganzoo.data.open import GIVEN, given_name
from ganzoo.data.own import OwnArrays, Part, Samples
from ganzoo.data.ranges import NETWORKS, REMEDY, Range
from ganzoo.data.tensors import TensorSplit, fingerprint
from ganzoo.errors import UsageError, first_line
from ganzoo.system.console import notice

OVER = 1.001  # what rounding may leave of pixels in [-1, 1]
KNOWN_BY = 256  # training rows, with their number and all that is held out


class LoadedSet(OwnArrays):
    """What a DataLoader gives, with samples that are held out of it or given beside it.

    Args:
        loader: gives x, or (x, y), in batches of any size.
        test: what is held out, as x and y in the data's own units, or another loader; a tenth of the loader's
            items, by chance but always the same, where it is None.
        pixels: the range of images that are floats.

    Raises:
        UsageError: its batches are no samples, or nothing can be held out of it.
    """

    def __init__(
        self, loader: DataLoader[Any], test: Batch | DataLoader[Any] | None, pixels: Range | None
    ) -> None:
        understood = Meaning(loader, pixels)
        if test is None:
            loader, test = held_out(loader)
        if isinstance(test, DataLoader):
            test = _in_units(read_some(test, understood)[0], understood)
        kept, whole = read_some(loader, understood)
        x, y = kept = _in_units(kept, understood)
        if not whole:
            notice(f"the DataLoader gives more than {len(x):,} rows: scores compare with the first of them")
        held, held_y = test
        if held.shape[1:] != x.shape[1:] or held.dtype != x.dtype or (held_y is None) != (y is None):
            raise UsageError(
                f"the DataLoader gives {_told(x, y)}, and test has {_told(held, held_y)}: expected the same"
            )
        names = class_names(loader)
        if y is None or held_y is None or y.dim() != 1 or max(int(y.max()), int(held_y.max())) >= len(names):
            names = ()  # there are other classes than those that have names
        super().__init__(GIVEN, Samples(x, y, names, test, understood.kind))
        self.name, self.endless = given_name(self), not whole
        understood.classes = self.num_classes
        # Of a stream the epoch that was just read tells how long the others are.
        per_epoch = rows_per_epoch(loader) or (len(x) if whole else 0)
        assert isinstance(self.train, TensorSplit)
        self.train = LoadedSplit(loader, understood, self.train, self.standardization, per_epoch)
        self.batch_size = loader.batch_size

    def known_by(self, parts: Sequence[Part]) -> str:
        """A hash of some rows and their number, and of all that is held out."""
        (x, y), held_out = parts
        some = None if y is None else y[:KNOWN_BY]
        return fingerprint(x[:KNOWN_BY], some, *held_out, torch.tensor(len(x)))


class Meaning:
    """What x and y are in what a loader gives, by its first batch; later ones have to be like it.

    Attributes:
        kind: "tensors" for numbers on a grid that are no pixels.
        pixels: whether samples are images or videos.
        classes: how many there are, once that is known.
    """

    def __init__(self, loader: DataLoader[Any], pixels: Range | None) -> None:
        try:
            first = next(iter(loader), None)
        except Exception as error:  # whatever somebody's own data raise
            raise UsageError(f"the DataLoader fails: {type(error).__name__}: {first_line(error)}") from error
        if first is None:
            raise UsageError("the DataLoader gives no batch: expected samples, or pairs (x, y)")
        self.classes = 0
        self._names = class_names(loader)
        x = _tensor("samples", pair_of(first)[0])
        if x.dim() < 2 or not x.numel():
            raise UsageError(
                f"the DataLoader gives batches of shape {list(x.shape)}: expected [N, D] or more, and a row"
            )
        grid, floats = x.dim() in (4, 5), x.is_floating_point()
        channels = grid and x.shape[1] in CHANNELS
        self._like = x.shape[1:], x.dtype
        self._last = grid and not floats and not channels and x.shape[-1] in CHANNELS
        self._scale = self._range(x, pixels) if channels and floats else None
        self.pixels = self._scale is not None or (x.dtype == torch.uint8 and (channels or self._last))
        self.kind = "tensors" if grid and not self.pixels else ""

    def _range(self, x: Tensor, pixels: Range | None) -> Range | None:
        low, high = float(x.min()), float(x.max())
        if pixels is not None:
            return pixels
        if low >= 0.0 and high <= 1.0:
            raise UsageError(
                f"the DataLoader gives images, or something alike, of floats from {low:g} to {high:g}: "
                f"{REMEDY}"
            )
        return NETWORKS if low >= -1.0 and high <= 1.0 else None

    def __call__(self, given: Any) -> Batch:
        x, y = pair_of(given)
        return self._samples(_tensor("samples", x)), None if y is None else self._labels(y)

    def _samples(self, x: Tensor) -> Tensor:
        if (x.shape[1:], x.dtype) != self._like:
            shape, dtype = self._like
            raise UsageError(
                f"{x.dtype} of shape {list(x.shape[1:])}, where {dtype} of shape {list(shape)} came before"
            )
        if self._last:
            x = x.movedim(-1, 1).contiguous()
        if x.dtype == torch.uint8 and self.pixels:
            return x
        x = x.float()
        if self._scale is None:
            if not bool(x.isfinite().all()):
                raise UsageError("a number that is not finite")
            return x
        low, high = map(float, self._scale)
        if (low, high) != NETWORKS:
            x = (x - low) * (2.0 / (high - low)) - 1.0
        if not bool(x.abs().amax() <= OVER):  # which is not so of nan either
            raise UsageError(f"pixels beyond {low:g} to {high:g}: {REMEDY}")
        return x.clamp(-1.0, 1.0)

    def _labels(self, y: Any) -> Tensor:
        if isinstance(y, list | tuple) and y and isinstance(y[0], str):
            unknown = [name for name in y if name not in self._names]
            if unknown:
                raise UsageError(
                    f"the class {unknown[0]!r}, which is not among the `classes` of its dataset: give "
                    "numbers, or the dataset that attribute"
                )
            return torch.tensor([self._names.index(name) for name in y])
        found = _tensor("labels", y)
        if found.dtype == torch.uint8 and found.dim() == 4:
            return found
        if found.is_floating_point() or found.dim() != 1:
            return found.float().reshape(len(found), *(found.shape[1:] or (1,)))
        low, high = (int(bound) for bound in found.aminmax()) if len(found) else (0, 0)
        if low < 0 or (self.classes and high >= self.classes):
            known = (
                f"0 to {self.classes - 1} are known" if self.classes else "0, 1, 2 and so on were expected"
            )
            raise UsageError(f"classes from {low} to {high}, where {known}")
        return found.long()


def _tensor(what: str, value: Any) -> Tensor:
    try:
        if isinstance(value, tuple | list | dict):
            raise TypeError("a collate_fn stacks them")
        return as_tensor(value)
    except Exception as error:  # whatever somebody's own batches are
        raise UsageError(
            f"the DataLoader gives {what} as {type(value).__name__}: expected a tensor, [N, ...] "
            f"({first_line(error)})"
        ) from error


def class_names(loader: DataLoader[Any]) -> tuple[str, ...]:
    """Those that the set behind a loader has, if it has any."""
    return tuple(map(str, getattr(_innermost(loader), "classes", None) or ()))


def _in_units(batch: Batch, meaning: Meaning) -> Batch:
    x, y = batch
    return (to_uint8(x) if meaning.pixels and x.dtype != torch.uint8 else x), y


def _told(x: Tensor, y: Tensor | None) -> str:
    return f"{x.dtype} of shape {tuple(x.shape[1:])}" + ("" if y is None else " with y")


def _innermost(loader: DataLoader[Any]) -> Any:
    """The set itself, of which parts were taken."""
    data = loader.dataset
    while hasattr(data, "dataset"):
        data = data.dataset
    return data
