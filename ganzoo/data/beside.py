"""What samples in a .npy file are made for, from another one: classes, values or images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.arrays import Header, read_npy
from ganzoo.data.numbers import as_samples, channel_axis, check_numbers
from ganzoo.data.own import classes_of
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError

MOST_CLASSES = 2**20  # a model has weights for each
LAST_LETTER, HALVES = 0x10FFFF, (0xD800, 0xDFFF)  # of Unicode; two of the latter stand for one letter
PER_VALUE = 32  # bytes of memory on the way to a tensor


def read_beside(path: Path, samples: Path, count: int) -> tuple[Tensor, tuple[str, ...]]:
    """Of each of `count` samples: its class, int64 [N]; values, float32 [N, ...]; or an image, uint8.

    With it the names of the classes, where these are text.

    Raises:
        UsageError: no such file, other rows than samples, or nothing of these kinds.
    """
    axis = 0

    def check(header: Header) -> None:
        nonlocal axis
        if not _is_text(header):
            check_numbers(path, header, 0)
        if header.shape[0] != count:
            raise UsageError(
                f"{path} has the length {header.shape[0]:,}, and {samples} {count:,}: expected one row for "
                "each sample, in the same order"
            )
        axis = channel_axis(header)
        if len(header.shape) > (4 if axis else 3):
            raise UsageError(
                f"{path} has the shape {header.shape} of {header.dtype.name}: expected whole numbers [N], "
                "or text, which are classes, numbers [N, K] or [N, C, L], or images, uint8 [N, C, H, W] of 1 "
                "or 3 channels"
            )

    array = read_npy(path, check, lambda header: PER_VALUE * math.prod(header.shape))
    if array.dtype.kind == "U":
        return _named_classes(path, array)
    return y_of(path, array, axis), ()


def y_of(path: Path | str, array: Array, axis: int) -> Tensor:
    """Whole numbers [N] as classes, int64; images, whose channels are on `axis`, uint8; all else float32."""
    if array.ndim == 1 and array.dtype.kind in "iu":
        return torch.from_numpy(_classes(path, array))
    return torch.from_numpy(as_samples(path, array[:, None] if array.ndim == 1 else array, axis))


def _classes(path: Path | str, array: Array) -> Array:
    """Whole numbers as classes, int64 [N]. Raises UsageError for one below 0, or far too large."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MOST_CLASSES:
        raise UsageError(
            f"{path} has the class {low if low < 0 else high}: expected 0, 1, 2 and so on, below "
            f"{MOST_CLASSES:,}; number them anew, numpy.unique(y, return_inverse=True)[1]"
        )
    return array.astype(np.int64)


def _named_classes(path: Path, array: Array) -> tuple[Tensor, tuple[str, ...]]:
    # Before any of it is text: Python believes what numpy gives it, and breaks when it is shown.
    codes = np.ascontiguousarray(array).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if ((codes > LAST_LETTER) | ((codes >= HALVES[0]) & (codes <= HALVES[1]))).any():
        raise UsageError(f"{path} cannot be read as text: it has numbers in it that are no letters")
    values = [value.strip() for value in array.tolist()]
    if "" in values:
        raise UsageError(f"{path} has no text in row {values.index('')} (from 0): expected a class for each")
    return classes_of(values)


def _is_text(header: Header) -> bool:
    return header.dtype.kind == "U" and len(header.shape) == 1
