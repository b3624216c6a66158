"""Sets of samples from anybody's program, in Python: tensors and arrays, as the units that are measured."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, shares
from ganzoo.data.beside import MOST_CLASSES
from ganzoo.data.numbers import CHANNELS, finite_rows
from ganzoo.data.ranges import NETWORKS, REMEDY, Range, checked_range, in_bytes, plain_array
from ganzoo.data.tensors import Array, fingerprint
from ganzoo.errors import UsageError
from ganzoo.metrics.context import BATCH

NAME = "the real set"


class RealSet(Dataset):
    """Real samples that somebody handed over, to compare others with; nothing can be trained on them.

    Args:
        x, y: samples as `as_samples` gives them, and their classes, int64 [N], or None.
        held_out: more of them.
        modes: what is known of theirs; the classes, where they have such, if nothing else is.
        known: a hash of the content, where it is known already.
    """

    name = NAME

    def __init__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        held_out: Tensor | None = None,
        modes: Modes | None = None,
        known: str = "",
    ) -> None:
        self.sample_shape = tuple(x.shape[1:])
        self.kind = "tensors" if x.dim() > 3 and x.dtype != torch.uint8 else ""
        self.num_classes = 0 if y is None else int(y.max()) + 1
        self.modes = modes
        if modes is None and y is not None and x.dtype == torch.uint8:
            self.modes = Modes(self.num_classes, shares=shares(y, self.num_classes))
        self.train = _Whole(x, y)
        self.test = _Whole(x[:0] if held_out is None else held_out, None)
        self.fingerprint = known or content(x)


class _Whole:
    """A split that is looked at as a whole."""

    def __init__(self, x: Tensor, y: Tensor | None) -> None:
        self._x, self._y = x, y

    def __len__(self) -> int:
        return len(self._x)

    def all(self) -> tuple[Tensor, Tensor | None]:
        return self._x, self._y

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor | None]:
        raise UsageError(f"{NAME} is there to compare with, and not to train on")

    def to(self, device: torch.device) -> _Whole:
        return self


def content(x: Tensor, before: str = "") -> str:
    """A hash of samples, which goes on from one of those before: whole blocks give what all at once do."""
    for block in torch.split(x, BATCH):
        before = hashlib.sha256(f"{before}/{fingerprint(block)}".encode()).hexdigest()[:16]
    return before


def as_samples(what: str, x: Any, pixels: Range | None = None, sure: set[str] | None = None) -> Tensor:
    """Samples in the units that are measured, on the CPU: pixels uint8 [N, C, ...], all others float32.

    uint8 [N, C, H, W] are images from 0 to 255. Floats [N, C, H, W] of 1 or 3 channels are images in [-1, 1],
    or in the range that `pixels` says, and become uint8 by the rule of `to_uint8`. The channels may be last
    where that is plain. A video has one more dimension, after its channels. Other numbers stay as they are.

    Args:
        what: "generated samples", as sentences say it.
        sure: kinds of numbers whose range earlier samples left no doubt about; that of these is added.

    Raises:
        UsageError: these are no such samples, or their range is not the one that was said.
    """
    array = as_array(what, x)
    shape = tuple(array.shape)
    if array.ndim < 2:
        raise UsageError(
            f"{what} have the shape {shape}: expected a row for each, [N, D] or [N, C, H, W]"
            + ("; x[:, None] where D is 1" if array.ndim else "")
        )
    if not array.size:
        raise UsageError(f"{what} are empty: their shape is {shape}")
    if array.ndim == 3 and array.dtype == np.uint8:
        raise UsageError(
            f"{what} have the shape {shape} of uint8: expected [N, 1, H, W], x[:, None], for grey images, or "
            "floats for series [N, C, L]"
        )
    axis = _channels(array.shape)
    if array.ndim in (4, 5) and (array.dtype == np.uint8 or axis):
        if axis == -1:
            array = np.moveaxis(array, -1, 1)
        return _pixels(what, array, pixels, set() if sure is None else sure)
    if pixels is not None:
        raise UsageError(
            f"{what} have the shape {shape}, and pixels={pixels} is for images of 1 or 3 channels"
        )
    return torch.from_numpy(finite_rows(what, array))


def as_labels(what: str, y: Any, count: int) -> Tensor | None:
    """Classes of samples, int64 [N]. Raises UsageError where they are none."""
    if y is None:
        return None
    array = as_array(f"labels of {what}", y)
    whole = array.dtype.kind in "iu" and array.shape == (count,)
    if not whole or (count and not 0 <= int(array.min()) <= int(array.max()) < MOST_CLASSES):
        raise UsageError(
            f"labels of {what} are {array.dtype.name} {tuple(array.shape)}: expected a class for each, "
            f"whole numbers ({count},) from 0 to {MOST_CLASSES - 1:,}"
        )
    return torch.from_numpy(array.astype(np.int64))


def refuse_unlike(what: str, x: Tensor, there: str, like: tuple[torch.dtype, tuple[int, ...]]) -> None:
    """Raise a UsageError where samples are of another type or shape than those that are there."""
    dtype, shape = like
    if (x.dtype, tuple(x.shape[1:])) != like:
        raise UsageError(
            f"{what} are {_named(x.dtype, tuple(x.shape[1:]))}, and {there} {_named(dtype, shape)}: expected "
            "the same of both, as nothing is resized here"
        )


def _named(dtype: torch.dtype, shape: tuple[int, ...]) -> str:
    return f"{'images' if dtype == torch.uint8 else 'numbers'} of shape {shape}"


def as_array(what: str, x: Any) -> Array:
    """Whatever holds numbers. Raises UsageError where it holds none."""
    if isinstance(x, Tensor) and (x.layout != torch.strided or x.is_quantized):
        raise UsageError(f"{what} are a sparse or quantized tensor: expected a dense one, x.to_dense()")
    try:
        if isinstance(x, str | bytes | dict | set | Path) or x is None:
            raise TypeError("it is none")
        array = plain_array(x)
    except Exception as error:  # whatever a foreign type raises
        files = "; ganzoo.evaluate reads files and folders" if isinstance(x, str | Path) else ""
        raise UsageError(
            f"{what}: expected a tensor or an array, a row for each of them, got {type(x).__name__}{files}"
        ) from error
    if array.dtype.kind not in "iuf":
        batches = "; ganzoo.Score takes batch after batch" if array.dtype == object else ""
        raise UsageError(
            f"{what}: expected numbers, real or whole, got {type(x).__name__} of {array.dtype}{batches}"
        )
    return array


def _channels(shape: tuple[int, ...]) -> int:
    """Where the channels of images and videos are: 1 or -1; 0 where there are not 1 or 3."""
    if len(shape) not in (4, 5):
        return 0
    if shape[1] in CHANNELS:
        return 1
    return -1 if shape[-1] in CHANNELS and min(shape[1:-1]) > shape[-1] else 0


def _pixels(what: str, array: Array, pixels: Range | None, sure: set[str]) -> Tensor:
    if array.dtype == np.uint8:
        if "u" not in sure and array.max() == 1:
            raise UsageError(
                f"{what} have only the values 0 and 1: expected uint8 from 0 to 255; were these images in "
                "[0, 1] before they became whole numbers?"
            )
        sure.add("u")
        return torch.from_numpy(np.ascontiguousarray(array))
    if array.dtype.kind != "f":
        raise UsageError(
            f"{what} are images of type {array.dtype.name}: expected uint8 from 0 to 255, or floats in "
            "[-1, 1]"
        )
    x = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x).flatten(1).all(1)).nonzero()[0])
        raise UsageError(f"{what} have a number in row {bad} (from 0) that is not finite")
    low, high = NETWORKS if pixels is None else checked_range(pixels)
    least, most = float(x.min()), float(x.max())
    if least < low or most > high:
        raise UsageError(
            f"{what} are images of floats from {least:g} to {most:g}, and floats are read as "
            f"[{low:g}, {high:g}]: {REMEDY}"
        )
    if pixels is None and "f" not in sure and least >= 0:
        raise UsageError(
            f"{what} are images of floats from {least:g} to {most:g}, none below 0, and may be in [0, 1] or "
            f"in [-1, 1]: {REMEDY}"
        )
    sure.add("f")
    return in_bytes(x, (low, high))
