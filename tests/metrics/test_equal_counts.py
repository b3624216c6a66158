"""A value of real data is of as many samples as the score beside it, or is not shown."""

from __future__ import annotations

import json

import pytest
import torch

from ganzoo.data.open import open_dataset
from ganzoo.metrics.context import Context, Samples, order
from ganzoo.metrics.extrapolated import FIDInfinity
from ganzoo.metrics.frechet import FID
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given
from ganzoo.registry import METRICS
from ganzoo.running.evaluation import evaluate
from ganzoo.table.read import Group
from ganzoo.testing.metrics import Digits, Ring

AT = "@mnist-cnn-v1"
# What a perfect generator of n samples would score is known, and does not come from held-out samples.
EXACT = {"memorization", "modes", "hq", "mode_std", "reverse_kl", "reverse_kl_all", "probe_accuracy",
         "label_kl", "label_js", "label_js_distance"}  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return open_dataset("mnist-5k", {})


def too_many(data):
    """Twice as many samples as are held out: those themselves, and some that are far from all data."""
    x, y = data.test.all()
    return torch.cat([x, 255 - x]), torch.cat([y, y])


def plain(scores):
    return {key.partition("@")[0] for key in scores}


def test_no_value_of_fewer_real_samples(digits):
    x, y = too_many(digits)
    made = Evaluation([], digits, offline=True, given=Given(labels=True))(x, y, progress=False)
    assert plain(made["real"]) <= EXACT
    assert 800 <= made["matched"]["n"] == made["protocol"]["n_held_out"] <= 1000
    assert plain(made["scores"]) - plain(made["matched"]["scores"]) <= EXACT
    assert made["matched"]["scores"].keys() == made["matched"]["real"].keys()
    assert any("fewer than the 2000 generated ones" in note for note in made["notes"])


def test_both_sides_at_as_many_as_are_held_out(digits):
    x, _ = too_many(digits)
    metrics = ["fid", "density-coverage", "is"]
    made = Evaluation(metrics, digits, offline=True)(x, progress=False)
    few = order(len(x))[: made["matched"]["n"]]
    alone = Evaluation(metrics, digits, offline=True)(x[few], progress=False)
    assert made["matched"]["scores"] == pytest.approx(alone["scores"])
    assert made["matched"]["real"] == pytest.approx(alone["real"])
    assert "matched" not in alone


@pytest.mark.parametrize("name", METRICS.names())
def test_real_samples_handed_in_score_as_real_data(name):
    """Over every metric: held-out samples are their own floor, and where the value is known, near to it."""
    for data in (Digits(), Ring()):
        try:
            evaluation = Evaluation([name], data, offline=True, given=Given(labels=True))
        except ValueError:
            continue  # it needs what these data do not have
        x, y = data.test.all()
        made = evaluation(x, y, progress=False)
        for key, real in made["real"].items():
            score = made["scores"][key]
            if key.partition("@")[0] in EXACT:
                assert score == pytest.approx(real, rel=0.6, abs=0.12), key
            else:
                assert score == real, key


def test_the_table_of_older_results_shows_no_unequal_value():
    protocol = {"n_fake": 10_000, "n_held_out": 1_000, "n_real": 4_000, "reference": "train"}
    row = {"scores": {"fid": 1.0}, "real": {"fid": 0.1}, "protocol": protocol}
    group = Group("mnist-5k", "dcgan", "default", done=[row])
    assert group.real("fid") == []
    row["protocol"] = {**protocol, "n_held_out": 10_000}
    assert group.real("fid") == [0.1]
    assert group.measured() == ["10,000 generated samples against 4,000 of the train split"]


def test_each_class_beside_as_many_real_ones(digits):
    x, y = digits.test.all()
    wrong = torch.where(y == 3, 7, y)  # all that are called 7 and half of what looks so
    made = evaluate(x, "mnist-5k", ["precision-recall"], labels=wrong, per_class=True, progress=False)
    rows = {row["class"]: row for row in made["per_class"]}
    assert list(rows) == [str(i) for i in range(10)]
    assert (rows["0"]["n"], rows["0"]["n_real"], rows["3"]["n"]) == (100, 400, 0)
    assert rows["0"]["scores"] == rows["0"]["real"]
    assert rows["0"]["scores"][f"conditional_accuracy{AT}"] > 0.97
    assert rows["7"]["scores"][f"conditional_accuracy{AT}"] == pytest.approx(0.5, abs=0.1)
    assert rows["7"]["scores"][f"precision{AT}"] < rows["7"]["real"][f"precision{AT}"] - 0.2
    json.dumps(made)


def test_per_class_needs_labels(digits):
    x, _ = digits.test.all()
    with pytest.raises(ValueError, match="--per-class needs labels"):
        evaluate(x, "mnist-5k", ["fid"], per_class=True, progress=False)
    with pytest.raises(ValueError, match="says nothing of one class"):
        evaluate(x, "mnist-5k", ["is"], per_class=True, progress=False)


def test_fid_infinity_takes_the_bias_out():
    """Of two samples of one normal distribution FID grows as 1/n; its limit does not."""

    class Same:
        name, weights_hash, remembered = "same", "", False

        def __call__(self, x):
            return {"features": x, "logits": None}

    draw = torch.Generator().manual_seed(0)
    real = Samples("train", torch.randn(50_000, 10, generator=draw), None, Same())
    biased, unbiased = [], []
    for _ in range(8):
        fake = Samples("generated", torch.randn(600, 10, generator=draw) + 0.1, None, Same())
        context = Context(None, fake, real, real)
        biased.append(FID()(context)["fid"])
        unbiased.append(FIDInfinity()(context)["fid_infinity"])
    truth = 10 * 0.1**2
    mean = sum(unbiased) / 8
    assert mean == pytest.approx(truth, abs=0.025)
    assert sum(biased) / 8 > truth + 0.05


def test_held_out_samples_of_a_stratified_split_are_drawn(digits):
    """Exactly 100 of each digit would flatter real data: the classes of generated samples are drawn too."""
    (x, y), (train, labels) = digits.test.all(), digits.train.all()
    real = Samples("train", train, labels, None), Samples("test", x, y, None)

    def held_out(n, apportioned):
        fake = Samples("generated", train[:n], labels[:n], None)
        return Context(digits, fake, *real, apportioned=apportioned).held_out

    drawn = torch.bincount(held_out(800, False).y).double()
    assert drawn.sum() == 800
    assert 2 < ((drawn - 80).square() / 80).sum() < 17  # chi-square of 9 degrees of freedom: 1 in 100 each
    assert torch.bincount(held_out(800, True).y).tolist() == [80] * 10
    assert torch.bincount(held_out(1000, True).y).tolist() == [100] * 10
    few = held_out(1000, False)
    assert 800 <= len(few) < 1000
    assert len({tuple(row.tolist()) for row in few.x.flatten(1)[:, 200:500]}) == len(few)  # no digit twice


def test_fewer_samples_keep_the_shares_that_all_have(digits):
    x, y = digits.train.all()
    real = Samples("train", x, y, None), Samples("test", *digits.test.all(), None)
    context = Context(digits, Samples("generated", x, y, None), *real, apportioned=True)
    assert torch.bincount(context.fewer().fake.y).tolist() == [100] * 10
