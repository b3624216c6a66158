"""Blocks and sizes shared by two or more models."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.data.kinds import PIXELS, kind_of_shape
from ganzoo.errors import UsageError, nearest
from ganzoo.models.base import GAN, Common, Condition
from ganzoo.models.sample import Sample
from ganzoo.system import ranks

D_NORMS = ("batch", "layer", "spectral", "none")


def ladder(sample_shape: tuple[int, ...], model: str, kind: str = "") -> list[int]:
    """The resolutions from the lowest map (4 to 7 px) up to the image, each twice the one before.

    28 -> 7, 14, 28; 32 -> 4, 8, 16, 32; 96 -> 6, 12, 24, 48, 96.

    Raises:
        UsageError: not a square image, or no such ladder; names the sizes that can be built.
    """
    kind = kind or kind_of_shape(sample_shape)
    if kind != "images":
        raise UsageError(
            f"{model} makes images, and these data are {kind} of shape {tuple(sample_shape)}: use mlp-gan"
        )
    height, width = sample_shape[1:]
    sizes = [height]
    while sizes[0] > 7 and sizes[0] % 2 == 0:
        sizes.insert(0, sizes[0] // 2)
    if height != width or not (4 <= sizes[0] <= 7 and len(sizes) > 1):
        valid = [base << k for k in range(1, 13) for base in (4, 5, 6, 7)]
        near = sorted(valid, key=lambda size: abs(size - min(height, width)))[:4]
        raise UsageError(
            f"{model} cannot build {height} x {width} px: it makes square images of 4, 5, 6 or 7 times a "
            f"power of two, the nearest being {', '.join(map(str, sorted(near)))} (--set data.size={near[0]})"
        )
    return sizes


class LadderGAN(GAN):
    """A GAN of square images whose nets double, or halve, the side from one resolution to the next.

    Attributes:
        name: as messages have it; that of the class where it is empty.
        sizes: the resolutions, lowest first (`ladder`).
        channels: of the images.

    Raises:
        UsageError: there is no ladder for samples of this shape.
    """

    name: ClassVar[str] = ""
    tried_on: ClassVar[tuple[str, ...]] = ("mnist",)

    def __init__(
        self, sample_shape: tuple[int, ...], z_dim: int = 100, *common: Any, **more: Unpack[Common]
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, **more)
        self.sizes = ladder(sample_shape, self.name or type(self).__name__.lower(), self.kind)
        self.channels = sample_shape[0]


def widths_of(sizes: list[int], width: int, max_width: int) -> list[int]:
    """Channels at each resolution, lowest first: `width` at the highest, doubled per halving up to a cap."""
    return [min(max_width, width << (len(sizes) - 1 - level)) for level in range(len(sizes))]


def at_least_one(**sizes: int) -> None:
    """Raise a UsageError that names the first option below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise UsageError(f"model.{name}: expected a whole number of at least 1, got {size}")


def check_d_norm(d_norm: str) -> str:
    if d_norm not in D_NORMS:
        raise UsageError(f"model.d_norm={d_norm} is not known: {nearest(d_norm, D_NORMS)}")
    return d_norm


def check_fourier(fourier: int, kind: str) -> int:
    if fourier < 0 or (fourier and kind in PIXELS):
        raise UsageError(
            f"model.fourier: expected a whole number of at least 0, and 0 for images, got {fourier}"
        )
    return fourier


def normed(layer: nn.Module, channels: int, d_norm: str) -> list[nn.Module]:
    """A layer of D followed by its normalisation; for "spectral" the layer's own weight is normalised."""
    if d_norm == "spectral":
        return [spectral_norm(layer)]
    if d_norm == "batch":
        kind = nn.BatchNorm1d if isinstance(layer, nn.Linear) else nn.BatchNorm2d
        return [layer, kind(channels)]
    if d_norm == "layer":
        # One group is layer norm over [C, H, W], and over [D] for vectors.
        return [layer, nn.GroupNorm(1, channels)]
    return [layer]


def embedding_of(condition: Condition, width: int) -> nn.Module:
    """y -> [N, width]: a learnt row for each class [N], or a linear map of values [N, ...]."""
    if isinstance(condition, int):
        return nn.Embedding(condition, width)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(condition), width))


def one_hot(y: Tensor, classes: int, like: Tensor) -> Tensor:
    """y [N] -> [N, classes], of the kind of numbers in `like`.

    torch's own looks at the largest y, for which it waits.
    """
    return (y[:, None] == torch.arange(classes, device=y.device)).to(like.dtype)


class LatentInput(nn.Module):
    """What G starts from: z, and beside it a learnt embedding of y (Mirza & Osindero 2014, arXiv 1411.1784).

    z [N, z_dim], y [N, ...] | None -> [N, width]; width is z_dim, and when conditional as much more as there
    are classes, or values, 32 at most.
    """

    def __init__(self, z_dim: int, condition: Condition) -> None:
        super().__init__()
        embedding = min(math.prod(condition) if isinstance(condition, tuple) else condition, 32)
        self.width = z_dim + embedding
        self.embed = embedding_of(condition, embedding) if condition else None

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embed is None:
            return z
        if y is None:
            raise ValueError("a conditional generator needs labels y [N]")
        return torch.cat([z, self.embed(y)], dim=1)


class LatentGenerator(nn.Module):
    """A G of two parts: `latent` takes z and y to [N, width], `main` takes that to samples [N, ...]."""

    def __init__(self, latent: LatentInput, main: nn.Module) -> None:
        super().__init__()
        self.latent = latent
        self.main = main

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        samples: Tensor = self.main(self.latent(z, y))
        return samples


class Project(nn.ConvTranspose2d):
    """[N, inputs] -> [N, channels, size, size]: the first layer of G, "project and reshape".

    It is a transposed convolution of a 1 x 1 map, with its weight, computed as the matrix product that it is,
    which a CPU does many times as fast. The map lies in memory as the weight does (channels_last or not).
    """

    def __init__(self, inputs: int, channels: int, size: int) -> None:
        super().__init__(inputs, channels, size, bias=False)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight = self.weight  # [inputs, channels, size, size]
        if weight.is_contiguous():
            return (x @ weight.flatten(1)).view(-1, *weight.shape[1:])
        last = weight.permute(0, 2, 3, 1)
        return (x @ last.flatten(1)).view(-1, *last.shape[1:]).permute(0, 3, 1, 2)


class Halving(nn.Conv2d):
    """A 4x4 convolution of stride 2, padded by 1: [N, before, h, w] -> [N, after, h / 2, w / 2].

    Of a map of one channel, where a CPU is slow, it is computed as the 2x2 convolution of the four maps
    that every other row and column make, which it is.
    """

    def __init__(self, before: int, after: int, bias: bool = True) -> None:
        super().__init__(before, after, 4, stride=2, padding=1, bias=bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not _of_one(input, input.shape[1]):
            plain: Tensor = super()._conv_forward(input, weight, bias)
            return plain
        maps = nn.functional.pixel_unshuffle(nn.functional.pad(input, (1, 1, 1, 1)), 2)
        return nn.functional.conv2d(
            maps.contiguous(memory_format=torch.channels_last), _quarters(weight), bias
        )


class Doubling(nn.ConvTranspose2d):
    """A 4x4 transposed convolution of stride 2, padded by 1: [N, before, h, w] -> [N, after, 2 h, 2 w].

    To a map of one channel in the way of `Halving`.
    """

    def __init__(self, before: int, after: int, bias: bool = True) -> None:
        super().__init__(before, after, 4, stride=2, padding=1, bias=bias)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not _of_one(input, self.out_channels):
            return super().forward(input, output_size)
        maps = nn.functional.conv_transpose2d(input, _quarters(self.weight))
        image = nn.functional.pixel_shuffle(maps, 2)[:, :, 1:-1, 1:-1]
        return image if self.bias is None else image + self.bias


def _of_one(x: Tensor, channels: int) -> bool:
    return channels == 1 and x.dim() == 4 and x.device.type == "cpu"


def _quarters(weight: Tensor) -> Tensor:
    """A 4x4 kernel [wide, 1, 4, 4] as the 2x2 one [wide, 4, 2, 2] of every other row and column."""
    return weight.view(-1, 2, 2, 2, 2).permute(0, 2, 4, 1, 3).reshape(-1, 4, 2, 2)


class FlattenLast(nn.Module):
    """[N, C, H, W] -> [N, H W C], which is a view of channels_last memory, and so is its gradient.

    After nn.Flatten the gradient would lie otherwise than the activation, which slows down all that follows.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


def batch_std(h: Tensor, group: int) -> Tensor:
    """[N, ...] -> [N]: the standard deviation over groups of samples, averaged over everything else.

    Karras et al. 2018, arXiv 1710.10196, section 3. Groups are of the largest divisor of N up to `group`.
    """
    h = ranks.gathered(h)
    size = next(size for size in range(min(group, len(h)), 0, -1) if len(h) % size == 0)
    groups = h.reshape(size, len(h) // size, -1)  # samples n, n + N / size, ... make a group
    # Not groups.var(0), which takes many times as long on a CPU; and the root of 0 has no gradient.
    std = ((groups - groups.mean(0)).square().mean(0) + 1e-8).sqrt()
    own: Tensor = ranks.part(std.mean(1).repeat(size))
    return own


class ProjectionHead(nn.Module):
    """D's last layer: linear, plus the projection <embed(y), h> when conditional.

    Miyato & Koyama 2018, arXiv 1802.05637, eq. 5. h [N, width], y [N] | None -> logits [N]. With packed
    samples y [N * pack, ...] lists the conditions of those judged together, whose embeddings are averaged.
    """

    def __init__(self, width: int, condition: Condition, spectral: bool = False) -> None:
        super().__init__()
        self.width = width
        self.linear: nn.Module = nn.Linear(width, 1)
        self.embed: nn.Module | None = embedding_of(condition, width) if condition else None
        if spectral:
            self.linear = spectral_norm(self.linear)
            for part in [] if self.embed is None else list(self.embed.modules()):
                if isinstance(part, nn.Embedding | nn.Linear):
                    spectral_norm(part)

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.linear(h).squeeze(1)
        if self.embed is None:
            return logits
        if y is None:
            raise ValueError("a conditional discriminator needs labels y [N]")
        embedded: Tensor = self.embed(y).reshape(len(h), -1, h.shape[1]).mean(1)
        return logits + (embedded * h).sum(1)


class FourierFeatures(nn.Module):
    """x [N, D] -> [N, D + 2 count]: x itself, and sine and cosine of x along `count` random directions.

    Tancik et al. 2020, arXiv 2006.10739: through waves a perceptron learns detail that it would need very
    long for by itself. Their frequencies are drawn evenly on a logarithmic scale, so that data whose spread
    is anything near 1 meet some that fit; they are kept with the weights and not trained.
    """

    FREQUENCIES = (0.5, 5.0)  # radians per unit of x

    def __init__(self, inputs: int, count: int) -> None:
        super().__init__()
        low, high = map(math.log, self.FREQUENCIES)
        directions = nn.functional.normalize(torch.randn(inputs, count), dim=0)
        self.register_buffer("waves", directions * (low + (high - low) * torch.rand(count)).exp())
        self.width = inputs + 2 * count

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.waves, Tensor)
        phase = x @ self.waves.to(x.dtype)
        return torch.cat([x, phase.sin(), phase.cos()], dim=1)


class HeadedDiscriminator(nn.Module):
    """A D made of `main`, a sample of N -> h [N, width], and `head`, h -> logits [N]."""

    def __init__(self, main: nn.Module, head: ProjectionHead) -> None:
        super().__init__()
        self.main = main
        self.head = head

    def features(self, x: Sample, y: Tensor | None = None) -> Tensor:
        h: Tensor = self.main(x)
        return h

    def forward(self, x: Sample, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(self.features(x, y), y)
        return logits


def init_normal(module: nn.Module, std: float = 0.02) -> None:
    """N(0, std) weights and zero biases; BatchNorm scales N(1, std). Radford et al. 2016, section 4."""
    for part in module.modules():
        weight = getattr(part, "weight", None)
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            original = getattr(getattr(part, "parametrizations", None), "weight", None)
            target = original.original if original is not None else part.weight
            nn.init.normal_(target, 0.0, std)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) and weight is not None:
            nn.init.normal_(weight, 1.0, std)
        if isinstance(getattr(part, "bias", None), Tensor):
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
