"""Random changes of everything that D sees, real and generated alike."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.data.kinds import kind_of_shape
from ganzoo.errors import UsageError, nearest
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample, finest, map_images, map_sample
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer


class InstanceNoise(Stabilizer):
    """Instance noise: Gaussian noise on everything D sees, which fades out.

    Sonderby et al. 2017, arXiv 1610.04490, section 3.3; Arjovsky & Bottou 2017, arXiv 1701.04862: with it,
    real and generated samples overlap, so that no D can tell them apart for sure. At time t of the plan its
    standard deviation is std * max(0, 1 - t / until), on every scale of a pyramid.

    Args:
        std: at the start, >= 0; samples lie in [-1, 1].
        until: share of training after which there is none, > 0; above 1 some is left at the end.
    """

    def __init__(self, std: float = 0.1, until: float = 1.0) -> None:
        super().__init__()
        if not 0.0 <= std < float("inf"):
            raise UsageError(f"instance-noise: std must be a number of at least 0, got {std:g}")
        if not 0.0 < until < float("inf"):
            raise UsageError(f"instance-noise: until must be a positive number, got {until:g}")
        self.std, self.until = std, until

    def transform(self, sample: Sample, turn: Turn) -> Sample:
        level = self.std * max(0.0, 1.0 - turn.t / self.until)
        return map_sample(lambda x: x + level * torch.randn_like(x), sample) if level else sample


class DiffAugment(Stabilizer):
    """DiffAugment: the same random changes of real and generated images, through which G learns.

    Zhao et al. 2020, arXiv 2006.10738, section 3.3, for small data sets. Every image draws its own:

    - color: saturation times [0, 2] (not where there is one channel), contrast times [0.5, 1.5], brightness
      plus [-0.5, 0.5];
    - translation: by whole pixels, up to 1/8 of each side, rounded; zeros come in;
    - cutout: zeros in a square of half the side, with its centre anywhere in the image.

    They are applied in this order. On a pyramid an image has the same change on every scale.

    Args:
        policy: which of the three, separated by "+".
    """

    parts = ("color", "translation", "cutout")

    tried_on: ClassVar[str] = "dcgan --dataset mnist"

    def __init__(self, policy: str = "color+translation+cutout") -> None:
        super().__init__()
        self.policy = parts_of("diffaugment", policy, self.parts)

    def setup(self, gan: GAN) -> None:
        refuse_vectors(gan, "diffaugment", "instance-noise")

    def transform(self, sample: Sample, turn: Turn) -> Sample:
        images = finest(sample)
        height, width = images.shape[2:]
        # Seven numbers in [0, 1) for each image, whatever the policy. [7, N]
        b, s, c, dy, dx, cy, cx = torch.rand(7, len(images), device=images.device).unbind()
        down, right = _whole_pixels(dy, height), _whole_pixels(dx, width)

        def change(x: Tensor) -> Tensor:
            if "color" in self.policy:
                x = color(x, brightness=b - 0.5, saturation=2.0 * s, contrast=c + 0.5)
            if "translation" in self.policy:
                x = translate(x, down * (x.shape[2] / height), right * (x.shape[3] / width))
            return cutout(x, cy, cx) if "cutout" in self.policy else x

        return map_images(change, sample)


def parts_of(name: str, policy: str, known: tuple[str, ...]) -> list[str]:
    """The parts of a policy, "color+cutout". Raises UsageError for one that is not known."""
    parts = [part.strip() for part in policy.split("+")]
    for part in parts:
        if part not in known:
            raise UsageError(f"{name}: policy has no part {part!r}: {nearest(part, known)}")
    return parts


def refuse_vectors(gan: GAN, name: str, instead: str) -> None:
    """Raise a UsageError for a model of anything but images."""
    if kind_of_shape(gan.condition_shape) == "images":
        raise UsageError(f"{name} changes images, and not the images that they are made of: use {instead}")
    if gan.kind != "images":
        raise UsageError(
            f"{name} changes images, and these data are {gan.kind} of shape {gan.sample_shape}: use {instead}"
        )


def _whole_pixels(u: Tensor, side: int) -> Tensor:
    """u in [0, 1) -> a whole number, each from -side / 8 to side / 8 equally often."""
    most = (side + 4) // 8
    return (u * (2 * most + 1)).floor() - most


def color(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Images [N, C, H, W] with other colours, by one number [N] of each kind; 0, 1 and 1 change nothing.

    Saturation is the distance of the channels from their mean, contrast that of the pixels from theirs.
    """
    b, s, c = (number.to(x.dtype).view(-1, 1, 1, 1) for number in (brightness, saturation, contrast))
    if x.shape[1] == 1:
        s = torch.ones_like(s)
    grey = x.mean(1, keepdim=True)
    mean = grey.mean((2, 3), keepdim=True)  # of saturated pixels too
    # (s x + (1 - s) grey), and of that (c pixels + (1 - c) mean), multiplied out: fewer passes over x.
    return (c * s) * x + (c * (1 - s) * grey + ((1 - c) * mean + b))


def translate(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images [N, C, H, W] moved by the whole pixels nearest to `down` and `right` [N]; zeros come in."""
    n, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device) - down.round().long()[:, None]  # where they come from
    columns = torch.arange(width, device=x.device) - right.round().long()[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    places = places + height * width * torch.arange(n, device=x.device)[:, None, None]
    # A pixel's channels lie together: a view of channels_last memory, and the result lies so too.
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, places.flatten())
    return (pixels.view(n, height, width, channels) * inside[..., None]).permute(0, 3, 1, 2)


def cutout(x: Tensor, cy: Tensor, cx: Tensor) -> Tensor:
    """Images [N, C, H, W] with zeros in a square of half the side around (cy, cx) [N], in units of the side.

    What of the square lies outside is lost.
    """

    def near(center: Tensor, side: int) -> Tensor:
        middles = (torch.arange(side, device=x.device) + 0.5) / side
        return (middles - center[:, None]).abs() < 0.25

    cut = near(cy, x.shape[2])[:, :, None] & near(cx, x.shape[3])[:, None, :]
    return x * ~cut[:, None]
