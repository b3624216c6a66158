"""c2st, swd and kid: two sets of vectors at one scale, against closed forms and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.identity import Identity
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.kernel import KID
from ganzoo.metrics.sliced import SlicedWasserstein, directions, sliced_wasserstein
from ganzoo.metrics.standard import standardized
from ganzoo.metrics.two_sample import ClassifierTwoSample


class Vectors(Dataset):
    name = "vectors"

    def __init__(self, dim):
        self.sample_shape = (dim,)


def sines(random, n):
    angle = random.uniform(0.1, 1.0, (n, 1)) * np.arange(32) + random.uniform(0, 2 * np.pi, (n, 1))
    return random.uniform(0.5, 2.0, (n, 1)) * np.sin(angle)


def context(fake, real, extractor=None):
    extractor = extractor or Identity()
    fake, real = (torch.as_tensor(np.asarray(x), dtype=torch.float32) for x in (fake, real))
    parts = [Samples(name, x, None, extractor) for name, x in (("generated", fake), ("train", real))]
    return Context(Vectors(real.shape[1]), *parts, parts[1], extractor=extractor)


def c2st(fake, real):
    return ClassifierTwoSample()(context(fake, real))["c2st"]


def swd(fake, real):
    return SlicedWasserstein()(context(fake, real))["swd"]


@pytest.fixture(scope="module")
def waves():
    random = np.random.default_rng(0)
    real, fresh, other = (sines(random, 1000) for _ in range(3))
    return real, fresh, other, real.mean(0) + real.std(0) * random.normal(size=real.shape)


def test_sine_waves_are_told_from_noise_and_not_from_others(waves):
    real, fresh, other, noise = waves
    assert c2st(fresh, real) == pytest.approx(0.5, abs=0.06)
    assert c2st(noise, real) > 0.95
    assert swd(fresh, real) == pytest.approx(swd(other, real), abs=0.06)
    assert swd(noise, real) > 2 * swd(fresh, real)
    good, bad = KID()(context(fresh, real)), KID()(context(noise, real))
    assert abs(good["kid"]) < max(3 * good["kid_std"], 0.02)
    assert bad["kid"] > 0.1


def normal(random, n, dim):
    return random.normal(size=(n, dim))


def turned(correlation):
    return np.linalg.cholesky(np.array([[1.0, correlation], [correlation, 1.0]])).T


TOLD = {
    "shift": (
        lambda random, n: normal(random, n, 3) + np.eye(3)[0],
        lambda random, n: normal(random, n, 3),
        0.65,
    ),
    "covariance": (
        lambda random, n: normal(random, n, 2) @ turned(0.8),
        lambda random, n: normal(random, n, 2) @ turned(-0.3),
        0.65,
    ),
    "tails": (
        lambda random, n: random.standard_t(3, size=(n, 10)) / math.sqrt(3),
        lambda random, n: normal(random, n, 10),
        0.58,
    ),
    "missing mode": (
        lambda random, n: 0.1 * normal(random, n, 1) + random.integers(0, 3, (n, 1)),
        lambda random, n: 0.1 * normal(random, n, 1) + random.integers(0, 4, (n, 1)),
        0.58,
    ),
    "width of modes": (
        lambda random, n: 0.02 * normal(random, n, 1) + random.integers(0, 4, (n, 1)),
        lambda random, n: 0.01 * normal(random, n, 1) + random.integers(0, 4, (n, 1)),
        0.54,
    ),
    "many features": (
        lambda random, n: 0.85 * normal(random, n, 128),
        lambda random, n: normal(random, n, 128),
        0.8,
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_c2st_tells_what_differs_and_nothing_else(name):
    fake, real, least = TOLD[name]
    random = np.random.default_rng(1)
    assert c2st(fake(random, 800), real(random, 800)) > least
    assert c2st(real(random, 800), real(random, 800)) == pytest.approx(0.5, abs=4 * 0.018)


def test_c2st_is_chance_on_average_and_its_error_covers_it():
    random = np.random.default_rng(2)
    found = [ClassifierTwoSample()(context(*random.normal(size=(2, 120, 2)))) for _ in range(60)]
    values = np.array([made["c2st"] for made in found])
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert 0.6 < values.std() / np.mean([made["c2st_std"] for made in found]) < 1.2


def test_c2st_of_equal_numbers_and_its_protocol():
    random = np.random.default_rng(3)
    given = context(random.normal(size=(90, 2)), random.normal(size=(300, 2)))
    protocol = ClassifierTwoSample().protocol(given)
    assert (protocol["n"], protocol["folds"]) == (90, 5)
    assert "reference" in protocol["scale"]
    assert ClassifierTwoSample()(given) == ClassifierTwoSample()(given)
    with pytest.raises(UsageError, match="c2st needs at least 10 samples, and there are 9 "):
        c2st(random.normal(size=(9, 2)), random.normal(size=(300, 2)))


@pytest.mark.parametrize("near", [0.0, 1e-3])
def test_c2st_of_copies_is_refused_rather_than_better_than_chance(near):
    random = np.random.default_rng(4)
    real = random.normal(size=(500, 5))
    with pytest.raises(UsageError, match=r"(chance is 0\.5|copies of rows).*see memorization"):
        c2st(real + near * random.normal(size=real.shape), real)


def test_far_and_constant_samples_are_told_and_finite():
    real = np.random.default_rng(5).normal(size=(200, 3))
    for fake in (np.full((200, 3), 1e30), real + 1e9, np.zeros((200, 3))):
        assert c2st(fake, real) > 0.95
        assert 0.5 < swd(fake, real) < math.inf
    assert c2st(np.ones((200, 2)), np.ones((200, 2))) == pytest.approx(0.5, abs=0.1)
    assert swd(np.ones((200, 2)), np.ones((200, 2))) == 0


@pytest.mark.parametrize("dim", [1, 2, 30])
def test_swd_of_two_normals(dim):
    """|m|^2 / d + (s - 1)^2, as each line sees a normal distribution."""
    random = np.random.default_rng(dim)
    shift = np.full(dim, 0.8 / math.sqrt(dim))
    fake, real = 1.5 * random.normal(size=(8000, dim)) + shift, random.normal(size=(8000, dim))
    assert swd(fake, real) == pytest.approx(math.sqrt(0.64 / dim + 0.25), abs=0.02)


def test_each_direction_against_scipy():
    random = np.random.default_rng(6)
    a, b = torch.from_numpy(random.normal(size=(200, 4))), torch.from_numpy(random.gumbel(size=(200, 4)))
    along = directions(4)
    assert torch.allclose(along.norm(dim=0), torch.ones(1, dtype=torch.float64))
    assert torch.equal(along, directions(4))
    # Moved by a constant beyond all overlap, the 1- and the 2-distance have the moments of one coupling.
    for line in along.T[:20]:
        one, two = a @ line, b @ line
        gaps = (one.sort().values - two.sort().values).abs()
        assert float(gaps.mean()) == pytest.approx(wasserstein_distance(one.numpy(), two.numpy()))
        found = sliced_wasserstein(a, b, line[:, None])
        assert found == pytest.approx(float(gaps.square().mean().sqrt()))
    far = sliced_wasserstein(a, a + 7.0, torch.eye(4, dtype=torch.float64)[:, :1])
    assert far == pytest.approx(wasserstein_distance(a[:, 0].numpy(), a[:, 0].numpy() + 7.0))


def test_the_units_of_vectors_do_not_matter():
    random = np.random.default_rng(7)
    fake, real = 1.2 * random.normal(size=(300, 2)) + 0.3, random.normal(size=(400, 2))
    units, zero = np.array([1024.0, 2.0**-10]), np.array([0.0, 0.25])
    for metric in (KID(), ClassifierTwoSample(), SlicedWasserstein()):
        plain = metric(context(fake, real))
        assert metric(context(fake * units + zero, real * units + zero)) == pytest.approx(plain, rel=1e-3)
        assert "reference" in metric.protocol(context(fake, real))["scale"]


def test_a_constant_feature_is_centred_alone():
    random = np.random.default_rng(8)
    real = np.c_[random.normal(5, 3, size=100), np.full(100, 0.1)]
    fake, real = standardized(context(real + np.array([0, 0.5]), real))
    assert torch.allclose(real.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(real.std(0, correction=0), torch.tensor([1.0, 0.0]).double(), atol=1e-6)
    assert torch.allclose(fake[:, 1], torch.tensor(0.5, dtype=torch.float64), atol=1e-6)


class Net(Extractor):
    name, remembered = "net", False

    def __call__(self, samples):
        return {"features": samples, "logits": None}


def test_kid_of_a_network_keeps_its_own_scale():
    from torch_fidelity.metric_kid import kid_features_to_metric

    random = np.random.default_rng(9)
    given = context(3 * random.normal(size=(60, 4)), 3 * random.normal(size=(60, 4)) + 1, Net())
    theirs = kid_features_to_metric(
        given.fake.features, given.real.features, kid_subsets=100, kid_subset_size=60, rng_seed=2020,
        verbose=False,
    )  # fmt: skip
    assert KID()(given)["kid"] == theirs["kernel_inception_distance_mean"]
    assert "scale" not in KID().protocol(given)
    identical = context(given.fake.x, given.real.x)
    assert KID()(identical)["kid"] != theirs["kernel_inception_distance_mean"]
