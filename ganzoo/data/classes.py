"""Labels: the share of each class, and labels by such shares."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, shares
from ganzoo.system.rng import counted_seed


def class_shares(dataset: Dataset) -> Tensor:
    """The share of each class in the training data, float64 [num_classes]."""
    modes = dataset.modes
    if modes is None or modes.count != dataset.num_classes:
        return shares(dataset.train.all()[1], dataset.num_classes)
    if modes.shares is None:
        return torch.full((modes.count,), 1.0 / modes.count, dtype=torch.float64)
    return modes.shares


def apportion(n: int, shares: Tensor) -> Tensor:
    """How many of n are of each class, int64 [num_classes]: by largest remainders (Hamilton)."""
    quota = shares.double() / shares.sum() * n
    counts = quota.floor().long()
    rest = n - int(counts.sum())
    counts[(quota - counts).argsort(descending=True, stable=True)[:rest]] += 1
    return counts


def labels_by_shares(n: int, shares: Tensor) -> Tensor:
    """[n] int64: as many of each class as `apportion` says, mixed; what scores are measured with."""
    counts = apportion(n, shares)
    mixed = torch.randperm(n, generator=torch.Generator().manual_seed(counted_seed(0, "labels")))
    return torch.arange(len(counts)).repeat_interleave(counts)[mixed]


def most_by_shares(y: Tensor, shares: Tensor) -> int:
    """How many labels by shares there can be with as many of each class as y [N] has."""
    counts = torch.bincount(y, minlength=len(shares)).double()
    return int((counts / shares)[shares > 0].min() + 1e-9)


def rows_with(labels: Tensor, y: Tensor) -> Tensor:
    """Rows of y [N] that have these labels [n], one after the other, no row twice; int64 [n] or fewer.

    It ends where a class has no rows left.
    """
    rank = (
        torch.nn.functional.one_hot(labels, int(y.max()) + 1).cumsum(0).gather(1, labels[:, None])[:, 0] - 1
    )
    rows = [(y == label).nonzero().flatten() for label in range(int(y.max()) + 1)]
    there = torch.tensor([len(part) for part in rows])
    missing = (rank >= there[labels]).nonzero()
    n = int(missing[0]) if len(missing) else len(labels)
    return torch.stack([rows[int(label)][int(i)] for label, i in zip(labels[:n], rank[:n], strict=True)])
