"""Adaptive discriminator augmentation: as much change of all that D sees as keeps it from overfitting."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample, finest, map_images, scales
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.augment import parts_of, refuse_vectors
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.system import ranks

PARTS = ("blit", "geometry", "color")
SCALE, CONTRAST, SATURATION = (math.log(2.0) * x for x in (0.2, 0.5, 1.0))  # deviations of logarithms
SHIFT, BRIGHTNESS = 0.125, 0.2


class ADA(Stabilizer):
    """ADA: random changes of real and generated images, with a chance that follows D's overfitting.

    Karras et al. 2020, arXiv 2006.06676, for small data sets. Every change of an image is made with chance p:

    - blit: mirrored, turned by 90 degrees, moved by up to 1/8 of the side in whole pixels;
    - geometry: scaled, turned by any angle, stretched, moved by fractions of a pixel;
    - color: brightness, contrast, light for dark, hue, saturation (the last two where there are colours).

    Every `interval` updates of D, p goes up where the share of real samples that D is right about is too
    large, r = mean sign(D(x)) > target, and down where it is not; by so much that it would go from 0 to 1 in
    `ramp` images. Where a loss leaves the level of D's output free, D(x) is compared with its mean over
    generated samples. Appendix B of the paper has the distributions. Differences: bilinear interpolation at
    the images' own resolution, mirrored at the border, without the paper's wavelet filters; p stays at most
    1.

    Args:
        target: of r, in (-1, 1).
        p: at the start, in [0, 1].
        ramp: in images, >= 0; 0 keeps p as it is.
        interval: updates of D between two changes of p, >= 1.
        policy: which of the three, separated by "+".
    """

    refuses = ("diffaugment",)

    tried_on: ClassVar[str] = "dcgan --dataset mnist"

    def __init__(
        self,
        target: float = 0.6,
        p: float = 0.0,
        ramp: float = 500_000.0,
        interval: int = 4,
        policy: str = "blit+geometry+color",
    ) -> None:
        super().__init__()
        if not -1.0 < target < 1.0:
            raise UsageError(f"ada: target must be in (-1, 1), got {target:g}")
        if not 0.0 <= p <= 1.0:
            raise UsageError(f"ada: p must be in [0, 1], got {p:g}")
        if not 0.0 <= ramp < float("inf"):
            raise UsageError(f"ada: ramp must be a number of at least 0, got {ramp:g}")
        if interval < 1:
            raise UsageError(f"ada: interval must be a whole number of at least 1, got {interval}")
        self.policy = parts_of("ada", policy, PARTS)
        self.target, self.ramp, self.interval = target, ramp, interval
        self.state = {"p": torch.tensor(p), "signs": torch.zeros(()), "images": 0, "updates": 0}

    def setup(self, gan: GAN) -> None:
        refuse_vectors(gan, "ada", "instance-noise")
        device = next(gan.parameters()).device
        self.state = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in self.state.items()}

    def transform(self, sample: Sample, turn: Turn) -> Sample:
        # Half precision would put pixels in other places.
        with torch.autocast(finest(sample).device.type, enabled=False):
            return self._changed(sample)

    def _changed(self, sample: Sample) -> Sample:
        n, channels, height, width = finest(sample).shape
        draws = _Draws(n, self.state["p"])
        place = torch.eye(3, device=self.state["p"].device).expand(n, 3, 3)
        if "blit" in self.policy:
            place = place @ blit(draws, height, width)
        if "geometry" in self.policy:
            place = place @ geometry(draws, height, width)
        tint = color(draws, channels) if "color" in self.policy else None

        def change(image: Tensor) -> Tensor:
            x = image.to(torch.promote_types(image.dtype, torch.float32))
            if {"blit", "geometry"} & set(self.policy):
                grid = F.affine_grid(place[:, :2].to(x.dtype), list(x.shape), align_corners=False)
                x = _Sampled.apply(x, grid)
            if tint is not None:
                matrix, offset = tint
                x = torch.einsum("ncd,ndhw->nchw", matrix.to(x.dtype), x) + offset.to(x.dtype)[..., None]
            return x.to(image.dtype)

        return map_images(change, sample)

    def d_penalty(self, turn: Turn) -> None:
        """No penalty: here D's answers of this turn are at hand."""
        logits, level = scales(turn.critic(turn.real, turn.y)), turn.loss.level
        if level is None:
            levels = [ranks.mean(part.detach().mean()) for part in scales(turn.critic(turn.fake, turn.y))]
        else:
            levels = [torch.full((), level, device=turn.z.device)] * len(logits)
        signs = [(part.detach() - mid).sign().mean() for part, mid in zip(logits, levels, strict=True)]
        n = len(turn.z) * ranks.count()
        self.state["signs"] = self.state["signs"] + n * ranks.mean(torch.stack(signs).mean())
        self.state["images"] += n

    def weights(self, turn: Turn) -> None:
        state = self.state
        if turn.phase != "d":
            return
        state["updates"] += 1
        if state["updates"] % self.interval == 0:
            if self.ramp:
                up = (state["signs"] / state["images"] - self.target).sign()
                state["p"] = (state["p"] + up * (state["images"] / self.ramp)).clamp(0.0, 1.0)
            state["signs"], state["images"] = torch.zeros_like(state["signs"]), 0

    def log(self) -> dict[str, float]:
        return {"ada_p": float(self.state["p"])}


class _Sampled(torch.autograd.Function):
    """Images [N, C, H, W] at the places of a grid [N, H, W, 2]: linear in the images, which alone learn.

    torch differentiates `grid_sample` twice from version 2.12 on; a linear function needs its adjoint only.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Scattered.apply(slopes[0], grid), None


class _Scattered(torch.autograd.Function):
    """The adjoint of `_Sampled`."""

    @staticmethod
    def forward(ctx: Any, slopes: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        modes = 0, 2, False, (True, False)  # bilinear, reflection, not of corners, at the images
        at: Tensor = torch.ops.aten.grid_sampler_2d_backward(slopes, torch.empty_like(slopes), grid, *modes)[
            0
        ]
        return at

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Sampled.apply(slopes[0], grid), None


class _Draws:
    """Random numbers of n images, each of which takes part with chance p."""

    def __init__(self, n: int, p: Tensor) -> None:
        self.n, self.p = n, p

    def some(self, value: Tensor, otherwise: float, p: Tensor | None = None) -> Tensor:
        """`value` [n] for those that take part, and a number that changes nothing for the others."""
        takes_part = torch.rand(self.n, device=self.p.device) < (self.p if p is None else p)
        return value.masked_fill(~takes_part, otherwise)

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.n, device=self.p.device)

    def normal(self, std: float) -> Tensor:
        return std * torch.randn(self.n, device=self.p.device)


def blit(draws: _Draws, height: int, width: int) -> Tensor:
    """Mirroring, quarter turns and moves by whole pixels, [n, 3, 3]: new places to old."""
    mirror = draws.some(1.0 - 2.0 * draws.uniform(0.0, 2.0).floor(), 1.0)
    quarters = draws.some(draws.uniform(0.0, 4.0).floor(), 0.0)
    right, down = (
        draws.some((draws.uniform(-SHIFT, SHIFT) * side).round() / side, 0.0) for side in (width, height)
    )
    return (
        _scaling(mirror, torch.ones_like(mirror))
        @ turning(quarters * (math.pi / 2), height, width)
        @ (moving(right, down))
    )


def geometry(draws: _Draws, height: int, width: int) -> Tensor:
    """Scaling, turning, stretching and turning again, moving, [n, 3, 3]."""
    # So that both turns together are made with chance p.
    p = 1.0 - (1.0 - draws.p).clamp_min(0.0).sqrt()
    size = draws.some(draws.normal(SCALE).exp(), 1.0)
    before, after = (draws.some(draws.uniform(-math.pi, math.pi), 0.0, p) for _ in range(2))
    stretch = draws.some(draws.normal(SCALE).exp(), 1.0)
    right, down = (draws.some(draws.normal(SHIFT), 0.0) for _ in range(2))
    return (
        _scaling(1.0 / size, 1.0 / size)
        @ turning(before, height, width)
        @ _scaling(1.0 / stretch, stretch)
        @ turning(after, height, width)
        @ moving(right, down)
    )


def turning(angle: Tensor, height: int, width: int) -> Tensor:
    """By angles [n], in coordinates that go from -1 to 1 along both sides, whatever these are. [n, 3, 3]"""
    cosine, sine, nothing = angle.cos(), angle.sin(), torch.zeros_like(angle)
    ratio = height / width
    return _rows((cosine, -sine * ratio, nothing), (sine / ratio, cosine, nothing))


def moving(right: Tensor, down: Tensor) -> Tensor:
    """By shares of the sides [n]. [n, 3, 3]"""
    one, nothing = torch.ones_like(right), torch.zeros_like(right)
    return _rows((one, nothing, -2.0 * right), (nothing, one, -2.0 * down))


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    nothing = torch.zeros_like(x)
    return _rows((x, nothing, nothing), (nothing, y, nothing))


def _rows(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> Tensor:
    nothing, one = torch.zeros_like(first[0]), torch.ones_like(first[0])
    return torch.stack([torch.stack(row, 1) for row in (first, second, (nothing, nothing, one))], 1)


def color(draws: _Draws, channels: int) -> tuple[Tensor, Tensor]:
    """What pixels are multiplied by, and what is added: [n, C, C] and [n, C, 1].

    Light and dark change places, hue turns and colours fade about the axis of greys.
    """
    brightness = draws.some(draws.normal(BRIGHTNESS), 0.0)
    contrast = draws.some(draws.normal(CONTRAST).exp(), 1.0)
    flip = draws.some(draws.uniform(0.0, 2.0).floor(), 0.0)
    like = brightness.device
    eye = torch.eye(channels, device=like).expand(draws.n, channels, channels)
    grey = torch.full((channels, channels), 1.0 / channels, device=like)  # v v^T, v along the greys
    flipped = eye - 2.0 * flip.view(-1, 1, 1) * grey
    matrix = flipped * contrast.view(-1, 1, 1)
    offset = matrix @ brightness.view(-1, 1, 1).expand(-1, channels, 1)  # brightness comes first
    if channels != 3:
        return matrix, offset
    hue = draws.some(draws.uniform(-math.pi, math.pi), 0.0).view(-1, 1, 1)
    saturation = draws.some(draws.normal(SATURATION).exp(), 1.0).view(-1, 1, 1)
    cross = (eye[0].roll(1, 0) - eye[0].roll(1, 1)) / math.sqrt(3.0)  # with the axis; made on the device
    turned = grey + hue.cos() * (eye - grey) + hue.sin() * cross  # Rodrigues' formula
    faded = grey + saturation * (eye - grey)
    return faded @ turned @ matrix, faded @ turned @ offset
