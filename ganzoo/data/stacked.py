"""Stacked MNIST: three random digits as the channels of an RGB image, 1000 modes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, from_uint8, shares
from ganzoo.data.counted import draws, move
from ganzoo.data.mnist import Mnist, Mnist5k
from ganzoo.data.tensors import ImageSet


class _Stacked(Dataset):
    """Triplets of digits of `base`, each drawn by itself; the label of digits a, b, c is 100a + 10b + c."""

    num_classes = 1000
    class_names = tuple(f"{i:03d}" for i in range(1000))
    endless = True
    extractor = "mnist-cnn-v1"
    eval_samples = 26_000

    def __init__(self, base: ImageSet) -> None:
        self.name = f"stacked-{base.name}"
        self.fingerprint = hashlib.sha256(f"stacked/{base.fingerprint}".encode()).hexdigest()[:16]
        x, y = base.train.all()
        assert y is not None
        self.sample_shape = (3, *x.shape[2:])
        digit = shares(y, 10)
        self.modes = Modes(
            1000, shares=torch.einsum("i,j,k->ijk", digit, digit, digit).flatten(), balanced=True
        )
        self.train = StackedSplit(x, y, "data/train", self.eval_samples)
        self.test = StackedSplit(*base.test.all(), "data/test", self.eval_samples)


class StackedMnist(_Stacked):
    """Three MNIST digits as the colours of one image, 28 x 28: 1000 modes.

    It is stacked-mnist-5k where the full MNIST can't be had. Source: Metz et al. 2017; 26,000 samples after
    VEEGAN and PacGAN.

    Args:
        size: of the squares in pixels to which they are scaled (Lanczos), such as 64; 0 is as they are.
    """

    def __init__(self, root: str | Path | None = None, offline: bool = False, size: int = 0) -> None:
        super().__init__(Mnist(root, offline, size))


class StackedMnist5k(_Stacked):
    """Three digits of mnist-5k as the colours of one image, 28 x 28: 1000 modes, and no download.

    Args:
        size: of the squares in pixels to which they are scaled (Lanczos), such as 64; 0 is as they are.
    """

    def __init__(self, size: int = 0) -> None:
        super().__init__(Mnist5k(size))


class StackedSplit:
    """Random triplets of digits.

    Args:
        x: digits uint8 [N, 1, H, W].
        y: their labels int64 [N], 0 to 9.
        purpose: keeps the draws of train and test apart.
        count: what `all` gives.
        device: where batches are made and given.
    """

    def __init__(
        self, x: Tensor, y: Tensor | None, purpose: str, count: int, device: torch.device | None = None
    ) -> None:
        assert y is not None
        self._x, self._y, self._purpose, self._count = x, y, purpose, count
        self._device = torch.device("cpu") if device is None else device
        self._digits, self._labels = x.to(self._device), y.to(self._device)
        self._weights = torch.tensor([100, 10, 1], device=self._device)

    def __len__(self) -> int:
        return self._count

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor]:
        """x float32 [n, 3, H, W] in [-1, 1], y int64 [n] in 0 to 999."""
        x, y = self._draw(n, draws(self._purpose, step, seed))
        return from_uint8(x), y

    def all(self) -> tuple[Tensor, Tensor]:
        """`len(self)` images uint8 with labels, on the CPU, the same ones each time."""
        on_cpu = self if self._device.type == "cpu" else self.to(torch.device("cpu"))
        return on_cpu._draw(self._count, draws(f"{self._purpose}/all", 0, 0))

    def to(self, device: torch.device) -> StackedSplit:
        return StackedSplit(self._x, self._y, self._purpose, self._count, device)

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        drawn = torch.randint(len(self._x), (n * 3,), generator=generator)
        drawn = move(drawn, self._device)
        x = self._digits.index_select(0, drawn).view(n, 3, *self._x.shape[2:])
        y = (self._labels.index_select(0, drawn).view(n, 3) * self._weights).sum(dim=1)
        return x, y
