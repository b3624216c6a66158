"""Frechet distance between two sets of features."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context, Samples

CHUNK = 8192
PRECISION = 1e-10  # relative, of the distance
COMFORTABLE = 5  # samples per feature dimension, below which the bias in n is large


class FID(Metric):
    """Frechet distance between normal fits to the features of generated and of real samples.

    Heusel et al. 2017, arXiv 1706.08500, eq. 6: |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)); 0 and up, lower is
    better. Its scale is the extractor's: only `fid@inception` may stand beside published numbers, and only
    with the same number of samples, as it is biased upwards in 1/n (Chong & Forsyth 2020, arXiv 1911.07023).

    Raises:
        UsageError: fewer samples than feature dimensions.
    """

    needs = ("features",)
    per_class = True
    higher_is_better: ClassVar = {"fid": False}
    says: ClassVar = {"fid": "distance between the clouds of features"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"dimensions": context.fake.features.shape[1], "precision": "float64"}

    def __call__(self, context: Context) -> Scores:
        dim = context.fake.features.shape[1]
        context.at_least(max(dim, 2), f"fid with {dim} feature dimensions")
        few = min(len(context.fake), len(context.real))
        if few < COMFORTABLE * dim:
            context.note(
                f"fid of {few} samples in {dim} dimensions is biased upwards: {COMFORTABLE * dim} samples "
                "or more would be better"
            )
        mean_f, cov_f = statistics(context.fake)
        mean_r, cov_r = statistics(context.real)
        return {"fid": frechet_distance(mean_f, cov_f, mean_r, cov_r)}


def statistics(samples: Samples) -> tuple[Tensor, Tensor]:
    """Mean [d] and unbiased covariance [d, d] of the features, float64."""

    def make() -> dict[str, Tensor]:
        mean, cov = mean_and_covariance(samples.features)
        return {"mean": mean, "covariance": cov}

    made = samples.once("mean and covariance", make)
    return made["mean"], made["covariance"]


def mean_and_covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    """[N, d] -> [d] and [d, d] (divided by N - 1), float64; N must be at least 2."""
    mean = features.double().mean(0)
    total = mean.new_zeros(len(mean), len(mean))
    for part in torch.split(features, CHUNK):
        centred = part.double() - mean
        total += centred.T @ centred
    return mean, total / (len(features) - 1)


def frechet_distance(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """Squared Frechet (Wasserstein-2) distance of two normal distributions, in float64; at least 0.

    Dowson & Landau 1982. With C = A A^T, the trace of (C C')^(1/2) comes from the symmetric matrix A^T C' A,
    which has the eigenvalues of C C': several times as fast as a matrix square root. Where rounding in them
    would show, it comes from the singular values of A^T B, with C' = B B^T: they are the roots of these
    eigenvalues, to full precision. Covariances may be singular.
    """
    mean_1, cov_1, mean_2, cov_2 = (part.double() for part in (mean_1, cov_1, mean_2, cov_2))
    apart = float((mean_1 - mean_2).square().sum() + cov_1.trace() + cov_2.trace())
    # Each at a scale of 1, so that no product of the two underflows.
    (cov_1, scale_1), (cov_2, scale_2) = _unit_trace(cov_1), _unit_trace(cov_2)
    scale = scale_1 * scale_2
    root = _root(cov_1)
    inner = root.T @ cov_2 @ root
    values = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0.0)
    distance = apart - 2.0 * scale * float(values.sqrt().sum())
    # An eigenvalue is off by eps times the largest one, and its root by that over twice the root.
    error = torch.finfo(torch.float64).eps * float((values[-1] * values.rsqrt()).nan_to_num().sum())
    if scale * error > PRECISION * distance:
        distance = apart - 2.0 * scale * float(torch.linalg.svdvals(root.T @ _root(cov_2)).sum())
    return max(distance, 0.0)


def _unit_trace(cov: Tensor) -> tuple[Tensor, float]:
    """The covariance at a trace of 1, and the root of the trace that it had; zeros stay as they are."""
    trace = float(cov.trace())
    return (cov / trace, math.sqrt(trace)) if trace > 0.0 else (cov, 0.0)


def _root(cov: Tensor) -> Tensor:
    """A with A A^T = C."""
    root: Tensor
    root, failed = torch.linalg.cholesky_ex(cov)
    if failed:  # singular: a collapsed generator, or a feature that never fires
        values, vectors = torch.linalg.eigh(cov)
        root = vectors * values.clamp(min=0.0).sqrt()
    return root
