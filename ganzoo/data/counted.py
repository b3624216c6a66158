"""The order of the samples, counted: which ones a batch holds follows from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganzoo.system.rng import counted_seed


class Order:
    """A fresh permutation of `n_total` samples per epoch, kept for the epoch, so that a batch is a slice.

    Args:
        n_total: number of samples.
        device: where the indices are.
    """

    def __init__(self, n_total: int, device: torch.device | None = None) -> None:
        self.n_total = n_total
        self.device = torch.device("cpu") if device is None else device
        self._key: tuple[int, int] | None = None
        self._permutation = torch.empty(0, dtype=torch.int64)

    def indices(self, n: int, step: int, seed: int) -> Tensor:
        """[n] int64: batch number `step`, of n_total // n batches an epoch; the rest of an epoch is left out.

        `n` must be at least 1 and at most `n_total`.
        """
        epoch, i = divmod(step, self.n_total // n)
        if self._key != (seed, epoch):
            # Drawn on the CPU whatever the device, so that every machine sees the samples in the same order.
            generator = torch.Generator().manual_seed(counted_seed(seed, "data/order", epoch))
            self._permutation = move(torch.randperm(self.n_total, generator=generator), self.device)
            self._key = (seed, epoch)
        return self._permutation[i * n : (i + 1) * n]


def draws(purpose: str, step: int, seed: int) -> torch.Generator:
    """A generator on the CPU for the draws of one batch of an endless split."""
    return torch.Generator().manual_seed(counted_seed(seed, purpose, step))


def move(x: Tensor, device: torch.device) -> Tensor:
    """`x` on `device`, without waiting for what the device is busy with."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)


class DrawnSplit:
    """A split without end, of data whose own units are what networks see.

    Args:
        draw: (n, generator) -> x [n, ...] and y [n, ...] of n samples, on the CPU.
        purpose: keeps the numbers of train and test apart.
        count: how many `all` gives.
        device: where batches are given.
    """

    def __init__(
        self,
        draw: Callable[[int, torch.Generator], tuple[Tensor, Tensor]],
        purpose: str,
        count: int,
        device: torch.device | None = None,
    ) -> None:
        self._draw, self._purpose, self._count = draw, purpose, count
        self._device = torch.device("cpu") if device is None else device

    def __len__(self) -> int:
        return self._count

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor]:
        x, y = self._draw(n, draws(self._purpose, step, seed))
        return move(x, self._device), move(y, self._device)

    def all(self) -> tuple[Tensor, Tensor]:
        """`len(self)` samples, the same ones each time."""
        return self._draw(self._count, draws(f"{self._purpose}/all", 0, 0))

    def to(self, device: torch.device) -> DrawnSplit:
        return DrawnSplit(self._draw, self._purpose, self._count, device)
