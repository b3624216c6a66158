"""Tensors that stabilizers keep: in checkpoints, resumed bit for bit, and on the device that goes on."""

from __future__ import annotations

import json

import pytest
import torch
from resuming import N, assert_same, interrupted

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import STABILIZERS
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.training.checkpoint import load_checkpoint, saved, write_state
from ganzoo.training.restoring import restored
from ganzoo.training.trainer import Trainer

CPU, META = torch.device("cpu"), torch.device("meta")


class Centres(Stabilizer):
    """D's features of real and of generated samples stay near where they were, on average."""

    def __init__(self) -> None:
        super().__init__()
        self.state = {"steps": 0, "level": torch.zeros(()), "centre": {}}

    def d_penalty(self, turn):
        total = turn.critic(turn.real, turn.y).new_zeros(())
        for side, sample in (("real", turn.real), ("fake", turn.fake)):
            features = turn.critic.features(sample, turn.y)
            centre = self.state["centre"].get(side, torch.zeros_like(features[0].detach()))
            self.state["centre"][side] = centre.lerp(features.detach().mean(0), 0.3)
            total = total + (features - centre).square().mean()
        self.state["steps"] += 1
        self.state["level"] = 0.5 * (self.state["level"] + total.detach())
        return total * self.state["level"]


@pytest.fixture(autouse=True)
def lent():
    with STABILIZERS.lent("centres", Centres):
        yield


WORDS = {"model": "mlp-gan", "dataset": "ring8", "batch_size": 16, "steps": N, "stabilizer": ["centres"]}


def test_a_run_goes_on_bit_for_bit(monkeypatch):
    whole = ganzoo.train(**WORDS, progress=False)
    interrupted(WORDS, "parts", monkeypatch)
    parts = ganzoo.resume("parts", progress=False)
    one, other = (load_checkpoint(saved(run.path)[-1]) for run in (whole, parts))
    assert_same(one, other)
    assert (whole.path / "generator.safetensors").read_bytes() == (
        parts.path / "generator.safetensors"
    ).read_bytes()
    kept = one["stabilizers"]["centres"]
    assert kept["steps"] == N
    assert kept["level"] > 0.0
    assert {side: tuple(centre.shape) for side, centre in kept["centre"].items()} == {
        "real": (128,), "fake": (128,),
    }  # fmt: skip
    row = json.loads((whole.path / "log.jsonl").read_text().splitlines()[-1])
    assert row["d_penalty/centres"] > 0.0


def trained(steps: int) -> Trainer:
    trainer = Trainer(*plan(Words(**WORDS, device="cpu")))
    trainer.gan.train()
    for _ in range(steps):
        trainer.one_step()
    return trainer


def test_what_is_restored_is_on_the_device(tmp_path, monkeypatch):
    write_state(tmp_path / "half.safetensors", trained(2).state_dict())
    state, devices = load_checkpoint(tmp_path / "half.safetensors"), []

    def spied(name, value, like, device):
        devices.append((name, device))
        return restored(name, value, like, device)

    monkeypatch.setattr("ganzoo.training.trainer.restored", spied)
    trainer = trained(0)
    trainer.load_state_dict(state)
    assert devices == [("centres", trainer.device)]

    (stabilizer,) = trainer.stabilizers
    moved = restored("centres", state["stabilizers"]["centres"], Centres().state, META)
    assert {part.device.type for part in (moved["level"], *moved["centre"].values())} == {"meta"}
    assert moved["steps"] == stabilizer.state["steps"] == 2


def test_a_checkpoint_is_not_altered_by_going_on_from_it():
    trainer, state = trained(0), trained(2).state_dict()
    before = {side: centre.clone() for side, centre in state["stabilizers"]["centres"]["centre"].items()}
    trainer.load_state_dict(state)
    trainer.one_step()
    kept = state["stabilizers"]["centres"]
    assert kept["steps"] == 2
    assert all(torch.equal(centre, before[side]) for side, centre in kept["centre"].items())


# What may stand for what

LIKE = {"mean": torch.zeros(()), "row": torch.zeros(3), "count": 0, "more": {}}
SOUND = {"mean": torch.ones(()), "row": torch.ones(3), "count": 4, "more": {"late": torch.ones(2)}}


def test_what_came_later_may_be_there():
    found = restored("x", {**SOUND, "late": torch.ones(5)}, LIKE, CPU)
    assert torch.equal(found["more"]["late"], torch.ones(2))
    assert torch.equal(found["late"], torch.ones(5))
    assert (found["count"], found.keys()) == (4, SOUND.keys() | {"late"})


@pytest.mark.parametrize("value", [0.1, 3])
def test_a_number_may_stand_for_a_scalar_tensor(value):
    """As path-length kept its mean in contract 1."""
    found = restored("x", {**SOUND, "mean": value}, LIKE, CPU)
    assert torch.equal(found["mean"], torch.tensor(float(value)))
    assert found["mean"].dtype == torch.float32


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"row": torch.ones(4)}, r"x\.row is torch\.float32 \[4\], and torch\.float32 \[3\] is expected"),
        ({"row": torch.ones(3).double()}, r"x\.row is torch\.float64 \[3\]"),
        ({"row": 1.0}, r"x\.row is 1\.0, and torch\.float32 \[3\] is expected"),
        ({"mean": "high"}, r"x\.mean is 'high'"),
        ({"count": torch.ones(())}, r"x\.count is torch\.float32 \[\], and "),
        ({"more": 3}, r"x\.more is 3, and a dict is expected"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(damage, sentence):
    with pytest.raises(ValueError, match=sentence):
        restored("x", {**SOUND, **damage}, LIKE, CPU)


@pytest.mark.parametrize("name", LIKE)
def test_what_is_missing_is_refused_by_name(name):
    less = {key: value for key, value in SOUND.items() if key != name}
    with pytest.raises(ValueError, match=rf"x\.{name} is missing"):
        restored("x", less, LIKE, CPU)


def test_a_damaged_state_is_a_sentence_of_the_checkpoint():
    state = trained(1).state_dict()
    state["stabilizers"]["centres"] = {**state["stabilizers"]["centres"], "level": torch.zeros(2)}
    with pytest.raises(UsageError, match=r"the checkpoint is not one of this run's model: centres\.level is"):
        trained(0).load_state_dict(state)
