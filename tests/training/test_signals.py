"""Signals: measured beside a training that is the same to the bit without them."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from pathlib import Path

import pytest
import torch
from little import small
from resuming import assert_same, interrupted
from torch import nn

import ganzoo
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.system.lines import read_lines
from ganzoo.training.distances import chance_of_more, mean_distance, nearest, reached, share
from ganzoo.training.signals import Measurement, Signals, spacing, still
from ganzoo.training.trainer import Trainer
from ganzoo.training.units import Units

RUNS = {
    "vectors": {"model": "mlp-gan", "dataset": "ring8", "batch_size": 32},
    "batchnorm and dropout": {
        "model": "mlp-gan", "dataset": "ring8", "batch_size": 32,
        "set": {"model.g_norm": True, "model.d_norm": "batch", "model.dropout": 0.3},
    },
    "spectral norm, packed": {
        "model": "mlp-gan", "dataset": "ring8", "batch_size": 32, "set": {"model.d_norm": "spectral"},
        "stabilizer": ["packing:m=2", "minibatch-std"],
    },
    "labels": {
        "model": "dcgan", "dataset": "mnist-5k", "batch_size": 8, "set": {"model.width": 4},
    },
    "noise, growing": {
        "model": "progan", "dataset": "mnist-5k", "batch_size": 8,
        "set": {"model.width": 4, "model.max_width": 8},
    },
}  # fmt: skip


def trainer_of(steps=6, callbacks=(), **words) -> Trainer:
    config, dataset = plan(Words(steps=steps, device="cpu", **words))
    return Trainer(dataclasses.replace(config, checkpoint_every=steps), dataset, callbacks)


def signals_every(steps) -> Signals:
    signals = Signals()
    signals.every = steps
    return signals


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_a_run_is_the_same_to_the_bit_with_and_without(words):
    signals = signals_every(2)
    watched, plain = trainer_of(callbacks=[signals], **words), trainer_of(**words)
    before = torch.random.get_rng_state()
    modes = [part.training for part in plain.gan.modules()]
    watched.fit()
    plain.fit()
    assert signals.columns(watched)
    assert torch.equal(before, torch.random.get_rng_state())
    assert [part.training for part in watched.gan.modules()] == modes
    assert_same(watched.state_dict(), plain.state_dict())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in watched.gan.generator.modules())


def test_a_resumed_run_logs_the_same_signals(monkeypatch):
    words = {"model": "mlp-gan", "dataset": "ring8", "steps": 12, "batch_size": 16, "device": "cpu"}
    ganzoo.train(**words, out="whole", progress=False)
    interrupted(words, "parts", monkeypatch)
    ganzoo.resume("parts", progress=False)
    logs = [read_lines(Path(name) / "log.jsonl") for name in ("whole", "parts")]
    for row in (row for rows in logs for row in rows):
        row.pop("images_per_s")
    assert logs[0] == logs[1]
    assert any(key.startswith("signal/") for key in logs[0][-1])


def test_what_is_measured_and_when():
    config, _ = plan(Words(model="mlp-gan", dataset="ring8", steps=8000, device="cpu"))
    assert (config.log_every, spacing(config)) == (50, 200)
    short = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, steps=600), log_every=12)
    assert spacing(short) == 108
    grown = dataclasses.replace(
        config, recipe=dataclasses.replace(config.recipe, steps=80_000), first_steps=8000
    )
    assert spacing(grown) == 200  # rows of the longer run lie where they lay


def test_signals_of_an_untrained_conditional_model():
    trainer = trainer_of(**RUNS["labels"])
    trainer.fit()
    found = Measurement(trainer)(trainer)
    assert set(found) == {
        "diversity", "diversity_in_class", "reach", "nn_ratio", "mean_1", "mean_2", "ema_distance",
        "d_told_train", "dead_g", "dead_d", "grad_g", "grad_d",
    }  # fmt: skip
    page = Path(__file__).parents[2] / "docs" / "diagnosis.md"
    described = re.findall(r"`signal/(\w+)`", page.read_text(encoding="utf-8"))
    assert sorted(described) == sorted(found)
    assert 0.0 < found["diversity_in_class"] < 1.0
    assert found["nn_ratio"] > 1.0


def test_what_is_made_of_training_samples_may_come_near_to_them():
    """It is no copy: a picture with its colours back looks like the one that they were taken from."""
    config, data = small("pix2pix")
    trainer = Trainer(config, data)
    trainer.fit()
    found = Measurement(trainer)(trainer)
    assert "nn_ratio" not in found
    assert {"diversity", "reach", "d_told_train"} <= found.keys()


def test_a_model_that_cannot_be_measured_is_trained_all_the_same(capsys, monkeypatch):
    signals = signals_every(2)
    trainer = trainer_of(callbacks=[signals], **RUNS["vectors"])
    monkeypatch.setattr(trainer.ema.gan, "progress", lambda t: 1 / 0)
    trainer.fit()
    assert trainer.step == 6
    assert signals.columns(trainer) == {}
    assert capsys.readouterr().err.count("not looked for in this run: ZeroDivisionError") == 1


def test_few_held_out_samples_tell_nothing(capsys, monkeypatch):
    signals = signals_every(2)
    trainer = trainer_of(callbacks=[signals], **RUNS["vectors"])
    monkeypatch.setattr(type(trainer.dataset.test), "__len__", lambda self: 5)
    trainer.fit()
    assert signals.columns(trainer) == {}
    assert "not looked for in this run: there are fewer than 16 held-out samples" in capsys.readouterr().err


def test_data_that_are_all_alike_are_no_error():
    assert math.isnan(share(1.0, 0.0))


def test_distances():
    points = torch.tensor([[0.0], [1.0], [3.0]])
    assert mean_distance(points) == pytest.approx(2.0)
    assert mean_distance(points, torch.tensor([0, 0, 1])) == pytest.approx(1.0)
    assert reached(torch.tensor([[0.1], [0.2], [2.9]]), points) == 2
    assert nearest(torch.tensor([[0.5], [3.5], [10.0]]), points) == pytest.approx(0.5)
    assert chance_of_more(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])) == pytest.approx(0.875)


class _Dying(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 4), nn.Linear(4, 1)
        with torch.no_grad():
            self.first.weight.fill_(1.0)
            self.first.bias.copy_(torch.tensor([-1e6, -1e6, -1e6, 0.0]))

    def forward(self, x):
        return self.second(self.first(x).relu())  # a function: no module to look at


def test_dead_units_are_seen_behind_a_function_and_inputs_that_stand_still_are_none():
    units, net = Units(), _Dying()
    with units.watched(net):
        net(torch.tensor([[0.0, 1.0], [0.0, 2.0]]))  # the first input never changes
        net(torch.tensor([[0.0, 3.0], [0.0, 4.0]]))
    assert units.dead() == pytest.approx(0.75)
    assert Units().dead() is None


def test_every_part_gets_its_mode_back():
    net = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    net[1].eval()
    with still(net):
        assert not any(part.training for part in net.modules())
    assert [net.training, net[0].training, net[1].training] == [True, True, False]


@pytest.mark.long
@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_a_measurement_costs_less_than_a_few_steps(words):
    trainer = trainer_of(steps=20, **{**words, "batch_size": 64})
    trainer.fit()
    measure = Measurement(trainer)
    measure(trainer)

    def seconds(work) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
        return min(times)

    # A hundred steps lie between two measurements at least.
    assert seconds(lambda: measure(trainer)) < 3 * seconds(trainer.one_step)
