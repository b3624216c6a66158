"""Precision and recall, density and coverage: one pass over the distances, whatever the number of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context, Samples

K_PRECISION = 3
K_DENSITY = 5
AT_MOST = 10_000  # real samples: the cost grows with the square
ROWS = 512  # of distances at a time: what bounds the memory
NOTHING = 1e-14  # of the squared norms: below it rounding is all that a squared distance holds


class PrecisionRecall(Metric):
    """Improved precision and recall: the share of samples inside the other set's balls of features.

    Kynkaanniemi et al. 2019, arXiv 1904.06991, eq. 1-2, with k = 3 and <= as there: precision is the share of
    generated samples within the distance of a real sample to its 3rd neighbour, recall the same with the
    roles exchanged; from 0 to 1, higher is better. Real data do not reach 1.

    Raises:
        UsageError: fewer than 4 samples.
    """

    needs = ("features",)
    per_class = True
    higher_is_better: ClassVar = {"precision": True, "recall": True}
    says: ClassVar = {"precision": "generated ones that look real", "recall": "real ones that G could make"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"k": K_PRECISION, "comparison": "<=", **_counts(context)}

    def __call__(self, context: Context) -> Scores:
        found = _pass(context)
        return {"precision": found.precision, "recall": found.recall}


class DensityCoverage(Metric):
    """Density and coverage: as precision and recall, but robust to outliers.

    Naeem et al. 2020, arXiv 2002.09797, eq. 5-6, with k = 5 and < as there: density counts the real balls
    that a generated sample lies in, divided by k (0 and up; 1 for equal distributions, and it may exceed 1);
    coverage is the share of real balls with a generated sample in them (0 to 1). Higher is better. For equal
    distributions the expected coverage is 1 - prod_{i=1..k} (N - i) / (N + M - i) with N real and M
    generated samples.

    Raises:
        UsageError: fewer than 6 samples.
    """

    needs = ("features",)
    per_class = True
    higher_is_better: ClassVar = {"density": True, "coverage": True}
    says: ClassVar = {"density": "how deep among the real ones", "coverage": "real ones with one near"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"k": K_DENSITY, "comparison": "<", **_counts(context)}

    def __call__(self, context: Context) -> Scores:
        found = _pass(context)
        return {"density": found.density, "coverage": found.coverage}


@dataclass(frozen=True)
class Neighbourhoods:
    """What one pass over the distances gives, each as defined above."""

    precision: float
    recall: float
    density: float
    coverage: float


def _real(context: Context) -> Samples:
    return context.real.some(AT_MOST)


def _counts(context: Context) -> dict[str, int]:
    return {"n_fake": len(context.fake), "n_real": len(_real(context))}


def _pass(context: Context) -> Neighbourhoods:
    context.at_least(K_DENSITY + 1, "a metric of neighbourhoods")
    real = _real(context)

    def make() -> Neighbourhoods:
        radii_real = real.once("radii of 3 and 5", lambda: {"radii": radii(real.features)})["radii"]
        return neighbourhoods(context.fake.features, real.features, radii_real)

    return context.shared("neighbourhoods", make)


def neighbourhoods(fake: Tensor, real: Tensor, radii_real: Tensor | None = None) -> Neighbourhoods:
    """Precision, recall, density and coverage of features [M, d] against [N, d], M and N at least 6."""
    if radii_real is None:
        radii_real = radii(real)
    radii_fake = radii(fake)
    within_3 = radii_real[:, 0]
    within_5 = radii_real[:, 1]
    precise = torch.zeros(len(fake), dtype=torch.bool)
    recalled, covered, inside = 0, 0, 0
    for start in range(0, len(real), ROWS):
        rows = slice(start, start + ROWS)
        distance = distances(real[rows], fake)
        precise |= (distance <= within_3[rows, None]).any(0)
        recalled += int((distance <= radii_fake[None, :, 0]).any(1).sum())
        near = distance < within_5[rows, None]
        inside += int(near.sum())
        covered += int(near.any(1).sum())
    return Neighbourhoods(
        precision=int(precise.sum()) / len(fake),
        recall=recalled / len(real),
        density=inside / (K_DENSITY * len(fake)),
        coverage=covered / len(real),
    )


def radii(x: Tensor) -> Tensor:
    """[N, d] -> [N, 2]: the distances to the 3rd and to the 5th nearest of the others."""
    found = []
    for start in range(0, len(x), ROWS):
        distance = distances(x[start : start + ROWS], x)
        own = torch.arange(len(distance))
        distance[own, start + own] = -1.0  # itself, before all others
        found.append(distance.topk(K_DENSITY + 1, dim=1, largest=False).values)
    return torch.cat(found)[:, [K_PRECISION, K_DENSITY]]


def distances(a: Tensor, b: Tensor) -> Tensor:
    """[n, d] and [m, d] -> Euclidean distances [n, m], computed in float64, given in the type of `a`.

    Rounded to that type before they are compared, as scikit-learn does, so that equal ones compare as equal.
    """
    a64, b64 = a.double(), b.double()
    norms_a, norms_b = a64.square().sum(1), b64.square().sum(1)
    squared = torch.addmm(norms_b[None, :], a64, b64.T, alpha=-2.0).add_(norms_a[:, None])
    nothing = NOTHING * (norms_a[:, None] + norms_b[None, :])  # of each pair: others may lie far away
    return squared.masked_fill_(squared <= nothing, 0.0).sqrt_().to(a.dtype)
