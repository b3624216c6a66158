"""Log densities of generated and real vectors by nearest neighbours, and where there are none to tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.metrics.context import Context, Samples

K = 3  # neighbours: more of them reach beyond a mode, and bias the estimate
AT_MOST = 10_000  # samples of each kind
FLAT = 1e-7  # of the data's spread: float32 tells no smaller distances apart
PER_DIMENSION = 5  # see `least`
PER_EXACT_DIMENSION = 2
SHELL = 5  # neighbours that tell the dimension: as near as those that tell the density
TIES = 0.1  # of the rows: more of them bias the estimate by more than its noise
BELOW = 0.1  # nats that a divergence may be estimated below 0, and ERRORS standard errors on top
ERRORS = 3.0
INSTEAD = "c2st and swd compare them without one"


@runtime_checkable
class HasDensity(Protocol):
    """A dataset whose density is known."""

    def log_density(self, x: Tensor) -> Tensor:
        """[N, D] to the log density in nats, float64 [N]."""


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


def log_densities(context: Context, enough: bool = True) -> LogDensities:
    """Densities at the samples of both kinds, computed once for all that need them.

    Where the dataset knows its density, it is taken. Elsewhere equal numbers of both kinds are compared, so
    that the bias of the two estimates, which grows with the dimension, is the same for equal distributions.

    Args:
        enough: ask for `least` samples; without it for no more than there must be.

    Raises:
        UsageError: too few samples, or the neighbours tell no density: the data have many equal rows, or lie
            on something thinner than the columns span, or the generated samples are copies of them.
    """
    exact = context.dataset if isinstance(context.dataset, HasDensity) else None
    least = _least(context, exact is not None) if enough else K + 1
    what = f"a divergence by nearest neighbours in {_columns(context)} dimensions, unlike c2st and swd,"
    context.at_least(least, what)
    return context.shared(
        "log densities", lambda: _both(context) if exact is None else _exact(context, exact)
    )


def _least(context: Context, exact: bool) -> int:
    """The fewest samples of either kind, 3 x 5^D: with fewer, a wide generator scores no worse than a narrow.

    By experiment: the neighbours' balls must be small beside the data, (k / N)^(1 / D) below 1/5, for a
    normal distribution of 1.5 times the data's volume to score above 0. With an exact density 3 x 2^D, where
    the entropy of the generated samples is off by 0.1.
    """
    columns, base = _columns(context), PER_EXACT_DIMENSION if exact else PER_DIMENSION
    if K * base**columns > AT_MOST:
        raise UsageError(
            f"nearest neighbours tell a density of {int(math.log(AT_MOST / K, base))} columns at most, and "
            f"{context.dataset.name} has {columns}: {INSTEAD}"
        )
    return int(K * base**columns)


def _columns(context: Context) -> int:
    return math.prod(context.dataset.sample_shape)


def _rows(samples: Samples) -> Tensor:
    """float64 [N, D]: one row for each sample."""
    return samples.x.double().flatten(1)


def _exact(context: Context, exact: HasDensity) -> LogDensities:
    q, p = _rows(context.fake), _rows(context.real.some(AT_MOST))
    flat = FLAT * (float(p.std(0).norm()) or 1.0)
    _note_if_thin(context, q)
    noise = float(torch.polygamma(1, torch.tensor(float(K))))
    own, others = log_density(q, q, flat, same=True), log_density(q, p, flat)
    return LogDensities(own, exact.log_density(q), others, exact.log_density(p), noise)


def _both(context: Context) -> LogDensities:
    n, reference = context.pairs(AT_MOST), context.real.some(AT_MOST)
    spread = _rows(reference).std(0)
    scale = torch.where(spread > 0, spread, 1.0)
    flat = FLAT * (float((spread / scale).norm()) or 1.0)
    q, p, whole = (_rows(part) / scale for part in (context.fake.some(n), context.real.some(n), reference))
    if why := no_density(whole):
        raise UsageError(f"{context.dataset.name} has no density that neighbours tell, as {why}: {INSTEAD}")
    copies = float((_distances(whole, q, 1) <= flat).double().mean())
    if copies > TIES:
        raise UsageError(
            f"{100 * copies:.0f} % of these samples are copies of rows of {context.dataset.name}, which "
            "neighbours take for better than a perfect fit: see memorization"
        )
    _note_if_thin(context, q)
    units = float(scale.log().sum())
    made = LogDensities(
        log_density(q, q, flat, same=True) - units,
        log_density(p, q, flat) - units,
        log_density(q, p, flat) - units,
        log_density(p, p, flat, same=True) - units,
        2 * float(torch.polygamma(1, torch.tensor(float(K)))),
    )
    ratio = made.q_at_q - made.p_at_q
    if float(ratio.mean()) < -BELOW - ERRORS * float(ratio.std()) / math.sqrt(n):
        raise UsageError(
            f"neighbours estimate a KL of {float(ratio.mean()):.2f} nats, and none is below 0: these samples "
            f"are nearer to rows of {context.dataset.name} than fresh ones, as copies are: see memorization"
        )
    return made


def _note_if_thin(context: Context, q: Tensor) -> None:
    if len(q) >= K * PER_DIMENSION ** q.shape[1] and (why := no_density(q)):
        context.note(
            f"kl, js: of the generated samples, {why}: the true KL is infinite, and its estimate grows with "
            "the number of samples"
        )


def no_density(x: Tensor) -> str:
    """Why neighbours tell no density of the points [N, D], as the end of a sentence; empty if they do.

    Equal points are a sign of few distinct values. The dimension that the points fill is the maximum
    likelihood estimate of Levina & Bickel 2004 from the distances to 5 neighbours, averaged as MacKay &
    Ghahramani 2005 do.
    """
    radii = _distances(x, x, *range(2, SHELL + 2))
    ties = float((radii[:, 0] == 0).double().mean())
    if ties > TIES:
        return f"{100 * ties:.0f} % of the rows are equal to another one"
    apart = radii[radii[:, 0] > 0]
    filled = apart[:, :-1].numel() / float((apart[:, -1:] / apart[:, :-1]).log().sum())
    if filled < x.shape[1] - 0.5:
        return f"the rows fill only {filled:.1f} of {x.shape[1]} dimensions"
    return ""


def log_density(points: Tensor, at: Tensor, flat: float = 0.0, same: bool = False) -> Tensor:
    """Log density in nats of the distribution of `points` [N, D], estimated at `at` [M, D]: float64 [M].

    psi(k) - ln N - ln V_D - D ln r, with r the distance to the k-th nearest point, at least `flat`: without
    bias for a density that is even within r (Loftsgaarden & Quesenberry 1965; Kozachenko & Leonenko 1987).

    Args:
        same: `at` are the points themselves, and none is its own neighbour.
    """
    dim = points.shape[1]
    log_ball = dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1)
    psi = float(torch.special.digamma(torch.tensor(float(K))))
    log_radius = _distances(points, at, K + int(same))[:, 0].clamp(min=flat).log()
    return psi - math.log(len(points) - int(same)) - log_ball - dim * log_radius


def _distances(points: Tensor, at: Tensor, *which: int) -> Tensor:
    """[M, len(which)]: from each of `at` [M, D] to its nearest of `points` [N, D], 1 the first."""
    from scipy.spatial import cKDTree

    radii, _ = cKDTree(points.numpy()).query(at.numpy(), k=list(which), workers=-1)
    return torch.from_numpy(radii)
