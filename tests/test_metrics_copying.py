"""What tells a generator that copies: distances to the training data, and the discriminator's own view."""

from __future__ import annotations

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
from ganzoo.gan import GAN
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.discriminator import DAccuracy, DFeatures, probe
from ganzoo.metrics.memorization import Memorization, chance_of_less, nearest_distance


class Vectors(Dataset):
    name, sample_shape = "vectors", (2,)


class Stretched(Extractor):
    """Vectors whose second number counts for nothing."""

    name, remembered = "stretched", False

    def __call__(self, samples):
        return {"features": samples * torch.tensor([5.0, 0.0]), "logits": None}


def normal(seed, n, dim=2):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def context(fake, train, test=None, gan=None, reference="train", labels=(None, None, None)):
    sets = zip(
        ("generated", "train", "test"), (fake, train, fake[:0] if test is None else test), labels, strict=True
    )
    samples = [Samples(name, x, y, Stretched()) for name, x, y in sets]
    return Context(Vectors(), *samples, reference=reference, gan=gan, extractor=Stretched())


# --- memorization -----------------------------------------------------------------------------------------


def memorization(fake, reference="train"):
    return Memorization()(context(fake, normal(0, 1500), normal(1, 800), reference=reference))["memorization"]


def test_a_perfect_sampler_is_as_near_to_the_training_data_as_fresh_samples_are():
    values = [memorization(normal(seed, 700)) for seed in range(2, 12)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)
    assert Memorization().on_real(context(normal(2, 9), normal(0, 9))) == {"memorization": 0.5}


@pytest.mark.parametrize("reference", ["train", "test"])
def test_copies_are_found_whatever_the_scores_are_compared_with(reference):
    copies = normal(0, 1500)[:500]
    assert memorization(copies, reference) == pytest.approx(1, abs=0.001)
    assert memorization(copies + 1e-6 * normal(5, 500), reference) > 0.98
    mixed = torch.cat([copies[:250], normal(6, 250)])
    assert memorization(mixed, reference) == pytest.approx(0.75, abs=0.03)
    other_split = normal(1, 800)[:500]  # of the test split: no copies of what was trained on
    assert memorization(other_split, reference) == pytest.approx(0.5, abs=0.03)


def test_far_samples_are_below_one_half():
    assert memorization(normal(2, 500) + torch.tensor([90.0, 0.0])) == 0
    assert memorization(normal(2, 500) * 3) < 0.4


def test_the_distances_are_of_the_features():
    beside = normal(0, 1500)[:500] + torch.tensor([0.0, 1e3])  # what the extractor does not see
    assert memorization(beside) == pytest.approx(1, abs=0.001)


@settings(deadline=None)
@given(*[st.lists(st.integers(-3, 3), min_size=1, max_size=25)] * 2)
def test_the_chance_is_mann_whitneys_with_ties(a, b):
    found = chance_of_less(torch.tensor(a).float(), torch.tensor(b).float())
    assert found == pytest.approx(mannwhitneyu(b, a).statistic / (len(a) * len(b)), abs=1e-12)


def test_nearest_distance_over_several_blocks():
    x, among = normal(0, 1100, 5), normal(1, 60, 5)
    expected = np.linalg.norm(x.numpy()[:, None] - among.numpy()[None], axis=2).min(1)
    np.testing.assert_allclose(nearest_distance(x, among), expected, rtol=1e-5)


# --- the discriminator ------------------------------------------------------------------------------------


class Judge(nn.Module):
    """D by hand; remembers in which mode it was, and which labels it was given."""

    def __init__(self, judge):
        super().__init__()
        self.judge, self.seen = judge, []
        self.parameter = nn.Parameter(torch.zeros(1))

    def forward(self, x, y=None):
        self.seen.append((len(x), self.training, torch.is_grad_enabled(), y))
        return self.judge(x)


def judged(judge, num_classes=0, pack=1):
    gan = GAN((2,), num_classes=num_classes, pack=pack)
    gan.generator, gan.discriminator = nn.Identity(), Judge(judge)
    return gan


def accuracy(judge, fake, real, pack=1):
    return DAccuracy()(context(fake, real, gan=judged(judge, pack=pack)))["d_accuracy"]


REAL, FAKE = normal(0, 400).abs() + 0.1, -normal(1, 700).abs() - 0.1


def first(x):
    return x[:, 0]


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        (first, 1),
        (lambda x: -first(x), 0),
        (lambda x: 0 * first(x), 0.5),
        (lambda x: torch.full((len(x),), 7.0), 0.5),
    ],
    ids=["perfect", "inverted", "zero", "constant"],
)
@pytest.mark.parametrize("n", [1, 8, 300])
def test_perfect_inverted_and_constant_discriminators(judge, expected, n):
    assert accuracy(judge, FAKE[:n], REAL) == pytest.approx(expected, abs=1e-12)


def test_it_is_the_share_of_right_answers():
    fake, real = normal(2, 300), normal(3, 300) + 0.8
    scores = torch.cat([first(fake), first(real)]).numpy()
    says_real = scores > np.median(scores)
    expected = np.mean(says_real == (np.arange(600) >= 300))
    assert 0.6 < expected < 0.7
    assert accuracy(first, fake, real) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_offset_and_scale_of_a_critic_do_not_matter(offset, scale):
    def critic(x):
        return scale * first(x.double()) + offset

    fake, real = normal(2, 150), normal(3, 150) + 0.8
    assert accuracy(critic, fake, real) == pytest.approx(accuracy(first, fake, real), abs=0.002)


def test_chance_where_both_are_alike():
    assert accuracy(first, normal(2, 3000), normal(3, 5000)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("counts", [(100, 400), (700, 60)])
def test_as_many_real_samples_as_generated_ones(counts):
    given = context(FAKE[: counts[0]], REAL[: counts[1]], gan=judged(first))
    DAccuracy()(given)
    assert sum(n for n, *_ in given.gan.discriminator.seen) == 2 * min(counts)
    assert DAccuracy().protocol(given)["n"] == min(counts)


def test_packs_are_judged_together():
    seen = []

    def both(x):
        seen.append(tuple(x.shape))
        return x[:, 0] * x[:, 2]  # the first number of one sample, and of its neighbour

    fake = torch.cat([REAL[:31], FAKE[:32]])[torch.arange(64) // 2 + 31 * (torch.arange(64) % 2)][:63]
    assert accuracy(both, fake, REAL[:99], pack=2) > 0.9
    assert {shape[1] for shape in seen} == {4}
    assert sum(shape[0] for shape in seen) == 2 * 31


def test_several_logits_count_by_their_mean():
    def scales(x):
        noise = 50 * torch.sin(1e3 * x[:, 1])
        maps = first(x)[:, None, None, None] + torch.tensor([[-4.0, 4.0], [1.0, -1.0]])
        return maps + noise[:, None, None, None], first(x) - noise

    assert accuracy(lambda x: scales(x)[1], FAKE[:300], REAL[:300]) < 0.7  # one of them alone
    assert accuracy(scales, FAKE[:300], REAL[:300]) > 0.99


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_d_is_judged_in_eval_mode_and_left_as_it_was(training, fails):
    def judge(x):
        if fails:
            raise ZeroDivisionError
        return first(x)

    given = context(FAKE, REAL, gan=judged(judge))
    given.gan.discriminator.train(training)
    try:
        DAccuracy()(given)
    except ZeroDivisionError:
        assert fails
    assert given.gan.discriminator.training is training
    assert {(mode, grad) for _, mode, grad, _ in given.gan.discriminator.seen} == {(False, False)}


@pytest.mark.parametrize("num_classes", [0, 3])
def test_labels_go_to_a_conditional_d_alone(num_classes):
    labels = torch.arange(300) % 3
    gan = judged(first, num_classes)
    DAccuracy()(context(FAKE[:300], REAL[:300], gan=gan, labels=(labels, labels, None)))
    given = [y for *_, y in gan.discriminator.seen]
    if not num_classes:
        assert given == [None] * len(given)
    else:
        assert torch.equal(torch.cat(given), torch.cat([labels, labels]))


@pytest.mark.parametrize("reference", ["train", "test"])
def test_beside_it_stands_whether_d_knows_its_training_data_by_heart(reference):
    train, test = normal(0, 200), normal(1, 150)

    def by_heart(x):
        return (torch.cdist(x, train, compute_mode="donot_use_mm_for_euclid_dist").amin(1) == 0).float()

    for judge, expected in [(by_heart, 1.0), (lambda x: 0 * first(x), 0.5)]:
        given = context(normal(2, 100), train, test, judged(judge), reference)
        assert DAccuracy().on_real(given)["d_accuracy"] == pytest.approx(expected, abs=0.01)


# --- its features -----------------------------------------------------------------------------------------


def with_features(features, **options):
    gan = judged(first, **options)
    gan.discriminator.features = features
    return gan


def labelled(n, seed):
    """Three classes on the corners of a triangle; the second number of a sample tells the class of none."""
    y = torch.arange(n) % 3
    return torch.stack([y + 0.2 * normal(seed, n)[:, 0].clamp(-2, 2), normal(seed + 9, n)[:, 1]], dim=1), y


def probed(features, **options):
    (train, y), (test, y_test) = labelled(900, 0), labelled(600, 1)
    gan = with_features(features, **options)
    given = context(normal(0, 9), train, test, gan, labels=(None, y, y_test))
    return DFeatures()(given)["probe_accuracy"], DFeatures().on_real(given)["probe_accuracy"]


def test_separable_features_and_features_that_know_nothing():
    def corners(x, y):
        return nn.functional.one_hot(x[:, 0].round().long().clamp(0, 2), 3)[:, :, None] * 1e-3

    knowing, on_pixels = probed(corners)
    assert knowing == 1
    assert 0.5 < on_pixels < 0.95  # a line cannot tell three classes in a row
    assert probed(lambda x, y: x[:, 1:])[0] == pytest.approx(1 / 3, abs=0.06)
    assert probed(lambda x, y: 0 * x)[0] == pytest.approx(1 / 3, abs=0.01)


def test_the_probe_is_ridge_regression_on_standardised_features():
    x, y = normal(0, 300, 4) * torch.tensor([1.0, 10.0, 0.1, 1.0]) + 3, torch.arange(300) % 2
    x[:, 2] += 0.2 * y
    x_test, y_test = x[200:], y[200:]
    x, y = x[:200], y[:200]
    mean, std = x.double().mean(0), x.double().std(0, correction=0)
    a, b = (x.double() - mean) / std, 2.0 * y.double() - 1
    weights = torch.linalg.solve(a.T @ a + 200 * torch.eye(4), a.T @ (b - b.mean()))
    says = ((x_test - mean) / std) @ weights + b.mean() > 0
    assert probe(x, y, x_test, y_test) == pytest.approx(
        float((says.long() == y_test).double().mean()), abs=1e-12
    )
    assert probe(x, y, x_test, y_test) > 0.7


def test_d_gives_its_features_in_eval_mode():
    gan, modes = judged(first), []
    gan.discriminator.features = lambda x, y: (modes.append(gan.discriminator.training), x)[1]
    (x, y) = labelled(90, 0)
    DFeatures()(context(x, x, x, gan, labels=(None, y, y)))
    assert modes == [False, False]
    assert gan.discriminator.training


@pytest.mark.parametrize(
    ("gan", "why"),
    [
        (judged(first), r"needs a discriminator with features\(x, y\), and GAN's has none"),
        (with_features(lambda x, y: x, pack=2), "this one packs 2"),
    ],
)
def test_what_it_refuses(gan, why):
    x, y = labelled(90, 0)
    with pytest.raises(UsageError, match=why):
        DFeatures()(context(x, x, x, gan, labels=(None, y, y)))
