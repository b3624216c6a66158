"""Kullback-Leibler and Jensen-Shannon divergence between generated and real samples, in nats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.metrics.base import Metric, Need, Scores
from ganzoo.metrics.context import Context

K = 3  # neighbours: more of them reach beyond a mode, and bias the estimate
AT_MOST = 10_000  # real samples
FLAT = 1e-7  # of the data's spread: float32 tells no smaller distances apart
HALF = 0.5  # added to each count (Krichevsky & Trofimov 1981), so that an empty class costs a finite amount


@runtime_checkable
class HasDensity(Protocol):
    """A dataset whose density is known."""

    def log_density(self, x: Tensor) -> Tensor:
        """[N, D] to the log density in nats, float64 [N]."""


class _Divergence(Metric):
    def needs_for(self, dataset: Dataset) -> tuple[Need, ...]:
        return ("logits",) if len(dataset.sample_shape) == 3 else ()

    def protocol(self, context: Context) -> dict[str, Any]:
        if len(context.dataset.sample_shape) == 3:
            estimator = {"estimator": "label counts of the classifier + 1/2"}
        elif isinstance(context.dataset, HasDensity):
            estimator = {"estimator": "k nearest neighbours against the exact density", "k": str(K)}
        else:
            estimator = {"estimator": "k nearest neighbours in both sets", "k": str(K)}
        return {"of": "generated || real", **estimator}


class KL(_Divergence):
    """Kullback-Leibler divergence KL(generated || real), in nats: what a mode-dropping generator keeps low.

    Images: between the label counts that the extractor's classifier gives. Vectors: the mean over generated
    samples of log q - log p, where the generator's density q is estimated by the distance to the 3rd nearest
    neighbour (Wang, Kulkarni & Verdu 2009; Perez-Cruz 2008), and the data's p too, or is exact where the
    dataset knows it. 0 and up, lower is better. Samples far from all data make it very large. Estimated by
    neighbours in both sets it is too low where one distribution reaches far beyond the other, and copies of
    the real samples push it below 0 (see `memorization`).

    Raises:
        UsageError: fewer than 4 samples.
    """

    higher_is_better: ClassVar = {"kl": False}
    says: ClassVar = {"kl": "KL(generated || real), nats"}

    def __call__(self, context: Context) -> Scores:
        if len(context.dataset.sample_shape) == 3:
            q, p = _label_shares(context)
            return {"kl": float((q * (q / p).log()).sum())}
        logs = _log_densities(context)
        return {"kl": float((logs.q_at_q - logs.p_at_q).mean())}


class JS(_Divergence):
    """Jensen-Shannon divergence of generated and real samples, in nats, and its square root, a distance.

    Lin 1991: the mean of KL(q || m) and KL(p || m) with m = (p + q) / 2; from 0 to ln 2 = 0.693, lower is
    better. Estimated as `kl` is; its first-order bias from the noise of the neighbours' distances is taken
    out, and the result kept within the bounds.

    Raises:
        UsageError: fewer than 4 samples.
    """

    higher_is_better: ClassVar = {"js": False, "js_distance": False}
    says: ClassVar = {"js": "Jensen-Shannon divergence, at most 0.69", "js_distance": "its square root"}

    def __call__(self, context: Context) -> Scores:
        if len(context.dataset.sample_shape) == 3:
            q, p = _label_shares(context)
            middle = (p + q) / 2
            js = float((q * (q / middle).log()).sum() + (p * (p / middle).log()).sum()) / 2
        else:
            js = jensen_shannon(_log_densities(context))
        return {"js": js, "js_distance": math.sqrt(js)}


@dataclass(frozen=True)
class LogDensities:
    """Log densities of generator (q) and data (p), at generated and at real points; [N] or [M] float64.

    `noise` is the variance of a difference log p - log q that is due to the estimation.
    """

    q_at_q: Tensor
    p_at_q: Tensor
    q_at_p: Tensor
    p_at_p: Tensor
    noise: float


def _label_shares(context: Context) -> tuple[Tensor, Tensor]:
    shares = []
    for logits in (context.fake.logits, context.real.logits):
        counts = torch.bincount(logits.argmax(1), minlength=logits.shape[1]).double() + HALF
        shares.append(counts / counts.sum())
    return shares[0], shares[1]


def _log_densities(context: Context) -> LogDensities:
    context.at_least(K + 1, "a divergence by nearest neighbours")

    def make() -> LogDensities:
        q, p = context.fake.x.double(), context.real.some(AT_MOST).x.double()
        exact = context.dataset if isinstance(context.dataset, HasDensity) else None
        spread = p.std(0)
        scale = torch.where(spread > 0, spread, 1.0) if exact is None else torch.ones_like(spread)
        flat = FLAT * (float((spread / scale).norm()) or 1.0)
        q, p, units = q / scale, p / scale, float(scale.log().sum())
        noise = float(torch.polygamma(1, torch.tensor(float(K))))
        if exact is not None:
            p_at_q, p_at_p = exact.log_density(q), exact.log_density(p)
        else:
            p_at_q = log_density(p, q, flat) - units
            p_at_p = log_density(p, p, flat, same=True) - units
            noise *= 2
        return LogDensities(
            log_density(q, q, flat, same=True) - units, p_at_q, log_density(q, p, flat) - units, p_at_p, noise
        )

    return context.shared("log densities", make)


def log_density(points: Tensor, at: Tensor, flat: float = 0.0, same: bool = False) -> Tensor:
    """Log density in nats of the distribution of `points` [N, D], estimated at `at` [M, D]: float64 [M].

    psi(k) - ln N - ln V_D - D ln r, with r the distance to the k-th nearest point, at least `flat`: without
    bias for a density that is even within r (Loftsgaarden & Quesenberry 1965; Kozachenko & Leonenko 1987).

    Args:
        same: `at` are the points themselves, and none is its own neighbour.
    """
    from scipy.spatial import cKDTree

    radius, _ = cKDTree(points.numpy()).query(at.numpy(), k=[K + int(same)], workers=-1)
    dim = points.shape[1]
    log_ball = dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1)
    psi = float(torch.special.digamma(torch.tensor(float(K))))
    log_radius = torch.from_numpy(radius[:, 0]).clamp(min=flat).log()
    return psi - math.log(len(points) - int(same)) - log_ball - dim * log_radius


def jensen_shannon(logs: LogDensities) -> float:
    """Jensen-Shannon divergence from log densities, between 0 and ln 2."""
    total = 0.0
    for ratio in (logs.p_at_q - logs.q_at_q, logs.q_at_p - logs.p_at_p):
        # E ln(1 + e^(r + noise)) exceeds ln(1 + e^r) by half the noise's variance times the curvature.
        curvature = ratio.sigmoid() * (1.0 - ratio.sigmoid())
        value = math.log(2.0) - torch.nn.functional.softplus(ratio) + logs.noise / 2 * curvature
        total += float(value.mean()) / 2
    return min(max(total, 0.0), math.log(2.0))
