"""Frechet distance between two sets of features."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context, Samples

CHUNK = 8192
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

    Dowson & Landau 1982. The trace of (C C')^(1/2) is taken from the symmetric matrix A' C' A with C = A A',
    which has the eigenvalues of C C': real, never negative but for rounding, and several times as fast as a
    matrix square root. Covariances may be singular.
    """
    mean_1, cov_1, mean_2, cov_2 = (part.double() for part in (mean_1, cov_1, mean_2, cov_2))
    root, failed = torch.linalg.cholesky_ex(cov_1)
    if failed:  # singular: a collapsed generator, or a feature that never fires
        values, vectors = torch.linalg.eigh(cov_1)
        root = vectors * values.clamp(min=0.0).sqrt()
    inner = root.T @ cov_2 @ root
    trace_of_root = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0.0).sqrt().sum()
    distance = (mean_1 - mean_2).square().sum() + cov_1.trace() + cov_2.trace() - 2.0 * trace_of_root
    return max(float(distance), 0.0)
