"""Four shapes of waves: endless series to learn on, known in closed form."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes
from ganzoo.data.counted import DrawnSplit
from ganzoo.errors import UsageError

SHAPES = ("sine", "triangle", "square", "sawtooth")
SHORTEST, LONGEST = 16, 4_096
MOST_PERIODS = 4


class Waves(Dataset):
    """Waves, sine, triangle, square and sawtooth: a toy of series that is endless, offline and without noise.

    Samples are float32 [1, length] from -1 to 1, and the label of one is its shape. Each has 1 to 4 periods
    and begins anywhere in one; both are drawn from uniform distributions.

    Args:
        length: of a series, 16 to 4,096 numbers.

    Raises:
        UsageError: a length that makes no sense.
    """

    name = "waves"
    num_classes = len(SHAPES)
    class_names = SHAPES
    endless = True
    eval_samples = 2_500
    uses: ClassVar = ("ganzoo run wavegan --dataset NAME",)

    def __init__(self, length: int = 128) -> None:
        if not SHORTEST <= length <= LONGEST:
            raise UsageError(f"data.length: expected {SHORTEST} to {LONGEST:,} numbers, got {length}")
        self.sample_shape = (1, length)
        self.modes = Modes(len(SHAPES))
        self.fingerprint = hashlib.sha256(f"waves/{SHAPES}/{MOST_PERIODS}/{length}".encode()).hexdigest()[:16]
        draw = partial(draw_waves, length)
        self.train = DrawnSplit(draw, "data/train", 10_000)
        self.test = DrawnSplit(draw, "data/test", 2_500)


def draw_waves(length: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """x float32 [n, 1, length], y int64 [n]."""
    y = torch.randint(len(SHAPES), (n,), generator=generator)
    periods, phase = torch.rand(2, n, generator=generator)
    return waves(y, 1 + (MOST_PERIODS - 1) * periods, phase, length), y


def waves(y: Tensor, periods: Tensor, phase: Tensor, length: int) -> Tensor:
    """Waves of given shapes, float32 [N, 1, length].

    Args:
        y: index in SHAPES, [N].
        periods: in the whole length, [N].
        phase: where in a period they begin, as a fraction, [N].
    """
    x = (torch.arange(length) / length).double()
    made = (x * periods[:, None] + phase[:, None]).frac_()
    for i, row in enumerate((_sine, _triangle, _square, _sawtooth)):
        made[y == i] = row(made[y == i])
    return made.float()[:, None]


def _sine(t: Tensor) -> Tensor:
    return (2 * math.pi * t).sin()


def _triangle(t: Tensor) -> Tensor:
    """In step with the sine: up from 0."""
    return 1 - 4 * ((t + 0.25).frac() - 0.5).abs()


def _square(t: Tensor) -> Tensor:
    return torch.where(t < 0.5, 1.0, -1.0).to(t)


def _sawtooth(t: Tensor) -> Tensor:
    return 2 * t - 1
