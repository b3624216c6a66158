"""Datasets in memory, resident on the device; fingerprints, and splits by hash."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, from_uint8, shares
from ganzoo.data.counted import Order

Array = NDArray[Any]
Pair = tuple[Tensor, Tensor]

ENOUGH = 1_000  # test samples, to compare generated ones with


class TensorSplit:
    """A split in memory.

    Args:
        x: everything in the data's own units, [N, ...]: pixels uint8, all others float32.
        y: classes [N] int64, values [N, ...] float32, images [N, C, H, W] uint8, or None.
        seen: what the networks are given of `x`, where that is not `x` itself (standardised vectors).
            uint8 is normalised to [-1, 1] batch by batch.
        device: where batches are made and given.
    """

    def __init__(
        self, x: Tensor, y: Tensor | None, seen: Tensor | None = None, device: torch.device | None = None
    ) -> None:
        self._x, self._y, self._seen = x, y, seen
        device = torch.device("cpu") if device is None else device
        self._resident = (x if seen is None else seen).to(device)
        self._labels = None if y is None else y.to(device)
        self._order = Order(len(x), device)

    def __len__(self) -> int:
        return len(self._x)

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """Batch number `step` under the permutation of its epoch. n must be at most len(self)."""
        indices = self._order.indices(n, step, seed)
        x = self._resident.index_select(0, indices)
        y = None if self._labels is None else self._labels.index_select(0, indices)
        if y is not None and y.dtype == torch.uint8:
            y = from_uint8(y)
        return (from_uint8(x) if x.dtype == torch.uint8 else x), y

    def all(self) -> tuple[Tensor, Tensor | None]:
        """Everything in the data's own units, on the CPU."""
        return self._x, self._y

    def to(self, device: torch.device) -> TensorSplit:
        return TensorSplit(self._x, self._y, self._seen, device)


class ImageSet(Dataset):
    """Labelled images in memory: a dataset from two pairs of tensors, uint8 [N, C, H, W] and int64 [N]."""

    def __init__(self, name: str, train: Pair, test: Pair, class_names: tuple[str, ...]) -> None:
        self.name = name
        self.sample_shape = tuple(train[0].shape[1:])
        self.num_classes = len(class_names)
        self.class_names = class_names
        self.modes = Modes(self.num_classes, shares=shares(train[1], self.num_classes))
        self.fingerprint = fingerprint(*train, *test)
        self.train = TensorSplit(*train)
        self.test = TensorSplit(*test)


def samples_to_make(test: int, usual: int) -> int:
    """As many as there are test samples, so that the two compare; but `usual` at most, or where few are."""
    return min(test, usual) if test >= ENOUGH else usual


def fingerprint(*arrays: Tensor | Array | None) -> str:
    """16 hex digits over type, shape and content of each array; None counts as an array of its own."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is None:
            digest.update(b"none;")
            continue
        plain = np.ascontiguousarray(array.detach().cpu().numpy() if isinstance(array, Tensor) else array)
        digest.update(f"{plain.dtype.name} {tuple(plain.shape)};".encode())
        digest.update(plain.reshape(-1).data)
    return digest.hexdigest()[:16]


def content_hash(row: Array) -> bytes:
    """sha256 of the bytes of one sample."""
    return hashlib.sha256(row.tobytes()).digest()


def split_by_hash(rows: Array | Tensor, fraction: float = 0.1) -> tuple[Tensor, Tensor]:
    """Indices (train, test), each ascending: the samples with the smallest hashes are the test split.

    Which samples are chosen does not depend on their order. Equal samples land on the same side, unless most
    samples have a twin (whole numbers in few columns): then each one is chosen by itself, so that the test
    split has the distribution of the whole.

    Args:
        rows: [N, ...] with N >= 2.
        fraction: of the samples, for the test split; it gets one at least, and never all of them.
    """
    plain = rows.numpy() if isinstance(rows, Tensor) else rows
    n = len(plain)
    room = min(max(round(fraction * n), 1), n - 1)
    hashes = [content_hash(row) for row in plain]
    if 2 * len(set(hashes)) <= n:
        seen: Counter[bytes] = Counter()
        for i, key in enumerate(hashes):
            seen[key] += 1
            hashes[i] = hashlib.sha256(key + str(seen[key]).encode()).digest()
    size = Counter(hashes)
    chosen: set[bytes] = set()
    for key in sorted(size):
        if size[key] <= room:
            chosen.add(key)
            room -= size[key]
    is_test = torch.tensor([key in chosen for key in hashes])
    return (~is_test).nonzero().flatten(), is_test.nonzero().flatten()


def put_test_last(x: Array, y: Array) -> int:
    """Swap rows in place until the test split, by hash, is at the end: then each split is one piece.

    Args:
        x: [N, ...] with N >= 2.
        y: as many, or none.

    Returns:
        How many are to train on.
    """
    test = split_by_hash(x)[1].tolist()
    first, chosen = len(x) - len(test), set(test)
    stay = (i for i in range(first, len(x)) if i not in chosen)
    for i, j in zip((i for i in test if i < first), stay, strict=True):
        x[[i, j]] = x[[j, i]]
        if len(y):
            y[[i, j]] = y[[j, i]]
    return first
