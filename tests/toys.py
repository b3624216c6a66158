"""A GAN small enough to work out by hand, and the pieces to train it with."""

from __future__ import annotations

import torch
from torch import nn

from ganzoo.losses import NonSaturating
from ganzoo.models.base import GAN
from ganzoo.models.sample import scales
from ganzoo.models.turn import Turn
from ganzoo.registry import LOSSES
from ganzoo.training.step import Step, _Made


class Linear(nn.Module):
    """x [N, D] or [N, C, H, W] -> w . x, in float64; counts its calls."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1.0, 1.0, inputs, dtype=torch.float64))
        self.calls = 0

    def forward(self, x, y=None):
        self.calls += 1
        return x.flatten(1) @ self.weight


class Shift(nn.Module):
    """z [N, D] -> z + b; counts its calls and remembers whether a graph was wanted."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim, dtype=torch.float64))
        self.calls = 0
        self.graphs = []

    def forward(self, z, y=None):
        self.calls += 1
        self.graphs.append(torch.is_grad_enabled())
        return z + self.bias


class ToyGAN(GAN):
    """D(x) = w . x and G(z) = z + b."""

    def __init__(self, sample_shape=(3,), z_dim=3, num_classes=0, pack=1):
        super().__init__(sample_shape, z_dim, num_classes, pack)
        self.generator = Shift(z_dim)
        self.discriminator = Linear(sample_shape[0] * pack)

    def sample_z(self, n):
        return torch.randn(n, self.z_dim, dtype=torch.float64)


def toy_step(loss="non-saturating", stabilizers=(), lr=0.1, n_dis=1, gan=None, lr_d=None):
    gan = gan or ToyGAN()
    for stabilizer in stabilizers:
        stabilizer.setup(gan)
    optimizers = (
        torch.optim.SGD(gan.net("g").parameters(), lr=lr),
        torch.optim.SGD(gan.net("d").parameters(), lr=lr if lr_d is None else lr_d),
    )
    return Step(gan, LOSSES.get(loss)(), list(stabilizers), optimizers, n_dis)


def real_batch(i=0, n=8, dim=3):
    generator = torch.Generator().manual_seed(100 + i)
    return torch.randn(n, dim, generator=generator, dtype=torch.float64) + 1.0, None


def turn_of(phase="d", gan=None, **told):
    """A turn in which a hook is told what counts for a test, and of all else nothing."""
    gan = gan or ToyGAN()
    some = next((scales(told[name])[0] for name in ("real", "fake") if name in told), torch.zeros(8, 3))
    nothing = {"z": torch.zeros(len(some), gan.z_dim), "y": None, "real": some, "fake": some}
    return Turn(**{"phase": phase, "loss": NonSaturating(), "net": gan.net(phase), **nothing, **told})


def part(z, y, real, fake) -> list[_Made]:
    """A batch in one part, as the turns of a step are given it."""
    return [_Made(real, z, y, real, fake)]
