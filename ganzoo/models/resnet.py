"""Residual nets, and the two papers that made them the field's: WGAN-GP and SNGAN."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Unpack

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.models.base import Common, Condition
from ganzoo.models.layers import (
    HeadedDiscriminator,
    LadderGAN,
    LatentGenerator,
    LatentInput,
    Project,
    ProjectionHead,
    at_least_one,
    check_d_norm,
)
from ganzoo.models.recipe import Optimizer, Recipe, Schedule


class UpBlock(nn.Module):
    """[N, i, h, w] -> [N, o, 2 h, 2 w]: (BatchNorm, ReLU, 3x3) twice, the first enlarged; plus the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)])
        self.convs = nn.ModuleList([conv(inputs, outputs, 3), conv(outputs, outputs, 3)])
        self.skip = conv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.convs[0](up(F.relu(self.norms[0](x))))
        h = self.convs[1](F.relu(self.norms[1](h)))
        return h + up(self.skip(x))  # the 1x1 before the enlarging: the same, at a quarter of the work


class DownBlock(nn.Module):
    """[N, i, h, w] -> [N, o, h, w], or half the side: (norm, ReLU, 3x3) twice, pooled, plus the input.

    Args:
        first: the images come in here: no norm and no ReLU before the first convolution.
        down: halve the side.
        d_norm: "layer" or "batch" before each ReLU, "spectral" on each weight, or "none".
    """

    def __init__(self, inputs: int, outputs: int, down: bool, d_norm: str, first: bool = False) -> None:
        super().__init__()
        spectral = d_norm == "spectral"
        self.down, self.first = down, first
        self.norms = nn.ModuleList([nn.Identity() if first else norm(inputs, d_norm), norm(outputs, d_norm)])
        self.convs = nn.ModuleList([conv(inputs, outputs, 3, spectral), conv(outputs, outputs, 3, spectral)])
        self.skip = conv(inputs, outputs, 1, spectral) if down or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.first else F.relu(self.norms[0](x))
        h = self.convs[1](F.relu(self.norms[1](self.convs[0](h))))
        if self.down:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        skipped: Tensor = self.skip(x)
        return h + skipped


class SumPool(nn.Module):
    """[N, C, H, W] -> [N, C]: ReLU, then the mean over places, or the sum (Miyato et al. 2018)."""

    def __init__(self, mean: bool) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return x.mean((2, 3)) if self.mean else x.sum((2, 3))


def conv(inputs: int, outputs: int, size: int, spectral: bool = False) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    # Glorot & Bengio 2010; the 3x3 ones stronger, for the ReLU before them (both papers' code).
    nn.init.xavier_uniform_(layer.weight, math.sqrt(2) if size > 1 else 1.0)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return spectral_norm(layer) if spectral else layer


def norm(channels: int, d_norm: str) -> nn.Module:
    if d_norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if d_norm == "layer" else nn.Identity()


def up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def generator(
    sizes: list[int], channels: int, z_dim: int, condition: Condition, width: int
) -> LatentGenerator:
    """z [N, z_dim], y -> images [N, C, H, W]: one block per doubling, all of the same width."""
    latent = LatentInput(z_dim, condition)
    project = Project(latent.width, width, sizes[0])
    nn.init.normal_(project.weight, 0.0, latent.width**-0.5)
    blocks = [UpBlock(width, width) for _ in sizes[1:]]
    last = [nn.BatchNorm2d(width), nn.ReLU(inplace=True), conv(width, channels, 3), nn.Tanh()]
    return LatentGenerator(latent, nn.Sequential(project, *blocks, *last))


def discriminator(
    sizes: list[int], channels: int, condition: Condition, width: int, d_norm: str, mean: bool
) -> HeadedDiscriminator:
    """Images [N, C, H, W], y -> logits [N]: blocks down to 7 or 8 px, two more there, pooled over places."""
    halvings = max(1, sum(size > 8 for size in sizes))
    blocks: list[nn.Module] = [DownBlock(channels, width, True, d_norm, first=True)]
    blocks += [DownBlock(width, width, True, d_norm) for _ in range(halvings - 1)]
    blocks += [DownBlock(width, width, False, d_norm) for _ in range(2)]
    head = ProjectionHead(width, condition, spectral=d_norm == "spectral")
    return HeadedDiscriminator(nn.Sequential(*blocks, SumPool(mean)), head)


class _ResNet(LadderGAN):
    """What the two have in common; `mean` pools by the mean where the other takes the sum."""

    mean: ClassVar[bool]

    conditions: ClassVar[tuple[str, ...]] = ("classes", "vectors")

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 128,
        *common: Any,
        width: int = 64,
        d_width: int = 0,
        d_norm: str = "none",
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, d_width=d_width or width)
        asked, judged = self.condition, self.channels * self.pack
        self.generator = generator(self.sizes, self.channels, z_dim, asked, width)
        self.discriminator = discriminator(
            self.sizes, judged, asked, d_width or width, check_d_norm(d_norm), self.mean
        )


class WGANGP(_ResNet):
    """WGAN-GP: residual nets, a critic without BatchNorm, and a gradient penalty (Gulrajani et al. 2017).

    arXiv 1704.00028, appendix C (the CIFAR-10 nets). Differences from the paper: conditional through an
    embedding beside z and a projection in D (the paper adds a classifier to D); sizes other than 32 px; the
    default recipe is narrower and updates the critic twice a step instead of five times.

    Args:
        width: channels of every layer of G.
        d_width: the same of D; 0 stands for G's.
        d_norm: "none" (here), "layer" (which the penalty allows too) or "spectral".
        z: "normal" or "uniform".
    """

    name = "wgan-gp"
    mean = True
    recipes: ClassVar = {
        "default": Recipe(
            loss="wasserstein",
            stabilizers=("gradient-penalty:weight=10",),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0, beta2=0.9),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0, beta2=0.9),
            n_dis=2,
            steps=2000,
            lr_schedule=Schedule("linear", 1.0, 0.0),
            ema_halflife=2_500,
            model={"width": 16, "z_dim": 64},
            conditional=True,
        ),
        "paper": Recipe(
            loss="wasserstein",
            stabilizers=("gradient-penalty:weight=10",),
            optimizer_g=Optimizer(lr=2e-4, beta1=0.0, beta2=0.9),
            optimizer_d=Optimizer(lr=2e-4, beta1=0.0, beta2=0.9),
            n_dis=5,
            steps=100_000,
            lr_schedule=Schedule("linear", 1.0, 0.0),
            ema_halflife=0.0,
            model={"width": 128, "z_dim": 128},
        ),
    }


class SNGAN(_ResNet):
    """SNGAN: residual nets, spectral norm on every weight of D, hinge loss (Miyato et al. 2018).

    arXiv 1802.05957, appendix B.4 (the CIFAR-10 nets); conditional with the projection discriminator of
    Miyato & Koyama 2018, arXiv 1802.05637. Differences from the papers: the label enters G beside z and not
    through its BatchNorm; sizes other than 32 px; the default recipe is narrower and has two updates of D a
    step instead of five.

    Args:
        width: channels of every layer of G.
        d_width: the same of D; 0 stands for G's.
        d_norm: "spectral" (the paper's, and that of both recipes), "none", "layer" or "batch".
        z: "normal" or "uniform".
    """

    name = "sngan"
    mean = False
    recipes: ClassVar = {
        "default": dataclasses.replace(
            WGANGP.recipes["default"],
            loss="hinge",
            stabilizers=(),
            model={"width": 24, "z_dim": 64, "d_norm": "spectral"},
        ),
        "paper": dataclasses.replace(
            WGANGP.recipes["paper"],
            loss="hinge",
            stabilizers=(),
            model={"width": 256, "d_width": 128, "z_dim": 128, "d_norm": "spectral"},
        ),
    }
