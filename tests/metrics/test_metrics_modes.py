"""Mode coverage: what a perfect sampler scores, and every way of falling short of it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from ganzoo.data.base import Dataset, Modes
from ganzoo.data.mixtures import Gaussian1d, Grid25, Ring8
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.modes import ModeCoverage, by_geometry, expected, kl_to, unevenness

N = 2_500
HQ = {"ring8": 1 - math.exp(-4.5), "grid25": 1 - math.exp(-4.5), "gaussian-1d": math.erf(3 / math.sqrt(2))}
# Labels 0 to 9 in the 70,000 images of MNIST.
MNIST = (6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958)
mixtures = pytest.mark.parametrize("data", [Ring8(), Grid25(), Gaussian1d()], ids=lambda data: data.name)


def context(data, x, extractor=None):
    fake, none = Samples("generated", x, None, extractor), Samples("train", x[:0], None, extractor)
    return Context(data, fake, none, none, extractor=extractor)


def measured(data, x):
    return ModeCoverage()(context(data, x))


def samples(data, n=N, seed=0, width=1.0):
    """From the mixture, with modes `width` times as wide."""
    x, y = data.test.batch(n, seed, 0)
    centers = data.modes.centers[y]
    return centers + width * (x - centers)


@mixtures
def test_a_perfect_sampler_meets_the_floor_beside_it(data):
    seeds, k = 40, data.modes.count
    runs = [measured(data, samples(data, seed=seed)) for seed in range(seeds)]
    floor = ModeCoverage().on_real(context(data, samples(data)))
    assert list(floor) == list(runs[0]) == list(ModeCoverage.higher_is_better) == list(ModeCoverage.says)
    mean = {key: np.mean([run[key] for run in runs]) for key in floor}
    error = {key: np.std([run[key] for run in runs], ddof=1) / seeds**0.5 for key in floor}
    hq = HQ[data.name]
    assert floor["hq"] == pytest.approx(hq, abs=1e-12)
    assert mean["hq"] == pytest.approx(hq, abs=4 * math.sqrt(hq * (1 - hq) / (N * seeds)))
    assert mean["modes"] == floor["modes"] == k
    assert floor["mode_std"] == 1
    assert mean["mode_std"] == pytest.approx(1, abs=0.02)
    for key, counted in [("reverse_kl", hq * N), ("reverse_kl_all", N)]:
        assert mean[key] == pytest.approx((k - 1) / (2 * counted), abs=4 * error[key])
        assert floor[key] == pytest.approx(mean[key], abs=5 * error[key])  # the floor is of 200 draws


@mixtures
def test_one_mode_alone(data):
    x = samples(data)
    _, nearest = torch.cdist(x, data.modes.centers).min(1)
    scores = measured(data, x[nearest == 1])
    assert scores["modes"] == 1
    assert scores["reverse_kl"] == scores["reverse_kl_all"] == pytest.approx(math.log(data.modes.count))
    assert scores["hq"] > 0.97


def test_points_on_the_centres_have_no_spread_and_a_note_says_so():
    data = Grid25()
    given = context(data, data.modes.centers.repeat(20, 1))
    assert ModeCoverage()(given) == {
        "modes": 25, "hq": 1, "mode_std": 0, "reverse_kl": 0, "reverse_kl_all": 0,
    }  # fmt: skip
    assert len(given.notes) == 1
    assert "100.0 % high quality" in given.notes[0]
    alike = context(data, samples(data))
    ModeCoverage()(alike)
    assert not alike.notes


def test_one_sample_finds_a_mode_and_says_nothing_of_its_spread():
    data = Grid25()
    scores = measured(data, data.modes.centers + 0.01)
    assert (scores["modes"], scores["mode_std"]) == (25, 0)
    of_one = data.modes.centers[3] + 0.05 * samples(Ring8(), 60)
    beside = torch.cat([of_one, data.modes.centers[[0, *range(4, 25)]]])
    assert measured(data, beside)["mode_std"] == measured(data, of_one)["mode_std"] > 0


def test_no_sample_of_high_quality():
    scores = measured(Ring8(), 0.9 * Ring8().modes.centers)
    assert (scores["modes"], scores["hq"]) == (0, 0)
    assert scores["reverse_kl"] == pytest.approx(math.log(8))
    assert scores["reverse_kl_all"] == 0  # each of them is still nearest to a mode of its own


def test_high_quality_is_strictly_within_three_standard_deviations():
    modes = Modes(2, torch.tensor([[0.0, 0.0], [64.0, 0.0]]), 0.25)
    edge = torch.tensor([[0.75, 0.0], [64.0, -0.75]])
    assert by_geometry(edge, modes)["hq"] == 0
    assert by_geometry(edge + torch.tensor([1e-5, 0.0]), modes)["hq"] == 0
    assert by_geometry(edge + torch.tensor([-1e-5, 2e-5]), modes)["hq"] == 1
    assert by_geometry(torch.tensor([[0.53, 0.53], [0.74, 0.0]]), modes)["hq"] == 1  # a disc,
    assert by_geometry(torch.tensor([[0.54, 0.54], [0.74, 0.74]]), modes)["hq"] == 0  # not a box


@mixtures
@pytest.mark.parametrize("width", [0.3, 2.0])
def test_the_spread_within_a_mode(data, width):
    assert measured(data, samples(data, 20_000, width=width))["mode_std"] == pytest.approx(width, rel=0.03)


def test_the_spread_heeds_neither_outliers_nor_a_mode_that_is_off_its_centre():
    data = Grid25()
    x = samples(data, 20_000)
    x[:2_000] += torch.rand(2_000, 2, generator=torch.Generator().manual_seed(0))  # up to twenty widths
    assert 1 < measured(data, x)["mode_std"] < 1.2
    assert (x - data.modes.centers[torch.cdist(x, data.modes.centers).argmin(1)]).std() > 1.9 * data.modes.std
    moved = samples(data, 20_000) + 0.2
    assert measured(data, moved)["mode_std"] == pytest.approx(1, rel=0.02)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_kl_to_equal_shares(counts):
    found = kl_to(torch.tensor(counts), torch.ones(len(counts)).double() / len(counts))
    uniform = np.ones(len(counts))
    assert found == pytest.approx(
        entropy(counts, uniform) if any(counts) else math.log(len(counts)), abs=1e-12
    )
    assert 0 <= found <= math.log(len(counts)) + 1e-12


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 100)), min_size=1, max_size=30))
def test_kl_to_the_shares_of_the_data(both):
    counts, weights = (np.array(values) for values in zip(*both, strict=True))
    share = weights / weights.sum()
    found = kl_to(torch.from_numpy(counts), torch.from_numpy(share))
    assert found == pytest.approx(
        entropy(counts, share) if counts.any() else -math.log(share.min()), abs=1e-12
    )


def test_unbalanced_data_are_even_by_their_own_shares():
    modes = Modes(2, shares=torch.tensor([0.9, 0.1]).double())
    assert unevenness(torch.tensor([180, 20]), modes) == pytest.approx(0, abs=1e-12)
    assert unevenness(torch.tensor([100, 100]), modes) == pytest.approx(entropy([1, 1], [0.9, 0.1]))
    published = dataclasses.replace(modes, balanced=True)
    assert unevenness(torch.tensor([180, 20]), published) == pytest.approx(entropy([9, 1], [1, 1]))


def shares(counts):
    digit = torch.tensor(counts).double() / sum(counts)
    return torch.einsum("i,j,k->ijk", digit, digit, digit).flatten()


@pytest.mark.parametrize(
    ("modes", "floor"),
    [
        (Modes(1000), 0.0192),
        (Modes(1000, shares=shares([500] * 10), balanced=True), 0.0192),
        (Modes(1000, shares=shares(MNIST), balanced=True), 0.0235),
    ],
)
def test_the_floor_of_stacked_mnist(modes, floor):
    found, uneven = expected(26_000, modes)
    assert found > 999.9
    assert uneven == pytest.approx(floor, abs=0.0003)
    p = np.full(1000, 0.001) if modes.shares is None else modes.shares.numpy()
    own = entropy(p, np.full(1000, 0.001))  # unevenness of the data, and 1/2N for each free count
    assert uneven == pytest.approx(own + 999 / 52_000, rel=0.01)


def test_few_samples_miss_modes_by_chance():
    found, uneven = expected(1000, Modes(1000))
    assert found == pytest.approx(1000 * (1 - 0.999**1000), rel=0.005)
    assert 0.4 < uneven < math.log(1000)
    assert expected(0, Modes(5)) == (0, pytest.approx(math.log(5)))


class Told(Extractor):
    """A classifier of `classes`: the class is what the one pixel says, by a small margin."""

    name, remembered = "told", False

    def __init__(self, classes):
        self.classes = classes

    def __call__(self, samples):
        y = samples[:, 0, 0, 0].long()
        return {"features": y[:, None].float(), "logits": torch.eye(self.classes)[y] * 0.1 - 5.0}


class Classes(Dataset):
    name, sample_shape, modes = (
        "classes",
        (1, 1, 1),
        Modes(4, shares=torch.tensor([0.4, 0.3, 0.2, 0.1]).double()),
    )


def images(labels):
    return torch.tensor(labels, dtype=torch.uint8).view(-1, 1, 1, 1)


def test_modes_by_a_classifier():
    data, labels = Classes(), [0] * 4 + [1] * 3 + [3]
    given = context(data, images(labels), Told(4))
    shares = data.modes.shares.numpy()
    expected_scores = {"modes": 3, "reverse_kl": entropy([4, 3, 0, 1], shares)}
    assert ModeCoverage()(given) == pytest.approx(expected_scores)
    floor = ModeCoverage().on_real(context(data, images([0] * 10_000), Told(4)))
    assert list(floor) == list(expected_scores)
    assert floor["reverse_kl"] == pytest.approx(3 / 20_000, rel=0.2)
    assert ModeCoverage().needs_for(data) == ("modes", "logits")
    assert ModeCoverage().needs_for(Ring8()) == ("modes",)


@pytest.mark.parametrize("classes", [3, 5, 1000])
def test_a_classifier_of_other_classes_is_refused(classes):
    with pytest.raises(UsageError, match=f"has 4 classes and the extractor told tells {classes} apart"):
        ModeCoverage()(context(Classes(), images([0, 1, 2]), Told(classes)))


@pytest.mark.parametrize(("data", "by"), [(Ring8(), "nearest centre"), (Classes(), "classifier")])
def test_the_protocol_says_how(data, by):
    assert ModeCoverage().protocol(context(data, torch.zeros(1, 2)))["by"] == by


def test_modes_are_measured_by_the_shares_of_the_reference_split():
    class Halves(Dataset):
        name, sample_shape, num_classes = "halves", (1, 1, 1), 2
        modes = Modes(2, shares=torch.tensor([0.75, 0.25]).double())
        train = TensorSplit(images([0, 0, 0, 1]), torch.tensor([0, 0, 0, 1]))
        test = TensorSplit(images([0, 1]), torch.tensor([0, 1]))

    sides = [Samples(name, *getattr(Halves, name).all(), Told(2)) for name in ("train", "test")]
    fake = Samples("generated", images([0, 1] * 50), None, Told(2))
    scores = {by: ModeCoverage()(Context(Halves(), fake, *sides, by)) for by in ("train", "test")}
    assert scores["train"]["reverse_kl"] == pytest.approx(entropy([1, 1], [3, 1]))
    assert scores["test"]["reverse_kl"] == pytest.approx(0, abs=1e-12)
