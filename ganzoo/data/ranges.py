"""Arrays that somebody has in Python: what holds numbers, and in which range the pixels of images are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import to_uint8
from ganzoo.data.numbers import CHANNELS
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError
from ganzoo.system.console import notice

Range = tuple[float, float]
NETWORKS = (-1.0, 1.0)  # the range of pixels as networks see and make them
REMEDY = (
    "say their range, pixels=(0, 1) for what ToTensor makes, pixels=(-1, 1) for what G makes; or give uint8 "
    "from 0 to 255"
)


def plain_array(x: Any) -> Array:
    """Whatever holds numbers, as torch takes it: on the CPU, in its order of bytes, to be written to.

    Raises whatever a foreign type raises where it cannot be read.
    """
    if isinstance(x, Tensor):
        x = (x.float() if x.dtype == torch.bfloat16 else x).detach().cpu().numpy()
    array = np.asarray(x)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.writeable else array.copy()  # of a file or a frame that is read alone


def as_array(label: str, x: Any) -> Array:
    """Whatever holds numbers, as an array. Raises UsageError where it holds none."""
    if isinstance(x, Tensor) and (x.layout != torch.strided or x.is_quantized or x.is_meta):
        raise UsageError(
            f"{label}: a tensor that is sparse, quantized or without values: expected a dense one"
        )
    if isinstance(x, str | bytes | dict | set) or x is None:
        raise UsageError(
            f"{label}: expected an array of numbers with a row for each sample, got {type(x).__name__}"
        )
    try:
        array = plain_array(x)
    except Exception as error:  # whatever a foreign type raises
        raise UsageError(
            f"{label}: {type(x).__name__} cannot be read as an array of numbers ({error})"
        ) from error
    if np.ma.isMaskedArray(x) and np.ma.getmaskarray(x).any():
        raise UsageError(f"{label}: a masked array with rows that are masked: drop them, or fill them")
    if array.dtype.kind == "b" and array.ndim < 4:
        array = array.astype(np.float32)
    if array.dtype.kind not in "iufb" or not array.ndim:
        raise UsageError(
            f"{label}: expected an array of numbers with a row for each sample, got {type(x).__name__} of "
            f"{array.dtype}"
        )
    return array


def are_pixels(label: str, array: Array) -> bool:
    """Whether floats are images in [-1, 1]. Raises UsageError where they may be, in another range."""
    if array.dtype.kind not in "if" or array.ndim not in (4, 5) or not array.size:
        return False
    if array.shape[1] not in CHANNELS:
        if array.shape[-1] in CHANNELS and array.ndim == 4:
            raise UsageError(
                f"{label} has the shape {array.shape} of floats: expected the channels of images first, "
                "x.transpose(0, 3, 1, 2)"
            )
        return False
    low, high = float(array.min()), float(array.max())
    if low >= 0.0 and high <= 1.0 and array.dtype.kind == "f":
        raise UsageError(
            f"{label} has images, or something alike, of floats from {low:g} to {high:g}: {REMEDY}"
        )
    if low >= 0.0 and high <= 255.0:
        notice(
            f"{label}: numbers from {low:g} to {high:g} on a grid of {array.shape[1]} channel"
            f"{'s' * (array.shape[1] != 1)}: no pixels, unless pixels=(0, 255) is said, or they are uint8"
        )
    return low >= -1.0 and high <= 1.0 and array.dtype.kind == "f"


def to_pixels(label: str, array: Array, pixels: Range) -> Tensor:
    """Images of floats in a range to uint8 from 0 to 255, rounded. Raises UsageError for others.

    Of uint8 the range says nothing, and they stay as they are.
    """
    low, high = checked_range(pixels)
    if array.ndim not in (4, 5) or array.shape[1] not in CHANNELS:
        raise UsageError(
            f"{label} has the shape {array.shape}: expected images [N, C, H, W] of 1 or 3 channels"
        )
    if array.dtype == np.uint8:
        return as_bytes(label, array)
    x = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    found = float(x.min()), float(x.max())
    room = 1e-3 * (high - low)
    if not (low - room <= found[0] and found[1] <= high + room):
        raise UsageError(
            f"{label} has numbers from {found[0]:g} to {found[1]:g}, and pixels={(low, high)} was said: "
            f"{REMEDY}"
        )
    return in_bytes(x, (low, high))


def in_bytes(x: Tensor, pixels: Range) -> Tensor:
    """Floats in a range to uint8 from 0 to 255, rounded; those of networks by the rule of `to_uint8`."""
    if pixels == NETWORKS:
        return to_uint8(x)
    low, high = pixels
    return ((x - low) * (255.0 / (high - low))).round().clamp(0, 255).to(torch.uint8)


def as_bytes(label: str, array: Array) -> Tensor:
    """Pixels uint8 as they are. Raises UsageError for those that were floats in [0, 1] before."""
    if array.size and int(array.max()) == 1:
        raise UsageError(
            f"{label} has only the values 0 and 1, and uint8 goes from 0 to 255: give 255 * x, or "
            "floats and their range"
        )
    return torch.from_numpy(np.ascontiguousarray(array))


def checked_range(pixels: Range) -> Range:
    """The darkest and the brightest number. Raises UsageError for anything else."""
    try:
        low, high = (float(bound) for bound in pixels) if not isinstance(pixels, str) else (0.0, 0.0)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise UsageError(
            f"pixels={pixels!r}: expected two numbers, the darkest and the brightest, (0, 1) say"
        )
    return low, high
