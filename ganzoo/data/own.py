"""One's own arrays in memory as a dataset, wherever they came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, Standardization, shares
from ganzoo.data.kinds import has_pixels, kind_of
from ganzoo.data.names import few, in_order
from ganzoo.data.tensors import TensorSplit, fingerprint, samples_to_make, split_by_hash
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes
from ganzoo.system.memory import machine_memory

Part = tuple[Tensor, Tensor | None]
"""x and y of a split."""

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")  # a number that is no fraction
PER_PIXEL, PER_VALUE, PER_ROW = 4, 32, 192  # bytes of memory on the way to a dataset, as measured


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays of which a dataset is made.

    Attributes:
        x: pixels uint8 [N, C, H, W] or [N, C, T, H, W]; all else float32 [N, ...].
        y: of each sample, its class int64 [N], values float32 [N, ...], an image uint8 [N, C, H, W]; or None.
        class_names: of the classes, or empty.
        test: x and y of a test split; where there is none, a tenth by hash.
        kind: as of a dataset.
    """

    x: Tensor
    y: Tensor | None = None
    class_names: tuple[str, ...] = ()
    test: Part | None = None
    kind: str = ""

    def __len__(self) -> int:
        return len(self.x) + (0 if self.test is None else len(self.test[0]))


class OwnArrays(Dataset):
    """A dataset of arrays in memory.

    Pixels are seen by networks in [-1, 1]; of all else every column, or channel, has mean 0 and standard
    deviation 1 for them, as measured on the train split, which `to_units` takes back.

    Args:
        name: as of a dataset.
        samples: its arrays; of two rows or more.
    """

    def __init__(self, name: str, samples: Samples) -> None:
        self.name, self.kind, self.class_names = name, samples.kind, samples.class_names
        self.sample_shape = tuple(samples.x.shape[1:])
        (train, train_y), (test, test_y) = parts = _parts(samples)
        self.fingerprint = self.known_by(parts)
        if train_y is not None:
            assert test_y is not None
            if train_y.dim() == 1:
                known = int(max(train_y.max(), test_y.max())) + 1
                self.num_classes = len(self.class_names) or known
            else:
                self.condition_shape = tuple(train_y.shape[1:])
        if not has_pixels(self):
            self.standardization = Standardization.of(train)
        elif self.num_classes:
            self.modes = Modes(self.num_classes, shares=shares(train_y, self.num_classes))
        self.train, self.test = (
            TensorSplit(own, own_y, None if has_pixels(self) else self.from_units(own))
            for own, own_y in parts
        )
        self.eval_samples = samples_to_make(len(test), self.eval_samples)

    def known_by(self, parts: Sequence[Part]) -> str:
        """A hash of the content of train and test."""
        (train, train_y), (test, test_y) = parts
        return fingerprint(train, test) if train_y is None else fingerprint(train, train_y, test, test_y)

    def found(self, samples: Samples, columns: Sequence[str] = ()) -> str:
        """What is told of them."""
        shape, count = self.sample_shape, len(samples.x)
        what = f"{count:,} rows of {shape[0]:,} number{'s' * (shape[0] != 1)}"
        if columns:
            what += f" ({few(columns)})"
        if len(shape) > 1:
            titles = {"series": "series", "images": "images", "video": "videos"}
            what = f"{count:,} {titles.get(kind_of(self), 'tensors')} of shape {shape}"
        if self.kind == "tensors" and len(shape) in (3, 4):
            what += " (pixels would be uint8, of 1 or 3 channels)"
        if self.num_classes:
            what += f", of {self.num_classes:,} class{'es' * (self.num_classes != 1)}"
            what += f" ({few(self.class_names)})" * bool(self.class_names)
        elif self.condition_shape:
            what += f", with conditions of shape {self.condition_shape}"
        held_out = "a tenth of them, by hash" if samples.test is None else "in a split of their own"
        return f"{what}; {len(self.test):,} to test, {held_out}"


def classes_of(values: Sequence[str]) -> tuple[Tensor, tuple[str, ...]]:
    """Classes int64 [N] of what somebody calls them, and their names: numbers by value, all else in order."""
    whole = all(WHOLE.fullmatch(value) for value in set(values))
    names = sorted(set(values), key=(lambda name: (int(name), name)) if whole else in_order)
    index = {name: i for i, name in enumerate(names)}
    return torch.tensor([index[value] for value in values], dtype=torch.int64), tuple(names)


def check_memory(what: str, count: int, values: int, pixels: bool = False) -> None:
    """Raise UsageError if `count` samples of so many values each do not go into memory."""
    need = count * (values * (PER_PIXEL if pixels else PER_VALUE) + PER_ROW)
    if need > machine_memory():
        raise UsageError(
            f"{what} has {count:,} samples of {values:,} values, and to work with them takes about "
            f"{in_bytes(need)} of memory, where this machine has {in_bytes(machine_memory())}: take fewer"
        )


def _parts(samples: Samples) -> list[Part]:
    if samples.test is not None:
        return [(samples.x, samples.y), samples.test]
    return [
        (samples.x[rows], None if samples.y is None else samples.y[rows]) for rows in split_by_hash(samples.x)
    ]
