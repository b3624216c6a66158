"""What StyleGAN2's generator is built of: the mapping network, and convolutions that a style modulates.

Karras et al. 2020, arXiv 1912.04958, section 2 and appendix B; Karras et al. 2019, arXiv 1812.04948.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from ganzoo.models.equalized import HE, LEAK, PixelNorm, Scaled, equalized
from ganzoo.models.precision import full_range, in_range

SLOW = 0.01  # how fast the mapping network learns, as a share of the other layers' learning rate


def slow(layer: nn.Linear) -> nn.Linear:
    """An equalised layer that learns SLOW times as fast: stored 1 / SLOW times as large, scaled when used."""
    nn.init.normal_(layer.weight, 0.0, 1.0 / SLOW)
    nn.init.zeros_(layer.bias)
    parametrize.register_parametrization(layer, "weight", Scaled(SLOW * HE / math.sqrt(layer.in_features)))
    parametrize.register_parametrization(layer, "bias", Scaled(SLOW))
    return layer


class Mapping(nn.Sequential):
    """[N, inputs] -> w [N, w_dim]: the input on the sphere, then `depth` slow layers."""

    def __init__(self, inputs: int, w_dim: int, depth: int) -> None:
        layers: list[nn.Module] = [PixelNorm()]
        for before, after in pairwise([inputs] + [w_dim] * depth):
            layers += [slow(nn.Linear(before, after)), nn.LeakyReLU(LEAK)]
        super().__init__(*layers)


class Smooth(nn.Module):
    """[N, C, H, W] smoothed by [1, 3, 3, 1] / 8 along each axis, times gain; zeros around it.

    Before a convolution of stride 2, and after a transposed one with a gain of 4, it makes those of bilinear
    filtering: filters commute, and a quarter of the work is done as of a convolution of the larger map.
    """

    def __init__(self, padding: int, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        tap = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * torch.outer(tap, tap), persistent=False)
        self.padding, self.stride = padding, stride

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.kernel, Tensor)
        # In bfloat16 a CPU goes back through strides many times as slowly.
        exact = x.float() if x.dtype == torch.bfloat16 and x.device.type == "cpu" and self.stride > 1 else x
        with torch.autocast(x.device.type, enabled=False):
            kernel = self.kernel.to(exact.dtype).expand(x.shape[1], 1, 4, 4)
            smooth = F.conv2d(exact, kernel, stride=self.stride, padding=self.padding, groups=x.shape[1])
        return smooth.to(x.dtype)


class ModulatedConv(nn.Module):
    """x [N, before, H, W], w [N, w_dim] -> [N, after, H, W]: a convolution whose weights w sets per sample.

    Sample n has the weights s[n, i] weight[o, i] (equation 1), with a style s that is linear in w. They may
    have any scale; demodulated, they are divided by their norm for each output channel, so that inputs of
    variance 1 give outputs of variance 1 (equation 3), times gain^2 here. Both factors are constant over a
    map, so they multiply the convolution's inputs and its outputs, with one weight for all samples: exactly
    the paper's grouped convolution of N weights, and many times as fast on a CPU.

    Args:
        gain: of the demodulated layer; None leaves the demodulation out, as layers that make images do.
        up: the map is enlarged to twice its side before the convolution.
    """

    def __init__(
        self, before: int, after: int, w_dim: int, kernel: int = 3, gain: float | None = HE, up: bool = False
    ) -> None:
        super().__init__()
        self.style = equalized(nn.Linear(w_dim, before), gain=1.0)
        nn.init.ones_(self.style.bias)  # type: ignore[arg-type]
        self.conv = equalized(nn.Conv2d(before, after, kernel, padding="same", bias=False), gain=1.0)
        self.bias = nn.Parameter(torch.zeros(after))
        self.gain = gain
        self.smooth = Smooth(padding=1, gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weight, style = self.conv.weight, self.style(w)
        assert isinstance(weight, Tensor)
        x = x * style[:, :, None, None].to(x.dtype)
        if self.smooth is None:
            h = F.conv2d(x, weight, padding="same")
        else:
            h = self.smooth(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        bias = self.bias.to(h.dtype).view(1, -1, 1, 1)
        if self.gain is None:
            return h + bias
        with full_range(x.device):
            squares = in_range(style).square() @ weight.square().sum((2, 3)).T  # [N, after]
        factor = self.gain * (squares + 1e-8).rsqrt()
        return torch.addcmul(bias, h, factor[:, :, None, None].to(h.dtype))


class Layer(nn.Module):
    """A modulated convolution, noise of a learnt strength on what it gives, and LeakyReLU.

    The noise is one map for all channels, each sample's own. In eval mode a batch shares one, so that a
    sample does not depend on how many are drawn together: a fresh one, or `noise` where that is set.
    """

    noise: Tensor | None

    def __init__(self, before: int, after: int, w_dim: int, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(before, after, w_dim, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", None, persistent=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        h = self.conv(x, w)
        noise = self.noise
        if noise is None:
            noise = torch.randn(len(h) if self.training else 1, 1, *h.shape[2:], device=h.device)
        return F.leaky_relu(h + (self.strength * noise).to(h.dtype), LEAK, inplace=True)


class Synthesis(nn.Module):
    """w [N, layers, w_dim] -> images [N, C, H, W]: from a learnt constant up, an image at each resolution.

    The image is the sum of those of all resolutions, enlarged (output skips, figure 7b).

    Attributes:
        layers: places where w enters, two at each resolution; an image has the w of the layer after it.
    """

    def __init__(self, sizes: list[int], widths: list[int], channels: int, w_dim: int) -> None:
        super().__init__()
        self.layers = 2 * len(sizes)
        self.constant = nn.Parameter(torch.randn(1, widths[0], sizes[0], sizes[0]))
        self.blocks = nn.ModuleList([nn.ModuleList([Layer(widths[0], widths[0], w_dim)])])
        for before, after in pairwise(widths):
            pair = [Layer(before, after, w_dim, up=True), Layer(after, after, w_dim)]
            self.blocks.append(nn.ModuleList(pair))
        self.to_image = nn.ModuleList(
            ModulatedConv(width, channels, w_dim, kernel=1, gain=None) for width in widths
        )
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")

    def fix_noise(self) -> None:
        """Keep the noise that is drawn now, in eval mode, for good."""
        side = self.constant.shape[-1]
        for level, block in enumerate(self.blocks):
            for layer in block.children():
                layer.noise = torch.randn(1, 1, side << level, side << level, device=self.constant.device)

    def forward(self, w: Tensor) -> Tensor:
        own = w.unbind(1)
        h, image, place = self.constant, None, 0
        for block, to_image in zip(self.blocks, self.to_image, strict=True):
            for layer in block:  # type: ignore[attr-defined]
                h = layer(h, own[place])
                place += 1
            seen = to_image(h, own[place])
            image = seen if image is None else self.up(image) + seen
        images: Tensor = torch.tanh(image)  # type: ignore[arg-type]
        return images
