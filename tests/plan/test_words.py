"""Words check themselves when they are made, and are taken apart once."""

from __future__ import annotations

import json

import pytest

from ganzoo.errors import UsageError
from ganzoo.plan.config import Config
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import STABILIZERS
from ganzoo.registry.spec import Ref, Spec
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.open import open_stabilizer


def words(**more):
    return Words("mlp-gan", "ring8", **more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"steps": 0}, "--steps: expected a whole number of at least 1, got 0"),
        ({"batch_size": "many"}, "--batch-size: expected a whole number, got 'many'"),
        ({"lr_g": -1.0}, "--lr-g: expected a number above 0, got -1"),
        ({"label_smoothing": 0.5}, r"--label-smoothing: expected a number in \[0, 0.5\)"),
        ({"steps": 1, "epochs": 1.0}, "say the same thing twice"),
        ({"stabilizer": ["r1:gamma"]}, "'gamma' is no key=value"),
        ({"stabilizer": ["r3"]}, "no stabilizer 'r3': did you mean"),
        ({"stabilizer": ["r1:gama=1"]}, "stabilizer r1 has no option 'gama': did you mean gamma"),
        ({"stabilizer": ["skip-d"], "skip_d_below": 1.0}, "'skip-d' is given twice"),
        ({"loss": "hing"}, "no loss 'hing': did you mean hinge"),
        ({"set": ["width"]}, "--set width: expected key=value"),
        ({"set": {"model.wdth": 3}}, "did you mean width"),
        ({"set": {"width": "wide"}}, "--set width: expected a whole number"),
        ({"eval_metric": ["fidd"]}, "no metric 'fidd'"),
        ({"precision": "fp8"}, "--precision must be fp32, bf16 or fp16"),
    ],
)
def test_what_is_wrong_is_refused_when_they_are_made(more, said):
    with pytest.raises(UsageError, match=said):
        words(**more)


def test_text_becomes_what_it_means():
    made = words(
        steps="7",
        lr="1e-3",
        stabilizer=["none", "r1:gamma=2"],
        skip_d_below="0.3",
        set=["width=3", "n_dis=2"],
    )
    assert (made.steps, made.lr, made.skip_d_below) == (7, 1e-3, 0.3)
    assert made.stabilizer == (Spec("none"), Spec("r1", {"gamma": "2"}))
    assert made.stabilizers == [
        Spec("r1", {"gamma": 2.0, "interval": 1}),
        Spec("skip-d", {"below": 0.3, "momentum": 0.9, "max_skips": 10}),
    ]
    assert made.settings == {"model": {"width": 3}, "data": {}, "recipe": {"n_dis": 2}}
    assert Words("mlp-gan", "npy:some/file.npy").data == Ref("npy", "some/file.npy")


def test_one_text_is_a_list_of_one():
    made = words(stabilizer="r1", set="width=3", eval_metric="modes")
    assert (made.stabilizers, made.settings["model"], made.eval_metric) == (
        [Spec("r1", {"gamma": 1.0, "interval": 1})],
        {"width": 3},
        ("modes",),
    )


def test_a_word_goes_before_a_setting_of_the_same():
    made = words(
        set={"optimizer_g.lr": 0, "steps": 0, "optimizer_d.lr": 0.5}, lr_g=0.1, steps=3, device="cpu"
    )
    recipe = plan(made)[0].recipe
    assert (recipe.optimizer_g.lr, recipe.optimizer_d.lr, recipe.steps) == (0.1, 0.5, 3)
    with pytest.raises(UsageError, match="steps: expected a whole number of at least 1, got 0"):
        plan(words(set={"steps": 0}, device="cpu"))


class Mode(Stabilizer):
    """With an option of text, and one of anything."""

    def __init__(self, mode: str = "a", amount: object = None):
        super().__init__()
        self.given = mode, amount


class Comma(Mode):
    """Its default cannot be typed."""

    def __init__(self, mode: str = "a,b"):
        super().__init__(mode)


def test_a_run_has_the_options_that_it_will_have_when_it_is_read_again():
    with STABILIZERS.lent("mode", Mode), STABILIZERS.lent("comma", Comma):
        config, _ = plan(words(stabilizer="mode", device="cpu", steps=2))
        again = Config.from_json(json.loads(json.dumps(config.as_json())))
        assert again.recipe.stabilizers == config.recipe.stabilizers
        made = [open_stabilizer(one.recipe.stabilizers[0]) for one in (config, again)]
        assert made[0].given == made[1].given == ("a", "None")
        with pytest.raises(UsageError, match="'comma:mode=a,b': expected NAME:key=value"):
            plan(words(stabilizer="comma", device="cpu"))
