"""Half precision: bf16 and fp16 for every model and every stabilizer, and the scales of fp16's losses."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from little import BUILDS, small, stabilized

import ganzoo
from ganzoo.losses import NonSaturating
from ganzoo.registry import LOSSES, STABILIZERS
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.critic import GradientNormalization
from ganzoo.stabilizers.gradients import ClipGradNorm
from ganzoo.stabilizers.penalties import R1, R2, Dragan, GradientPenalty
from ganzoo.system.lines import read_lines
from ganzoo.testing.training import flat, trained, want_exact_resume
from ganzoo.training.checkpoint import Diverged, load_checkpoint, saved
from ganzoo.training.trainer import Trainer


def begun(config, data, scale=None):
    """A trainer before its first step, its losses at a scale."""
    trainer = Trainer(config, data)
    trainer.gan.train()
    if trainer.scales.scaling and scale is not None:
        state = {"scale": scale, "_growth_tracker": 0}
        trainer.scales.load_state_dict({"g": state, "d": state})
    return trainer


def assert_finite(trainer):
    for key, value in flat(trainer.state_dict()).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            assert value.isfinite().all(), key


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(("name", "vectors"), BUILDS)
def test_every_model_trains_in_half_precision_and_keeps_its_weights_in_single(name, vectors, precision):
    config, data = small(name, vectors=vectors, precision=precision)
    trainer, plain = begun(config, data, 2.0**8), begun(dataclasses.replace(config, precision="fp32"), data)
    trainer.one_step()
    plain.one_step()
    losses = trainer.meter.read()
    for key, value in plain.meter.read().items():
        assert losses[key] == pytest.approx(value, rel=0.05, abs=0.02), key
    trainer = trained(config, data)
    assert_finite(trainer)
    kept = [value for key, value in flat(trainer.state_dict()).items() if not key.startswith("/meter")]
    assert {x.dtype for x in kept if isinstance(x, torch.Tensor)} <= {torch.float32, torch.int64}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", STABILIZERS.names())
def test_every_stabilizer_works_in_half_precision(name, precision):
    assert_finite(trained(*stabilized(name, precision=precision)))


# Scales


def test_each_loss_has_a_scale_of_its_own_and_an_overflow_costs_its_net_a_step():
    config, data = small("dcgan", precision="fp16")
    trainer = begun(config, data, 2.0**16)
    trainer.one_step()
    trainer.scales["d"].update(2.0**100)
    before = copy.deepcopy(flat(trainer.state_dict()))
    trainer.one_step()
    after = flat(trainer.state_dict())
    assert (after["/scales/d/scale"], after["/scales/g/scale"]) == (2.0**99, 2.0**16)
    for key, value in before.items():
        if key.startswith(("/discriminator", "/optimizer_d")):
            assert torch.equal(value, after[key]), key
    assert not torch.equal(before["/generator/main.3.weight"], after["/generator/main.3.weight"])


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "rmsprop", "adagrad"])
def test_a_first_step_that_overflows_leaves_every_optimizer_as_it_started(kind):
    """Fused SGD would start its momentum with what lay in memory."""
    own = {"kind": kind, "lr": 1e-3, **({"momentum": 0.9} if kind == "sgd" else {})}
    settings = {f"optimizer_{net}.{key}": value for net in "gd" for key, value in own.items()}
    config, data = small("mlp-gan", vectors=True, precision="fp16", set=settings)
    trainer = begun(config, data, 2.0**100)
    before = {key: value.clone() for key, value in trainer.gan.named_parameters()}
    trainer.one_step()
    for key, value in trainer.gan.named_parameters():
        assert torch.equal(value, before[key]), key
    for phase in ("g", "d"):
        trainer.scales[phase].update(2.0**8)
    for _ in range(2):
        trainer.one_step()
    for key, value in trainer.gan.named_parameters():
        assert 0.0 < (value - before[key]).abs().max() < 0.1, key


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sngan", {}),  # its first steps overflow
        ("wgan", {"set": {"accumulate": 2}}),
        ("r3gan", {"stabilizer": ["unrolled:k=2"]}),
        ("mlp-gan", {"set": {"optimizer_d.kind": "sgd", "optimizer_d.momentum": 0.5, "accumulate": 4}}),
    ],
)
def test_it_resumes_exactly(name, words):
    config, data = small(name, precision="fp16", **words)
    want_exact_resume(config, data, "in fp16")
    if name == "sngan":
        assert trained(config, data, 2).scales.log() != {"scale_g": 2.0**16, "scale_d": 2.0**16}


def test_other_checkpoints_hold_what_they_held():
    config, data = small("dcgan", precision="bf16")
    state = trained(config, data, 1).state_dict()
    assert "scales" not in state
    Trainer(config, data).load_state_dict(state)


@pytest.mark.parametrize("scales", [{}, {"g": {}, "d": {}}, {"g": 1.0, "d": 1.0}, "much", None])
def test_scales_that_are_none_are_refused(scales):
    config, data = small("dcgan", precision="fp16")
    state = trained(config, data, 1).state_dict()
    with pytest.raises(ganzoo.UsageError, match="scales of the losses"):
        Trainer(config, data).load_state_dict({**state, "scales": scales})


class Norms(Stabilizer):
    """Keeps the norm of what it sees."""

    name = "norms"
    seen: list[float]

    def gradients(self, turn):
        grads = [p.grad for p in turn.net.parameters() if p.grad is not None]
        type(self).seen.append(float(torch.stack([grad.norm() for grad in grads]).norm()))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_clipping_sees_the_true_gradients(accumulate):
    seen = {}
    for precision in ("fp32", "fp16"):
        Norms.seen = seen[precision] = []

        class Clip(ClipGradNorm):
            def gradients(self, turn):
                Norms.gradients(Norms(), turn)
                super().gradients(turn)
                Norms.gradients(Norms(), turn)

        with STABILIZERS.lent("clip", Clip):
            config, data = small(
                "dcgan", precision=precision, stabilizer=["none", "clip:max=0.001"],
                set={"accumulate": accumulate, "d_norm": "none"},
            )  # fmt: skip
            trained(config, data, 1)
    assert seen["fp16"] == pytest.approx(seen["fp32"], rel=0.01)
    assert seen["fp16"][1::2] == pytest.approx([0.001] * 2, rel=0.01)


# Gradients of gradients


def penalised(trainer, penalty, precision):
    """A penalty of the first step, and its gradient at D's weights."""
    found = {}

    class Asked(type(penalty)):
        def d_penalty(self, turn):
            found["value"] = super().d_penalty(turn)
            weights = list(trainer.gan.discriminator.parameters())
            found["slopes"] = torch.autograd.grad(
                found["value"], weights, retain_graph=True, allow_unused=True
            )
            return found["value"]

    penalty.__class__ = Asked
    config = dataclasses.replace(trainer.config, precision=precision)
    again = Trainer(config, trainer.dataset)
    again.gan.load_state_dict(trainer.gan.state_dict())
    trainer = again
    trainer.stabilizers.append(penalty)
    trainer.gan.train()
    trainer.one_step()
    return found["value"], torch.cat([x.flatten() for x in found["slopes"] if x is not None])


@pytest.mark.parametrize("kind", [R1, R2, GradientPenalty, Dragan])
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_penalties_are_those_of_single_precision(kind, size):
    """Gradients of D at samples that float16 has no room for are in them too."""
    config, data = small("dcgan", stabilizer=["none"], set={"d_norm": "none", "width": 8})
    trainer = trained(config, data)
    with torch.no_grad():
        for weight in trainer.gan.discriminator.head.parameters():
            weight.mul_(size)
    found = {precision: penalised(trainer, kind(), precision) for precision in ("fp32", "fp16")}
    (value, slopes), (half, half_slopes) = found["fp32"], found["fp16"]
    assert value > 0
    torch.testing.assert_close(half, value, rtol=0.01, atol=0.0)
    assert (half_slopes - slopes).norm() < 0.02 * slopes.norm()  # of r2: at samples of another G


@pytest.mark.parametrize("phase", ["d", "g"])
def test_a_normalized_critic_is_that_of_single_precision(phase):
    config, data = small("dcgan", stabilizer=["none"], set={"d_norm": "none"})
    trainer = trained(config, data)
    with torch.no_grad():
        trainer.gan.discriminator.head.linear.weight.mul_(1e-6)
    gradient = {}
    for precision in ("fp32", "fp16"):
        again = Trainer(dataclasses.replace(config, precision=precision), data)
        again.gan.load_state_dict(trainer.gan.state_dict())
        again.stabilizers.append(GradientNormalization())
        again.gan.train()
        norms = Norms()
        again.stabilizers.append(norms)
        Norms.seen = []
        again.one_step()
        gradient[precision] = Norms.seen["dg".index(phase)]
    assert gradient["fp16"] == pytest.approx(gradient["fp32"], rel=0.02)


# Divergence


class Rooted(NonSaturating):
    """Finite, with a gradient that is not."""

    def d(self, real, fake, *, real_target=1.0):
        return super().d(real, fake, real_target=real_target) + (real - real).sqrt().mean()


class Gone(NonSaturating):
    """No number from the third time on."""

    calls = 0

    def g(self, fake, real=None):
        type(self).calls += 1
        return super().g(fake, real) * (float("nan") if self.calls > 8 else 1.0)


def test_a_gradient_that_no_scale_makes_finite_ends_the_run():
    said = (
        "gradients of the discriminator not finite at step 31.*it began at step 1: the gradient of loss "
        "'rooted' of D at D's .* is not finite, though its value"
    )
    with LOSSES.lent("rooted", Rooted), pytest.raises(Diverged, match=said):
        ganzoo.train(
            "mlp-gan", "ring8", loss="rooted", precision="fp16", steps=40, batch_size=8, progress=False
        )


def test_a_loss_that_is_no_number_ends_it_as_ever():
    Gone.calls = 0
    with LOSSES.lent("gone", Gone), pytest.raises(Diverged, match="g_loss not finite"):
        ganzoo.train(
            "mlp-gan", "ring8", loss="gone", precision="fp16", steps=40, batch_size=8, progress=False
        )


def test_a_run_logs_its_scales_and_keeps_them(ganzoo):
    words = "--dataset ring8 --batch-size 8 --set width=8 --set d_width=8 --precision fp16"
    assert ganzoo(f"run mlp-gan {words} --steps 4 --out X").code == 0
    assert ganzoo("resume X --steps 6").code == 0
    rows = read_lines(Path("X/log.jsonl"))
    assert len(rows) == 6
    assert all(row["scale_g"] > 0 and row["scale_d"] > 0 for row in rows)
    kept = load_checkpoint(saved(Path("X"))[-1])["scales"]
    assert kept["d"]["scale"] == rows[-1]["scale_d"]
