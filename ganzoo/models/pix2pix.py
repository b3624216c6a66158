"""pix2pix (Isola, Zhu, Zhou & Efros 2017, arXiv 1611.07004)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.base import Common
from ganzoo.models.layers import LadderGAN, at_least_one, init_normal
from ganzoo.models.recipe import Optimizer, Recipe
from ganzoo.models.sample import scales
from ganzoo.models.translation import PatchCritic, UNet
from ganzoo.models.turn import Turn


class Pix2Pix(LadderGAN):
    """pix2pix: pictures into others, learnt from pairs, by a U-Net and a D of patches (Isola et al. 2017).

    arXiv 1611.07004, eq. 4: the loss of a conditional GAN, and `weight` times the mean absolute difference
    from the picture that belongs to the condition. Data are pairs, such as `pairs:PATH`. Differences from the
    paper: noise is z, beside the lowest map, where the paper leaves dropout on when it samples; D's loss is
    not halved; batches are larger than 1.

    Args:
        width: channels at half the side; doubled per halving.
        d_width: of D's first layer; 0 is `width`.
        weight: of the difference, the paper's lambda.
        dropout: in G's first layers on the way up, in training.
    """

    name = "pix2pix"
    tried_on: ClassVar[tuple[str, ...]] = ("pairs:PATH",)
    conditions: ClassVar[tuple[str, ...]] = ("images",)
    recipes: ClassVar = {
        "default": Recipe(
            optimizer_g=Optimizer(lr=5e-4),
            optimizer_d=Optimizer(lr=2e-4),
            batch_size=16,
            steps=3000,
            ema_halflife=2_000,
            model={"width": 24, "z_dim": 8},
            conditional=True,
        ),
        "paper": Recipe(
            optimizer_g=Optimizer(lr=2e-4),
            optimizer_d=Optimizer(lr=2e-4),
            batch_size=4,
            steps=100_000,
            ema_halflife=0.0,
            model={"width": 64, "z_dim": 8},
            conditional=True,
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 8,
        *common: Any,
        width: int = 24,
        d_width: int = 0,
        weight: float = 100.0,
        dropout: float = 0.5,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, d_width=d_width or width)
        refuse_other_sizes(self.name, self.sample_shape, self.condition_shape, "pairs:PATH")
        if not 0.0 <= dropout < 1.0 or not 0.0 <= weight < float("inf"):
            raise UsageError(
                f"pix2pix: expected model.dropout in [0, 1) and model.weight of at least 0, got {dropout:g} "
                f"and {weight:g}"
            )
        self.weight = weight
        shown = self.condition_shape[0]
        self.generator = UNet(self.sizes, shown, self.channels, z_dim, width, dropout)
        judged = self.pack * (self.channels + shown)
        self.discriminator = PatchCritic(self.sizes[-1], judged, d_width or width, nn.BatchNorm2d, sees=True)
        init_normal(self)

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        (fake,), (real,) = scales(turn.fake), scales(turn.real)
        return {"l1": self.weight * (fake - real).abs().mean()}


def refuse_other_sizes(
    model: str, sample_shape: tuple[int, ...], condition_shape: tuple[int, ...], data: str
) -> None:
    """Raise a UsageError for samples that are not made of images of the same size; `data` would have them."""
    if not condition_shape:
        raise UsageError(
            f"{model} makes images of images: it needs data that come as both, such as {data}, and cannot do "
            f"without the condition"
        )
    if condition_shape[1:] != sample_shape[1:]:
        raise UsageError(
            f"{model} makes images as large as those that it is given, and these are of shape "
            f"{tuple(sample_shape)} and {tuple(condition_shape)}: {data} makes both of one size"
        )
