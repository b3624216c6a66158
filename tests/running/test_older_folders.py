"""A run folder that version 0.1 left half way: loaded, sampled, measured, resumed, as by that version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import ganzoo
from ganzoo.system.lines import read_lines

OLD = Path(__file__).parent / "version-0.1"
WHOLE = json.loads(OLD.with_name("version-0.1-whole.json").read_text())  # how it ended there, 8 steps


@pytest.fixture
def run():
    shutil.copytree(OLD, "old")
    torch.set_num_threads(1)
    return ganzoo.load("old")


def without_speed(row: dict) -> dict:
    return {key: value for key, value in row.items() if key != "images_per_s"}


def test_its_settings_are_read_and_would_be_written_as_they_were(run):
    written = json.loads((OLD / "config.json").read_text())
    since = {
        "schedule_steps": 0,
        "on_nan": "stop",
        "stop_when": "",
        "patience": 0,
        "callbacks": [],
        "condition_shape": [],
        "kind": "",
        "compile": False,
    }  # what was not said then, at its default
    recipe = written["recipe"]
    optimizers = {net: {**recipe[net], "options": "", "parts": ""} for net in ("optimizer_g", "optimizer_d")}
    schedules = {
        name: {**recipe[name], "steps": 1, "warmup": 0.0}
        for name in ("lr_schedule", "penalty_schedule", "ema_schedule")
    }
    rest = {"conditional": False, "lr_schedule_d": None, "accumulate": 1, "checkpoint_activations": False}
    since["recipe"] = {**recipe, **optimizers, **schedules, **rest}
    assert json.loads(json.dumps(run.config.as_json())) == {**written, **since}
    assert [(spec.name, dict(spec.options)) for spec in run.config.recipe.stabilizers] == [
        ("skip-d", {"below": "1.38", "momentum": "0.9", "max_skips": "10"}),
        ("r1", {"gamma": "0.5", "interval": "1"}),
    ]


def test_it_is_sampled_and_measured(run):
    assert run.sample(8).shape == (8, 2)
    for checkpoint in ("last", "best"):
        document = run.evaluate(["modes", "d-accuracy"], samples=500, checkpoint=checkpoint, progress=False)
        assert document["provenance"]["step"] == 4
        assert 0.0 <= document["scores"]["d_accuracy"] <= 1.0


def test_it_goes_on_to_the_numbers_that_it_would_have_had(run):
    resumed = ganzoo.resume("old", progress=False)
    rows = [
        {k: v for k, v in row.items() if k != "images_per_s" and not k.startswith("signal/")}
        for row in read_lines(Path("old/log.jsonl"))
    ]
    assert [row["step"] for row in rows] == list(range(1, 9))
    # Not to the last bit: another processor or torch rounds otherwise.
    for row, then in zip(rows[4:], WHOLE["log"], strict=True):
        assert row == pytest.approx(without_speed(then), rel=1e-3)
    torch.testing.assert_close(resumed.sample(8), torch.tensor(WHOLE["samples"]), atol=1e-4, rtol=1e-3)
