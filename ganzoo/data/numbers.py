"""Arrays of numbers as samples: float32, or pixels where they are uint8 with the channels of an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganzoo.data.arrays import Header
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError

ROUNDED = 0.01  # of the spread of a column may be lost in float32
CHANNELS = (1, 3)
MOST_DIMENSIONS = 16


def check_numbers(path: Path | str, header: Header, count: int) -> None:
    """Raise UsageError unless there are real or whole numbers, of `count` samples at least.

    uint8 [N, A, B] is refused too: nothing says whether these are grey images or series of A channels.
    """
    shape = header.shape
    if header.dtype.kind not in "iuf":
        raise UsageError(f"{path} holds {header.dtype.name}: expected an array of numbers, real or whole")
    if not shape or not all(shape[1:]) or len(shape) > MOST_DIMENSIONS:
        raise UsageError(
            f"{path} has the shape {shape}: expected [N, D], [N, C, L] or more, up to {MOST_DIMENSIONS} "
            "dimensions, one row per sample"
        )
    if shape[0] < count:
        raise UsageError(f"{path} has {shape[0]} row{'s' * (shape[0] != 1)}: at least {count} are needed")
    if header.dtype == np.uint8 and len(shape) == 3:
        raise UsageError(
            f"{path} has the shape {shape} of uint8: expected [N, 1, H, W], x[:, None], for grey images, or "
            "another type of numbers for series [N, C, L]"
        )


def channel_axis(header: Header) -> int:
    """Of pixels, where their channels are: 1 or -1. 0 for anything else.

    Pixels are uint8 [N, C, H, W] or [N, C, T, H, W] of 1 or 3 channels, which may also be last.
    """
    if header.dtype != np.uint8 or len(header.shape) not in (4, 5):
        return 0
    return next((axis for axis in (1, -1) if header.shape[axis] in CHANNELS), 0)


def as_samples(path: Path | str, array: Array, axis: int) -> Array:
    """Pixels uint8 with their channels, which are on `axis`, first; all else as `finite_rows` gives it."""
    return np.ascontiguousarray(np.moveaxis(array, axis, 1)) if axis else finite_rows(path, array)


def finite_rows(path: Path | str, array: Array, names: Sequence[str] = ()) -> Array:
    """The array as float32 [N, ...]. Raises UsageError for a number that float32 cannot hold.

    Args:
        names: of the columns, where they have any.
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is reported as that
        plain = np.ascontiguousarray(array, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(plain).reshape(len(plain), -1).all(axis=1))
    if len(bad):
        raise UsageError(f"{path} has a number in row {bad[0]} (from 0) that is not finite in float32")
    _refuse_rounding(path, array, plain, names)
    return plain


def _refuse_rounding(path: Path | str, array: Array, plain: Array, names: Sequence[str]) -> None:
    """Raise UsageError for a column, or channel, whose spread float32 rounds away: times in seconds, say."""
    if array.dtype.kind == "f" and array.dtype.itemsize <= 4:
        return
    for column in range(array.shape[1]):  # one by one: all would take several times the memory
        exact = array[:, column]
        if exact.min() == exact.max():
            continue  # nothing of it is lost by rounding
        with np.errstate(all="ignore"):
            lost = np.abs(exact - plain[:, column].astype(np.float64)).mean()
            spread = np.abs(exact - exact.mean()).mean()
        if lost > ROUNDED * spread:
            what = "column" if array.ndim == 2 else "channel"
            which = repr(names[column]) if names else f"{column} (from 0)"
            raise UsageError(
                f"{path} has numbers in {what} {which} that float32 rounds to few values: "
                f"subtract the {what}'s mean first"
            )
