"""Classes and objects in the place of names: the run is that of the words they stand for."""

from __future__ import annotations

import functools

import pytest
import torch

import ganzoo
from ganzoo import UsageError
from ganzoo.models.mlp import MLPGAN
from ganzoo.plan.by_object import settings
from ganzoo.registry import LOSSES, MODELS, STABILIZERS
from ganzoo.registry.named import name_of, spec_of
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.gradients import ClipGradNorm
from ganzoo.stabilizers.penalties import R1

WORDS = {"dataset": "ring8", "steps": 3, "batch_size": 8, "progress": False}


def weights(run):
    return torch.cat([p.flatten() for p in run.generator.parameters()])


@pytest.mark.parametrize(
    ("by_object", "by_word"),
    [
        ({"loss": ganzoo.LOSSES.get("hinge")}, {"loss": "hinge"}),
        ({"loss": ganzoo.LOSSES.get("hinge")()}, {"loss": "hinge"}),
        ({"stabilizers": [R1(gamma=0.5)]}, {"stabilizer": ["r1:gamma=0.5"]}),
        ({"stabilizers": R1(0.5)}, {"stabilizer": "r1:gamma=0.5"}),
        ({"stabilizer": [R1, ClipGradNorm(max=1.0)]}, {"stabilizer": ["r1", "clip-grad-norm:max=1"]}),
        (
            {"optimizer": torch.optim.AdamW},
            {"set": {"optimizer_g.kind": "adamw", "optimizer_d.kind": "adamw"}},
        ),
        ({"optimizer_d": "sgd"}, {"set": {"optimizer_d.kind": "sgd"}}),
        (
            {"optimizer_g": functools.partial(torch.optim.Adam, lr=1e-2, betas=(0.1, 0.2), weight_decay=0.1)},
            {
                "set": {
                    "optimizer_g.lr": 1e-2,
                    "optimizer_g.beta1": 0.1,
                    "optimizer_g.beta2": 0.2,
                    "optimizer_g.options": "weight_decay=0.1",
                }
            },
        ),
    ],
)
def test_an_object_is_the_words_it_stands_for(by_object, by_word):
    one, other = (ganzoo.train("mlp-gan", **WORDS, **words) for words in (by_object, by_word))
    assert one.config.identity() == other.config.identity()
    assert torch.equal(weights(one), weights(other))


def test_a_model_may_be_a_class_that_nobody_registered():
    class MyOwnGAN(MLPGAN):
        """Mine."""

    run = ganzoo.train(MyOwnGAN, **WORDS)
    assert (run.config.model, "my-own-gan" in MODELS.names()) == ("my-own-gan", True)
    assert type(ganzoo.load(run.path).model) is MyOwnGAN
    assert name_of(MODELS, MyOwnGAN) == "my-own-gan"
    assert name_of(MODELS, MLPGAN) == "mlp-gan"


def test_a_class_that_is_defined_anew_takes_the_place_of_the_one_before():
    def cell():
        class Mine(MLPGAN):
            """Mine."""

        return Mine

    first, second = cell(), cell()
    assert name_of(MODELS, first) == name_of(MODELS, second) == "mine"
    assert MODELS.get("mine") is second


def test_a_class_does_not_take_a_name_that_is_taken():
    class DCGAN(MLPGAN):
        """Not that one."""

    with pytest.raises(UsageError, match="already"):
        ganzoo.train(type("Dcgan", (MLPGAN,), {"__doc__": "No."}), **WORDS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MyGAN", "my-gan"),
        ("WGANGP2", "wgangp2"),
        ("GAN", "gan"),
        ("my_gan", "my-gan"),
        ("ABCGan", "abc-gan"),
    ],
)
def test_names_of_classes_are_those_of_members(name, expected):
    assert name_of(MODELS, type(name, (MLPGAN,), {"__doc__": "x"})) == expected


def test_losses_of_ones_own_have_options():
    class Scaled(ganzoo.Loss):
        """D(fake) - D(real), times a factor."""

        def __init__(self, factor: float = 1.0):
            self.factor = factor

        def d(self, real, fake, *, real_target=1.0):
            return self.factor * (fake - real).mean()

        def g(self, fake, real=None):
            return -self.factor * fake.mean()

    run = ganzoo.train("mlp-gan", loss=Scaled(factor=0.5), **WORDS)
    assert run.config.recipe.loss == "scaled:factor=0.5"
    assert torch.equal(weights(run), weights(ganzoo.train("mlp-gan", loss="scaled:factor=0.5", **WORDS)))
    assert not torch.equal(weights(run), weights(ganzoo.train("mlp-gan", loss=Scaled, **WORDS)))
    with pytest.raises(UsageError, match="facto"):
        ganzoo.train("mlp-gan", loss="scaled:facto=2", **WORDS)


def test_a_recipe_may_be_given_whole():
    recipe = ganzoo.Recipe(loss="hinge", batch_size=8, steps=2, optimizer_g=ganzoo.Optimizer(lr=1e-3))
    run = ganzoo.train("mlp-gan", "ring8", recipe=recipe, progress=False)
    assert (run.config.recipe_name, run.config.recipe.loss, run.steps_done) == ("own", "hinge", 2)


class Counts(ganzoo.Callback):
    """Looks on itself."""

    def __init__(self):
        self.steps, self.rows, self.ended = 0, 0, 0

    def after_step(self, trainer):
        self.steps += 1

    def after_log(self, trainer, row):
        self.rows += 1

    def at_end(self, trainer):
        self.ended += 1


def test_callbacks_may_be_objects_which_look_on_themselves():
    counts = Counts()
    run = ganzoo.train("mlp-gan", callbacks=[counts], **WORDS)
    assert (counts.steps, counts.rows > 0, counts.ended) == (3, True, 1)
    assert run.config.callbacks == ()
    assert torch.equal(weights(run), weights(ganzoo.train("mlp-gan", **WORDS)))
    more = Counts()
    ganzoo.resume(run.path, steps=5, callbacks=[more], progress=False)
    assert more.steps == 2


def test_a_callback_that_fails_is_named():
    class Fails(ganzoo.Callback):
        def after_step(self, trainer):
            raise RuntimeError("no")

    with pytest.raises(ganzoo.WorkError, match="callback Fails fails in after_step: RuntimeError: no"):
        ganzoo.train("mlp-gan", callbacks=[Fails()], **WORDS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"loss": 5}, "loss: expected a name"),
        ({"loss": R1()}, "loss: expected a name"),
        ({"stabilizers": [5]}, "stabilizer: expected a name"),
        ({"optimizer": torch.optim.LBFGS}, "lbfgs"),
        ({"optimizer": 5}, "optimizer: expected a name"),
        ({"optimizer": "adm"}, "adam"),
        ({"optimizer": "adam", "optimizer_g": "sgd"}, "of both nets"),
        ({"optimizer": functools.partial(torch.optim.Adam, weight_deca=1)}, "weight_deca"),
        ({"callbacks": [5]}, "callbacks: expected a name"),
        ({"callbacks": [Counts]}, "callbacks: expected a name"),
        ({"y": [1]}, "give its name alone"),
        ({"data": "ring8"}, "once"),
        ({"dataset": None}, "say what to train on"),
        ({"sead": 1}, "seed"),
    ],
)
def test_what_stands_for_nothing_is_refused(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        ganzoo.train("mlp-gan", **{**WORDS, **words})


@pytest.mark.parametrize("model", [5, MLPGAN((2,)), R1, "mlp-gam"])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(UsageError, match="model"):
        ganzoo.train(model, **WORDS)


@pytest.mark.parametrize(("registry", "kind"), [(LOSSES, "loss"), (STABILIZERS, "stabilizer")])
def test_every_member_comes_back_from_its_object(registry, kind):
    base = {"loss": ganzoo.Loss, "stabilizer": ganzoo.Stabilizer}[kind]
    for name in registry.names():
        made = registry.make(name)
        assert spec_of(registry, made, base) == Spec(name)
        assert spec_of(registry, type(made), base) == Spec(name)


def test_settings_of_the_user_go_before_those_of_an_optimizer():
    assert settings(["optimizer_g.lr=3"], {"g": functools.partial(torch.optim.SGD, lr=1.0), "d": None}) == {
        "recipe.optimizer_g.kind": "sgd",
        "recipe.optimizer_g.lr": 1.0,
        "optimizer_g.lr": "3",
    }
