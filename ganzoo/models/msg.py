"""MSG-GAN: gradients at all scales at once (Karnewar & Wang 2020, arXiv 1903.06048)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.models.base import Common
from ganzoo.models.equalized import EqualizedHead, Synthesis, conv, down_block, last_block
from ganzoo.models.layers import HeadedDiscriminator, LadderGAN, at_least_one, widths_of
from ganzoo.models.progan import ProGAN
from ganzoo.models.recipe import Optimizer
from ganzoo.models.sample import Sample


class Generator(Synthesis):
    """z [N, z_dim], y -> a pyramid: images [N, C, r, r] for each resolution r, lowest first."""

    def forward(self, z: Tensor, y: Tensor | None = None) -> tuple[Tensor, ...]:
        maps = self.maps(z, y, len(self.blocks))
        return tuple(head(h) for head, h in zip(self.to_image, maps, strict=True))


class Critic(nn.Module):
    """A pyramid of images, lowest first -> h [N, widths[0]].

    The highest resolution passes a 1x1 convolution; the others are joined as they are to the channels that
    come down to theirs (the paper's simple combination).
    """

    def __init__(self, sizes: list[int], widths: list[int], channels: int) -> None:
        super().__init__()
        self.from_image = nn.Sequential(*conv(channels, widths[-1], 1))
        self.blocks = nn.ModuleList([last_block(widths[0] + channels, widths[0], sizes[0])])
        for level in range(1, len(sizes)):
            joined = 0 if level == len(sizes) - 1 else channels
            width = widths[level]
            self.blocks.append(down_block(width + joined, width, widths[level - 1], std=True))

    def forward(self, images: tuple[Tensor, ...]) -> Tensor:
        h: Tensor = self.blocks[-1](self.from_image(images[-1]))
        for level in reversed(range(len(images) - 1)):
            h = self.blocks[level](torch.cat([h, images[level]], dim=1))
        return h


class MSGGAN(LadderGAN):
    """MSG-GAN: G makes images at every resolution and D judges them together (Karnewar & Wang 2020).

    arXiv 1903.06048, the variant on ProGAN's layers, with nothing growing: D's gradient reaches each of G's
    resolutions directly. Its loss is WGAN-GP; its published code also offers a relativistic average hinge, to
    which `--loss relativistic-average` is the nearest here. Differences from the paper: G's images end in
    tanh; resolutions that are not powers of two; conditional through an embedding beside z and a projection
    head in D; the first layer of G has a bias for each pixel. The paper's recipe is for 32 px (halve the
    width for each doubling of the side); its number of steps is ours.

    Args:
        z_dim: dimension of z, which is normalised to the sphere.
        width: channels at the highest resolution; doubled per halving of the side, up to max_width.
        max_width: channels at most.
    """

    name = "msg-gan"
    recipes: ClassVar = {
        "default": dataclasses.replace(
            ProGAN.recipes["default"], steps=4000, model={"z_dim": 64, "width": 16, "max_width": 64}
        ),
        "paper": dataclasses.replace(
            ProGAN.recipes["paper"],
            optimizer_g=Optimizer(lr=3e-3, beta1=0.0, beta2=0.99),
            optimizer_d=Optimizer(lr=3e-3, beta1=0.0, beta2=0.99),
            batch_size=20,
            steps=200_000,
            ema_halflife=14_000,
            model={"z_dim": 512, "width": 512, "max_width": 512},
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 64,
        *common: Any,
        width: int = 16,
        max_width: int = 64,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, max_width=max_width)
        widths = widths_of(self.sizes, width, max_width)
        self.generator = Generator(self.sizes, widths, self.channels, z_dim, self.num_classes)
        critic = Critic(self.sizes, widths, self.channels * self.pack)
        self.discriminator = HeadedDiscriminator(critic, EqualizedHead(widths[0], self.num_classes))

    def view(self, x: Tensor) -> Sample:
        """x [N, C, R, R] -> its pyramid, by average pooling."""
        scales = [x]
        while len(scales) < len(self.sizes):
            scales.insert(0, F.avg_pool2d(scales[0], 2))
        return tuple(scales)
