"""The first GAN: two multilayer perceptrons (Goodfellow et al. 2014, arXiv 1406.2661)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

from torch import Tensor, nn

from ganzoo.data.kinds import PIXELS, kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN, Common, Condition
from ganzoo.models.layers import (
    FourierFeatures,
    HeadedDiscriminator,
    LatentGenerator,
    LatentInput,
    ProjectionHead,
    at_least_one,
    check_d_norm,
    check_fourier,
    normed,
)
from ganzoo.models.recipe import Optimizer, Recipe, Schedule


class Maxout(nn.Module):
    """[N, i] -> [N, o]: the largest of `pieces` linear maps (Goodfellow et al. 2013, arXiv 1302.4389)."""

    def __init__(self, inputs: int, outputs: int, pieces: int = 5) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        pieces: Tensor = self.linear(x).unflatten(1, (-1, self.pieces))
        return pieces.amax(2)


def generator(
    sample_shape: tuple[int, ...],
    z_dim: int,
    condition: Condition,
    width: int,
    depth: int,
    norm: bool = False,
    kind: str = "",
) -> LatentGenerator:
    """z [N, z_dim], y -> samples [N, *sample_shape]; tanh for pixels, linear for all other kinds of data."""
    latent = LatentInput(z_dim, condition)
    layers: list[nn.Module] = []
    before = latent.width
    for _ in range(depth):
        layers += [
            nn.Linear(before, width),
            *([nn.BatchNorm1d(width)] if norm else []),
            nn.ReLU(inplace=True),
        ]
        before = width
    layers += [nn.Linear(before, math.prod(sample_shape)), nn.Unflatten(1, sample_shape)]
    layers += [nn.Tanh()] if (kind or kind_of_shape(sample_shape)) in PIXELS else []
    return LatentGenerator(latent, nn.Sequential(*layers))


def discriminator(
    inputs: int,
    condition: Condition,
    width: int,
    depth: int,
    d_norm: str = "none",
    maxout: bool = False,
    dropout: float = 0.0,
    fourier: int = 0,
) -> HeadedDiscriminator:
    """Samples [N, ...], y -> logits [N]."""
    layers: list[nn.Module] = [nn.Flatten()]
    before = inputs
    if fourier:
        waves = FourierFeatures(inputs, fourier)
        layers.append(waves)
        before = waves.width
    for level in range(depth):
        if dropout:
            layers.append(nn.Dropout(dropout))
        if maxout:
            layers.append(Maxout(before, width))
        else:
            norm = d_norm if level > 0 or d_norm == "spectral" else "none"
            layers += [*normed(nn.Linear(before, width), width, norm), nn.LeakyReLU(0.2, inplace=True)]
        before = width
    head = ProjectionHead(before, condition, spectral=d_norm == "spectral")
    return HeadedDiscriminator(nn.Sequential(*layers), head)


class MLPGAN(GAN):
    """The first GAN: multilayer perceptrons, for data of any shape (Goodfellow et al. 2014).

    arXiv 1406.2661. Differences from the paper, in its own recipe: G's output is tanh on [-1, 1] where the
    paper had a sigmoid on [0, 1]; weights start from torch's default; conditional (an embedding beside z, a
    projection head in D), which the paper only names as an extension. The paper has no settings for vectors:
    there its recipe is the plain algorithm, with the loss that section 3 advises, nets without any
    normalisation in the size of such data, and Adam.

    Args:
        z_dim: 0 stands for 100, and for vectors for their own dimension, 2 at least.
        width, depth: of G's hidden layers.
        d_width, d_depth: of D's hidden layers.
        g_norm: BatchNorm in G.
        d_norm: "none", "batch", "layer" or "spectral"; not with maxout.
        d_activation: "leaky-relu" or "maxout" (five pieces, the paper's).
        dropout: in D, before each layer; in [0, 1).
        fourier: waves through which D sees its input as well (Tancik et al. 2020); for vectors.
        z: "normal" or "uniform" (on [-1, 1], the paper's).
    """

    conditions: ClassVar[tuple[str, ...]] = ("classes", "vectors")
    recipes: ClassVar = {
        "default/images": Recipe(
            optimizer_g=Optimizer(lr=2e-4),
            optimizer_d=Optimizer(lr=2e-4),
            steps=6000,
            ema_halflife=5_000,
            model={"width": 512, "depth": 3, "d_width": 512, "d_depth": 3, "g_norm": True, "dropout": 0.3},
            conditional=True,
        ),
        "default/vectors": Recipe(
            optimizer_g=Optimizer(lr=1e-3),
            optimizer_d=Optimizer(lr=1e-3),
            batch_size=256,
            steps=8000,
            lr_schedule=Schedule("linear", 1.0, 0.05),
            ema_halflife=50_000,
            model={"width": 128, "depth": 3, "d_width": 128, "d_depth": 3, "d_norm": "layer"},
        ),
        "paper/images": Recipe(
            loss="minimax",
            optimizer_g=Optimizer("sgd", lr=0.1, momentum=0.5),
            optimizer_d=Optimizer("sgd", lr=0.1, momentum=0.5),
            batch_size=100,
            steps=50_000,
            lr_schedule=Schedule("linear", 1.0, 1e-3),
            ema_halflife=0.0,
            model={
                "width": 1200, "depth": 2, "d_width": 240, "d_depth": 2, "d_activation": "maxout",
                "dropout": 0.5, "z": "uniform",
            },
        ),
        "paper/vectors": Recipe(
            optimizer_g=Optimizer(lr=1e-3),
            optimizer_d=Optimizer(lr=1e-3),
            batch_size=100,
            steps=40_000,
            ema_halflife=0.0,
            model={"width": 128, "depth": 2, "d_width": 128, "d_depth": 2},
        ),
    }  # fmt: skip

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 0,
        *common: Any,
        width: int = 256,
        depth: int = 3,
        d_width: int = 256,
        d_depth: int = 3,
        g_norm: bool = False,
        d_norm: str = "none",
        d_activation: str = "leaky-relu",
        dropout: float = 0.0,
        fourier: int = 0,
        **more: Unpack[Common],
    ) -> None:
        z_dim = z_dim or (max(2, sample_shape[0]) if len(sample_shape) == 1 else 100)
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, depth=depth, d_width=d_width, d_depth=d_depth)
        if d_activation not in ("leaky-relu", "maxout"):
            raise UsageError(f"model.d_activation must be leaky-relu or maxout, got {d_activation!r}")
        if d_activation == "maxout" and check_d_norm(d_norm) != "none":
            raise UsageError(f"model.d_norm={d_norm} does not go with model.d_activation=maxout")
        if not 0.0 <= dropout < 1.0:
            raise UsageError(f"model.dropout must be in [0, 1), got {dropout:g}")
        check_fourier(fourier, self.kind)
        judged, maxout = math.prod(sample_shape) * self.pack, d_activation == "maxout"
        self.generator = generator(self.sample_shape, z_dim, self.condition, width, depth, g_norm, self.kind)
        self.discriminator = discriminator(
            judged, self.condition, d_width, d_depth, check_d_norm(d_norm), maxout, dropout, fourier
        )
