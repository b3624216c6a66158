"""BigGAN (Brock et al. 2019, arXiv 1809.11096)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.base import Common
from ganzoo.models.layers import LadderGAN, at_least_one, widths_of
from ganzoo.models.precision import full_range
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.models.sagan import Generator, critic
from ganzoo.models.turn import Turn


class BigGAN(LadderGAN):
    """BigGAN: the nets of SAGAN, z at every resolution, one embedding of labels for all, orthogonal weights.

    Brock et al. 2019, arXiv 1809.11096: each block of G has a part of z beside the shared embedding; weights
    start orthogonal (Saxe et al. 2014) and are kept near it by a penalty on all but the diagonal of W W^T
    (eq. 3); samples may be truncated: `ganzoo sample --set truncation=0.5`. Differences from the paper: small
    by default; sizes other than 128 px; attention where images have half their side; batches of a laptop.

    Args:
        embed: width of the shared embedding.
        ortho: weight of the orthogonal penalty, >= 0; the paper's is 1e-4.
        width: channels next to the image; doubled at each halving of the side, up to max_width.
        max_width: channels at most.
    """

    name = "biggan"
    recipes: ClassVar = {
        "default": Recipe(
            loss="hinge",
            optimizer_g=Optimizer(lr=5e-4, beta1=0.0, eps=1e-6),
            optimizer_d=Optimizer(lr=5e-4, beta1=0.0, eps=1e-6),
            steps=3000,
            lr_schedule=Schedule("linear", 1.0, 0.1),
            ema_halflife=5_000,
            model={"width": 16, "max_width": 64, "z_dim": 60, "embed": 16},
            conditional=True,
        ),
        "paper": Recipe(
            loss="hinge",
            optimizer_g=Optimizer(lr=5e-5, beta1=0.0, eps=1e-6),
            optimizer_d=Optimizer(lr=2e-4, beta1=0.0, eps=1e-6),
            n_dis=2,
            batch_size=2048,
            steps=150_000,
            ema_halflife=14_000_000,
            model={"width": 96, "max_width": 1536, "z_dim": 120, "embed": 128},
            conditional=True,
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 120,
        *common: Any,
        width: int = 32,
        max_width: int = 256,
        embed: int = 32,
        ortho: float = 1e-4,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, max_width=max_width, embed=embed)
        if not 0.0 <= ortho < float("inf"):
            raise UsageError(f"biggan: ortho must be a number of at least 0, got {ortho:g}")
        if z_dim < len(self.sizes):
            raise UsageError(
                f"biggan cuts z into {len(self.sizes)} parts, one for each resolution, got z_dim {z_dim}"
            )
        self.ortho = ortho
        widths, classes = widths_of(self.sizes, width, max_width), self.num_classes
        self.generator = Generator(self.sizes, widths, self.channels, z_dim, classes, skip=True, embed=embed)
        self.discriminator = critic(self.sizes, widths, self.channels * self.pack, classes)
        for weight in matrices(self):
            nn.init.orthogonal_(weight)

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        if not self.ortho:
            return {}
        # Not of embeddings, whose rows are no directions of one map.
        return {"ortho": self.ortho * torch.stack([unlike(w) for w in matrices(self.generator)]).sum()}

    def sample(self, z: Tensor, y: Tensor | None = None, *, truncation: float = 0.0) -> Tensor:
        """Samples of z and y.

        Args:
            truncation: z is as one of a normal distribution cut off at so many standard deviations, by its
                place in it; fewer kinds of samples, and better ones (section 3.1). 0 for z as it is.
        """
        if truncation < 0.0 or (truncation and self.z != "normal"):
            raise UsageError(
                f"sample: truncation must be at least 0, of a normal z, got {truncation:g} and z {self.z}"
            )
        if truncation:
            low = 0.5 * math.erfc(truncation / math.sqrt(2.0))
            place = low + (1.0 - 2.0 * low) * torch.special.ndtr(z)
            z = torch.special.ndtri(place).clamp(-truncation, truncation)
        return super().sample(z, y)


def matrices(net: nn.Module) -> list[Tensor]:
    """The weights of convolutions and linear layers, as they are kept: before spectral norm divides them."""
    found = []
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            made = getattr(getattr(part, "parametrizations", None), "weight", None)
            found.append(part.weight if made is None else made.original)
    return found


def unlike(weight: Tensor) -> Tensor:
    """|W W^T (1 - I)|^2: how far the rows of W are from being at right angles."""
    rows = weight.flatten(1)
    with full_range(weight.device):
        products = rows @ rows.T
    return products.square().sum() - products.diagonal().square().sum()
