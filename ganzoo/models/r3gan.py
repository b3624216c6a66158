"""R3GAN: plain residual nets, for which a regularised relativistic loss is enough (Huang et al. 2024)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.data.kinds import PIXELS
from ganzoo.errors import UsageError
from ganzoo.models import mlp
from ganzoo.models.base import GAN, Common, Condition
from ganzoo.models.layers import (
    HeadedDiscriminator,
    LatentGenerator,
    LatentInput,
    Project,
    ProjectionHead,
    at_least_one,
    check_fourier,
    ladder,
    widths_of,
)
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.models.styled import Smooth

LEAK = 0.2
EXPANSION = 2  # of the channels inside a block


class Biased(nn.Module):
    """Adds a bias per channel, then LeakyReLU: the only place where the nets have biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias.to(x.dtype).view(1, -1, 1, 1), LEAK)


class Block(nn.Module):
    """[N, c, h, w] -> the same shape: 1x1 up to 2 c channels, grouped 3x3, 1x1 back, added to the input.

    Nothing is normalised. Weights start small enough for `blocks` of them in a row, the last at zero, so that
    a new block is the identity (Fixup, Zhang et al. 2019, arXiv 1901.09321).
    """

    def __init__(self, channels: int, groups: int, blocks: int) -> None:
        super().__init__()
        inner = channels * EXPANSION
        self.main = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            Biased(inner),
            nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False),
            Biased(inner),
            nn.Conv2d(inner, channels, 1, bias=False),
        )
        gain = blocks**-0.25  # L^(-1 / (2 m - 2)) with m = 3 layers in a block
        for index in (0, 2):
            start(self.main[index], gain)
        nn.init.zeros_(self.main[4].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.main(x)
        return x + inner


def start(layer: nn.Module, gain: float = 1.0) -> nn.Module:
    """Normal weights that keep the variance through LeakyReLU (He et al. 2015), times `gain`."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    fan_in = weight[0].numel()
    nn.init.normal_(weight, 0.0, gain * math.sqrt(2 / (1 + LEAK**2) / fan_in))
    return layer


def change_width(before: int, after: int) -> list[nn.Module]:
    return [] if before == after else [start(nn.Conv2d(before, after, 1, bias=False))]


class Up(nn.Module):
    """Twice the side, bilinear: zeros between the pixels, smoothed by [1, 3, 3, 1] / 4 along each axis."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Down(Smooth):
    """Half the side: smoothed by [1, 3, 3, 1] / 8 along each axis, every second pixel kept."""

    def __init__(self) -> None:
        super().__init__(padding=0, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (1, 1, 1, 1), mode="replicate"))


def generator(
    sizes: list[int],
    widths: list[int],
    groups: int,
    depth: int,
    channels: int,
    z_dim: int,
    condition: Condition,
) -> LatentGenerator:
    """z [N, z_dim], y -> images [N, C, H, W]: a linear map to the lowest resolution, then blocks and Up."""
    latent, blocks = LatentInput(z_dim, condition), depth * len(sizes)
    layers: list[nn.Module] = [Project(latent.width, widths[0], sizes[0])]
    nn.init.normal_(layers[0].weight, 0.0, latent.width**-0.5)  # type: ignore[arg-type]
    for level, width in enumerate(widths):
        if level:
            layers += [*change_width(widths[level - 1], width), Up()]
        layers += [Block(width, groups_of(width, groups), blocks) for _ in range(depth)]
    layers += [start(nn.Conv2d(widths[-1], channels, 1)), nn.Tanh()]
    return LatentGenerator(latent, nn.Sequential(*layers))


def critic(
    sizes: list[int], widths: list[int], groups: int, depth: int, channels: int, condition: Condition
) -> HeadedDiscriminator:
    """Images [N, C, H, W], y -> logits [N]: G's blocks from the highest resolution down."""
    blocks = depth * len(sizes)
    layers: list[nn.Module] = [start(nn.Conv2d(channels, widths[-1], 1))]
    for level in reversed(range(len(sizes))):
        width = widths[level]
        layers += [Block(width, groups_of(width, groups), blocks) for _ in range(depth)]
        if level:
            layers += [Down(), *change_width(width, widths[level - 1])]
    # Depthwise over the whole lowest map: a learnt sum of each channel.
    layers += [start(nn.Conv2d(widths[0], widths[0], sizes[0], groups=widths[0], bias=False)), nn.Flatten()]
    return HeadedDiscriminator(nn.Sequential(*layers), ProjectionHead(widths[0], condition))


def groups_of(width: int, size: int) -> int:
    """How many groups of about `size` channels the inner width of a block is cut into."""
    return math.gcd(width * EXPANSION, max(1, width * EXPANSION // size))


class R3GAN(GAN):
    """R3GAN: relativistic loss with R1 and R2, grouped residual blocks, no normalisation (Huang et al. 2024).

    arXiv 2501.05441. Images: nets of equal shape in G and D; for vectors, the perceptrons of mlp-gan without
    any normalisation, trained with the same loss and schedules; by default D sees vectors through Fourier
    features as well. Differences from the paper: resampling is by [1, 3, 3, 1] where the paper has [1, 2, 1];
    the label enters G through an embedding beside z and D through a projection; Adam's beta2 is constant (the
    paper raises it from 0.9 to 0.99); G ends in tanh; no augmentation unless it is asked for (`--stabilizer
    diffaugment`); resolutions other than powers of two (28 px: 7, 14, 28); widths for a laptop in the default
    recipe.

    Args:
        z_dim: dimension of z; 0 stands for 64 for images, and for vectors for two more than their own.
        width: channels at the highest resolution; doubled per halving, up to max_width.
        max_width: channels at most.
        group: channels in a group of the 3x3 convolutions (the paper: 16).
        depth: blocks at each resolution; hidden layers, for vectors.
        d_width: for vectors, width of D's layers (0: as G's).
        fourier: for vectors, waves through which D sees its input as well (Tancik et al. 2020, 2006.10739).
    """

    conditions: ClassVar[tuple[str, ...]] = ("classes", "vectors")
    recipes: ClassVar = {
        "default/images": Recipe(
            loss="relativistic",
            stabilizers=("r1:gamma=1.0", "r2:gamma=1.0"),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0, beta2=0.99),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0, beta2=0.99),
            batch_size=32,
            steps=3000,
            lr_schedule=Schedule("cosine", 1.0, 0.25),
            penalty_schedule=Schedule("cosine", 1.0, 0.1),
            ema_halflife=5_000,
            model={"width": 16, "max_width": 64, "depth": 1},
            conditional=True,
        ),
        "default/vectors": Recipe(
            loss="relativistic",
            stabilizers=("r1:gamma=0.05", "r2:gamma=0.05"),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0, beta2=0.99),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0, beta2=0.99),
            batch_size=256,
            steps=25_000,
            lr_schedule=Schedule("cosine", 1.0, 0.01, until=0.85),
            penalty_schedule=Schedule("cosine", 1.0, 0.01),
            ema_halflife=25_000,
            model={"width": 128, "depth": 3, "fourier": 64},
        ),
        "paper": Recipe(
            loss="relativistic",
            stabilizers=("r1:gamma=0.05", "r2:gamma=0.05"),
            optimizer_g=Optimizer(lr=2e-4, beta1=0.0, beta2=0.99),
            optimizer_d=Optimizer(lr=2e-4, beta1=0.0, beta2=0.99),
            batch_size=512,
            steps=200_000,
            lr_schedule=Schedule("cosine", 1.0, 0.25, until=0.2),
            penalty_schedule=Schedule("cosine", 1.0, 0.1, until=0.2),
            ema_halflife=5_000_000,
            ema_schedule=Schedule("cosine", 0.01, 1.0, until=0.2),
            model={"width": 768, "max_width": 768, "depth": 2, "z_dim": 64},
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 0,
        *common: Any,
        width: int = 32,
        max_width: int = 128,
        group: int = 16,
        depth: int = 2,
        d_width: int = 0,
        fourier: int = 0,
        **more: Unpack[Common],
    ) -> None:
        z_dim = z_dim or (sample_shape[0] + 2 if len(sample_shape) == 1 else 64)
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, max_width=max_width, group=group, depth=depth)
        if d_width < 0:
            raise UsageError(f"model.d_width: expected a whole number of at least 0, got {d_width}")
        check_fourier(fourier, self.kind)
        asked = self.condition
        if self.kind not in PIXELS:
            self.generator = mlp.generator(self.sample_shape, z_dim, asked, width, depth, kind=self.kind)
            judged = math.prod(sample_shape) * self.pack
            self.discriminator = mlp.discriminator(judged, asked, d_width or width, depth, fourier=fourier)
            return
        sizes, channels = ladder(sample_shape, "r3gan"), sample_shape[0]
        widths = widths_of(sizes, width, max_width)
        self.generator = generator(sizes, widths, group, depth, channels, z_dim, asked)
        self.discriminator = critic(sizes, widths, group, depth, channels * self.pack, asked)
