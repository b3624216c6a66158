"""Images of any source, decoded once: how, and the dataset of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch

from ganzoo.data.base import Dataset, Modes, shares
from ganzoo.data.copies import Copy, Pixels, Source, by_split, finished, in_memory, open_or_make
from ganzoo.data.names import few
from ganzoo.data.packed import each_told
from ganzoo.data.streams import open_splits
from ganzoo.data.tensors import Array, samples_to_make
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes, notice
from ganzoo.system.memory import machine_memory

FORMAT = 1  # of the copy; a change of what is decoded or stored needs another number


@dataclass(frozen=True)
class Pictures:
    """What is to be decoded.

    Attributes:
        shape: (N, C, H, W) of all of it.
        read: i -> the i-th image, uint8 [C, H, W]; several threads call it.
        y: classes int64 [N], or values float32 [N, ...]; [0] where there is neither.
        class_names: of the classes, or empty.
        test: how many, the last ones, are the test split; 0 is a tenth, by hash.
        notes: sentences that a person should read.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[int], Array]
    y: Array
    class_names: tuple[str, ...] = ()
    test: int = 0
    notes: tuple[str, ...] = ()


class KeptImages(Dataset):
    """A dataset of decoded images, in memory where they fit, else read from the cache as they are needed."""

    def __init__(self, name: str, copy: Copy, workers: int = 0) -> None:
        train, count, values = copy.meta["train"], len(copy.x), copy.y
        self.name = name
        self.sample_shape = tuple(copy.x.shape[1:])
        self.fingerprint = copy.meta["fingerprint"]
        self.class_names = tuple(copy.meta["class_names"])
        y = torch.from_numpy(values) if len(values) else None
        if y is not None and y.dim() == 1:
            self.num_classes = len(self.class_names) or int(y.max()) + 1
            self.modes = Modes(self.num_classes, shares=shares(y[:train], self.num_classes))
        elif y is not None:
            self.condition_shape = tuple(y.shape[1:])
        self.eval_samples = samples_to_make(count - train, self.eval_samples)
        self.train, self.test = open_splits(copy, y, workers)
        for sentence in (self._found(train, bool(copy.meta["test"])), *copy.meta["notes"]):
            notice(f"{self.name}: {sentence}")

    def _found(self, train: int, has_test: bool) -> str:
        channels, height, width = self.sample_shape
        count, classes = len(self.test), self.num_classes
        what = f"of {classes:,} class{'es' * (classes != 1)}" if classes else "without classes"
        what += f" ({few(self.class_names)})" * bool(self.class_names)
        if self.condition_shape:
            what = f"with conditions of shape {self.condition_shape}"
        there = "in a split of their own" if has_test else "a tenth of them, by hash"
        return (
            f"{train if has_test else train + count:,} images {what}, {width} x {height}, "
            f"{'grey' if channels == 1 else 'RGB'}; {count:,} to test, {there}"
        )


def open_kept(of: str, key: str, make: Callable[[], Pictures], memory_gb: float = 0.0) -> Copy:
    """The decoded images, in memory where they take `memory_gb` at most; decoded if no copy is there.

    Args:
        of: what they are, in words.
        key: it changes when any of their pixels or labels does.
        make: says what to decode; not called where there is a copy.
        memory_gb: in GiB; 0 is a quarter of what the machine has.
    """
    name, made = hashlib.sha256(f"kept {FORMAT} {key}".encode()).hexdigest()[:32], cache(make)
    return open_or_make(Source(of, name, lambda pixels: _decode(made(), of, pixels), memory_gb, _parts))


def decode(pictures: Pictures, of: str) -> Copy:
    """All of them in memory. Raises UsageError if they do not fit."""
    room = math.prod(pictures.shape)
    if room > machine_memory() / 2:
        raise UsageError(
            f"{of} takes {in_bytes(room)}, {pictures.shape[0]:,} images, which is more than half of this "
            f"machine's memory, {in_bytes(machine_memory())}: expected fewer, or a smaller size"
        )
    return _decode(pictures, of, partial(in_memory, room))


def _decode(pictures: Pictures, of: str, pixels: Pixels) -> Copy:
    count = pictures.shape[0]
    if count < 2:
        raise UsageError(f"{of}: {count or 'no'} image{'s' * (not count)}, and at least 2 are needed")
    x = pixels(pictures.shape)

    def into(i: int) -> None:
        x[i] = pictures.read(i)

    each_told(into, count, "decoding images")
    known = {
        "format": FORMAT,
        "of": of,
        "test": pictures.test,
        "class_names": list(pictures.class_names),
        "notes": list(pictures.notes),
    }
    return finished(x, np.array(pictures.y), pictures.test, _parts, known)


def _parts(x: Array, y: Array, train: int) -> Sequence[Array]:
    return by_split(x, y, train) if len(y) else (x[:train], x[train:])
