"""The order of the samples, counted: which ones a batch holds follows from (seed, step) alone."""

from __future__ import annotations

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
