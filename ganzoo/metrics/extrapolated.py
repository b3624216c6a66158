"""FID-infinity: the Frechet distance that infinitely many generated samples would have."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context
from ganzoo.metrics.frechet import frechet_distance, mean_and_covariance, statistics

POINTS = 15
SMALLEST = 5  # the smallest set is a fifth of the samples, but of twice as many as dimensions


class FIDInfinity(Metric):
    """FID without its bias in the number of generated samples, by extrapolation.

    Chong & Forsyth 2020, arXiv 1911.07023, section 3: FID is linear in 1 / n to first order; a line is fitted
    to the FID of 15 sets of growing size, and its value at 1 / n = 0 is the score. Here the sets are parts of
    one set of generated samples, where the paper draws z from a Sobol sequence. Lower is better; equal
    distributions may come out slightly below 0. The bias that comes from few real samples stays.

    Raises:
        UsageError: fewer samples than three times the feature dimensions.
    """

    needs = ("features",)
    higher_is_better: ClassVar = {"fid_infinity": False}
    says: ClassVar = {"fid_infinity": "fid, extrapolated to infinitely many samples"}

    def protocol(self, context: Context) -> dict[str, Any]:
        sizes = _sizes(context)
        return {"points": len(sizes), "smallest": sizes[0], "largest": sizes[-1]}

    def __call__(self, context: Context) -> Scores:
        dim = context.fake.features.shape[1]
        context.at_least(max(3 * dim, POINTS + 2), f"fid-infinity with {dim} feature dimensions")
        mean, cov = statistics(context.real)
        sizes = _sizes(context)
        values = [
            frechet_distance(*mean_and_covariance(context.fake.some(n).features), mean, cov) for n in sizes
        ]
        _, at_infinity = np.polyfit([1.0 / n for n in sizes], values, 1)
        return {"fid_infinity": float(at_infinity)}


def _sizes(context: Context) -> list[int]:
    """How many generated samples each set has, evenly spaced."""
    n, dim = len(context.fake), context.fake.features.shape[1]
    smallest = max(2 * dim, n // SMALLEST)
    return [round(size) for size in np.linspace(smallest, n, POINTS)]
