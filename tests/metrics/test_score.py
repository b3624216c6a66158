"""Metrics alone: what ganzoo.score and ganzoo.Score say is what the harness says, to the last digit."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import ganzoo
from ganzoo import METRICS, Metric, UsageError, WorkError
from ganzoo.data.open import open_dataset
from ganzoo.extractors.identity import Identity
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given
from ganzoo.testing.metrics import Digits

DIGITS = "mnist-cnn-v1"
NO_SETS = {"d-accuracy", "d-features"}  # which are about a trained D
VECTORS = ["fid", "kid", "swd", "c2st", "precision-recall", "density-coverage", "fid-infinity", "kl", "js"]
ODD = (1, 7, 300, 29, 2, 500)  # sizes of batches; blocks are of 256


def batches(*sets):
    at, sizes = 0, itertools.cycle(ODD)
    while at < len(sets[0]):
        n = next(sizes)
        yield [part[at : at + n] for part in sets]
        at += n


@pytest.fixture(scope="module")
def digits():
    return Digits()


@pytest.fixture
def vectors():
    np.save("vectors.npy", np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32))
    return open_dataset("npy:vectors.npy", {})


def noise(n, like, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, *like.sample_shape, generator=generator) * 1.2 + 0.1


def harness(names, data, x, y=None, extractor=None):
    evaluation = Evaluation(names, data, extractor=extractor, offline=True, given=Given(labels=y is not None))
    return evaluation(x, y, with_real=False, progress=False)["scores"]


def plain(scores):
    return {key.partition("@")[0] for key in scores}


def fed(names, fake, real, **how):
    metric = ganzoo.Score(names, **how)
    for x, y in batches(*real):
        metric.update(x, real=True, labels=y)
    for x, y in batches(*fake):
        metric.update(x, real=False, labels=y)
    return metric


def test_images_score_as_in_the_harness_at_once_and_batch_by_batch(digits):
    """By every metric that two sets of images with labels can have."""
    names = sorted({*METRICS.names()} - {*NO_SETS, "memorization"})
    (x, y), (fake, fake_y) = digits.train.all(), digits.test.all()
    told = harness(names, digits, fake, fake_y, DIGITS)
    how = {"extractor": DIGITS, "modes": digits.modes}  # whose shares are those of more digits
    assert ganzoo.score(fake, x, names, labels=fake_y, real_labels=y, **how) == told
    assert fed(names, (fake, fake_y), (x, y), **how).compute() == told
    assert {METRICS.get(name) for name in names if set(METRICS.get(name).higher_is_better) & plain(told)} == {
        METRICS.get(name) for name in names
    }


def test_memorization_with_held_out_samples(digits):
    x, fake = digits.train.all()[0], digits.test.all()[0]
    told = harness(["memorization"], digits, x, None, DIGITS)
    assert ganzoo.score(x, x, "memorization", extractor=DIGITS, held_out=fake) == told
    assert ganzoo.score(x, x, "memorization", extractor=DIGITS, held_out=fake).real == {
        "memorization@mnist-cnn-v1": 0.5
    }


def test_vectors_score_as_in_the_harness_at_once_and_batch_by_batch(vectors):
    """By every metric that two sets of vectors can have."""
    x, fake = vectors.train.all()[0], noise(300, vectors)
    told = harness(VECTORS, vectors, fake)
    assert ganzoo.score(fake, x.double(), VECTORS) == told
    metric = ganzoo.Score(VECTORS)
    for (part,) in batches(x):
        metric.update(part, real=True)
    for (part,) in batches(fake):
        metric.update(part.numpy(), real=False)
    assert metric.compute() == told
    assert ganzoo.score(fake, x).keys() == told.keys()  # what is measured where nothing is asked for


def test_what_is_known_beside_the_scores(digits):
    x, fake = digits.train.all()[0], digits.test.all()[0]
    at_once = ganzoo.score(fake, x, ["fid"], extractor=DIGITS)
    assert at_once.protocol["n_fake"] == 400
    assert at_once.protocol["n_real"] == 600
    assert at_once.protocol["extractor"]["name"] == DIGITS
    assert at_once.real == {}
    assert any("biased upwards" in note for note in at_once.notes)
    metric = ganzoo.Score("fid", extractor=DIGITS)
    for (part,) in batches(x):
        metric.update(part, real=True)
    metric.update(fake, real=False)
    made = metric.compute()
    assert made.protocol == at_once.protocol
    assert made.notes == at_once.notes
    beside = ganzoo.score(fake, x, "fid", extractor=DIGITS, held_out=fake)
    assert beside.real == beside == at_once
    assert all(type(value) is float for value in made.values())


def test_points_with_known_modes():
    ring = open_dataset("ring8", {})
    x = ring.test.all()[0]
    told = harness(["modes"], ring, x)
    assert ganzoo.score(x, x, "modes", modes=ring.modes) == told
    metric = ganzoo.Score("modes", modes=ring.modes)
    for (part,) in batches(x):
        metric.update(part, real=True)
        metric.update(part, real=False)
    assert metric.compute() == told


# What samples may look like


def images(n=8, channels=3, side=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, side, side), generator=generator, dtype=torch.uint8)


def mean_colour(x):
    """Features of images: anybody's function."""
    assert x.dtype == torch.uint8
    return x.float().mean((2, 3))


ALIKE = {
    "numpy": lambda x: x.numpy(),
    "channels last": lambda x: x.permute(0, 2, 3, 1).numpy(),
    "floats in [-1, 1]": lambda x: x.float() / 127.5 - 1,
    "float64": lambda x: x.double().numpy() / 127.5 - 1,
    "with a gradient": lambda x: (x.float() / 127.5 - 1).requires_grad_(),
    "not contiguous": lambda x: x.flip(3).contiguous().flip(3)[:, :, :, :],
    "channels_last in memory": lambda x: x.contiguous(memory_format=torch.channels_last),
    "read-only": lambda x: np.frombuffer(x.numpy().tobytes(), np.uint8).reshape(x.shape),
    "the other order of bytes": lambda x: (x.numpy() / 127.5 - 1).astype(">f4"),
    "a list": lambda x: [*x.numpy()],
}


@pytest.mark.parametrize("what", ALIKE)
def test_images_of_any_make(what):
    fake, real = images(seed=1), images()
    told = ganzoo.score(fake, real, "swd", extractor=mean_colour)
    assert set(told) == {"swd@mean_colour"}
    assert ganzoo.score(ALIKE[what](fake), ALIKE[what](real), "swd", extractor=mean_colour) == told
    assert ganzoo.score(ALIKE[what](fake), real, "swd", extractor=mean_colour) == told
    metric = ganzoo.Score("swd", extractor=mean_colour)
    for part in range(0, 8, 4):
        metric.update(ALIKE[what](fake)[part : part + 4], real=False)
        metric.update(ALIKE[what](real)[part : part + 4], real=True)
    assert metric.compute() == told


def test_floats_in_a_range_that_is_said():
    fake, real = images(seed=1), images()
    told = ganzoo.score(fake, real, "swd", extractor=mean_colour)
    between = [x.float() / 255 for x in (fake, real)]
    assert ganzoo.score(*between, "swd", extractor=mean_colour, pixels=(0, 1)) == told
    metric = ganzoo.Score("swd", extractor=mean_colour, pixels=(0, 1))
    metric.update(between[0], real=False)
    metric.update(between[1], real=True)
    assert metric.compute() == told
    bright = torch.full((8, 3, 16, 16), 0.5) + torch.rand(8, 3, 16, 16) / 4
    assert ganzoo.score(bright, real, "swd", extractor=mean_colour, pixels=(-1, 1))


def test_a_side_whose_range_is_plain_is_not_doubted_later():
    metric = ganzoo.Score("swd", extractor=mean_colour)
    metric.update(images(), real=True)
    metric.update(images().float() / 127.5 - 1, real=False)
    metric.update(torch.ones(8, 3, 16, 16), real=False)  # a generator that has collapsed
    assert metric.compute()
    with pytest.raises(UsageError, match="none below 0"):
        metric.update(torch.ones(8, 3, 16, 16), real=True)


def vectors_of(n=20, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(n))


def broken():
    return vectors_of().index_fill(0, torch.tensor(4), torch.nan)


REFUSED = {
    "floats outside": (lambda: images() * 1.0, images, "floats from 0 to 255, and floats are read as"),
    "floats in [0, 1]": (lambda: images() / 255, images, r"may be in \[0, 1\] or in \[-1, 1\]: say"),
    "whole numbers": (lambda: images().long(), images, "images of type int64: expected uint8"),
    "bytes of 0 and 1": (lambda: images() // 128, images, "only the values 0 and 1"),
    "grey without channels": (lambda: images()[:, 0], images, r"x\[:, None\], for grey images"),
    "other sizes": (lambda: images(side=8), images, r"shape \(3, 8, 8\), and real samples images of .*16"),
    "vectors and images": (vectors_of, images, r"numbers of shape \(3,\), and real samples images"),
    "one dimension": (lambda: torch.ones(5), vectors_of, r"x\[:, None\] where D is 1"),
    "a number": (lambda: torch.tensor(1.0), vectors_of, "expected a row for each"),
    "nothing": (lambda: torch.empty(0, 3), vectors_of, r"generated samples are empty: .* \(0, 3\)"),
    "no columns": (lambda: torch.empty(5, 0), vectors_of, "are empty"),
    "nan": (lambda: broken(), vectors_of, "in row 4 .* not finite"),
    "nan in an image": (lambda: images().float() * torch.nan, images, "in row 0 .* not finite"),
    "complex": (lambda: vectors_of() * 1j, vectors_of, "expected numbers, real or whole"),
    "truth": (lambda: vectors_of() > 0, vectors_of, "expected numbers, real or whole"),
    "a name": (lambda: "samples", vectors_of, "expected a tensor or an array.* got str; ganzoo.evaluate"),
    "a path": (lambda: Path("x.npz"), vectors_of, "got .*Path; ganzoo.evaluate reads files"),
    "none": (lambda: None, vectors_of, "got NoneType"),
    "a loader": (lambda: iter([vectors_of()]), vectors_of, "ganzoo.Score takes batch after batch"),
    "without values": (lambda: vectors_of().to("meta"), vectors_of, "got Tensor"),
    "ragged": (lambda: [[1.0], [1.0, 2.0]], vectors_of, "got list"),
    "sparse": (lambda: vectors_of().to_sparse(), vectors_of, "dense"),
    "too few": (lambda: vectors_of(2), vectors_of, r"fid with 3 .* and there are 2 generated ones$"),
    "too few real ones": (vectors_of, lambda: vectors_of(2), "there are 2 real ones$"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_samples_that_are_refused_with_a_sentence(what):
    fake, real, sentence = REFUSED[what]
    extractor = mean_colour if real is images else None
    with pytest.raises(UsageError, match=sentence) as error:
        ganzoo.score(fake(), real(), "fid", extractor=extractor)
    assert "\n" not in str(error.value)
    metric = ganzoo.Score("fid", extractor=extractor)
    metric.update(real(), real=True)

    def feed():
        metric.update(fake(), real=False)
        metric.compute()

    with pytest.raises(UsageError, match=sentence.replace("real samples", "those before")):
        feed()


WORDS = {
    "a metric": ({"metrics": "fidd"}, "no metric 'fidd': did you mean .*fid"),
    "an extractor": ({"extractor": "identiti"}, "no extractor 'identiti': did you mean identity"),
    "a device": ({"device": "gpu"}, "--device gpu is not known"),
    "of a discriminator": ({"metrics": "d-accuracy"}, "d-accuracy needs a trained discriminator"),
    "of modes": ({"metrics": "modes"}, "modes needs data whose modes are known"),
    "of a classifier": ({"metrics": "is"}, "is needs a classifier, and the extractor identity is none"),
    "of more samples": ({"metrics": "memorization"}, "memorization needs held-out real samples .* held_out="),
    "of images": ({"extractor": DIGITS}, r"mnist-cnn-v1 takes digits of shape"),
    "weights of an object": ({"extractor": Identity(), "weights": "x"}, "weights are those of an extractor"),
    "no extractor": ({"extractor": 3}, "expected the name of an extractor"),
    "a metric that has no name": ({"metrics": [METRICS.get("fid")()]}, r"given by name, .*METRICS.add\("),
    "no metric": ({"metrics": 3}, "given by name, and 3 is none"),
    "a class": ({"extractor": Identity.__class__}, "this is a class: give an object of it"),
}


@pytest.mark.parametrize("what", WORDS)
def test_words_that_are_refused_with_a_sentence(what):
    words, sentence = WORDS[what]
    words = {"metrics": "fid", **words}
    with pytest.raises(UsageError, match=sentence):
        ganzoo.score(vectors_of(), vectors_of(30), **words)

    def feed():
        metric = ganzoo.Score(**words)
        metric.update(vectors_of(), real=True)

    with pytest.raises(UsageError, match=sentence):
        feed()


def test_labels_that_are_refused(digits):
    (x, y), (fake, _) = digits.train.all(), digits.test.all()
    words = {"metrics": "conditional-accuracy", "extractor": DIGITS}
    with pytest.raises(UsageError, match="needs labels, and the real set has none"):
        ganzoo.score(fake, x, **words)
    with pytest.raises(UsageError, match="needs labels of the generated samples"):
        ganzoo.score(fake, x, real_labels=y, **words)
    with pytest.raises(
        UsageError, match=r"labels of generated samples are int64 \(600,\): expected .*\(400,\)"
    ):
        ganzoo.score(fake, x, labels=y, real_labels=y, **words)
    for wrong in (-1, 10**9):
        with pytest.raises(UsageError, match="expected a class for each"):
            ganzoo.score(fake, x, real_labels=torch.full((600,), wrong), **words)
    with pytest.raises(UsageError, match="go from 10 to 10"):
        ganzoo.score(fake, x, labels=torch.full((400,), 10), real_labels=y, **words)
    metric = ganzoo.Score(**words)
    with pytest.raises(UsageError, match="needs labels, and the real set has none"):
        metric.update(x, real=True)
    with pytest.raises(UsageError, match=r"needs labels of the generated samples: update\("):
        metric.update(fake, real=False)
    metric.update(x, real=True, labels=y)
    with pytest.raises(UsageError, match="some batches of real samples came with labels and some without"):
        metric.update(x, real=True)
    assert len(metric._real) == 600


# Extractors


def test_an_extractor_as_an_object_a_function_and_a_network():
    fake, real = images(seed=1), images()

    class Own(ganzoo.Extractor):
        classifies = True

        def __call__(self, samples):
            return {"features": mean_colour(samples), "logits": mean_colour(samples) / 255}

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.still = nn.BatchNorm1d(3).eval()

        def forward(self, x):
            assert not self.training
            assert not torch.is_grad_enabled()
            return self.norm(mean_colour(x))

    net = Net()
    told = ganzoo.score(fake, real, "swd", extractor=mean_colour)["swd@mean_colour"]
    assert ganzoo.score(fake, real, "swd", extractor=Own()) == {"swd@Own": told}
    assert ganzoo.score(fake, real, "kl", extractor=Own()).keys() == {"label_kl@Own"}
    assert ganzoo.score(fake, real, "swd", extractor=lambda x: mean_colour(x).numpy()) == {"swd@own": told}
    by_net = ganzoo.score(fake, real, "swd", extractor=net)
    assert by_net["swd@Net"] == pytest.approx(told)
    assert net.training
    assert not net.still.training
    assert int(net.norm.num_batches_tracked) == 0
    other = ganzoo.score(fake, real, "swd", extractor=Net()).protocol["extractor"]
    assert other == by_net.protocol["extractor"]
    nn.init.ones_(net.norm.bias)
    assert ganzoo.score(fake, real, "swd", extractor=net).protocol["extractor"] != other


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: x.float().mean(), r"gives the shape \(\) of 8 samples: expected features \[8, d\]"),
        (lambda x: x.float().flatten(1)[:4], r"gives the shape \(4, 768\) of 8"),
        (lambda x: None, "gives NoneType"),
        (lambda x: x @ x.flatten(1), r"fails on samples torch.uint8 \(8, 3, 16, 16\): \w*Error: "),
        (lambda x: x.float().flatten(1) * torch.nan, "own gives features that are not finite"),
    ],
)
def test_an_extractor_that_fails(function, sentence):
    with pytest.raises(WorkError, match=sentence):
        ganzoo.score(images(seed=1), images(), "swd", extractor=function)


# The object


def test_forgetting_and_going_on():
    first, second = vectors_of(300), vectors_of(310) + 1
    metric = ganzoo.Score("swd")
    with pytest.raises(UsageError, match=r"no real samples yet: give them with update\(samples, real=True\)"):
        metric.compute()
    metric.update(first, True)
    with pytest.raises(UsageError, match="no generated samples yet"):
        metric.compute()
    metric.update(second[:100], False)
    early = metric.compute()
    metric.update(second[100:], False)
    assert early == ganzoo.score(second[:100], first, "swd")
    assert metric.compute() == metric.compute() == ganzoo.score(second, first, "swd")
    metric.reset()
    with pytest.raises(UsageError, match="no real samples yet"):
        metric.compute()
    metric.update(torch.ones(30, 5), True)  # others than before

    kept = ganzoo.Score("swd", reset_real_features=False)
    kept.update(first, True)
    kept.update(first, False)
    assert kept.compute() == {"swd@identity": 0.0}
    kept.reset()
    kept.update(second, False)
    assert kept.compute() == ganzoo.score(second, first, "swd")
    kept.update(second, True)
    assert kept.compute() == ganzoo.score(second, torch.cat([first, second]), "swd")


def test_memory_that_is_used_again():
    metric, told = ganzoo.Score("swd"), vectors_of(300)
    for real in (True, False):
        batch = np.empty((3, 3), np.float32)
        for rows in told.split(3):
            batch[:] = rows
            metric.update(batch, real=real)
    assert metric.compute() == {"swd@identity": 0.0}
    metric.update(torch.ones(3, 3), real=False)
    assert metric.compute() == ganzoo.score(torch.cat([told, torch.ones(3, 3)]), told, "swd")


def test_a_batch_that_fails_is_not_there():
    fails = []

    def features(x):
        if fails:
            raise RuntimeError("no")
        return mean_colour(x)

    metric = ganzoo.Score("swd", extractor=features)
    metric.update(images(300), real=True)
    metric.update(images(250), real=False)
    told = metric.compute()
    fails.append(True)
    with pytest.raises(WorkError, match=r"the extractor features fails .* RuntimeError: no"):
        metric.update(images(10), real=False)
    fails.clear()
    assert metric.compute() == told


def test_a_copy_and_a_pickle_go_on_alone():
    metric = ganzoo.Score(["swd", "kl"])
    metric.update(vectors_of(300, 2), real=True)
    metric.update(vectors_of(310, 2), real=False)
    told = metric.compute()
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.compute() == told
        other.update(vectors_of(320, 2) + 3, real=False)
        assert other.compute() != told
    assert metric.compute() == told
    again = pickle.loads(pickle.dumps(told))
    assert (again, again.protocol) == (told, told.protocol)


def test_with_a_network_it_can_be_saved():
    metric = ganzoo.Score("swd", extractor=nn.Sequential(nn.Flatten(), nn.Linear(3, 2)))
    metric.update(vectors_of(300), real=True)
    metric.update(vectors_of(310), real=False)
    stream = io.BytesIO()
    torch.save(metric, stream)
    stream.seek(0)
    assert torch.load(stream, weights_only=False).compute() == metric.compute()


def test_pixels_are_kept_only_where_a_metric_looks_at_them():
    class Looks(Metric):
        """Looks at pixels."""

        needs = ("features",)
        higher_is_better = {"looks": None}
        says = {"looks": "the mean of all pixels"}

        def __call__(self, context):
            return {"looks": float(context.fake.x.double().mean())}

    class Says(Looks):
        """Looks at pixels, and says so."""

        needs = ("features", "images")

    METRICS.add("looks", Looks)
    METRICS.add("says", Says)
    x = images(300)

    def after(name):
        metric = ganzoo.Score(name, extractor=mean_colour)
        metric.update(x, real=True)
        metric.update(x, real=False)
        return metric

    assert after("says").compute() == {"looks@mean_colour": float(x.double().mean())}
    assert after("swd")._real.samples == []
    with pytest.raises(WorkError, match=r"metric 'looks' .* failed: .*meta"):
        after("looks").compute()


def test_to_a_device():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    metric = ganzoo.Score("swd", extractor=net)
    assert metric.to("cpu") is metric
    with pytest.raises(UsageError, match="not known"):
        metric.to("gpu")
    assert repr(metric) == "Score(swd by Sequential; 0 generated and 0 real samples)"


def test_modes_that_are_none_are_refused():
    x = torch.zeros(50, 2)
    with pytest.raises(ganzoo.UsageError, match=r"modes: expected ganzoo\.Modes"):
        ganzoo.score(x, x, "modes", modes=3)
