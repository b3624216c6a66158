"""One's own vectors, from a .npy file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ganzoo.data.arrays import Header, read_npy
from ganzoo.data.base import Dataset, Standardization
from ganzoo.data.tensors import Array, TensorSplit, fingerprint, samples_to_make, split_by_hash
from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path

ROUNDED = 0.01  # of the spread of a column may be lost in float32
PER_VALUE, PER_ROW = 32, 192  # bytes of memory on the way to a dataset, as measured


class Npy(Dataset):
    """Your own vectors: npy:PATH, an array [N, D] of numbers in a .npy file.

    A tenth of the rows, chosen by hash, is the test split. Networks see every column with mean 0 and standard
    deviation 1, as measured on the train split; `to_units` takes that back. There are no labels.

    Raises:
        UsageError: no such file, not a .npy file, or not a finite array of two rows or more.
    """

    def __init__(self, path: str | Path) -> None:
        x = torch.from_numpy(_read(typed_path(path)))
        train, test = (x[indices] for indices in split_by_hash(x))
        self.standardization = Standardization.of(train)
        self.name = f"npy:{path}"
        self.sample_shape = (x.shape[1],)
        self.fingerprint = fingerprint(train, test)
        self.train, self.test = (TensorSplit(x, None, self.from_units(x)) for x in (train, test))
        self.eval_samples = samples_to_make(len(test), self.eval_samples)
        notice(
            f"{self.name}: {len(x):,} rows of {x.shape[1]:,} number{'s' * (x.shape[1] != 1)}; "
            f"{len(test):,} to test, a tenth of them, by hash"
        )


def _read(path: Path) -> Array:
    """The file as float32 [N, D], or a UsageError that says what is wrong with it."""

    def check(header: Header) -> None:
        shape = header.shape
        if header.dtype.kind not in "iuf":
            raise UsageError(f"{path} holds {header.dtype.name}: expected an array of numbers, real or whole")
        if len(shape) != 2 or not shape[1]:
            raise UsageError(f"{path} has the shape {shape}: expected [N, D], one row per sample")
        if shape[0] < 2:
            raise UsageError(f"{path} has {shape[0]} row{'s' * (shape[0] != 1)}: at least 2 are needed")

    def need(header: Header) -> int:
        return header.shape[0] * (PER_VALUE * header.shape[1] + PER_ROW)

    return finite_rows(path, read_npy(path, check, need))


def finite_rows(path: Path, array: Array) -> Array:
    """The array as float32 [N, D]. Raises UsageError for a number that float32 cannot hold."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is reported as that
        plain = np.ascontiguousarray(array, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(plain).all(axis=1))
    if len(bad):
        raise UsageError(f"{path} has a number in row {bad[0]} (from 0) that is not finite in float32")
    _refuse_rounding(path, array, plain)
    return plain


def _refuse_rounding(path: Path, array: Array, plain: Array) -> None:
    """Raise a UsageError for a column whose spread float32 rounds away: times in seconds, say."""
    if array.dtype.kind == "f" and array.dtype.itemsize <= 4:
        return
    for column in range(array.shape[1]):  # one by one: all would take several times the memory
        exact = array[:, column]
        with np.errstate(all="ignore"):
            lost = np.abs(exact - plain[:, column].astype(np.float64)).mean()
            spread = np.abs(exact - exact.mean()).mean()
        if lost > ROUNDED * spread:
            raise UsageError(
                f"{path} has numbers in column {column} (from 0) that float32 rounds to few values: "
                "subtract the column's mean first"
            )
