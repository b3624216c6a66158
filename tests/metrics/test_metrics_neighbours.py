"""Precision, recall, density and coverage against prdc, torch-fidelity and a count over all pairs."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from scipy.spatial.distance import cdist
from torch_fidelity.metric_prc import prc_features_to_metric

from ganzoo.data.mixtures import Ring8
from ganzoo.errors import UsageError
from ganzoo.extractors.identity import Identity
from ganzoo.metrics import neighbours
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.neighbours import DensityCoverage, PrecisionRecall, neighbourhoods, radii

SIZES = [
    (300, 700, 8),
    (700, 300, 8),
    (513, 512, 64),
    (1025, 40, 3),
    (7, 90, 2),
]  # generated, real, dimensions
sizes = pytest.mark.parametrize(("n_fake", "n_real", "dim"), SIZES)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def normal(seed, n, dim, scale=1.0, shift=0.0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, dim, generator=generator) * scale + shift).to(dtype)


def pair(n_fake, n_real, dim, dtype=torch.float32):
    """Different distributions, in which a few generated samples are copies of real ones."""
    fake, real = normal(0, n_fake, dim, 1.2, 0.3, dtype), normal(1, n_real, dim, dtype=dtype)
    copied = min(n_fake, n_real) // 10
    fake[:copied] = real[:copied]
    return fake, real


def counted(fake, real, k, within):
    """All four by scipy's distances, each as a sum over all pairs of its definition."""
    fake, real = (x.double().numpy() for x in (fake, real))
    between = cdist(real, fake)  # the 0 of a sample to itself is the first of its row
    ball_real, ball_fake = (np.sort(cdist(x, x), axis=1)[:, k] for x in (real, fake))
    in_real, in_fake = within(between, ball_real[:, None]), within(between, ball_fake[None, :])
    return {
        "precision": in_real.any(0).mean(),
        "recall": in_fake.any(1).mean(),
        "density": in_real.sum() / (k * len(fake)),
        "coverage": in_real.any(1).mean(),
    }


def expected(fake, real):
    three, five = counted(fake, real, 3, operator.le), counted(fake, real, 5, operator.lt)
    return {**five, "precision": three["precision"], "recall": three["recall"]}


def context(fake, real, extractor=None):
    extractor = extractor or Identity()
    fake, real = Samples("generated", fake, None, extractor), Samples("train", real, None, extractor)
    return Context(Ring8(), fake, real, real, extractor=extractor)


def both(fake, real):
    given = context(fake, real)
    return {**PrecisionRecall()(given), **DensityCoverage()(given)}


@sizes
@dtypes
def test_they_are_what_a_count_over_all_pairs_gives(n_fake, n_real, dim, dtype):
    fake, real = pair(n_fake, n_real, dim, dtype)
    found = vars(neighbourhoods(fake, real))
    assert found == pytest.approx(expected(fake, real), rel=1e-12)
    assert 0 < found["precision"] < 1 or n_fake < 10  # the case is not trivial


@sizes
@dtypes
def test_prdc_says_the_same(n_fake, n_real, dim, dtype):
    fake, real = pair(n_fake, n_real, dim, dtype)
    theirs = compute_prdc(real.numpy(), fake.numpy(), 5)
    found = neighbourhoods(fake, real)
    assert found.density == pytest.approx(theirs["density"], rel=1e-12)
    assert found.coverage == pytest.approx(theirs["coverage"], rel=1e-12)


@sizes
def test_torch_fidelity_says_the_same(n_fake, n_real, dim):
    fake, real = pair(n_fake, n_real, dim)
    theirs = prc_features_to_metric(
        fake.double(), real.double(), prc_neighborhood=3, save_cpu_ram=True, verbose=False
    )
    found = both(fake, real)
    assert found["precision"] == pytest.approx(theirs["precision"], abs=1e-6)
    assert found["recall"] == pytest.approx(theirs["recall"], abs=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 100, 4096])
def test_the_size_of_a_block_does_not_matter(monkeypatch, rows):
    some, real = pair(150, 230, 5)
    for fake in (some, real.flip(0)):  # copies lie on the edges of balls
        monkeypatch.setattr(neighbours, "ROWS", 512)
        whole = neighbourhoods(fake, real)
        monkeypatch.setattr(neighbours, "ROWS", rows)
        assert neighbourhoods(fake, real) == whole
        assert neighbourhoods(fake, real, radii(real)) == whole


def test_the_direction():
    real = normal(0, 600, 4)
    wide, collapsed = both(normal(1, 500, 4, scale=4.0), real), both(normal(1, 500, 4, scale=0.1), real)
    assert wide["precision"] < 0.3 < 0.6 < wide["recall"]
    assert wide["density"] < 0.3
    assert collapsed["recall"] < 0.1 < 0.95 < collapsed["precision"]
    assert collapsed["coverage"] < 0.3 < 1.1 < collapsed["density"]  # deep among the real ones, in one place


def test_equal_distributions():
    """Density 1, and coverage by the chance that no generated sample is among the k nearest of all."""
    n_real, n_fake, k, seeds = 400, 300, 5, 60
    found = [
        neighbourhoods(normal(2 * seed, n_fake, 3), normal(2 * seed + 1, n_real, 3)) for seed in range(seeds)
    ]
    missed = math.prod((n_real - i) / (n_real + n_fake - i) for i in range(1, k + 1))
    for values, mean in [([f.density for f in found], 1.0), ([f.coverage for f in found], 1 - missed)]:
        assert np.mean(values) == pytest.approx(mean, abs=4 * np.std(values) / seeds**0.5)
        assert np.std(values) / seeds**0.5 < 0.01


@pytest.mark.parametrize("value", [0.0, 3.3, normal(3, 1, 64) + 1e4])
def test_points_that_are_all_equal(value):
    """Balls without a size: <= holds on their edge, < nowhere."""
    points = torch.zeros(20, 64) + value
    assert both(points[:9], points) == {"precision": 1, "recall": 1, "density": 0, "coverage": 0}
    assert both(points[:9] + 1, points) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    spread = both(points[:9], normal(0, 50, 64) + value)
    assert spread["recall"] == 0
    assert all(math.isfinite(number) for number in spread.values())


def test_a_few_points_many_times_over():
    """What rounding leaves of the distance of equal points is not taken for a distance."""
    points = normal(0, 7, 64).repeat(100, 1) + 100
    copies = points[torch.randperm(700, generator=torch.Generator().manual_seed(1))][:333]
    assert both(copies, points) == {"precision": 1, "recall": 1, "density": 0, "coverage": 0}


@pytest.mark.parametrize(("dim", "far"), [(2, 0.0), (2, 1e2), (64, 0.0), (64, 1e4)])
def test_copies_of_all_real_samples(dim, far):
    """Each ball holds its own copy and 4 of its 5 neighbours; the 5th is on the edge, which < leaves out."""
    real = normal(0, 700, dim) + far
    copies = real[torch.randperm(700, generator=torch.Generator().manual_seed(1))]
    assert both(copies, real) == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}


@pytest.mark.parametrize("far", [1e3, 1e4])
def test_features_far_from_zero(far):
    """Where |a|^2 + |b|^2 - 2 ab in float32 would have no digits left."""
    fake, real = (x + far for x in pair(200, 300, 6))
    assert vars(neighbourhoods(fake, real)) == pytest.approx(expected(fake, real), rel=1e-12)


def test_one_pass_serves_both_metrics(monkeypatch):
    given, passes = context(*pair(50, 60, 2)), []
    once = neighbours.neighbourhoods
    monkeypatch.setattr(neighbours, "neighbourhoods", lambda *a: (passes.append(a), once(*a))[1])
    PrecisionRecall()(given), DensityCoverage()(given)
    assert len(passes) == 1


def test_at_most_so_many_real_samples_are_used(monkeypatch):
    monkeypatch.setattr(neighbours, "AT_MOST", 100)
    fake, real = pair(80, 250, 2)
    given = context(fake, real)
    few = given.real.some(100).x
    assert both(fake, real) == pytest.approx(expected(fake, few), rel=1e-12)
    assert len({tuple(row) for row in few.tolist()} & {tuple(row) for row in real.tolist()}) == 100
    for metric in (PrecisionRecall(), DensityCoverage()):
        assert metric.protocol(given).items() >= {"n_fake": 80, "n_real": 100}.items()


@pytest.mark.parametrize("counts", [(5, 50), (50, 5)])
@pytest.mark.parametrize("metric", [PrecisionRecall(), DensityCoverage()])
def test_too_few_samples_are_refused(metric, counts):
    with pytest.raises(UsageError, match="at least 6 samples, and there are 5 "):
        metric(context(*pair(*counts, 2)))
    assert all(math.isfinite(value) for value in both(*pair(6, 6, 2)).values())
