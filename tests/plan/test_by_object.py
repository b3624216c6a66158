"""Classes and objects in the place of names: the run is that of the words they stand for."""

from __future__ import annotations

import functools

import pytest
import torch

import ganzoo
from ganzoo import UsageError
from ganzoo.models.mlp import MLPGAN
from ganzoo.plan.by_object import own_recipe, settings, stabilizer_specs
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
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


HINGE = ganzoo.LOSSES.get("hinge")


@pytest.mark.parametrize(
    ("by_object", "by_word"),
    [
        ({"stabilizers": [R1(gamma=0.5)]}, {"stabilizers": ["r1:gamma=0.5"]}),
        ({"stabilizers": R1}, {"stabilizers": "r1"}),
        ({"loss": HINGE()}, {"loss": "hinge"}),
        ({"loss": HINGE}, {"loss": "hinge"}),
        ({"optimizer_g": torch.optim.SGD}, {"optimizer_g": ganzoo.Optimizer("sgd")}),
        ({"optimizer_d": "sgd"}, {"optimizer_d": ganzoo.Optimizer("sgd")}),
        (
            {"steps": "3", "optimizer_g": ganzoo.Optimizer(lr="0.1")},
            {"optimizer_g": ganzoo.Optimizer(lr=0.1)},
        ),
    ],
)
def test_an_object_in_a_recipe_is_the_words_it_stands_for(by_object, by_word):
    one, other = (ganzoo.Recipe(**{"steps": 3, "batch_size": 8, **words}) for words in (by_object, by_word))
    words = Words("mlp-gan", "ring8", own_recipe=one), Words("mlp-gan", "ring8", own_recipe=other)
    first, second = (plan(each)[0] for each in words)
    assert first.identity() == second.identity()
    assert first.recipe.steps == 3


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"loss": "hinge"}, 'expected "default", "paper" or an object of ganzoo.Recipe'),
        (ganzoo.Recipe, "an object of ganzoo.Recipe"),
        (ganzoo.Recipe(loss=3), "loss: expected a name"),
        (ganzoo.Recipe(stabilizers=[3]), "stabilizer: expected a name"),
        (ganzoo.Recipe(stabilizers={"r1": {}}), "stabilizer: expected a name"),
        (ganzoo.Recipe(optimizer_d=3), "optimizer: expected a name"),
        (ganzoo.Recipe(optimizer_d=ganzoo.Optimizer(lr="x")), r"optimizer_d\.lr: expected a number"),
        (ganzoo.Recipe(lr_schedule="linear"), "lr_schedule is a ganzoo.Schedule"),
        (ganzoo.Recipe(penalty_schedule=None), "penalty_schedule is a ganzoo.Schedule"),
        (ganzoo.Recipe(model=3), "model is a mapping"),
        (ganzoo.Recipe(conditional="x"), "conditional is true or false"),
        (ganzoo.Recipe(batch_size=2.5), "batch_size: expected a whole number"),
    ],
)
def test_a_recipe_that_is_none_is_refused(recipe, told):
    with pytest.raises(UsageError, match=told):
        ganzoo.train("mlp-gan", "ring8", recipe=recipe, progress=False)


def test_a_recipe_keeps_what_it_leaves_open():
    recipe = ganzoo.Recipe(lr_schedule=ganzoo.Schedule("linear", end=0.0))
    assert own_recipe(recipe) == recipe
    assert own_recipe(recipe).lr_schedule_d is None


@pytest.mark.parametrize("given", [{"r1": {"gamma": 50}}, 3, [None], {}])
def test_stabilizers_that_are_none_are_refused(given):
    with pytest.raises(UsageError, match=r"stabilizers?: expected"):
        stabilizer_specs(given)


@pytest.mark.parametrize(
    "given",
    [
        [("model.width", 8)],
        {"model": {"width": 8}},
        [("model", {"width": 8})],
        [["model.width", 8]],
        {"model": {"width": 9}, "model.width": 8},
    ],
)
def test_settings_as_pairs_and_as_mappings_in_mappings(given):
    assert settings(given, {}) == {"model.width": 8}


def test_options_of_an_optimizer_as_a_mapping():
    given = {"optimizer_g": {"lr": 0.1, "options": {"weight_decay": 0.1, "amsgrad": True}}}
    assert settings(given, {}) == {
        "optimizer_g.lr": 0.1,
        "optimizer_g.options": "weight_decay=0.1,amsgrad=True",
    }


@pytest.mark.parametrize(
    "given", [{3: 3}, 3, [3], None, ("model.width", 8), {"model": {3: 1}}, [("a", 1, 2)]]
)
def test_settings_that_are_none_are_refused(given):
    with pytest.raises(UsageError, match="set"):
        settings(given, {})
