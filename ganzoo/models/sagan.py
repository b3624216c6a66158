"""SAGAN (Zhang et al. 2019, arXiv 1805.08318), and the nets that BigGAN shares with it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.models.base import Common
from ganzoo.models.layers import (
    HeadedDiscriminator,
    LadderGAN,
    ProjectionHead,
    at_least_one,
    one_hot,
    widths_of,
)
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.models.resnet import DownBlock, SumPool, conv, up


class SelfAttention(nn.Module):
    """[N, C, H, W] -> the same, plus what every place takes from all others (section 3).

    Places are compared in C / 8 channels; what is taken has C / 2, and is pooled to half the side, as in the
    paper's code. It enters by a factor that starts at 0. A plain softmax: a penalty on D's gradient
    differentiates it twice.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        small, half = max(1, channels // 8), max(1, channels // 2)
        self.query, self.key = (spectral_norm(nn.Conv2d(channels, small, 1, bias=False)) for _ in range(2))
        self.value = spectral_norm(nn.Conv2d(channels, half, 1, bias=False))
        self.out = spectral_norm(nn.Conv2d(half, channels, 1, bias=False))
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), F.max_pool2d(self.key(x), 2), F.max_pool2d(self.value(x), 2)
        weights = (query.flatten(2).transpose(1, 2) @ key.flatten(2)).softmax(2)  # [N, H W, H W / 4]
        taken = (value.flatten(2) @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        seen: Tensor = self.out(taken)
        return x + self.share * seen


class ConditionalNorm(nn.Module):
    """BatchNorm whose gain and bias are linear in a condition c [N, width] (de Vries et al. 2017).

    h [N, C, H, W], c | None -> [N, C, H, W]. Without a condition (width 0) it is BatchNorm.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=not width)
        self.scale = spectral_norm(nn.Linear(width, 2 * channels, bias=False)) if width else None

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        normed: Tensor = self.norm(h)
        if self.scale is None:
            return normed
        gain, bias = torch.chunk(self.scale(c)[:, :, None, None], 2, dim=1)
        changed: Tensor = normed * (1.0 + gain) + bias
        return changed


class UpBlock(nn.Module):
    """[N, i, h, w], c -> [N, o, 2 h, 2 w]: (norm, ReLU, 3x3) twice, the first enlarged; plus the input."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ConditionalNorm(size, condition) for size in (inputs, outputs)])
        self.convs = nn.ModuleList([conv(inputs, outputs, 3, True), conv(outputs, outputs, 3, True)])
        self.skip = conv(inputs, outputs, 1, True)

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        h: Tensor = self.convs[0](up(F.relu(self.norms[0](x, c))))
        h = self.convs[1](F.relu(self.norms[1](h, c)))
        return h + up(self.skip(x))


class Generator(nn.Module):
    """z [N, z_dim], y [N] | None -> images [N, C, H, W]; attention where they have half their side.

    Args:
        skip: z is cut into parts, one for the first layer and one for each block, whose norms it conditions
            beside the label (BigGAN's skip-z); else the first layer has all of it.
        embed: width of an embedding of the label that all blocks share; 0 for the label itself.
    """

    def __init__(
        self,
        sizes: list[int],
        widths: list[int],
        channels: int,
        z_dim: int,
        classes: int,
        skip: bool = False,
        embed: int = 0,
    ) -> None:
        super().__init__()
        self.classes, self.parts = classes, len(sizes) if skip else 1
        self.embed = nn.Embedding(classes, embed) if classes and embed else None
        chunks = [part.shape[0] for part in torch.zeros(z_dim).tensor_split(self.parts)]
        label = (embed or classes) if classes else 0
        shape = widths[0], sizes[0], sizes[0]
        first = spectral_norm(nn.Linear(chunks[0], shape[0] * shape[1] * shape[2]))
        self.first = nn.Sequential(first, nn.Unflatten(1, shape))
        conditions = [label + part for part in chunks[1:]] if skip else [label] * (len(sizes) - 1)
        self.blocks = nn.ModuleList(
            UpBlock(a, b, c) for (a, b), c in zip(pairwise(widths), conditions, strict=True)
        )
        self.attention = SelfAttention(widths[-2])
        last = [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True), conv(widths[-1], channels, 3, True)]
        self.last = nn.Sequential(*last, nn.Tanh())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        first, *others = z.tensor_split(self.parts, dim=1)
        label = None
        if self.classes:
            if y is None:
                raise ValueError("a conditional generator needs labels y [N]")
            label = one_hot(y, self.classes, z) if self.embed is None else self.embed(y)
        h: Tensor = self.first(first)
        for i, block in enumerate(self.blocks):
            if i == len(self.blocks) - 1:
                h = self.attention(h)
            own = [part for part in (label, *others[i : i + 1]) if part is not None]
            h = block(h, torch.cat(own, dim=1) if own else None)
        images: Tensor = self.last(h)
        return images


def critic(sizes: list[int], widths: list[int], channels: int, classes: int) -> HeadedDiscriminator:
    """Images [N, C, H, W], y -> logits [N]: residual, attention at half the side, summed over places."""
    down = widths[::-1]
    layers: list[nn.Module] = [
        DownBlock(channels, down[0], True, "spectral", first=True),
        SelfAttention(down[0]),
    ]
    layers += [
        DownBlock(a, b, level < len(sizes) - 2, "spectral") for level, (a, b) in enumerate(pairwise(down))
    ]
    return HeadedDiscriminator(
        nn.Sequential(*layers, SumPool(mean=False)), ProjectionHead(down[-1], classes, spectral=True)
    )


class SAGAN(LadderGAN):
    """SAGAN: attention, so that far places of an image fit together, and spectral norm in both nets.

    Zhang et al. 2019, arXiv 1805.08318: residual nets, hinge loss, separate learning rates (Heusel et al.
    2017), labels through the norms of G and a projection in D. Differences from the paper: sizes other than
    128 px; attention where images have half their side; the default recipe is narrower and learns faster.

    Args:
        width: channels next to the image; doubled at each halving of the side, up to max_width.
        max_width: channels at most.
        z: "normal" or "uniform".
    """

    name = "sagan"
    recipes: ClassVar = {
        "default": Recipe(
            loss="hinge",
            optimizer_g=Optimizer(lr=5e-4, beta1=0.0, beta2=0.9),
            optimizer_d=Optimizer(lr=5e-4, beta1=0.0, beta2=0.9),
            steps=3000,
            lr_schedule=Schedule("linear", 1.0, 0.1),
            ema_halflife=5_000,
            model={"width": 16, "max_width": 64, "z_dim": 64},
            conditional=True,
        ),
        "paper": Recipe(
            loss="hinge",
            optimizer_g=Optimizer(lr=1e-4, beta1=0.0, beta2=0.9),
            optimizer_d=Optimizer(lr=4e-4, beta1=0.0, beta2=0.9),
            batch_size=256,
            steps=1_000_000,
            ema_halflife=0.0,
            model={"width": 64, "max_width": 1024, "z_dim": 128},
            conditional=True,
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 128,
        *common: Any,
        width: int = 32,
        max_width: int = 256,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(width=width, max_width=max_width)
        widths, classes = widths_of(self.sizes, width, max_width), self.num_classes
        self.generator = Generator(self.sizes, widths, self.channels, z_dim, classes)
        self.discriminator = critic(self.sizes, widths, self.channels * self.pack, classes)
