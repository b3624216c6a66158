"""Labels: the share of each class, and labels by such shares."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, shares

MANY = 100  # classes, of which n samples may not be a multiple


def class_shares(dataset: Dataset, split: str = "train") -> Tensor:
    """The share of each class in a split, "train" or "test", float64 [num_classes]; exact ones if drawn."""
    modes = dataset.modes
    if split == "test" and not dataset.endless:
        return shares(dataset.test.all()[1], dataset.num_classes)
    if modes is None or modes.count != dataset.num_classes:
        return shares(dataset.train.all()[1], dataset.num_classes)
    if modes.shares is None:
        return torch.full((modes.count,), 1.0 / modes.count, dtype=torch.float64)
    return modes.shares


def labels_by_shares(n: int, shares: Tensor) -> Tensor:
    """[n] int64: labels that have the shares as exactly as n can, and so has every beginning of them.

    The quota method (Balinski & Young 1975): each class has n times its share, rounded up or down; the first
    k of n labels are those of a smaller n. Equal shares give the classes in turn; where there are many, in a
    fixed random order, as their numbers may be more than names (of three digits, those of the first one).
    """
    order = np.arange(len(shares))
    if len(shares) > MANY:
        order = np.random.default_rng(0).permutation(len(shares))
    p = (shares.double() / shares.sum()).numpy()[order]
    counts, labels = np.zeros(len(p)), np.empty(n, dtype=np.int64)
    for i in range(n):
        priority = np.where(counts < p * (i + 1), p / (counts + 1), -1.0)  # never above a quota rounded up
        labels[i] = priority.argmax()
        counts[labels[i]] += 1
    return torch.from_numpy(order[labels])


def has_shares(y: Tensor, shares: Tensor) -> bool:
    """Whether labels y [N] have the shares as exactly as N can."""
    quota = len(y) * shares.double() / shares.sum()
    counts = torch.bincount(y, minlength=len(shares))
    return len(counts) == len(quota) and bool(((counts - quota).abs() < 1.0).all())


def most_by_shares(y: Tensor, shares: Tensor) -> int:
    """How many labels by shares there can be with as many of each class as y [N] has."""
    counts = torch.bincount(y, minlength=len(shares)).double()
    return int((counts / shares)[shares > 0].min() + 1e-9)


def ranks(y: Tensor) -> Tensor:
    """For each of the labels y [N], how many equal ones come before it, int64 [N]."""
    rows, starts = _by_class(y)
    ranked = torch.empty_like(y)
    ranked[rows] = torch.arange(len(y)) - starts[y[rows]]
    return ranked


def rows_with(labels: Tensor, y: Tensor) -> Tensor:
    """Rows of y [N] that have these labels [n], one after the other, no row twice; int64 [n] or fewer.

    It ends where a class has no rows left.
    """
    rank, there = ranks(labels), torch.bincount(y, minlength=int(labels.max()) + 1)
    missing = (rank >= there[labels]).nonzero()
    n = int(missing[0]) if len(missing) else len(labels)
    rows, starts = _by_class(y)
    return rows[starts[labels[:n]] + rank[:n]]


def _by_class(y: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of y [N] class by class, each in their order; and where each class begins among them."""
    counts = torch.bincount(y)
    return y.argsort(stable=True), counts.cumsum(0) - counts
