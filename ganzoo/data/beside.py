"""What samples in a .npy file are made for, from another one: classes, values or images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.arrays import Header, read_npy
from ganzoo.data.numbers import as_samples, channel_axis, check_numbers
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError

MOST_CLASSES = 2**20  # a model has weights for each
PER_VALUE = 32  # bytes of memory on the way to a tensor


def read_beside(path: Path, samples: Path, count: int) -> Tensor:
    """Of each of `count` samples: its class, int64 [N]; values, float32 [N, ...]; or an image, uint8.

    Raises:
        UsageError: no such file, other rows than samples, or nothing of these kinds.
    """
    axis = 0

    def check(header: Header) -> None:
        nonlocal axis
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
                "which are classes, numbers [N, K] or [N, C, L], or images, uint8 [N, C, H, W] of 1 or 3 "
                "channels"
            )

    array = read_npy(path, check, lambda header: PER_VALUE * math.prod(header.shape))
    if array.ndim == 1 and array.dtype.kind in "iu":
        return torch.from_numpy(classes_in(path, array))
    return torch.from_numpy(as_samples(path, array[:, None] if array.ndim == 1 else array, axis))


def classes_in(path: Path | str, array: Array) -> Array:
    """Whole numbers as classes, int64 [N]. Raises UsageError for one below 0, or far too large."""
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MOST_CLASSES:
        raise UsageError(
            f"{path} has the class {low if low < 0 else high}: expected 0, 1, 2 and so on, below "
            f"{MOST_CLASSES:,}; number them anew, numpy.unique(y, return_inverse=True)[1]"
        )
    return array.astype(np.int64)
