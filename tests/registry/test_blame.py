"""A plugin that fails at any time is named, with its distribution and what was called of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ganzoo
from ganzoo import DATASETS, EXTRACTORS, LOSSES, METRICS, MODELS, STABILIZERS, Metric, Stabilizer
from ganzoo.data.mixtures import Ring8
from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors.identity import Identity
from ganzoo.losses import NonSaturating
from ganzoo.models.mlp import MLPGAN
from ganzoo.registry.blame import blame, blaming

HOOKS = ["transform", "wrap_critic", "real_target", "update_d", "differentiates_at", "d_penalty", "g_penalty",
         "look_ahead", "gradients", "weights", "log"]  # fmt: skip


def late(calls=40):
    """Fails after so many calls."""
    left = [calls]

    def tick():
        left[0] -= 1
        if left[0] < 0:
            [][3]

    return tick


def train(**words):
    small = {"model.width": 4, "model.d_width": 4}
    given = {"dataset": "ring8", "steps": 60, "batch_size": 8, "set": small} | words
    return ganzoo.train("mlp-gan", **given, progress=False)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_of_a_stabilizer_that_fails_in_the_middle_of_a_run(hook):
    tick, usual = late(2 if hook == "log" else 60), getattr(Stabilizer, hook)

    def failing(self, *args):
        tick()
        return usual(self, *args)

    with (
        STABILIZERS.lent("bad", type("Bad", (Stabilizer,), {hook: failing})),
        pytest.raises(WorkError) as error,
    ):
        train(stabilizer=["bad"])
    assert str(error.value).startswith(
        "stabilizer 'bad' fails in failing: IndexError: list index out of range"
    )


def test_a_loss_a_model_s_layer_and_a_dataset(tmp_path):
    tick, again, more = late(80), late(200), late(2)

    class Bad(NonSaturating):
        def g(self, fake, real=None):
            tick()
            return super().g(fake, real)

    class Layer(nn.Module):
        def forward(self, x):
            again()
            return x

    class BadGAN(MLPGAN):
        def sample_z(self, n):
            return Layer()(super().sample_z(n))

    class BadRing(Ring8):
        def to_units(self, x):
            more()
            return super().to_units(x)

    with LOSSES.lent("bad", Bad), pytest.raises(WorkError, match=r"^loss 'bad' fails in g: IndexError"):
        train(loss="bad", steps=200)
    said = r"^model 'bad' fails in sample_z: IndexError"
    with MODELS.lent("bad", BadGAN), pytest.raises(WorkError, match=said):
        ganzoo.train("bad", "ring8", steps=200, batch_size=8, progress=False)
    said = r"^dataset 'bad' fails in to_units: IndexError"
    with DATASETS.lent("bad", BadRing), pytest.raises(WorkError, match=said):
        train(dataset="bad")


def test_an_extractor_and_a_metric_that_prints(ganzoo):
    class Bad(Identity):
        def __call__(self, x):
            raise RuntimeError("no features\nin two lines")

    class Loud(Metric):
        """Prints."""

        higher_is_better = {"loud": True}

        def __call__(self, context):
            print("hello")
            return {"loud": 1.0}

    ganzoo("run mlp-gan --dataset ring8 --steps 2 --batch-size 8 --out X")
    with EXTRACTORS.lent("bad", Bad):
        result = ganzoo("eval X --metric fid --extractor bad --samples 100")
        assert result.code == 1
        assert "extractor 'bad' fails in __call__: RuntimeError: no features" in result.sentence
    with METRICS.lent("loud", Loud):
        result = ganzoo("eval X --metric loud --samples 100 --json")
        assert result.out.startswith("{")
        assert "hello" in result.err


def test_the_innermost_member_is_at_fault_and_the_zoo_s_own_are_not():
    def inner():
        raise ValueError("inside")

    class Outer(Stabilizer):
        def d_penalty(self, turn):
            return torch.zeros(2) @ torch.zeros(3)  # an error of torch's, out of this method

    with STABILIZERS.lent("outer", Outer):
        STABILIZERS.get("outer")
        with pytest.raises(RuntimeError) as caught:
            Outer().d_penalty(None)
        assert blame(caught.value).startswith("stabilizer 'outer' fails in d_penalty: RuntimeError")
    with pytest.raises(ValueError, match="inside") as caught:
        inner()
    assert blame(caught.value) == ""
    with pytest.raises(ValueError, match="inside"), blaming():
        inner()
    for known in (UsageError("said"), WorkError("said")):
        with pytest.raises(type(known), match=r"^said$"), blaming():
            raise known
