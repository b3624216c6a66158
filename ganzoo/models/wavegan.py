"""WaveGAN (Donahue, McAuley & Puckette 2019, arXiv 1802.04208)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN, Common
from ganzoo.models.layers import (
    HeadedDiscriminator,
    LatentGenerator,
    LatentInput,
    ProjectionHead,
    at_least_one,
)
from ganzoo.models.recipe import Optimizer, Recipe, Schedule

KERNEL = 25  # samples that a convolution sees
SHORTEST, ENOUGH, LONGEST = 4, 16, 64  # what a series is built up from: the paper's has length 16


def steps_of(length: int) -> list[int]:
    """The factors, next to the series first, by which it is cut down to its shortest form: 4, then perhaps 2.

    128 -> 4, 4 (to 8); 16384 -> 4, 4, 4, 4, 4 (to 16, as in the paper); 200 -> 4, 2 (to 25).

    Raises:
        UsageError: no such factors, or too long a form is left; names the lengths that can be built.
    """
    factors: list[int] = []
    left = length
    for factor in (4, 2):
        while left % factor == 0 and left // factor >= SHORTEST and (left > ENOUGH or len(factors) < 2):
            factors.append(factor)
            left //= factor
    if not factors or left > LONGEST:
        valid = {base << k for k in range(1, 24) for base in range(SHORTEST, LONGEST + 1)}
        some = sorted(sorted(valid, key=lambda other: (abs(other - length), other))[:3])
        raise UsageError(
            f"wavegan cannot build series of length {length}: it takes {SHORTEST} to {LONGEST} times 2, 4, "
            f"8, ..., the nearest being {', '.join(map(str, some))}"
        )
    return factors


class PhaseShuffle(nn.Module):
    """Shifts each series of [N, C, L] by -most to most, edges reflected: section 3.3. In training alone.

    Without it D goes by the phase of artefacts that all transposed convolutions make in the same places.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        most, last = min(self.most, x.shape[2] - 1), x.shape[2] - 1
        if not self.training or not most:
            return x
        shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
        at = (torch.arange(last + 1, device=x.device) + shift).abs()
        at = last - (last - at).abs()
        return x.gather(2, at[:, None].expand(-1, x.shape[1], -1))


class WaveGAN(GAN):
    """WaveGAN: the nets of DCGAN for series, in one dimension, with long kernels (Donahue et al. 2019).

    arXiv 1802.04208. Series [C, L] of any number of channels, whose length is a multiple of a power of two.
    Differences from the paper: no tanh at the end, as series are standardised and have no bounds; depth
    follows from the length; conditional through an embedding beside z and a projection head in D; the default
    recipe has the loss of DCGAN with R1, which trains in minutes.

    Args:
        width: channels of the layer next to the series; doubled at each step away from it, up to 16 times.
        shuffle: by how much D's activations are shifted at random (phase shuffle); 0 not at all.
        z: "normal" or "uniform" (on [-1, 1], the paper's).
    """

    tried_on: ClassVar[tuple[str, ...]] = ("waves",)
    conditions: ClassVar[tuple[str, ...]] = ("classes", "vectors")
    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("r1:gamma=0.1,interval=4",),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0),
            steps=4000,
            lr_schedule=Schedule("linear", 1.0, 0.2),
            ema_halflife=10_000,
            model={"width": 16, "z_dim": 16},
            conditional=True,
        ),
        "paper": Recipe(
            loss="wasserstein",
            stabilizers=("gradient-penalty:weight=10.0",),
            optimizer_g=Optimizer(lr=1e-4, beta1=0.5, beta2=0.9),
            optimizer_d=Optimizer(lr=1e-4, beta1=0.5, beta2=0.9),
            n_dis=5,
            steps=200_000,
            ema_halflife=0.0,
            model={"width": 64, "z_dim": 100, "z": "uniform"},
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 64,
        *common: Any,
        width: int = 16,
        shuffle: int = 2,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width)
        if shuffle < 0:
            raise UsageError(f"model.shuffle: expected a whole number of at least 0, got {shuffle}")
        if self.kind != "series":
            raise UsageError(
                f"wavegan makes series [C, L], and these data are {self.kind} of shape "
                f"{tuple(sample_shape)}: use mlp-gan, or dcgan for images"
            )
        channels, length = sample_shape
        factors = steps_of(length)
        widths = [width << min(level, 4) for level in range(len(factors))]  # next to the series first
        start, latent = length // math.prod(factors), LatentInput(z_dim, self.condition)

        up: list[nn.Module] = [
            nn.Linear(latent.width, widths[-1] * start),
            nn.Unflatten(1, (widths[-1], start)),
        ]
        down: list[nn.Module] = []
        inner = zip(factors, [channels, *widths], widths, strict=False)
        for level, (factor, outside, inside) in enumerate(inner):
            last = level == len(factors) - 1
            into = channels * self.pack if level == 0 else outside
            down += [nn.Conv1d(into, inside, KERNEL, factor, KERNEL // 2), nn.LeakyReLU(0.2)]
            down += [] if last else [PhaseShuffle(shuffle)]
            grow = nn.ConvTranspose1d(inside, outside, KERNEL, factor, KERNEL // 2, output_padding=factor - 1)
            up[2:2] = [nn.ReLU(), grow]
        self.generator = LatentGenerator(latent, nn.Sequential(*up))
        head = ProjectionHead(widths[-1] * start, self.condition)
        self.discriminator = HeadedDiscriminator(nn.Sequential(*down, nn.Flatten()), head)
