"""KL(generated || real) and Jensen-Shannon against closed forms, integrals and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, multivariate_normal, norm

from ganzoo.data.base import Dataset
from ganzoo.data.mixtures import Gaussian1d, Mixture, Ring8
from ganzoo.data.open import open_dataset
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.densities import log_densities, log_density
from ganzoo.metrics.divergence import JS, KL, jensen_shannon

LN2 = math.log(2.0)


class Normal2d(Mixture):
    name, centers, std = "normal", ((0.0, 0.0),), 1.0


class Vectors(Dataset):
    name, sample_shape = "vectors", (2,)


def context(data, fake, real, extractor=None):
    real = Samples("train", real, None, extractor)
    return Context(data, Samples("generated", fake, None, extractor), real, real, extractor=extractor)


def measured(data, fake, real):
    given = context(data, fake, real)
    return {**KL()(given), **JS()(given)}


def normal(seed, n, dim=2, std=1.0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) * std


def mean_over_seeds(measure, seeds=4):
    runs = [measure(2 * seed) for seed in range(seeds)]
    return {key: np.mean([run[key] for run in runs]) for key in runs[0]}


def kl_of_normals(std, dim=2):
    """KL(N(0, std^2) || N(0, 1)); of the other direction with 1 / std."""
    return dim / 2 * (std**2 - 1 - 2 * math.log(std))


def js_of_densities(log_q, log_p, low, high):
    def integrand(x):
        a, b = log_q(x), log_p(x)
        middle = np.logaddexp(a, b) - LN2
        return (math.exp(a) * (a - middle) + math.exp(b) * (b - middle)) / 2

    return quad(integrand, low, high, limit=500)[0]


def js_of_normals(std):
    """By integration over the radius in the plane."""

    def log_density_of(std):
        return lambda r: math.log(r / std**2) - r**2 / (2 * std**2)

    return js_of_densities(log_density_of(std), log_density_of(1.0), 1e-9, 12 * max(std, 1.0))


@pytest.mark.parametrize("std", [0.1, 0.5, 1.0, 2.0])
def test_a_rescaled_normal_against_its_exact_density(std):
    real = Normal2d().train.all()[0][:5_000]
    found = mean_over_seeds(lambda seed: measured(Normal2d(), normal(seed, 5_000, std=std), real))
    assert found["kl"] == pytest.approx(kl_of_normals(std), abs=0.06)
    assert found["js"] == pytest.approx(js_of_normals(std), abs=0.01)


@pytest.mark.parametrize("shift", [0.1, 0.3, 1.0])
def test_a_shifted_mixture_against_numerical_integration(shift):
    data = Gaussian1d()

    def log_p(x):
        return float(data.log_density(torch.tensor([[x]], dtype=torch.float64)))

    def integrand_of_kl(x):
        return math.exp(log_p(x - shift)) * (log_p(x - shift) - log_p(x))

    real = data.train.all()[0][:8_000]
    found = mean_over_seeds(lambda seed: measured(data, data.test.batch(8_000, seed, 0)[0] + shift, real))
    assert found["js"] == pytest.approx(js_of_densities(lambda x: log_p(x - shift), log_p, -6, 7), abs=0.01)
    assert found["kl"] == pytest.approx(quad(integrand_of_kl, -4.5, 6, limit=500)[0], rel=0.03, abs=0.03)


@pytest.mark.parametrize("kept", [1, 2, 4, 8])
def test_some_modes_of_eight(kept):
    data = Ring8()
    x, y = data.test.batch(20_000, 0, 0)
    found = measured(data, x[y < kept], data.train.all()[0])
    share = kept / 8
    middle = (1 + share) / 2
    expected = (math.log(1 / middle) + share * math.log(share / middle) + (1 - share) * LN2) / 2
    assert found["kl"] == pytest.approx(math.log(8 / kept), abs=0.05)
    assert found["js"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("data", [Ring8(), Vectors()], ids=["exact", "by neighbours"])
def test_collapsed_and_far_samples_are_finite_and_huge(data):
    real = Ring8().train.all()[0]
    for point in (Ring8().modes.centers[0], torch.zeros(2), torch.tensor([1e30, 0.0])):
        found = measured(data, point.expand(500, 2), real)
        assert 15 < found["kl"] < math.inf
        assert found["js"] == pytest.approx(LN2, abs=0.02)


def opened(tmp_path, x):
    np.save(tmp_path / "own.npy", x.numpy())
    return open_dataset(f"npy:{tmp_path / 'own.npy'}", {})


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, 0.0), (0.6, -0.8), (1.0, 1.0)])
def test_own_vectors_with_a_shifted_normal(tmp_path, shift):
    real = opened(tmp_path, normal(99, 5_000))
    found = mean_over_seeds(
        lambda seed: measured(real, normal(seed, 4_500) + torch.tensor(shift), real.train.all()[0])
    )
    assert found["kl"] == pytest.approx(sum(s * s for s in shift) / 2, rel=0.12, abs=0.03)
    assert KL().protocol(context(real, normal(0, 9), normal(1, 9)))["estimator"].endswith("of both sets")
    length = math.hypot(*shift)
    expected = js_of_densities(norm(length).logpdf, norm.logpdf, -9, 11)
    assert found["js"] == pytest.approx(expected, abs=0.015)


def test_the_scale_of_a_column_does_not_matter():
    fake, real = normal(0, 900) + 0.4, normal(1, 1_000)
    scales = torch.tensor([1024.0, 2.0**-12])
    plain, scaled = measured(Vectors(), fake, real), measured(Vectors(), fake * scales, real * scales)
    assert scaled == pytest.approx(plain, rel=1e-9)
    assert measured(Vectors(), fake * scales, real)["kl"] > 10 * plain["kl"]


@pytest.mark.parametrize("data", [Normal2d(), Vectors()], ids=["exact", "by neighbours"])
def test_the_direction_is_generated_to_real(data):
    """A narrow generator: KL is 0.64 in this direction and 1.61 in the other."""
    real = Normal2d().train.all()[0][:5_000]
    found = mean_over_seeds(lambda seed: measured(data, normal(seed, 5_000, std=0.5), real))
    assert found["kl"] == pytest.approx(kl_of_normals(0.5), abs=0.06)


# A few places, near and far, so that most examples have duplicates.
places = arrays(
    np.float32, (12, 2), elements=st.sampled_from([0, 1, 1 + 2**-20, -1, 0.98, 0.1, 7, 1e6, -1e18])
)


@settings(max_examples=60, deadline=None)
@given(places, places, st.integers(4, 12), st.booleans())
def test_js_keeps_its_bounds_whatever_the_samples(fake, real, n, exact):
    given = context(Ring8() if exact else Vectors(), torch.from_numpy(fake[:n]), torch.from_numpy(real))
    try:
        js = jensen_shannon(log_densities(given, enough=False))
    except UsageError:
        js = None  # equal rows, or too few dimensions filled
    assert (js is None and not exact) or 0 <= js <= LN2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999))
def test_js_is_symmetric_by_neighbours(seed):
    a, b = (x / x.std(0) for x in (normal(seed, 80), normal(seed + 1, 90).sinh()))
    there, back = (JS()(context(Vectors(), *pair))["js"] for pair in ((a, b), (b, a)))
    assert there == pytest.approx(back, abs=1e-5)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_log_density_by_neighbours(dim):
    points, at = normal(0, 40_000, dim).double(), normal(1, 300, dim, std=0.5).double()
    found = log_density(points, at)
    exact = multivariate_normal(np.zeros(dim)).logpdf(at.numpy().squeeze())
    assert np.mean(found.numpy() - exact) == pytest.approx(0, abs=0.12)  # 0.63 / 300^(1/2) for the noise
    own = log_density(points, points, same=True)
    assert float(own.mean()) == pytest.approx(-dim / 2 * math.log(2 * math.pi * math.e), abs=0.05)


class Told(Extractor):
    """A classifier: the class is what the one pixel says."""

    name, remembered = "told", False

    def __call__(self, samples):
        return {"features": samples.flatten(1).float(), "logits": torch.eye(4)[samples.flatten().long()]}


class Images(Dataset):
    name, sample_shape = "images", (1, 1, 1)


def images(counts):
    return torch.arange(4).repeat_interleave(torch.tensor(counts)).to(torch.uint8).view(-1, 1, 1, 1)


@pytest.mark.parametrize(
    ("fake", "real"),
    [((5, 3, 0, 2), (10, 20, 5, 0)), ((7, 0, 0, 0), (1, 1, 1, 97)), ((2, 2, 2, 2), (9, 9, 9, 9))],
)
def test_images_by_the_counts_of_a_classifier(fake, real):
    given = context(Images(), images(fake), images(real), Told())
    q, p = ((np.array(counts) + 0.5) / (sum(counts) + 2) for counts in (fake, real))
    assert KL()(given)["label_kl"] == pytest.approx(entropy(q, p), abs=1e-15)
    found = JS()(given)
    assert found["label_js_distance"] == pytest.approx(jensenshannon(q, p), abs=1e-7)
    assert found["label_js"] == pytest.approx(jensenshannon(q, p) ** 2, abs=1e-15)
    assert KL().needs_for(Images()) == JS().needs_for(Images()) == ("logits",)
    assert KL().needs_for(Ring8()) == ()


@pytest.mark.parametrize("n", [20, 300])
def test_real_images_score_what_chance_makes_of_their_own_labels(n):
    """However many held-out samples there are: the mean over draws, near (K - 1) / 2n for many."""
    real = (10, 40, 25, 25)
    given = context(Images(), images((n, 0, 0, 0)), images(real), Told())
    shares, random = np.array(real) / 100, np.random.default_rng(5)
    p = (np.array(real) + 0.5) / 102
    draws = [(row + 0.5) / (n + 2) for row in random.multinomial(n, shares, size=4000)]
    assert KL().on_real(given)["label_kl"] == pytest.approx(np.mean([entropy(q, p) for q in draws]), rel=0.2)
    found = JS().on_real(given)
    assert found["label_js"] == pytest.approx(np.mean([jensenshannon(q, p) ** 2 for q in draws]), rel=0.2)
    assert found["label_js_distance"] == pytest.approx(np.mean([jensenshannon(q, p) for q in draws]), rel=0.2)
    assert KL().on_real(given) == KL().on_real(given)


@pytest.mark.parametrize("metric", [KL(), JS()])
@pytest.mark.parametrize(("data", "least"), [(Vectors(), 75), (Ring8(), 12)], ids=["by neighbours", "exact"])
def test_too_few_samples_are_refused(metric, data, least):
    for counts in ((least - 1, 200), (200, least - 1)):
        with pytest.raises(UsageError, match=f"at least {least} samples, and there are {least - 1} "):
            metric(context(data, *(normal(0, n) for n in counts)))
    assert metric(context(data, normal(0, least), normal(1, 200)))
