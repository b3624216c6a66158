"""What ProGAN and MSG-GAN are built of: equalised layers, pixel norm, the two nets' blocks.

Karras et al. 2018, arXiv 1710.10196, sections 3 and 4 and appendix A.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganzoo.models.layers import FlattenLast, LatentInput, ProjectionHead, batch_std
from ganzoo.models.precision import in_full, in_range

LEAK = 0.2
HE = math.sqrt(2.0)  # gain of a layer before LeakyReLU
GROUP = 4  # samples over which D's minibatch standard deviation is taken


class Scaled(nn.Module):
    """A stored weight, times a constant: the weight that a layer computes with."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.scale


def equalized(layer: nn.Module, gain: float = HE) -> nn.Module:
    """The layer with weights drawn from N(0, 1) and scaled by gain / sqrt(fan in) each time they are used.

    Adam's steps do not depend on a gradient's size: with stored weights of one size, all layers learn at one
    speed (section 4.1). Biases start at zero. A table of embeddings counts its width as the fan in.
    """
    weight, bias = layer.weight, getattr(layer, "bias", None)
    assert isinstance(weight, Tensor)
    nn.init.normal_(weight)
    if isinstance(bias, Tensor):
        nn.init.zeros_(bias)
    return parametrize.register_parametrization(layer, "weight", Scaled(gain / math.sqrt(weight[0].numel())))


class PixelNorm(nn.Module):
    """[N, C, ...] -> the same shape, with a mean square of 1 over the channels (section 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        exact = in_range(x)
        return exact * (exact.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class BatchStd(nn.Module):
    """[N, C, H, W] -> [N, C + 1, H, W]: one more map, constant, of how much a group of samples varies.

    It lets D see a lack of variety (section 3). It mixes the samples of a group, if only by this one number,
    so that a penalty on D's gradient for each sample is approximate, as it was in the paper.
    """

    def forward(self, x: Tensor) -> Tensor:
        # Of differences of numbers close to each other.
        std = batch_std(in_full(x), GROUP).to(x.dtype).view(-1, 1, 1, 1)
        return torch.cat([x, std.expand(-1, 1, *x.shape[2:])], dim=1)


def conv(before: int, after: int, kernel: int = 3) -> list[nn.Module]:
    layer = equalized(nn.Conv2d(before, after, kernel, padding=kernel // 2))
    return [layer, nn.LeakyReLU(LEAK, inplace=True)]


class Start(nn.Module):
    """[N, inputs] -> [N, channels, size, size]: the linear map that G starts with."""

    def __init__(self, inputs: int, channels: int, size: int) -> None:
        super().__init__()
        self.shape = (size, size, channels)  # channels last, as the convolutions behind it have them
        self.linear = equalized(nn.Linear(inputs, size * size * channels))

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.linear(x)
        return h.view(-1, *self.shape).permute(0, 3, 1, 2)


class Synthesis(nn.Module):
    """G's blocks, one per resolution, each with a 1x1 convolution to an image; subclasses put them together.

    Args:
        sizes, widths: side and channels at each resolution, lowest first.
        channels: of the images.
    """

    def __init__(
        self, sizes: list[int], widths: list[int], channels: int, z_dim: int, num_classes: int
    ) -> None:
        super().__init__()
        self.latent = LatentInput(z_dim, num_classes)
        first = [
            PixelNorm(),
            Start(self.latent.width, widths[0], sizes[0]),
            nn.LeakyReLU(LEAK),
            PixelNorm(),
            *conv(widths[0], widths[0]),
            PixelNorm(),
        ]
        self.blocks = nn.ModuleList([nn.Sequential(*first)])
        for before, after in pairwise(widths):
            block = [nn.Upsample(scale_factor=2), *conv(before, after), PixelNorm()]
            self.blocks.append(nn.Sequential(*block, *conv(after, after), PixelNorm()))
        self.to_image = nn.ModuleList(
            nn.Sequential(equalized(nn.Conv2d(width, channels, 1), gain=1.0), nn.Tanh()) for width in widths
        )

    def maps(self, z: Tensor, y: Tensor | None, levels: int) -> list[Tensor]:
        """z [N, z_dim], y -> the activations [N, widths[k], sizes[k], sizes[k]] of the lowest `levels`."""
        h = self.latent(z, y)
        maps = []
        for block in self.blocks[:levels]:
            h = block(h)
            maps.append(h)
        return maps


def down_block(inputs: int, width: int, after: int, std: bool = False) -> nn.Sequential:
    """D's block at one resolution: [N, inputs, s, s] -> [N, after, s / 2, s / 2]."""
    measured = [BatchStd()] if std else []
    return nn.Sequential(*measured, *conv(inputs + std, width), *conv(width, after), nn.AvgPool2d(2))


def last_block(inputs: int, width: int, size: int) -> nn.Sequential:
    """D's block at the lowest resolution: [N, inputs, size, size] -> h [N, width]."""
    whole = equalized(nn.Linear(width * size * size, width))  # a convolution with a kernel of the map's size
    return nn.Sequential(
        BatchStd(), *conv(inputs + 1, width), FlattenLast(), whole, nn.LeakyReLU(LEAK, inplace=True)
    )


class EqualizedHead(ProjectionHead):
    """D's last layer, linear with the label's projection, equalised. h [N, width], y -> logits [N]."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__(width, num_classes)
        self.linear = equalized(self.linear, gain=1.0)
        self.embed = equalized(self.embed, gain=1.0) if self.embed is not None else None
