"""Numbers of a recipe that make no sense are refused, each with its name."""

from __future__ import annotations

import math

import pytest

from ganzoo.errors import UsageError
from ganzoo.models.recipe import Recipe, Schedule
from ganzoo.registry import MODELS

NOT_FINITE = (math.nan, math.inf, -math.inf)
SCHEDULES = ("lr_schedule", "lr_schedule_d", "penalty_schedule", "ema_schedule")
WRONG = {
    **{f"{name}.{part}": (*NOT_FINITE, -0.5, -1.0) for name in SCHEDULES for part in ("start", "end")},
    **{f"{name}.until": (*NOT_FINITE, 0.0, -1.0) for name in SCHEDULES},
    **{f"{name}.warmup": (*NOT_FINITE, -0.1, 1.0, 2.0) for name in SCHEDULES},
    **{f"{name}.steps": (0, -1, 1.5, math.nan) for name in SCHEDULES},
    **{f"{name}.kind": ("lin",) for name in SCHEDULES},
    **{f"optimizer_{net}.lr": (*NOT_FINITE, 0.0, -1.0) for net in "gd"},
    **{f"optimizer_{net}.eps": (*NOT_FINITE, -1e-8) for net in "gd"},
    **{
        f"optimizer_{net}.{part}": (*NOT_FINITE, 1.0, -0.1)
        for net in "gd"
        for part in ("beta1", "beta2", "momentum")
    },
    "ema_halflife": (*NOT_FINITE, -1.0),
    "ema_ramp": (*NOT_FINITE, 0.0, -1.0),
    **{f"optimizer_{net}.kind": ("adm", "lbfgs", "sparseadam") for net in "gd"},
    **dict.fromkeys(("steps", "batch_size", "n_dis", "accumulate"), (0, -1, 2.5, math.nan)),
    "checkpoint_activations": (0, 1.0, "yes"),
}
CASES = [(key, value) for key, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("key", "value"), CASES)
def test_a_number_without_a_meaning_is_refused_by_name(key, value):
    with pytest.raises(UsageError, match=rf"^{key.replace('.', '[.]')}"):
        Recipe().with_settings({key: value}).check()


def test_every_number_of_a_recipe_is_among_them():
    assert {key for key, value in Recipe().settings().items() if not isinstance(value, str)} == {
        key for key in WRONG if not key.endswith(".kind")
    }


def test_a_learning_rate_of_0_throughout_is_refused():
    for schedule in (Schedule(start=0.0), Schedule("linear", 0.0, 0.0)):
        with pytest.raises(UsageError, match="lr_schedule is 0 from start to end"):
            Recipe(lr_schedule=schedule).check()
    for schedule in (Schedule("linear", 0.0, 1.0), Schedule("cosine", 1.0, 0.0)):
        Recipe(lr_schedule=schedule, penalty_schedule=Schedule(start=0.0), ema_schedule=schedule).check()


def test_recipes_of_the_zoo_make_sense():
    for name in MODELS.names():
        for recipe in MODELS.get(name).recipes.values():
            recipe.check()


def test_a_schedule_that_changes():
    assert Schedule("linear", 1.0, 0.5).changes
    for schedule in (Schedule("const", 1.0, 0.5), Schedule("cosine", 0.5, 0.5), Schedule()):
        assert not schedule.changes
        assert len({schedule.at(t) for t in (0.0, 0.3, 1.0)}) == 1
