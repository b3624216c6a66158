"""Where neighbours tell no density, a divergence is refused; where they do, it is near the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganzoo.data.base import Dataset
from ganzoo.data.mixtures import Gaussian1d, Grid25, Mixture, Ring8
from ganzoo.errors import UsageError
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.densities import no_density
from ganzoo.metrics.divergence import JS, KL


class Vectors(Dataset):
    name = "vectors"

    def __init__(self, dim):
        self.sample_shape = (dim,)


def context(fake, real, held_out=None, data=None):
    fake, real, held_out = (
        torch.as_tensor(np.asarray(x), dtype=torch.float32)
        for x in (fake, real, fake if held_out is None else held_out)
    )
    parts = [Samples("generated", fake, None, None), Samples("train", real, None, None)]
    return Context(data or Vectors(real.shape[1]), *parts, Samples("test", held_out, None, None))


def moons(random, n, noise):
    angle, upper = random.uniform(0, np.pi, n), random.integers(0, 2, n)[:, None] == 0
    high = np.c_[np.cos(angle), np.sin(angle)]
    low = np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]
    return np.where(upper, high, low) + noise * random.normal(size=(n, 2))


def roll(random, n):
    angle = 1.5 * np.pi * (1 + 2 * random.uniform(size=n))
    return np.c_[angle * np.cos(angle), 21 * random.uniform(size=n), angle * np.sin(angle)]


def sines(random, n):
    angle = random.uniform(0.1, 1.0, (n, 1)) * np.arange(32) + random.uniform(0, 2 * np.pi, (n, 1))
    return random.uniform(0.5, 2.0, (n, 1)) * np.sin(angle)


def mixture(random, n, dim):
    return np.random.default_rng(9).normal(size=(8, dim))[random.integers(0, 8, n)] + 0.1 * random.normal(
        size=(n, dim)
    )


def table(random, n):
    """Four columns with the moments of iris, to one decimal."""
    correlation = np.array([[1, -0.12, 0.87, 0.82], [-0.12, 1, -0.43, -0.37], [0.87, -0.43, 1, 0.96],
                            [0.82, -0.37, 0.96, 1]])  # fmt: skip
    spread = np.array([0.83, 0.43, 1.76, 0.76])
    mean = [5.8, 3.06, 3.76, 1.2]
    return np.round(random.multivariate_normal(mean, correlation * np.outer(spread, spread), size=n), 1)


LEGAL = {
    "line": lambda random, n: random.normal(size=(n, 1)),
    "cauchy": lambda random, n: random.standard_cauchy((n, 2)),
    "plane": lambda random, n: random.normal(size=(n, 2)),
    "skewed": lambda random, n: np.exp(random.normal(size=(n, 3))),
    "mixture": lambda random, n: mixture(random, n, 3),
    "space": lambda random, n: random.normal(size=(n, 4)),
    "moons": lambda random, n: moons(random, n, 0.1),
    "table": table,
}


@pytest.mark.parametrize("name", LEGAL)
def test_equal_distributions_score_near_0_and_never_below(name):
    random, make = np.random.default_rng(0), LEGAL[name]
    for seed in range(3):
        given = context(make(random, 2000), make(random, 3000 - 100 * seed), make(random, 200))
        assert 0 <= KL()(given)["kl"] < 0.1
        assert 0 <= JS()(given)["js"] < 0.03
        assert 0 <= KL().on_real(given.fewer())["kl"] < 0.3  # of 200 samples, which are few


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_unequal_numbers_do_not_bias(dim):
    """As the estimates of both sides are of as many samples."""
    random = np.random.default_rng(dim)
    values = [
        KL()(context(random.normal(size=(2000, dim)), random.normal(size=(10_000, dim))))["kl"]
        for _ in range(3)
    ]
    assert np.mean(values) < 0.03


@pytest.mark.parametrize(("dim", "n"), [(1, 300), (1, 2000), (2, 2000), (3, 2000), (4, 2000)])
def test_normals_against_the_closed_form(dim, n):
    random, values = np.random.default_rng(n), []
    for _ in range(6 if n < 1000 else 3):
        fake, real = random.normal(size=(2, n, dim))
        values.append(KL()(context(fake + np.eye(dim)[0], real))["kl"])
    assert np.mean(values) == pytest.approx(0.5, abs=0.1)
    wide = dim / 2 * (2.25 - 1 - 2 * math.log(1.5))
    value = KL()(context(1.5 * random.normal(size=(n, dim)), random.normal(size=(n, dim))))["kl"]
    assert 0.1 * wide < value < 1.1 * wide  # too low, but above 0


THIN = {
    "circle": lambda random, n: moons(random, n, 0.0),
    "roll": roll,
    "constant": lambda random, n: np.c_[random.normal(size=n), np.full(n, 0.1)],
    "binary": lambda random, n: np.c_[random.normal(size=(n, 2)), random.integers(0, 2, n)],
    "linear": lambda random, n: random.normal(size=(n, 2)) @ np.array([[1.0, 0.0, 1.0], [0.0, 1.0, -2.0]]),
}


@pytest.mark.parametrize("name", THIN)
def test_thin_data_are_refused_with_the_dimension_that_they_fill(name):
    random, make = np.random.default_rng(1), THIN[name]
    given = context(make(random, 1500), make(random, 1500))
    for metric in (KL(), JS()):
        with pytest.raises(UsageError, match=r"fill only [12]\.\d of [23] dimensions: c2st and swd"):
            metric(given)


@pytest.mark.parametrize(
    "make",
    [
        lambda random, n: random.poisson(4, size=(n, 2)),
        lambda random, n: random.normal(size=(n, 1)).round(2),
        lambda random, n: np.full((n, 2), 3.0),
        lambda random, n: np.repeat(random.normal(size=(n // 2, 3)), 2, 0),
    ],
    ids=["whole numbers", "rounded", "one value", "each row twice"],
)
def test_equal_rows_are_refused(make):
    real = make(np.random.default_rng(2), 2000)
    noise = np.random.default_rng(3).normal(size=real.shape)
    with pytest.raises(UsageError, match="% of the rows are equal to another one: c2st and swd"):
        KL()(context(noise, real))


def test_a_rounded_table_is_refused_when_its_rows_are_close_enough_to_tell():
    random = np.random.default_rng(4)
    with pytest.raises(UsageError, match="in 4 dimensions, unlike c2st and swd, needs at least 1875"):
        KL()(context(table(random, 150), table(random, 150)))
    assert not no_density(torch.from_numpy(table(random, 3000)))
    assert "equal to another" in no_density(torch.from_numpy(table(random, 30_000)))


def test_more_columns_than_neighbours_tell():
    random = np.random.default_rng(5)
    with pytest.raises(UsageError, match="5 columns at most, and vectors has 32: c2st and swd"):
        KL()(context(sines(random, 200), sines(random, 1800)))
    with pytest.raises(UsageError, match=r"in 5 dimensions.* at least 9375 samples, and there are 2000 gen"):
        KL()(context(*random.normal(size=(2, 2000, 5))))


@pytest.mark.parametrize(("near", "says"), [(0.0, "100 % of these samples are copies"), (1e-4, "copies are")])
def test_copies_are_no_divergence(near, says):
    random = np.random.default_rng(6)
    real = random.normal(size=(2000, 2)).astype(np.float32)
    fake = real + near * random.normal(size=real.shape)
    for metric in (KL(), JS()):
        with pytest.raises(UsageError, match=f"{says}.*: see memorization"):
            metric(context(fake, real))
    few = np.r_[real[:40], random.normal(size=(1960, 2))]
    assert KL()(context(few, real))["kl"] < 0.1


def test_a_thin_generator_of_full_data_is_measured_with_a_note():
    random = np.random.default_rng(7)
    full = moons(random, 2000, 0.1)
    for data in (None, Ring8()):
        given = context(moons(random, 2000, 0.0), full, data=data)
        assert KL()(given)["kl"] > 1
        assert any("fill only 1.0 of 2 dimensions: the true KL is infinite" in note for note in given.notes)
    good = context(moons(random, 2000, 0.1), full)
    KL()(good)
    assert not good.notes


@pytest.mark.parametrize("data", [Ring8(), Grid25(), Gaussian1d()], ids=lambda data: data.name)
def test_known_densities_are_not_refused(data):
    real = data.train.all()[0]
    given = context(data.test.batch(2500, 1, 7)[0], real, data.test.all()[0], data)
    for metric in (KL(), JS()):
        for scores in (metric(given), metric.on_real(given)):
            assert all(0 <= value < 0.12 for value in scores.values())
        assert metric.protocol(given)["below 0"] == "0"
    assert KL()(context(real[:2500], real, data=data))["kl"] < 0.12  # copies do no harm there
    assert not given.notes


class Normal10(Mixture):
    name, centers, std = "normal-10", ((0.0,) * 10,), 1.0


class Normal12(Mixture):
    name, centers, std = "normal-12", ((0.0,) * 12,), 1.0


def test_an_exact_density_bears_more_columns():
    random = np.random.default_rng(8)
    fake = random.normal(size=(3072, 10))
    assert KL()(context(fake, fake, data=Normal10()))["kl"] < 0.1
    assert KL()(context(1.5 * fake, fake, data=Normal10()))["kl"] == pytest.approx(2.195, abs=0.3)
    with pytest.raises(UsageError, match="11 columns at most, and normal-12 has 12"):
        KL()(context(*random.normal(size=(2, 9000, 12)), data=Normal12()))
