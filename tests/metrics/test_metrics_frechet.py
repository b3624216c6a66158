"""The Frechet distance against scipy's matrix square root, torch-fidelity and closed forms."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from ganzoo.data.mixtures import Ring8
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.frechet import CHUNK, FID, frechet_distance, mean_and_covariance


def features(seed, n, dim, shift=0.0):
    """Correlated features, float64 [n, dim]."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(dim) + torch.randn(dim, dim, generator=generator, dtype=torch.float64) / dim**0.5
    return torch.randn(n, dim, generator=generator, dtype=torch.float64) @ mix + shift


def ours(a, b):
    return frechet_distance(*mean_and_covariance(a), *mean_and_covariance(b))


def by_square_root(a, b):
    """The formula as it stands in the paper, with numpy's covariance and scipy's root of the product."""
    c, d = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, that the matrix is singular
        root = np.trace(scipy.linalg.sqrtm(c @ d)).real
    return float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(c) + np.trace(d) - 2 * root


def column(x, value, of=3):
    x = x.clone()
    x[:, of] = value
    return x


SINGULAR = {
    "fewer samples than dimensions": (features(0, 40, 64), features(1, 50, 64, 0.5)),
    "that on one side": (features(0, 40, 64), features(1, 400, 64)),
    "a collapsed set": (torch.full((300, 16), 0.7, dtype=torch.float64), features(1, 400, 16)),
    "a feature that never fires": (column(features(0, 300, 16), 0.0), column(features(1, 400, 16), 0.5)),
    "a feature that is there twice": tuple(
        column(x, x[:, 5]) for x in (features(0, 300, 8), features(1, 400, 8))
    ),
}
singular = pytest.mark.parametrize("pair", SINGULAR.values(), ids=SINGULAR.keys())


@pytest.mark.parametrize(("dim", "n"), [(2, 50), (8, 400), (64, 500), (200, 700)])
def test_it_is_the_published_formula(dim, n):
    a, b = features(0, n, dim), features(1, n + 57, dim, shift=0.3)
    assert ours(a, b) == pytest.approx(by_square_root(a, b), rel=1e-9)


@singular
def test_singular_covariances(pair):
    a, b = pair
    assert ours(a, b) == pytest.approx(by_square_root(a, b), rel=1e-5)
    assert ours(b, a) == pytest.approx(ours(a, b), rel=1e-5)


@pytest.mark.parametrize("pair", [(features(0, 500, 32, 0.2), features(1, 600, 32)), *SINGULAR.values()])
def test_torch_fidelity_says_the_same(pair):
    statistics = [fid_features_to_statistics(x) for x in pair]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert ours(*pair) == pytest.approx(theirs, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 12), st.floats(0.0, 3.0))
@example(0, 12, 3.0)
def test_a_monotone_map_is_optimal_however_ill_scaled_the_features(seed, dim, decades):
    """Brenier: x -> x M with M symmetric and positive moves no more than it must, so the distance to the
    image is E |x - x M|^2, whatever the covariance of x is."""
    scales = torch.logspace(-decades, decades, dim, dtype=torch.float64)
    x = features(seed, 200, dim, shift=1.0) * scales
    base = features(seed + 1, 200, dim)
    _, vectors = torch.linalg.eigh(base.T @ base)
    m = vectors @ torch.diag(torch.linspace(0.3, 2.5, dim, dtype=torch.float64)) @ vectors.T
    moved = x - x @ m
    mean, covariance = moved.mean(0), np.atleast_2d(np.cov(moved.numpy(), rowvar=False))
    expected = float(mean.square().sum()) + np.trace(covariance)
    assert ours(x, x @ m) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-9, 9)] * 2, *[st.floats(0, 1e4)] * 2), min_size=1, max_size=9))
@example([(0.0, 0.0, 2.3e-308, 2.3e-308)])  # whose product underflows
@example([(0.0, 0.0, 1e4, 5e-324), (0.0, 0.0, 0.0, 5e-324)])
def test_commuting_covariances(rows):
    m, n, a, b = torch.tensor(rows, dtype=torch.float64).T
    expected = float((m - n).square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    found = frechet_distance(m, torch.diag(a), n, torch.diag(b))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-13 * float((a + b).sum()))


def test_equal_covariances_leave_the_distance_of_the_means():
    x, shift = features(0, 300, 20), torch.linspace(-1, 1, 20, dtype=torch.float64)
    assert ours(x, x + shift) == pytest.approx(float(shift.square().sum()), rel=1e-9)
    assert 0 <= ours(x, x) < 1e-11


@singular
def test_it_is_never_negative(pair):
    for x in pair:
        assert 0 <= ours(x, x) <= 1e-6 * float(x.var(0).sum())


def test_symmetry_and_rotation():
    a, b = features(0, 300, 24), features(1, 350, 24, 0.5)
    rotation, _ = torch.linalg.qr(features(2, 24, 24))
    for other in [(b, a), (a @ rotation, b @ rotation), (a + 7.0, b + 7.0)]:
        assert ours(*other) == pytest.approx(ours(a, b), rel=1e-11)
    assert ours(3.0 * a, 3.0 * b) == pytest.approx(9.0 * ours(a, b), rel=1e-11)  # it is a squared distance


def test_mean_and_covariance_in_several_chunks_and_far_from_zero():
    x = (features(0, 2 * CHUNK + 5, 3) + torch.tensor([0.0, 1e3, -1e4])).float()
    mean, covariance = mean_and_covariance(x)
    assert mean.dtype == covariance.dtype == torch.float64
    np.testing.assert_allclose(mean, x.double().mean(0), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-10)


class Doubled(Extractor):
    """The vectors, twice as long."""

    name, remembered = "doubled", False

    def __call__(self, samples):
        return {"features": 2.0 * samples, "logits": None}


def context(n_fake, n_real, dim):
    fake, real = (
        Samples(name, features(seed, n, dim).float(), None, Doubled())
        for seed, (name, n) in enumerate([("generated", n_fake), ("train", n_real)])
    )
    return Context(Ring8(), fake, real, real, extractor=Doubled())


def test_fid_is_of_the_features():
    given = context(300, 280, 12)
    score = FID()(given)
    assert list(score) == list(FID.higher_is_better) == list(FID.says) == ["fid"]
    assert score["fid"] == pytest.approx(4 * by_square_root(given.fake.x.double(), given.real.x.double()))
    assert FID().protocol(given)["dimensions"] == 12


@pytest.mark.parametrize("counts", [(11, 500), (500, 11), (1, 500)])
def test_fewer_samples_than_dimensions_are_refused(counts):
    with pytest.raises(UsageError, match=f"at least 12 samples, and there are {min(counts)} "):
        FID()(context(*counts, 12))
    with pytest.raises(UsageError, match="at least 2 samples"):
        FID()(context(1, 500, 1))


@pytest.mark.parametrize(("counts", "noted"), [((12, 500), 1), ((59, 60), 1), ((500, 59), 1), ((60, 60), 0)])
def test_few_samples_are_noted(counts, noted):
    given = context(*counts, 12)
    FID()(given)
    assert len(given.notes) == noted
    assert all(f"{min(counts)} samples in 12 dimensions" in note and "60" in note for note in given.notes)
