"""Reading a .wav file, or the part of it that is wanted."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganzoo.data.tensors import Array
from ganzoo.system.console import in_bytes
from ganzoo.system.files import open_regular

RATES = (1, 768_000)
MOST_CHANNELS = 64
LARGEST_FILE = 2**32
STREAMED = 2**31 - 1  # bytes that a program promises which does not know how many will come
TAPS = 20  # of resample_poly, times the larger of its two factors


def read_sound(path: Path, rate: int = 0, most: int = 0) -> tuple[int, Array, int]:
    """A file's values per second, its channels float32 [C, L], and how many values all of it has.

    Whole numbers are scaled to [-1, 1].

    Args:
        rate: to bring it to; 0 leaves it as it is.
        most: values that are wanted, of the middle of a longer file; 0 is all of them.

    Raises:
        UsageError: it cannot be read.
        ValueError: it is no .wav file, or has no sound in it, or too many channels.
    """
    with open_regular(path, "a .wav file") as file:
        own, values = _decoded(file)
    if values.dtype.kind not in "iuf" or not values.size or values.ndim > 2:
        raise ValueError("it has no sound in it")
    sound = (values[:, None] if values.ndim == 1 else values).T
    if len(sound) > MOST_CHANNELS or not RATES[0] <= own <= RATES[1]:
        raise ValueError(f"it has {len(sound)} channels of {own:,} values per second")
    rate = rate or own
    shared = math.gcd(rate, own)
    up, down = rate // shared, own // shared
    length = -(-sound.shape[1] * up // down)
    if most:  # and what the filter reaches beyond it
        sound = middle_of(
            sound, most if up == down else -(-most * down // up) + 2 * TAPS * max(down // up, 1)
        )
    made = _scaled(sound)
    if not np.isfinite(made).all():
        raise ValueError("it has values that are not finite")
    if up != down:
        from scipy.signal import resample_poly

        made = resample_poly(made, up, down, axis=1).astype(np.float32)
    return rate, middle_of(made, most) if most else made, length


def middle_of(sound: Array, length: int) -> Array:
    """Of [C, L] the middle, [C, length]; all of it where it is shorter."""
    start = max(sound.shape[1] - length, 0) // 2
    return sound[:, start : start + length]


def _scaled(sound: Array) -> Array:
    """float32, on its own."""
    kind = sound.dtype
    if kind.kind != "f":
        middle = 128 if kind.kind == "u" else 0
        sound = (sound.astype(np.float64) - middle) / 2.0 ** (8 * kind.itemsize - 1)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return np.array(sound, dtype=np.float32, order="C")


def _decoded(file: BinaryIO) -> tuple[int, Array]:
    """Values per second, and [L] or [L, C] as they are in the file, of which as much is read as is used."""
    from scipy.io import wavfile

    size = os.fstat(file.fileno()).st_size
    head = file.read(8)
    promised = int.from_bytes(head[4:], "little") + 8
    if head.startswith(b"RIFF") and size < promised < STREAMED:
        raise ValueError(f"it is cut off after {size:,} of {promised:,} bytes")
    if size > LARGEST_FILE:
        raise ValueError(
            f"it has {in_bytes(size)}, and {in_bytes(LARGEST_FILE)} is the most: cut it in pieces"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of chunks that say who sang
        for mapped in (True, False):  # values of three bytes cannot be mapped
            file.seek(0)
            try:
                rate, values = wavfile.read(file, mmap=mapped)
                return int(rate), values
            except ValueError:
                if not mapped:
                    raise
    raise AssertionError("it was read, or not")
