"""Nets that turn images into images, and the D that judges patches of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def given(y: Tensor | None) -> Tensor:
    """What a generator makes its images of."""
    if y is None:
        raise ValueError("a generator that makes images of images needs these: y [N, C, H, W]")
    return y


class UNet(nn.Module):
    """z [N, z_dim], y [N, C, S, S] -> images [N, channels, S, S] in [-1, 1]: section 3.2.1 of 1611.07004.

    Down to the lowest map of `sizes` and up again; what is on the way down goes into the layer of the same
    size on the way up. z is beside the lowest map.

    Args:
        sizes: resolutions, lowest first.
        width: channels at half the side; doubled per halving, up to 8 times.
        dropout: in the first layers on the way up.
    """

    def __init__(
        self, sizes: list[int], condition: int, channels: int, z_dim: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        widths = [width << min(level, 3) for level in range(len(sizes) - 1)]  # at half the side first
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (into, out) in enumerate(zip([condition, *widths], widths, strict=False)):
            layers: list[nn.Module] = [] if level == 0 else [nn.LeakyReLU(0.2)]
            layers.append(nn.Conv2d(into, out, 4, stride=2, padding=1))
            self.down.append(nn.Sequential(*layers, *([nn.BatchNorm2d(out)] if level else [])))
        into = widths[-1] + z_dim
        for level, out in reversed(list(enumerate([channels, *widths[:-1]]))):
            layers = [nn.ReLU(), nn.ConvTranspose2d(into, out, 4, stride=2, padding=1)]
            if level:
                layers += [nn.BatchNorm2d(out)]
                layers += [nn.Dropout(dropout)] if level >= len(widths) - 3 else []
            self.up.append(nn.Sequential(*layers))
            into = 2 * out

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        kept, h = [], given(y)
        for down in self.down:
            kept.append(h := down(h))
        side = h.shape[2:]
        h = torch.cat([kept.pop(), z[:, :, None, None].expand(-1, -1, *side).to(h.dtype)], dim=1)
        for up in self.up:
            h = up(h)
            if kept:
                h = torch.cat([h, kept.pop()], dim=1)
        return h.tanh()


class Residual(nn.Module):
    """[N, C, H, W] -> the same: two convolutions with reflected edges and InstanceNorm, beside what came."""

    def __init__(self, width: int) -> None:
        super().__init__()
        part = [nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width)]
        other = [nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(width)]
        self.main = nn.Sequential(*part, nn.ReLU(), *other)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.main(x)
        return y


class ResNetTranslator(nn.Module):
    """Images [N, C, H, W] -> images [N, channels, H, W] in [-1, 1]: appendix 7.2 of 1703.10593.

    Two halvings, `blocks` residual blocks at a quarter of the side, two doublings; sides are multiples of 4.
    """

    def __init__(self, condition: int, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        first = nn.Conv2d(condition, width, 7, padding=3, padding_mode="reflect")
        layers: list[nn.Module] = [first, nn.InstanceNorm2d(width), nn.ReLU()]
        for wide in (width, 2 * width):
            halve = nn.Conv2d(wide, 2 * wide, 3, stride=2, padding=1)
            layers += [halve, nn.InstanceNorm2d(2 * wide), nn.ReLU()]
        layers += [Residual(4 * width) for _ in range(blocks)]
        for wide in (4 * width, 2 * width):
            grow = nn.ConvTranspose2d(wide, wide // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [grow, nn.InstanceNorm2d(wide // 2), nn.ReLU()]
        last = nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect")
        self.main = nn.Sequential(*layers, last, nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.main(x)
        return y


class PatchCritic(nn.Module):
    """Images [N, C, H, W], y [N, ...] | None -> a logit for each patch, [N, h, w]: PatchGAN, 1611.07004.

    Patches of 70 pixels where the image is large enough, of 34 or 16 for small ones. Where it `sees` the
    condition, y is joined to the channels; with packed samples, those of all that are judged together.
    """

    def __init__(self, size: int, channels: int, width: int, norm: Norm, sees: bool = False) -> None:
        super().__init__()
        self.sees = sees
        halvings = min(3, max(1, int(math.log2(size / 8))))
        layers: list[nn.Module] = []
        into = channels
        for level in range(halvings + 1):
            out = width << min(level, 3)
            stride = 2 if level < halvings else 1
            layers += [nn.Conv2d(into, out, 4, stride, padding=1), *([norm(out)] if level else [])]
            layers.append(nn.LeakyReLU(0.2))
            into = out
        self.main = nn.Sequential(*layers)
        self.judge = nn.Conv2d(into, 1, 4, padding=1)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if self.sees and y is not None:
            x = torch.cat([x, y.reshape(len(x), -1, *y.shape[2:])], dim=1)
        h: Tensor = self.main(x)
        return h

    def head(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.judge(h)
        return logits.squeeze(1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.head(self.features(x, y), y)
