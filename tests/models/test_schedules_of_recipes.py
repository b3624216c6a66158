"""Schedules: every kind in closed form, what is refused, and one for each net."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path

import pytest

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.plan.config import Config
from ganzoo.running.budget import change_of_schedules
from ganzoo.testing.training import tiny, want_exact_resume
from ganzoo.training.trainer import Trainer

TIMES = (0.0, 0.25, 0.5, 0.999, 1.0)
RING = "--dataset ring8 --batch-size 8 --set width=8 --set d_width=8 --steps 4"


def values(*schedule, **more):
    return [Schedule(*schedule, **more).at(t) for t in TIMES]


def test_a_constant_is_its_start():
    assert values("const", 0.3, 9.0) == [0.3] * 5
    assert values() == [1.0] * 5


def test_linear():
    assert values("linear", 2.0, 1.0) == pytest.approx([2.0, 1.75, 1.5, 1.001, 1.0])
    assert values("linear", 0.0, 1.0, 0.5) == pytest.approx([0.0, 0.5, 1.0, 1.0, 1.0])
    assert values("linear", 1.0, 0.0, 2.0) == pytest.approx([1.0, 0.875, 0.75, 0.5005, 0.5])


def test_cosine():
    """Half a wave: cos(pi / 4) = 0.7071 at a quarter of the way."""
    assert values("cosine", 3.0, 1.0) == pytest.approx(
        [3.0, 2 + math.sqrt(0.5), 2.0, 2 + math.cos(0.999 * math.pi), 1.0]
    )
    assert values("cosine", 1.0, 0.0, 0.5) == pytest.approx([1.0, 0.5, 0.0, 0.0, 0.0], abs=1e-12)


def test_exponential_goes_by_equal_ratios():
    assert values("exponential", 1.0, 1 / 16) == pytest.approx([1.0, 0.5, 0.25, 2 ** (-4 * 0.999), 1 / 16])
    assert values("exponential", 0.01, 1.0, 0.5) == pytest.approx([0.01, 0.1, 1.0, 1.0, 1.0])


def test_steps_jump_evenly_by_equal_ratios():
    assert values("step", 1.0, 0.01, steps=2) == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01])
    assert values("step", 1.0, 16.0, steps=4) == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0])
    assert values("step", 1.0, 0.1) == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.1])
    assert values("step", 8.0, 1.0, 0.5, 3) == pytest.approx([8.0, 4.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("jumps", [3, 7, 100, 1000])
def test_each_jump_is_made_at_its_step(jumps):
    """Of a plan in which jump k falls on step k, and on none before: 29 / 100 * 100 is under 29."""
    schedule = Schedule("step", 1.0, 2.0**-8, steps=jumps)
    for k in range(jumps + 1):
        assert schedule.at(k / jumps) == pytest.approx(2.0 ** (-8 * k / jumps), rel=1e-12)
        if k:
            before = schedule.at((k - 0.001) / jumps)
            assert before == pytest.approx(2.0 ** (-8 * (k - 1) / jumps), rel=1e-12)


@pytest.mark.parametrize("kind", ["linear", "cosine", "exponential", "step"])
@pytest.mark.parametrize("until", [0.3, 1.0])
def test_every_kind_goes_from_start_to_end_in_one_direction_and_stays_there(kind, until):
    schedule = Schedule(kind, 0.9, 0.2, until, steps=5)
    assert schedule.at(0.0) == pytest.approx(0.9)
    assert schedule.at(until) == pytest.approx(0.2)
    assert schedule.at(1.0) == schedule.at(until)
    seen = [schedule.at(i / 200) for i in range(201)]
    assert all(a >= b for a, b in itertools.pairwise(seen))
    assert len(set(seen)) == {"step": 6}.get(kind, 1 + round(200 * until))
    assert schedule.changes


@pytest.mark.parametrize("kind", ["const", "linear", "cosine", "exponential", "step"])
def test_a_warmup_is_a_straight_line_times_it(kind):
    plain, warm = (Schedule(kind, 1.0, 0.5, warmup=share) for share in (0.0, 0.4))
    assert warm.at(0.0) == 0.0
    for t in (0.1, 0.2, 0.3):
        assert warm.at(t) == pytest.approx(t / 0.4 * plain.at(t))
    for t in (0.4, 0.7, 1.0):
        assert warm.at(t) == plain.at(t)
    assert warm.changes


def test_what_changes_nothing_says_so():
    assert not Schedule().changes
    assert not Schedule("const", 1.0, 0.1).changes
    assert not Schedule("linear", 0.5, 0.5).changes
    assert Schedule("linear", 0.5, 0.4).changes
    assert Schedule(warmup=0.1).changes


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule("cosin"), "lr_schedule.kind=cosin: did you mean cosine"),
        (Schedule("linear", until=0.0), "lr_schedule.until: expected a number above 0"),
        (Schedule("linear", until=float("inf")), "lr_schedule.until: expected a finite number"),
        (Schedule("step", steps=0), "lr_schedule.steps: expected a whole number of at least 1, got 0"),
        (Schedule("step", steps=10**10), "lr_schedule.steps: expected a whole number of at most"),
        (Schedule("linear", start=-1.0), "lr_schedule.start: expected a number of at least 0, got -1"),
        (Schedule("linear", end=float("nan")), "lr_schedule.end: expected a finite number"),
        (Schedule(warmup=-0.1), "lr_schedule.warmup: expected a number of at least 0"),
        (Schedule(warmup=1.0), r"lr_schedule.warmup: expected a share of the plan in \[0, 1\), got 1"),
        (Schedule("exponential", end=0.0), "lr_schedule.kind=exponential goes by ratios: expected start and"),
        (Schedule("step", start=0.0), "lr_schedule.kind=step goes by ratios"),
        (Schedule("linear", 0.0, 0.0), "lr_schedule is 0 from start to end"),
        (Schedule("const", 0.0, 1.0), "lr_schedule is 0 from start to end"),
    ],
)
def test_nonsense_is_refused(schedule, words):
    with pytest.raises(UsageError, match=words):
        Recipe(lr_schedule=schedule).check()
    with pytest.raises(UsageError, match=words.replace("lr_schedule", "lr_schedule_d", 1)):
        Recipe(lr_schedule_d=schedule).check()
    Recipe(lr_schedule=Schedule("linear", 0.0, 1.0), penalty_schedule=Schedule("linear", 0.0, 0.0)).check()


@pytest.mark.parametrize("name", ["penalty_schedule", "ema_schedule"])
def test_other_schedules_are_held_to_the_same(name):
    with pytest.raises(UsageError, match=f"{name}.kind=step goes by ratios"):
        Recipe(**{name: Schedule("step", 1.0, 0.0)}).check()


# One for each net.

OWN = Schedule("exponential", 1.0, 0.01)


def rates(config, data):
    trainer, seen = Trainer(config, data), []
    for _ in range(config.recipe.steps):
        trainer.one_step()
        seen.append([o.param_groups[0]["lr"] for o in (trainer.optimizer_g, trainer.optimizer_d)])
    return list(map(list, zip(*seen, strict=True)))


def test_ds_own_schedule_reaches_ds_optimizer_only():
    words = ["width=8", "d_width=8", "lr_schedule.kind=linear", "lr_schedule.end=0.5"]
    own = ["lr_schedule_d.kind=exponential", "lr_schedule_d.end=0.01"]
    for given, of_d in (([], Schedule("linear", 1.0, 0.5)), (own, OWN)):
        config, data = tiny("mlp-gan", (2,), lr_g=0.1, lr_d=0.2, set=[*words, *given])
        g, d = rates(config, data)
        assert g == pytest.approx([0.1 * (1 - t / 2) for t in (0, 0.25, 0.5, 0.75)])
        assert d == pytest.approx([0.2 * of_d.at(t) for t in (0, 0.25, 0.5, 0.75)])
        want_exact_resume(config, data, "with a schedule of D's own")


@pytest.mark.parametrize("order", [1, -1])
def test_what_ds_own_leaves_open_is_that_of_both(order):
    """Whatever is said first."""
    given = {"lr_schedule_d.end": 0.1, "lr_schedule.kind": "linear", "lr_schedule.until": 0.5}
    recipe = Recipe().with_settings(dict(list(given.items())[::order]))
    assert recipe.lr_schedule == Schedule("linear", 1.0, 1.0, 0.5)
    assert recipe.lr_schedule_d == Schedule("linear", 1.0, 0.1, 0.5)


def test_without_one_of_its_own_d_has_that_of_both():
    recipe = Recipe(lr_schedule=OWN)
    assert recipe.lr_schedules() == {"g": OWN, "d": OWN}
    assert Recipe(lr_schedule_d=OWN).lr_schedules() == {"g": Schedule(), "d": OWN}
    assert recipe.settings()["lr_schedule_d.kind"] == "exponential"


def test_the_first_step_of_a_warmup_moves_nothing_and_the_next_do():
    words = ["width=8", "d_width=8", "lr_schedule.kind=const", "lr_schedule.warmup=0.5"]
    config, data = tiny("mlp-gan", (2,), lr=0.1, set=words)
    assert rates(config, data) == [pytest.approx([0.0, 0.05, 0.1, 0.1])] * 2


def test_from_the_command_line_and_back(ganzoo):
    words = "--set lr_schedule_d.kind=step --set lr_schedule_d.steps=2 --set lr_schedule_d.end=0.25"
    assert ganzoo(f"run mlp-gan {RING} {words} --set lr_schedule.warmup=0.1 --out X").code == 0
    config = Config.read(Path("X/config.json"))
    assert config.recipe.lr_schedule_d == dataclasses.replace(
        config.recipe.lr_schedule, kind="step", steps=2, end=0.25
    )
    assert config.recipe.lr_schedule.warmup == 0.1
    assert Config.from_json(json.loads(json.dumps(config.as_json()))) == config
    assert ganzoo("resume X --steps 6").code == 0
    assert "cosine" in ganzoo(f"run mlp-gan {RING} --set lr_schedule_d.kind=cosin --out Y").sentence
    said = json.loads(Path("X/config.json").read_text())
    said["recipe"]["lr_schedule_d"]["steps"] = 0
    Path("X/config.json").write_text(json.dumps(said))
    assert "lr_schedule_d.steps: expected a whole number" in ganzoo("resume X --steps 8").sentence


# What is said where a budget grows.


def sentence(recipe, done, before, after, kept_to):
    def config(steps, schedule_steps):
        return Config(**{
            **dict.fromkeys(f.name for f in dataclasses.fields(Config)),
            "recipe": dataclasses.replace(recipe, steps=steps), "schedule_steps": schedule_steps,
            "callbacks": (),
        })  # fmt: skip

    return change_of_schedules(config(before, 0), config(after, kept_to), done)


def test_the_budgets_sentence_has_each_nets_own():
    recipe = Recipe(
        optimizer_g=Optimizer(lr=0.1),
        optimizer_d=Optimizer(lr=0.4),
        lr_schedule_d=Schedule("linear", 1.0, 0.5),
    )
    assert sentence(recipe, 4, 4, 8, 0) == (
        "the schedules are stretched over 8 steps: at step 4 the learning rate of G goes from 0.1 to 0.1, "
        "that of D goes from 0.2 to 0.3"
    )
    assert sentence(recipe, 4, 4, 8, 4) == (
        "the schedules keep to their plan of 4 steps: from its end on the learning rate of G stays at 0.1, "
        "that of D stays at 0.2; --reschedule stretches them over 8 steps"
    )


def test_nothing_more_is_learnt_where_both_rates_end_at_0():
    gone = Schedule("linear", 1.0, 0.0)
    assert "so that nothing more is learnt" in sentence(Recipe(lr_schedule=gone), 4, 4, 8, 4)
    one = sentence(Recipe(lr_schedule_d=gone), 4, 4, 8, 4)
    assert "that of D stays at 0;" in one
    assert "nothing more" not in one


def test_constant_schedules_are_not_worth_a_word():
    assert sentence(Recipe(), 4, 4, 8, 0) == sentence(Recipe(), 4, 4, 8, 4) == ""
    assert sentence(Recipe(lr_schedule_d=Schedule()), 4, 4, 8, 4) == ""
    assert sentence(Recipe(lr_schedule_d=OWN), 4, 4, 4, 0) == ""
    # Penalties without a stabilizer, and the half-life without an average, are none.
    assert sentence(Recipe(penalty_schedule=OWN, ema_schedule=OWN, ema_halflife=0.0), 4, 4, 8, 4) == ""


def test_a_run_whose_d_has_its_own_goes_on(capsys):
    words = {
        "model": "mlp-gan", "dataset": "ring8", "batch_size": 8, "progress": False, "lr": 0.1,
        "set": {"width": 8, "d_width": 8, "lr_schedule_d.kind": "linear", "lr_schedule_d.end": 0.5,
                "lr_schedule.kind": "const"},
    }  # fmt: skip
    run = ganzoo.train(**words, steps=2)
    capsys.readouterr()
    ganzoo.resume(run.path, steps=4, progress=False)
    assert "the learning rate of G stays at 0.1, that of D stays at 0.05" in capsys.readouterr().err
