"""ProGAN: progressive growing (Karras, Aila, Laine & Lehtinen 2018, arXiv 1710.10196)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.errors import UsageError
from ganzoo.models.base import Common
from ganzoo.models.equalized import EqualizedHead, Synthesis, conv, down_block, last_block
from ganzoo.models.layers import HeadedDiscriminator, LadderGAN, at_least_one, widths_of
from ganzoo.models.recipe import Optimizer, Recipe
from ganzoo.models.sample import Sample


def double(x: Tensor) -> Tensor:
    """[N, C, s, s] -> [N, C, 2 s, 2 s] by nearest neighbour."""
    return F.interpolate(x, scale_factor=2)


class Generator(Synthesis):
    """z [N, z_dim], y -> images [N, C, r, r] at the resolution of `stage`.

    Attributes:
        stage: index of the resolution that is made.
        alpha: its share of the image; the rest is the next lower resolution, upsampled.
    """

    def __init__(
        self, sizes: list[int], widths: list[int], channels: int, z_dim: int, num_classes: int
    ) -> None:
        super().__init__(sizes, widths, channels, z_dim, num_classes)
        # Plain numbers, set from outside: a function of the plan's time is nothing to save or to average.
        self.stage, self.alpha = len(sizes) - 1, 1.0

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        maps = self.maps(z, y, self.stage + 1)
        image: Tensor = self.to_image[self.stage](maps[-1])
        if self.alpha < 1.0:
            image = torch.lerp(double(self.to_image[self.stage - 1](maps[-2])), image, self.alpha)
        return image


class Critic(nn.Module):
    """Images [N, C, r, r] at the resolution of `stage` -> h [N, widths[0]]; attributes as in G."""

    def __init__(self, sizes: list[int], widths: list[int], channels: int) -> None:
        super().__init__()
        self.from_image = nn.ModuleList(nn.Sequential(*conv(channels, width, 1)) for width in widths)
        self.blocks = nn.ModuleList([last_block(widths[0], widths[0], sizes[0])])
        for after, width in pairwise(widths):
            self.blocks.append(down_block(width, width, after))
        self.stage, self.alpha = len(sizes) - 1, 1.0

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.blocks[self.stage](self.from_image[self.stage](x))
        if self.alpha < 1.0:
            h = torch.lerp(self.from_image[self.stage - 1](F.avg_pool2d(x, 2)), h, self.alpha)
        for block in reversed(self.blocks[: self.stage]):
            h = block(h)
        return h


class Discriminator(HeadedDiscriminator):
    """Images [N, C, r, r], y -> logits [N]."""

    main: Critic

    def __init__(self, sizes: list[int], widths: list[int], channels: int, num_classes: int) -> None:
        super().__init__(Critic(sizes, widths, channels), EqualizedHead(widths[0], num_classes))


class ProGAN(LadderGAN):
    """ProGAN: G and D begin at the lowest resolution and grow by one after another (Karras et al. 2018).

    arXiv 1710.10196. D's real images are pooled and blended as the generated ones are. Sizes follow from the
    data: 28 px grows 7, 14, 28. Differences from the paper: G's images end in tanh (the paper: linear);
    resolutions that are not powers of two; the batch keeps its size at all resolutions; Adam's moments are
    kept when a resolution is added; conditional through an embedding beside z and a projection head in D; the
    first layer of G has a bias for each pixel. The paper's recipe is for 32 px (halve the width for each
    doubling of the side) and shows 800,000 images in each fade and at each resolution.

    Args:
        z_dim: dimension of z, which is normalised to the sphere.
        width: channels at the highest resolution; doubled per halving of the side, up to max_width.
        max_width: channels at most.
        fade: how long a resolution is faded in, in units of the time for which a lower one is then trained
            (the paper: 1; 0 switches at once).
        last: how long the full resolution is trained after its fade, in the same units (the paper: 1).
    """

    generator: Generator
    discriminator: Discriminator
    name = "progan"
    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("r1:gamma=0.2",),
            optimizer_g=Optimizer(lr=3e-3, beta1=0.0, beta2=0.99),
            optimizer_d=Optimizer(lr=3e-3, beta1=0.0, beta2=0.99),
            batch_size=32,
            steps=6000,
            ema_halflife=5_000,
            model={"z_dim": 64, "width": 16, "max_width": 64, "fade": 0.5, "last": 2.0},
            conditional=True,
        ),
        "paper": Recipe(
            loss="wasserstein",
            stabilizers=("gradient-penalty:weight=10", "drift:weight=0.001"),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0, beta2=0.99, eps=1e-8),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0, beta2=0.99, eps=1e-8),
            batch_size=16,
            steps=350_000,
            ema_halflife=11_000,
            ema_ramp=1.0,
            model={"z_dim": 512, "width": 512, "max_width": 512, "fade": 1.0, "last": 1.0},
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 64,
        *common: Any,
        width: int = 16,
        max_width: int = 64,
        fade: float = 1.0,
        last: float = 1.0,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, max_width=max_width)
        if fade < 0.0 or last <= 0.0:
            raise UsageError(
                f"model.fade must be at least 0 and model.last above 0, got {fade:g} and {last:g}"
            )
        self.fade, self.last = fade, last
        widths, judged = widths_of(self.sizes, width, max_width), self.channels * self.pack
        self.generator = Generator(self.sizes, widths, self.channels, z_dim, self.num_classes)
        self.discriminator = Discriminator(self.sizes, widths, judged, self.num_classes)

    def at(self, t: float) -> tuple[int, float]:
        """Stage and alpha at time t: a resolution is trained for one unit, the next faded in for `fade`."""
        top = len(self.sizes) - 1
        stage, within = divmod(t * (top * (1.0 + self.fade) + self.last), 1.0 + self.fade)
        if stage >= top:
            return top, 1.0
        if within < 1.0:
            return int(stage), 1.0
        return int(stage) + 1, (within - 1.0) / self.fade

    def progress(self, t: float) -> None:
        for net in (self.generator, self.discriminator.main):
            net.stage, net.alpha = self.at(t)

    def view(self, x: Tensor) -> Tensor:
        """x [N, C, R, R] -> [N, C, r, r], with as little detail as G's images have now."""
        stage, alpha = self.generator.stage, self.generator.alpha
        if self.sizes[stage] < x.shape[-1]:
            x = F.avg_pool2d(x, x.shape[-1] // self.sizes[stage])
        return x if alpha == 1.0 else torch.lerp(double(F.avg_pool2d(x, 2)), x, alpha)

    def samples(self, sample: Sample) -> Tensor:
        assert isinstance(sample, Tensor)
        return F.interpolate(sample, scale_factor=self.sizes[-1] // sample.shape[-1])
