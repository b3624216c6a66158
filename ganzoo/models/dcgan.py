"""DCGAN (Radford, Metz & Chintala 2016, arXiv 1511.06434)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Unpack

from torch import nn

from ganzoo.models.base import Common, Condition
from ganzoo.models.layers import (
    Doubling,
    FlattenLast,
    Halving,
    HeadedDiscriminator,
    LadderGAN,
    LatentGenerator,
    LatentInput,
    Project,
    ProjectionHead,
    at_least_one,
    check_d_norm,
    init_normal,
    normed,
)
from ganzoo.models.recipe import Optimizer, Recipe, Schedule


def generator(
    sizes: list[int], channels: int, z_dim: int, condition: Condition, width: int
) -> LatentGenerator:
    """z [N, z_dim], y -> images [N, C, H, W]: each layer doubles the side and halves the channels."""
    latent, wide = LatentInput(z_dim, condition), width << (len(sizes) - 2)
    layers: list[nn.Module] = [
        Project(latent.width, wide, sizes[0]),
        nn.BatchNorm2d(wide),
        nn.ReLU(inplace=True),
    ]
    for _ in sizes[1:-1]:
        layers += [
            Doubling(wide, wide // 2, bias=False),
            nn.BatchNorm2d(wide // 2),
            nn.ReLU(inplace=True),
        ]
        wide //= 2
    last = [Doubling(wide, channels), nn.Tanh()]
    return LatentGenerator(latent, nn.Sequential(*layers, *last))


def discriminator(
    sizes: list[int], channels: int, condition: Condition, width: int, d_norm: str
) -> HeadedDiscriminator:
    """Images [N, C, H, W], y -> logits [N]: strided convolutions, LeakyReLU, no norm at the input."""
    layers: list[nn.Module] = []
    before, after = channels, width
    for level in range(len(sizes) - 1):
        norm = d_norm if level > 0 or d_norm == "spectral" else "none"
        conv = Halving(before, after, bias=norm in ("none", "spectral"))
        layers += [*normed(conv, after, norm), nn.LeakyReLU(0.2, inplace=True)]
        before, after = after, after * 2
    head = ProjectionHead(before * sizes[0] ** 2, condition, spectral=d_norm == "spectral")
    return HeadedDiscriminator(nn.Sequential(*layers, FlattenLast()), head)


class DCGAN(LadderGAN):
    """DCGAN: transposed convolutions, BatchNorm, ReLU in G and LeakyReLU in D (Radford et al. 2016).

    arXiv 1511.06434. Depth follows from the image size (`ladder`). Differences from the paper: z is normal
    unless `z="uniform"`; sizes other than 64 px; G's lowest map is 4 to 7 px; conditional through an
    embedding beside z and a projection head in D, which the paper does not have.

    Args:
        width: channels of the layer next to the image; doubled at each halving of the side.
        d_norm: "batch" (the paper's), "layer", "spectral" or "none".
        z: "normal" or "uniform" (on [-1, 1], the paper's).
    """

    conditions: ClassVar[tuple[str, ...]] = ("classes", "vectors")
    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("minibatch-std", "r1:gamma=0.02,interval=8"),
            optimizer_g=Optimizer(lr=1.5e-3, beta1=0.0),
            optimizer_d=Optimizer(lr=1.5e-3, beta1=0.0),
            steps=6000,
            lr_schedule=Schedule("linear", 1.0, 0.3),
            ema_halflife=10_000,
            model={"width": 32, "z_dim": 16, "d_norm": "none"},
            conditional=True,
        ),
        "paper": Recipe(
            batch_size=128, steps=100_000, ema_halflife=0.0, model={"width": 64, "z_dim": 100, "z": "uniform"}
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 64,
        *common: Any,
        width: int = 32,
        d_norm: str = "batch",
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width)
        asked, judged = self.condition, self.channels * self.pack
        self.generator = generator(self.sizes, self.channels, z_dim, asked, width)
        self.discriminator = discriminator(self.sizes, judged, asked, width, check_d_norm(d_norm))
        init_normal(self)


class LSGAN(DCGAN):
    """LSGAN: the nets of DCGAN with a least-squares loss, whose gradient does not fade (Mao et al. 2017).

    arXiv 1611.04076, eq. 9: targets 0 and 1. Differences from the paper: its nets for LSUN have a few layers
    more; the rest is as in dcgan, whose options these are.
    """

    recipes: ClassVar = {
        "default": dataclasses.replace(
            DCGAN.recipes["default"],
            loss="least-squares",
            optimizer_g=Optimizer(lr=5e-4),
            optimizer_d=Optimizer(lr=5e-4),
            lr_schedule=Schedule(),
        ),
        "paper": dataclasses.replace(
            DCGAN.recipes["paper"],
            loss="least-squares",
            optimizer_g=Optimizer(lr=1e-3),
            optimizer_d=Optimizer(lr=1e-3),
            batch_size=64,
            model={"width": 64, "z_dim": 1024, "z": "uniform"},
        ),
    }


class WGAN(DCGAN):
    """WGAN: the nets of DCGAN, whose critic of clipped weights estimates a distance (Arjovsky et al. 2017).

    arXiv 1701.07875, algorithm 1: RMSprop, five updates of the critic to one of G, weights clipped to 0.01.
    D's loss, with the sign turned, follows the quality of the samples. The default recipe takes larger steps
    and wider bounds. Options as for dcgan.
    """

    recipes: ClassVar = {
        "default": Recipe(
            loss="wasserstein",
            stabilizers=("clip-weights:max=0.02",),
            optimizer_g=Optimizer("rmsprop", lr=2e-4, beta2=0.99),
            optimizer_d=Optimizer("rmsprop", lr=2e-4, beta2=0.99),
            n_dis=3,
            steps=2500,
            ema_halflife=2_500,
            model={"width": 32, "z_dim": 64},
            conditional=True,
        ),
        "paper": Recipe(
            loss="wasserstein",
            stabilizers=("clip-weights:max=0.01",),
            optimizer_g=Optimizer("rmsprop", lr=5e-5, beta2=0.99),
            optimizer_d=Optimizer("rmsprop", lr=5e-5, beta2=0.99),
            n_dis=5,
            steps=100_000,
            ema_halflife=0.0,
            model={"width": 64, "z_dim": 100},
        ),
    }
