"""Exact mixtures of Gaussians with equal weights: endless, free, and known in closed form."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes
from ganzoo.data.counted import DrawnSplit


class Mixture(Dataset):
    """A mixture of round Gaussians of one width. Subclass it with `name`, `centers` and `std`.

    Samples are in raw units, float32 [N, D]; the label of a sample is the index of its mode.
    """

    centers: ClassVar[tuple[tuple[float, ...], ...]]
    std: ClassVar[float]
    endless = True
    eval_samples = 2_500

    def __init__(self) -> None:
        # Rounded, so that cos(pi/2) is 0 and the last bit of a system's cosine does not matter.
        rows = [[round(value, 12) + 0.0 for value in center] for center in self.centers]
        centers = torch.tensor(rows, dtype=torch.float32)
        self.modes = Modes(len(centers), centers, self.std)
        self.num_classes = len(centers)
        self.sample_shape = (centers.shape[1],)
        self.fingerprint = hashlib.sha256(f"mixture/{rows}/{self.std!r}".encode()).hexdigest()[:16]
        draw = partial(draw_mixture, centers, self.std)
        self.train = DrawnSplit(draw, "data/train", 50_000)
        self.test = DrawnSplit(draw, "data/test", 10_000)

    def log_density(self, x: Tensor) -> Tensor:
        """The exact log density in nats: x [N, D] in the data's units, to float64 [N] on the CPU."""
        assert self.modes is not None
        assert self.modes.centers is not None
        count, dim = self.modes.centers.shape
        offsets = x.detach().cpu().double().unsqueeze(1) - self.modes.centers.double()
        exponents = -offsets.square().sum(dim=2) / (2 * self.std**2)
        constant = math.log(count) + dim / 2 * math.log(2 * math.pi * self.std**2)
        return torch.logsumexp(exponents, dim=1) - constant


def draw_mixture(centers: Tensor, std: float, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """x float32 [n, D], y int64 [n]: which of the centers [K, D] each is of."""
    y = torch.randint(len(centers), (n,), generator=generator)
    noise = torch.randn(n, centers.shape[1], generator=generator)
    return noise.mul_(std).add_(centers[y]), y


class Ring8(Mixture):
    """Eight Gaussians of width 0.01 on a circle of radius 1.

    Source: VEEGAN, Srivastava et al. 2017, with the constants of PacGAN's code.
    """

    name = "ring8"
    centers = tuple((math.cos(2 * math.pi * i / 8), math.sin(2 * math.pi * i / 8)) for i in range(8))
    std = 0.01


class Grid25(Mixture):
    """Twenty-five Gaussians of width 0.05 on the grid {-4, -2, 0, 2, 4} x {-4, -2, 0, 2, 4}.

    Source: VEEGAN, Srivastava et al. 2017, with the constants of PacGAN's code.
    """

    name = "grid25"
    centers = tuple((float(a), float(b)) for a in range(-4, 5, 2) for b in range(-4, 5, 2))
    std = 0.05


class Gaussian1d(Mixture):
    """Three Gaussians of width 0.2 on a line, at -2, 0 and 2: a whole density that fits in one plot."""

    name = "gaussian-1d"
    centers = ((-2.0,), (0.0,), (2.0,))
    std = 0.2
