"""A larger budget leaves the schedules as they were made, unless they are to be stretched; and says so."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from resuming import StopAt, assert_same

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.recipe import Schedule
from ganzoo.plan.config import Config
from ganzoo.running import training as runs
from ganzoo.training.checkpoint import load_checkpoint, saved
from ganzoo.training.trainer import Trainer

WORDS = {
    "model": "mlp-gan", "dataset": "ring8", "batch_size": 16, "stabilizer": ["r1"], "seed": 2,
    "progress": False, "lr_g": 0.01, "lr_d": 0.02,
    "set": {"width": 8, "d_width": 8, "lr_schedule.kind": "cosine", "lr_schedule.end": 0.1,
            "penalty_schedule.kind": "linear", "penalty_schedule.end": 0.5,
            "ema_schedule.kind": "linear", "ema_schedule.start": 0.25},
}  # fmt: skip
NAMES = ("the learning rate of G", "that of D", "the factor on penalties")


@pytest.fixture
def rates(monkeypatch):
    """What every step of a run from now on is made with: {step: (t, lr of G, lr of D, penalty scale)}."""
    seen: dict[int, tuple[float, ...]] = {}
    one_step = Trainer.one_step

    def watched(trainer):
        step = trainer.step
        one_step(trainer)
        groups = (optimizer.param_groups[0]["lr"] for optimizer in (trainer.optimizer_g, trainer.optimizer_d))
        now, t, scale = trainer._make_step.now
        assert now == step
        seen[step] = (t, *groups, scale)

    monkeypatch.setattr(Trainer, "one_step", watched)
    return seen


def expected(t: float) -> tuple[float, ...]:
    lr, penalty = Schedule("cosine", 1.0, 0.1), Schedule("linear", 1.0, 0.5)
    return t, 0.01 * lr.at(t), 0.02 * lr.at(t), penalty.at(t)


def test_they_keep_to_the_plan_that_they_were_made_for(rates, capsys):
    run = ganzoo.train(**WORDS, steps=4)
    rates.clear()
    capsys.readouterr()
    run = ganzoo.resume(run.path, steps=7, progress=False)
    assert rates == {step: pytest.approx(expected(1.0)) for step in (4, 5, 6)}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for piece in (
        "note: the schedules keep to their plan of 4 steps", "the learning rate of G stays at 0.001,",
        "that of D stays at 0.002", "the factor on penalties stays at 0.5", "half-life stays at 1;",
        "--reschedule stretches them over 7 steps",
    ):  # fmt: skip
        assert piece in said
    rates.clear()
    run = ganzoo.resume(run.path, steps=9, progress=False)  # and once more
    assert rates == {step: pytest.approx(expected(1.0)) for step in (7, 8)}
    assert run.config.schedule_steps == run.config.first_steps == 4


def test_stretched_they_go_on_over_the_new_budget(rates, capsys):
    run = ganzoo.train(**WORDS, steps=4)
    rates.clear()
    capsys.readouterr()
    ganzoo.resume(run.path, steps=8, reschedule=True, progress=False)
    assert rates == {step: pytest.approx(expected(step / 8)) for step in range(4, 8)}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for piece in (
        "the schedules are stretched over 8 steps: at step 4 ",
        "the learning rate of G goes from 0.001 to 0.0055",
        "that of D goes from 0.002 to 0.011", "penalties goes from 0.5 to 0.75",
        "half-life goes from 1 to 0.625",
    ):  # fmt: skip
        assert piece in said
    assert "--reschedule" not in said


def test_in_mid_plan_nothing_changes_before_its_end(rates):
    """3 of 4 steps, then a budget of 6: the 4th step is that of the plan, and the others those of its end."""
    with stopping(3):
        ganzoo.train(**WORDS, steps=4, out="X")
    rates.clear()
    ganzoo.resume("X", steps=6, progress=False)
    assert rates == {step: pytest.approx(expected(min(1.0, step / 4))) for step in (3, 4, 5)}


@contextmanager
def stopping(at: int):
    """Runs that are trained in this block are asked to stop after so many steps, as by Ctrl-C."""
    original = runs.Trainer

    def with_stop(config, dataset, callbacks, stop):
        return original(config, dataset, [StopAt(at), *callbacks], stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "Trainer", with_stop)
        yield


def test_a_kept_schedule_may_be_stretched_while_steps_are_left(rates, capsys):
    run = ganzoo.train(**WORDS, steps=2)
    with stopping(5):
        ganzoo.resume(run.path, steps=8, progress=False)
    rates.clear()
    capsys.readouterr()
    ganzoo.resume(run.path, reschedule=True, progress=False)
    assert rates == {step: pytest.approx(expected(step / 8)) for step in (5, 6, 7)}
    assert (
        "stretched over 8 steps: at step 5 the learning rate of G goes from 0.001 to"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("steps", [None, 4])
@pytest.mark.parametrize("done", [True, False])
def test_without_a_larger_budget_there_is_nothing_to_stretch_over(steps, done):
    if done:
        ganzoo.train(**WORDS, steps=4, out="X")
    else:
        with stopping(2):
            ganzoo.train(**WORDS, steps=4, out="X")
    before = Path("X/config.json").read_bytes()
    with pytest.raises(UsageError, match=r"--reschedule .* stays at 4 steps: say how many with --steps N"):
        ganzoo.resume("X", steps=steps, reschedule=True, progress=False)
    assert Path("X/config.json").read_bytes() == before


def test_constant_schedules_are_not_worth_a_word(capsys):
    words = {**WORDS, "set": {"width": 8, "lr_schedule.kind": "const"}}
    for reschedule in (False, True):
        run = ganzoo.train(**words, steps=2)
        ganzoo.resume(run.path, steps=4, reschedule=reschedule, progress=False)
    assert capsys.readouterr().err == ""


def test_a_rate_that_ends_at_0_is_said_to_teach_nothing(capsys):
    words = {**WORDS, "set": {"width": 8, "lr_schedule.kind": "linear", "lr_schedule.end": 0}}
    run = ganzoo.train(**words, steps=2)
    ganzoo.resume(run.path, steps=4, progress=False)
    assert "that of D stays at 0, so that nothing more is learnt; --reschedule" in capsys.readouterr().err


@pytest.mark.parametrize("reschedule", [False, True])
def test_a_killed_extended_run_goes_on_exactly(reschedule, capsys):
    ends = []
    for stop in (9, 6):
        run = ganzoo.train(**WORDS, steps=4)
        with stopping(stop):
            ganzoo.resume(run.path, steps=9, reschedule=reschedule, progress=False)
        capsys.readouterr()
        ganzoo.resume(run.path, progress=False)
        assert capsys.readouterr().err == ""  # it was said when it happened
        ends.append(load_checkpoint(saved(run.path)[-1]))
    assert ends[0]["step"] == 9
    assert_same(*ends)


def test_stretched_they_are_those_of_a_run_that_was_planned_so(rates):
    """From the first step that is not made yet: a stretched schedule is the larger plan's."""
    run = ganzoo.train(**WORDS, steps=4)
    ganzoo.resume(run.path, steps=8, reschedule=True, progress=False)
    stretched = {step: rates[step] for step in range(4, 8)}
    ganzoo.train(**WORDS, steps=8)
    assert stretched == {step: rates[step] for step in range(4, 8)}


def test_a_half_life_of_0_averages_nothing():
    words = {**WORDS, "set": {"width": 8, "ema_schedule.kind": "linear", "ema_schedule.end": 0}}
    run = ganzoo.train(**words, steps=2)
    run = ganzoo.resume(run.path, steps=3, progress=False)
    state = load_checkpoint(saved(run.path)[-1])
    assert all(torch.equal(state["ema"][key], value) for key, value in state["generator"].items())


def test_a_folder_that_was_extended_before_goes_on_as_it_did(rates):
    """Then schedules were stretched, and nothing about it was written down."""
    run = ganzoo.train(**WORDS, steps=4)
    path = run.path / "config.json"
    config = json.loads(path.read_text())
    config["recipe"]["steps"], config["first_steps"] = 8, 4
    del config["schedule_steps"]
    path.write_text(json.dumps(config))
    rates.clear()
    run = ganzoo.resume(run.path, progress=False)
    assert rates == {step: pytest.approx(expected(step / 8)) for step in range(4, 8)}
    rates.clear()
    run = ganzoo.resume(run.path, steps=10, progress=False)
    assert rates == {step: pytest.approx(expected(1.0)) for step in (8, 9)}
    assert (run.config.first_steps, run.config.schedule_steps) == (4, 8)


def test_the_plan_of_schedules_is_no_part_of_what_a_checkpoint_is_held_against():
    config, _ = runs.plan_run(ganzoo.plan.words.Words("mlp-gan", "ring8", steps=2))
    assert isinstance(config, Config)
    assert not [key for key in config.identity() if "schedule_steps" in key]
