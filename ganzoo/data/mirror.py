"""Images turned left to right at random, for training alone."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.data.base import Split
from ganzoo.data.counted import draws, move


class MirroredSplit:
    """A split of images of which each has an even chance, batch by batch, to be mirrored.

    The images of a pair, x and y, are mirrored together. Nothing else is changed: `all` gives them as they
    are.
    """

    def __init__(self, split: Split, device: torch.device | None = None) -> None:
        self._split = split
        self._device = torch.device("cpu") if device is None else device

    def __len__(self) -> int:
        return len(self._split)

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor | None]:
        x, y = self._split.batch(n, step, seed)
        turned = move(torch.rand(n, generator=draws("data/mirror", step, seed)) < 0.5, self._device)
        return _mirrored(x, turned), _mirrored(y, turned) if y is not None and y.dim() == 4 else y

    def all(self) -> tuple[Tensor, Tensor | None]:
        return self._split.all()

    def to(self, device: torch.device) -> MirroredSplit:
        return MirroredSplit(self._split.to(device), device)


def _mirrored(x: Tensor, turned: Tensor) -> Tensor:
    """x [N, C, H, W], left and right exchanged where `turned` [N]."""
    return torch.where(turned[:, None, None, None], x.flip(-1), x)
