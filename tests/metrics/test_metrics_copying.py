"""What tells a generator that copies: distances to the training data, and the discriminator's own view."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from torch import nn

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.discriminator import DAccuracy, DFeatures, probe
from ganzoo.metrics.memorization import Memorization, chance_of_less, nearest_distance
from ganzoo.models.base import GAN


class Vectors(Dataset):
    name, sample_shape = "vectors", (2,)


class Stretched(Extractor):
    """Vectors whose second number counts for nothing."""

    name, remembered = "stretched", False

    def __call__(self, samples):
        return {"features": samples * torch.tensor([5.0, 0.0]), "logits": None}


def normal(seed, n, dim=2):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def context(fake, train, test, gan=None, reference="train", labels=(None, None, None)):
    sets = zip(("generated", "train", "test"), (fake, train, test), labels, strict=True)
    samples = [Samples(name, x, y, Stretched()) for name, x, y in sets]
    return Context(Vectors(), *samples, reference=reference, gan=gan, extractor=Stretched())


def memorization(fake, reference="train"):
    given = context(fake, normal(0, 1500), normal(1, 800), reference=reference)
    assert Memorization().on_real(given) == {"memorization": 0.5}
    return Memorization()(given)["memorization"]


def test_a_perfect_sampler_is_as_near_to_the_training_data_as_fresh_samples_are():
    values = [memorization(normal(seed, 700)) for seed in range(2, 12)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("reference", ["train", "test"])
def test_copies_are_found_whatever_the_other_scores_compare_with(reference):
    copies = normal(0, 1500)[:500]
    assert memorization(copies, reference) == pytest.approx(1, abs=0.001)
    assert memorization(copies + 1e-6 * normal(5, 500), reference) > 0.98
    half = torch.cat([copies[:250], normal(6, 250)])
    assert memorization(half, reference) == pytest.approx(0.75, abs=0.03)
    of_test = normal(1, 800)[:500]  # copies, but not of what was trained on
    assert memorization(of_test, reference) == pytest.approx(0.5, abs=0.03)


def test_far_samples_are_below_one_half():
    assert memorization(normal(2, 500) + torch.tensor([90.0, 0.0])) == 0
    assert memorization(normal(2, 500) * 3) < 0.4


def test_distances_are_of_the_features():
    beside = normal(0, 1500)[:500] + torch.tensor([0.0, 1e3])  # what the extractor does not see
    assert memorization(beside) == pytest.approx(1, abs=0.001)
    x, among = normal(0, 1100, 5), normal(1, 60, 5)
    expected = np.linalg.norm(x.numpy()[:, None] - among.numpy()[None], axis=2).min(1)
    np.testing.assert_allclose(nearest_distance(x, among), expected, rtol=1e-5)


@settings(deadline=None)
@given(*[st.lists(st.integers(-3, 3), min_size=1, max_size=25)] * 2)
def test_the_chance_is_mann_whitneys_with_ties(a, b):
    found = chance_of_less(torch.tensor(a).float(), torch.tensor(b).float())
    assert found == pytest.approx(mannwhitneyu(b, a).statistic / (len(a) * len(b)), abs=1e-12)


class Judge(nn.Module):
    """D by hand; remembers how many it was shown, in which mode, and with which labels."""

    def __init__(self, judge):
        super().__init__()
        self.judge, self.seen = judge, []
        self.parameter = nn.Parameter(torch.zeros(1))

    def forward(self, x, y=None):
        self.seen.append((len(x), self.training, torch.is_grad_enabled(), y))
        return self.judge(x)


def judged(judge, features=None, num_classes=0, pack=1):
    gan = GAN((2,), num_classes=num_classes, pack=pack)
    gan.generator, gan.discriminator = nn.Identity(), Judge(judge)
    if features is not None:
        gan.discriminator.features = features
    return gan


def accuracy(judge, fake, real, pack=1):
    return DAccuracy()(context(fake, real, real, judged(judge, pack=pack)))["d_accuracy"]


REAL, FAKE = normal(0, 400).abs() + 0.1, -normal(1, 700).abs() - 0.1
JUDGES = {  # what a D says, and how accurate it is on the two
    "perfect": (lambda x: x[:, 0], 1),
    "saturated": (lambda x: x[:, 0].sign(), 1),
    "inverted": (lambda x: -x[:, 0], 0),
    "constant": (lambda x: 0 * x[:, 0] + 7, 0.5),
}
first, _ = JUDGES["perfect"]


@pytest.mark.parametrize("n", [1, 8, 300])
@pytest.mark.parametrize(("judge", "expected"), JUDGES.values(), ids=JUDGES.keys())
def test_d_that_knows_everything_or_nothing(judge, expected, n):
    assert accuracy(judge, FAKE[:n], REAL) == pytest.approx(expected, abs=1e-12)


def test_the_share_of_right_answers_about_the_median():
    fake, real = normal(2, 300), normal(3, 300) + 0.8
    says = torch.cat([fake, real])[:, 0].numpy()
    expected = np.mean((says > np.median(says)) == (np.arange(600) >= 300))
    assert 0.6 < expected < 0.7
    assert accuracy(first, fake, real) == pytest.approx(expected, abs=1e-12)
    assert accuracy(first, normal(2, 3000), normal(3, 5000)) == pytest.approx(0.5, abs=0.02)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_offset_and_scale_of_a_critic_do_not_matter(offset, scale):
    fake, real = normal(2, 150), normal(3, 150) + 0.8
    critic = accuracy(lambda x: scale * x[:, 0].double() + offset, fake, real)
    assert critic == pytest.approx(accuracy(first, fake, real), abs=1e-12)


@pytest.mark.parametrize(
    ("n_fake", "n_real", "m"), [(100, 400, 1), (700, 60, 1), (101, 400, 2), (700, 400, 3)]
)
def test_as_many_real_samples_as_generated_ones_in_whole_packs(n_fake, n_real, m):
    given = context(FAKE[:n_fake], REAL[:n_real], REAL, judged(first, pack=m))
    n = min(n_fake, n_real) // m * m
    DAccuracy()(given)
    assert sum(count for count, *_ in given.gan.discriminator.seen) == 2 * n / m
    assert DAccuracy().protocol(given)["n"] == n


def test_packs_are_neighbours_joined():
    fake = torch.stack([REAL[:32], FAKE[:32]], dim=1).flatten(0, 1)  # real and generated ones in turn
    assert accuracy(lambda x: x[:, 0] * x[:, 2], fake, REAL[:64], pack=2) > 0.99


def test_several_logits_count_by_their_mean():
    def scales(x):
        noise = 50 * torch.sin(1e3 * x[:, 1])
        maps = torch.tensor([[-4.0, 4.0], [1.0, -1.0]]) + (x[:, 0] + noise)[:, None, None, None]
        return maps, x[:, 0] - noise

    assert accuracy(lambda x: scales(x)[1], FAKE[:300], REAL[:300]) < 0.7  # one of the two alone
    assert accuracy(scales, FAKE[:300], REAL[:300]) > 0.99


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("column", [0, 9])
def test_d_is_judged_in_eval_mode_and_left_as_it_was(training, column):
    given = context(FAKE, REAL, REAL, judged(lambda x: x[:, column]))
    given.gan.discriminator.train(training)
    with nullcontext() if column == 0 else pytest.raises(IndexError):
        DAccuracy()(given)
    assert given.gan.discriminator.training is training
    assert {(mode, grad) for _, mode, grad, _ in given.gan.discriminator.seen} == {(False, False)}


def test_labels_go_to_a_conditional_d_alone():
    y = torch.arange(300) % 3
    for num_classes in (0, 3):
        gan = judged(first, num_classes=num_classes)
        DAccuracy()(context(FAKE[:300], REAL[:300], REAL, gan, labels=(y, y, None)))
        shown = [labels for *_, labels in gan.discriminator.seen]
        if num_classes:
            assert torch.equal(torch.cat(shown), torch.cat([y, y]))
        else:
            assert set(shown) == {None}


@pytest.mark.parametrize("reference", ["train", "test"])
def test_beside_it_stands_whether_d_knows_its_training_data_by_heart(reference):
    train, test = normal(0, 200), normal(1, 150)
    known = {tuple(row) for row in train.tolist()}
    for judge, expected in [
        (lambda x: torch.tensor([float(tuple(row) in known) for row in x.tolist()]), 1),
        (first, 0.5),
    ]:
        given = context(normal(2, 100), train, test, judged(judge), reference)
        assert DAccuracy().on_real(given)["d_accuracy"] == pytest.approx(expected, abs=0.1)


def labelled(seed, n):
    """Three classes in a row along the first number of a sample; the second tells nothing."""
    y = torch.arange(n) % 3
    noise = normal(seed, n)
    return torch.stack([y + 0.2 * noise[:, 0].clamp(-2, 2), noise[:, 1]], dim=1), y


def one_hot(x, y):
    return nn.functional.one_hot(x[:, 0].round().long().clamp(0, 2), 3)[:, :, None] * 1e-3


@pytest.mark.parametrize(
    ("features", "expected"), [(one_hot, 0.75), (lambda x, y: x[:, 1:], 1 / 3), (lambda x, y: 0 * x, 1 / 3)]
)
def test_features_that_separate_the_classes_and_features_that_know_nothing(features, expected):
    (train, y), (test, y_test) = labelled(0, 900), labelled(1, 600)
    y_test[:150] = (y_test[:150] + 1) % 3  # which no features can know
    gan, modes = judged(first), []
    gan.discriminator.features = lambda *xy: (modes.append(gan.discriminator.training), features(*xy))[1]
    given = context(normal(0, 9), train, test, gan, labels=(None, y, y_test))
    assert DFeatures()(given)["probe_accuracy"] == pytest.approx(
        expected, abs=1e-9 if features is one_hot else 0.06
    )
    on_pixels = DFeatures().on_real(given)["probe_accuracy"]
    assert 0.4 < on_pixels < 0.7  # no line tells the middle one of three in a row
    assert not any(modes)
    assert gan.discriminator.training


def test_the_probe_is_ridge_regression_on_standardised_features():
    x, y = normal(0, 300, 4).double() * torch.tensor([1.0, 10.0, 0.1, 1.0]) + 3, torch.arange(300) % 2
    x[:, 2] += 0.15 * y
    mean, std = x[:200].mean(0), x[:200].std(0, correction=0)
    a, b = (x - mean) / std, 2.0 * y - 1
    weights = torch.linalg.solve(a[:200].T @ a[:200] + 200 * torch.eye(4), a[:200].T @ b[:200].double())
    right = ((a[200:] @ weights > 0) == (b[200:] > 0)).double().mean()
    assert 0.7 < right < 0.95
    assert probe(x[:200], y[:200], x[200:], y[200:]) == pytest.approx(float(right), abs=1e-12)


@pytest.mark.parametrize(
    ("gan", "why"),
    [
        (judged(first), r"needs a discriminator with features\(x, y\), and GAN's has none"),
        (judged(first, lambda x, y: x, pack=2), "this one packs 2"),
    ],
)
def test_what_the_probe_refuses(gan, why):
    x, y = labelled(0, 90)
    with pytest.raises(UsageError, match=why):
        DFeatures()(context(x, x, x, gan, labels=(None, y, y)))
