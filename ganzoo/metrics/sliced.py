"""Sliced Wasserstein distance."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context
from ganzoo.metrics.standard import SCALE, standardized
from ganzoo.system.rng import counted_seed

DIRECTIONS = 1000
AT_ONCE = 100  # directions: what bounds the memory
AT_MOST = 10_000  # samples of each kind


class SlicedWasserstein(Metric):
    """Sliced Wasserstein distance: how far samples must move to become real ones, seen along random lines.

    Rabin et al. 2012; Bonneel et al. 2015, "Sliced and Radon Wasserstein Barycenters of Measures": the root
    of the mean, over 1,000 directions that are always the same, of the squared 2-Wasserstein distance of the
    samples' projections, which is that of their sorted values. Of the features in standard deviations of the
    reference, equal numbers of either kind; 0 and up, lower is better. It is defined for any samples, on thin
    manifolds and with ties as well; biased upwards when samples are few.

    Raises:
        UsageError: fewer than 2 samples.
    """

    needs = ("features",)
    higher_is_better: ClassVar = {"swd": False}
    says: ClassVar = {"swd": "how far samples must move, in standard deviations"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"n": context.pairs(AT_MOST), "directions": DIRECTIONS, "order": 2, "scale": SCALE}

    def __call__(self, context: Context) -> Scores:
        context.at_least(2, "swd")
        fake, real = standardized(context, context.pairs(AT_MOST))
        return {"swd": sliced_wasserstein(fake, real, directions(fake.shape[1]))}


def directions(dim: int) -> Tensor:
    """[dim, 1000] float64, each column of length 1; always the same."""
    generator = torch.Generator().manual_seed(counted_seed(0, "metrics/directions"))
    drawn = torch.randn(dim, DIRECTIONS, dtype=torch.float64, generator=generator)
    return torch.nn.functional.normalize(drawn, dim=0)


def sliced_wasserstein(a: Tensor, b: Tensor, along: Tensor) -> float:
    """Root of the mean squared 2-Wasserstein distance of [N, d] and [N, d] along the columns of [d, L]."""
    squared = [
        ((a @ part).sort(0).values - (b @ part).sort(0).values).square().mean(0)
        for part in torch.split(along, AT_ONCE, dim=1)
    ]
    return math.sqrt(float(torch.cat(squared).mean()))
