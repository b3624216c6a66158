"""StyleGAN2: a style-based generator with demodulated convolutions (Karras et al. 2020)."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.base import Common
from ganzoo.models.equalized import LEAK, EqualizedHead, conv, equalized, last_block
from ganzoo.models.layers import HeadedDiscriminator, LadderGAN, LatentInput, at_least_one, widths_of
from ganzoo.models.recipe import Optimizer, Recipe
from ganzoo.models.styled import Mapping, Smooth, Synthesis
from ganzoo.system.rng import counted

MIXING = 0.9  # share of training samples with the styles of two w


class Generator(nn.Module):
    """z [N, z_dim], y -> images [N, C, H, W].

    Attributes:
        styles: z, y -> w [N, layers, w_dim], one w for each place in the synthesis network.
        synthesis: those -> images.
    """

    def __init__(
        self,
        sizes: list[int],
        widths: list[int],
        channels: int,
        z_dim: int,
        w_dim: int,
        depth: int,
        z: str,
        classes: int,
    ) -> None:
        super().__init__()
        self.latent = LatentInput(z_dim, classes)
        self.mapping = Mapping(self.latent.width, w_dim, depth)
        self.synthesis = Synthesis(sizes, widths, channels, w_dim)
        self.z = z

    def styles(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """In train mode most samples change to the w of another z after some layer (style mixing)."""
        layers = self.synthesis.layers
        w: Tensor = self.mapping(self.latent(z, y)).unsqueeze(1)
        if not self.training:
            return w.expand(-1, layers, -1)
        fresh = torch.randn_like(z) if self.z == "normal" else torch.rand_like(z) * 2.0 - 1.0
        other = self.mapping(self.latent(fresh, y)).unsqueeze(1)
        change = torch.randint(1, layers, (len(z), 1), device=z.device)
        change = change.masked_fill(torch.rand(len(z), 1, device=z.device) >= MIXING, layers)
        first = torch.arange(layers, device=z.device) < change  # [N, layers]
        return torch.where(first.unsqueeze(2), w, other)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        images: Tensor = self.synthesis(self.styles(z, y))
        return images


class Block(nn.Module):
    """[N, before, s, s] -> [N, after, s / 2, s / 2]: two convolutions, beside a 1x1 (figure 7c)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        halved = equalized(nn.Conv2d(before, after, 3, stride=2))
        self.main = nn.Sequential(*conv(before, before), Smooth(padding=2), halved, nn.LeakyReLU(LEAK))
        skip = equalized(nn.Conv2d(before, after, 1, bias=False), gain=1.0)
        self.skip = nn.Sequential(Smooth(padding=1, stride=2), skip)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.main(x) + self.skip(x)
        return h * math.sqrt(0.5)  # the sum of two has twice the variance


def critic(sizes: list[int], widths: list[int], channels: int) -> nn.Sequential:
    """Images [N, C, H, W] -> h [N, widths[0]]."""
    layers = conv(channels, widths[-1], 1)
    for after, before in reversed(list(pairwise(widths))):
        layers.append(Block(before, after))
    return nn.Sequential(*layers, last_block(widths[0], widths[0], sizes[0]))


class Still(nn.Module):
    """z, y, truncation, mix -> images, as `StyleGAN2.sample` makes them, without draws and without branches.

    Args:
        mean: the mean w of each class, [classes or 1, w_dim].
    """

    def __init__(self, generator: Generator, mean: Tensor) -> None:
        super().__init__()
        self.generator = generator
        self.register_buffer("mean", mean)

    def forward(self, z: Tensor, y: Tensor | None = None, *, truncation: Tensor, mix: Tensor) -> Tensor:
        w = self.generator.styles(z, y)
        assert isinstance(self.mean, Tensor)
        place = torch.arange(w.shape[1], device=w.device)[:, None]
        before = torch.cat([w[-1:], w[:-1]])
        w = torch.where((place < mix) | (mix == 0), w, before)
        mean = (self.mean if y is None else self.mean[y])[:, None]
        images: Tensor = self.generator.synthesis(mean + truncation * (w - mean))
        return images


class StyleGAN2(LadderGAN):
    """StyleGAN2: styles made of w scale the weights of G's convolutions (Karras et al. 2020).

    arXiv 1912.04958, configuration F, on StyleGAN (Karras et al. 2019, arXiv 1812.04948). G: a mapping
    network from z to w, a learnt constant, demodulated convolutions with noise, and a sum of images over the
    resolutions; D: residual, with the standard deviation over a minibatch. Differences from the paper: G's
    images end in tanh (the paper: linear); resampling is by [1, 3, 3, 1] where the papers have [1, 2, 1];
    resolutions that are not powers of two (28 px: 7, 14, 28); penalties share Adam's step with the loss, so
    that its settings need no correction for their intervals; path lengths are measured on half a batch; the
    label enters G through an embedding beside z and D through a projection; samples drawn together in eval
    mode share their noise. The paper's recipe is for up to 64 px (halve the width for each further doubling
    of the side); it shows 25 million images, and its R1 weight was chosen at 1024 px.

    Args:
        z_dim: dimension of z, which is normalised to the sphere.
        w_dim: dimension of w and of the mapping network's layers.
        depth: layers of the mapping network.
        width: channels at the highest resolution; doubled per halving of the side, up to max_width.
        max_width: channels at most.
    """

    generator: Generator
    name = "stylegan2"
    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("r1:gamma=0.2,interval=16", "path-length:weight=2,interval=8"),
            optimizer_g=Optimizer(lr=4e-3, beta1=0.0, beta2=0.99),
            optimizer_d=Optimizer(lr=4e-3, beta1=0.0, beta2=0.99),
            steps=3000,
            ema_halflife=5_000,
            model={"z_dim": 64, "w_dim": 64, "depth": 4, "width": 16, "max_width": 64},
            conditional=True,
        ),
        "paper": Recipe(
            stabilizers=("r1:gamma=10,interval=16", "path-length:weight=2,interval=8"),
            optimizer_g=Optimizer(lr=2e-3, beta1=0.0, beta2=0.99, eps=1e-8),
            optimizer_d=Optimizer(lr=2e-3, beta1=0.0, beta2=0.99, eps=1e-8),
            batch_size=32,
            steps=780_000,
            ema_halflife=10_000,
            ema_ramp=1.0,
            model={"z_dim": 512, "w_dim": 512, "depth": 8, "width": 512, "max_width": 512},
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 64,
        *common: Any,
        w_dim: int = 64,
        depth: int = 4,
        width: int = 16,
        max_width: int = 64,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        at_least_one(w_dim=w_dim, depth=depth, width=width, max_width=max_width)
        widths, classes = widths_of(self.sizes, width, max_width), self.num_classes
        self.generator = Generator(self.sizes, widths, self.channels, z_dim, w_dim, depth, self.z, classes)
        body = critic(self.sizes, widths, self.channels * self.pack)
        self.discriminator = HeadedDiscriminator(body, EqualizedHead(widths[0], classes))

    def sample(
        self,
        z: Tensor,
        y: Tensor | None = None,
        *,
        truncation: float = 1.0,
        mix: int = 0,
    ) -> Tensor:
        """Samples of z and y.

        Args:
            truncation: how far w may be from the mean w, as a share of where it is, in [0, 1]: fewer kinds of
                samples, and better ones (Karras et al. 2019, appendix B). The mean is over 4,096 z of the
                label.
            mix: from this place in the synthesis network on the styles are those of the sample before, the
                last one's for the first (style mixing, section 3.1); 0 for no mixing.
        """
        return self._synthesized(self.generator.styles(z, y), y, truncation, mix)

    def between(self, a: Tensor, b: Tensor, t: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
        """On a straight line in w, where distances mean more than in z (Karras et al. 2019, section 4.1)."""
        first, last = (self.generator.styles(end, y) for end in (a, b))
        return self._synthesized(torch.lerp(first, last, t[:, :, None]), y, **options)

    def _synthesized(self, w: Tensor, y: Tensor | None, truncation: float = 1.0, mix: int = 0) -> Tensor:
        layers = self.generator.synthesis.layers
        if not 0.0 <= truncation <= 1.0:
            raise UsageError(f"sample: truncation must be in [0, 1], got {truncation:g}")
        if not 0 <= mix < layers:
            raise UsageError(f"sample: mix is a place in the synthesis network, 0 to {layers - 1}, got {mix}")
        if mix:
            w = torch.cat([w[:, :mix], w.roll(1, 0)[:, mix:]], dim=1)
        if truncation < 1.0:
            mean = self._mean_w(w, y)
            w = mean + truncation * (w - mean)
        images: Tensor = self.generator.synthesis(w)
        return images

    def graph(self) -> nn.Module:
        """(z, y, truncation, mix) -> samples, whose noise is that of the first ones that seed 0 draws."""
        still = copy.deepcopy(self.generator)
        device = still.synthesis.constant.device
        with counted(device, 0, "sample", 0):  # as `draw` does
            self.sample_z(256)
            still.synthesis.fix_noise()
        classes = torch.arange(self.num_classes, device=device) if self.num_classes else None
        with torch.no_grad():
            return Still(still, self._mean_w(still.synthesis.constant, classes)[:, 0])

    def _mean_w(self, like: Tensor, y: Tensor | None) -> Tensor:
        """[N or 1, 1, w_dim]: over z that are always the same."""
        with counted(like.device, 0, "mean w"):
            z = self.sample_z(4096)
        if y is None:
            return self.generator.styles(z)[:, :1].mean(0, keepdim=True)
        classes, place = torch.unique(y, return_inverse=True)
        means = [self.generator.styles(z, label.expand(len(z)))[:, 0].mean(0) for label in classes]
        return torch.stack(means)[place][:, None]
