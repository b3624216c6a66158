"""BiGAN (Donahue et al. 2017, arXiv 1605.09782)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from ganzoo.models.base import Common
from ganzoo.models.dcgan import DCGAN, discriminator, generator
from ganzoo.models.layers import HeadedDiscriminator, LatentGenerator, ProjectionHead, init_normal, normed
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.models.sample import Sample, map_sample
from ganzoo.models.turn import Turn


class WithLatent(nn.Module):
    """z [N, z_dim], y -> (G(z), z)."""

    def __init__(self, main: LatentGenerator) -> None:
        super().__init__()
        self.main = main

    def forward(self, z: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.main(z, y), z


class PairBody(nn.Module):
    """(images [N, C, H, W], z [N, z_dim]) -> what D's head judges both by, [N, width]."""

    def __init__(self, images: nn.Module, features: int, z_dim: int, width: int, d_norm: str) -> None:
        super().__init__()
        self.images = images
        norm = "spectral" if d_norm == "spectral" else "none"

        def layer(inputs: int) -> list[nn.Module]:
            return [*normed(nn.Linear(inputs, width), width, norm), nn.LeakyReLU(0.2, inplace=True)]

        self.latents = nn.Sequential(*layer(z_dim))
        self.both = nn.Sequential(*layer(features + width), *layer(width))

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        x, z = pair
        h: Tensor = self.both(torch.cat([self.images(x), self.latents(z)], dim=1))
        return h


class BiGAN(DCGAN):
    """BiGAN: an encoder learns beside G, as D judges pairs: (x, E(x)) or (G(z), z) (Donahue et al. 2017).

    arXiv 1605.09782, eq. 2; Dumoulin et al. 2017, arXiv 1606.00704. At the optimum E inverts G. As in the
    paper's section 3.4, G and E learn with swapped labels, so that D's certainty does not stop them.
    Differences from the paper: dcgan's nets, whose options these are, and an E that is not told the class.
    `encode(x)` gives the z of samples, and `ganzoo sample --reconstruct` shows G(E(x)).
    """

    with_g = ("encoder",)
    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("r1:gamma=0.02,interval=8",),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0),
            steps=6000,
            lr_schedule=Schedule("linear", 1.0, 0.3),
            model={"width": 32, "z_dim": 32, "d_norm": "none"},
        ),
        "paper": Recipe(
            batch_size=128, steps=100_000, ema_halflife=0.0, model={"width": 64, "z_dim": 50, "z": "uniform"}
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 50,
        *common: Any,
        width: int = 32,
        d_norm: str = "batch",
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, width=width, d_norm=d_norm, **more)
        channels, asked = self.channels, self.condition
        encoder = discriminator(self.sizes, channels, 0, width, "batch")
        features: int = encoder.head.width
        self.generator = WithLatent(generator(self.sizes, channels, z_dim, asked, width))
        self.encoder = nn.Sequential(encoder.main, nn.Linear(features, z_dim))
        images = discriminator(self.sizes, channels * self.pack, 0, width, d_norm).main
        body = PairBody(images, features, self.pack * z_dim, 8 * width, d_norm)
        self.discriminator = HeadedDiscriminator(body, ProjectionHead(8 * width, asked, d_norm == "spectral"))
        init_normal(self)

    def view(self, x: Tensor) -> Sample:
        return x, self.encoder(x)

    def samples(self, sample: Sample) -> Tensor:
        return sample[0]

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        z: Tensor = self.encoder(x)
        return z

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        if turn.loss.needs_real_in_g:
            return {}  # which teaches E already
        middle = 2.0 * (turn.loss.level or 0.0)
        real = turn.critic(turn.real, turn.y)
        return {"encoder": turn.loss.g(map_sample(lambda logits: middle - logits, real))}
