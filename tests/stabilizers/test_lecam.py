"""LeCam regularisation against equations 3 and 4, worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toys import ToyGAN, real_batch, toy_step

from ganzoo.errors import UsageError
from ganzoo.stabilizers.lecam import LeCam
from ganzoo.stabilizers.unrolled import Unrolled
from ganzoo.testing.training import tiny, trained, turn_of, want_exact_resume

F64 = torch.float64


def penalty(lecam, real, fake, scale=1.0, done=True):
    """Of one update of D, which answered so."""
    turn = dataclasses.replace(turn_of(torch.zeros(1, 1)), fake=torch.ones(1, 1), scale=scale)
    turn = dataclasses.replace(turn, critic=lambda sample, y: real if sample is turn.real else fake)
    value = lecam.d_penalty(turn)
    if done:
        lecam.weights(turn)
    return value


def test_by_hand():
    lecam = LeCam(weight=0.5, decay=0.75)
    # The first batch's means, 2 and -1, are where the running ones begin.
    first = penalty(lecam, torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 0.0]))
    assert float(first) == pytest.approx(0.5 * ((4 + 16) / 2 + (16 + 4) / 2))
    # Means 6 and 3: a_real = 0.75 * 2 + 0.25 * 6 = 3, a_fake = 0.75 * -1 + 0.25 * 3 = 0.
    second = penalty(lecam, torch.tensor([6.0, 6.0]), torch.tensor([3.0, 3.0]))
    assert float(second) == pytest.approx(0.5 * (36 + 0))
    # Means 3 and 4: a_real = 3, a_fake = 1.
    third = penalty(lecam, torch.tensor([2.0, 4.0]), torch.tensor([4.0, 4.0]), scale=0.1)
    assert float(third) == pytest.approx(0.1 * 0.5 * ((1 + 9) / 2 + 1))


def test_without_a_past_the_anchors_are_this_batchs_means():
    lecam = LeCam(weight=1.0, decay=0.0)
    for real, fake in ((1.0, 2.0), (5.0, -3.0)):
        value = penalty(lecam, torch.tensor([real]), torch.tensor([fake]))
        assert float(value) == pytest.approx(2 * (real - fake) ** 2)


def test_the_anchors_have_no_gradient():
    lecam = LeCam(weight=1.0, decay=0.5)
    penalty(lecam, torch.tensor([1.0]), torch.tensor([-1.0]))
    real = torch.tensor([3.0, 1.0], requires_grad=True)
    fake = torch.tensor([0.0, 2.0], requires_grad=True)
    gradients = torch.autograd.grad(penalty(lecam, real, fake), [real, fake])
    # a_real = (1 + 2) / 2 = 1.5, a_fake = (-1 + 1) / 2 = 0
    assert torch.equal(gradients[0], 2 * torch.tensor([3.0, 1.0]) / 2)
    assert torch.equal(gradients[1], 2 * torch.tensor([-1.5, 0.5]) / 2)


def test_outputs_count_alike_however_many_logits_they_have():
    lecam = LeCam(weight=1.0, decay=0.0)
    real = torch.tensor([0.0, 0.0]), torch.full((2, 2, 2), 4.0)  # mean 2
    fake = torch.tensor([1.0, 1.0]), torch.full((2, 2, 2), 3.0)  # mean 2
    assert float(penalty(lecam, real, fake)) == pytest.approx((4 + 4) / 2 + (1 + 1) / 2)


def test_parts_of_a_batch_are_one_update():
    """The last part is held to the whole batch's means, which is what is kept."""
    lecam, whole = (LeCam(weight=1.0, decay=0.75) for _ in range(2))
    for update in range(3):
        real, fake = torch.randn(4) + update, torch.randn(4) - update
        for part in (0, 1):
            now = slice(2 * part, 2 * part + 2)
            last = penalty(lecam, real[now], fake[now], done=part == 1)
        penalty(whole, real, fake)
        a_real, a_fake = whole.state["real"], whole.state["fake"]
        torch.testing.assert_close(lecam.state["real"], a_real)
        torch.testing.assert_close(lecam.state["fake"], a_fake)
        expected = (real[2:] - a_fake).square().mean() + (fake[2:] - a_real).square().mean()
        torch.testing.assert_close(last, expected)


def test_in_the_step_it_is_added_to_ds_loss_alone():
    """Two steps of a linear D and of G, against the same thing written out."""
    step = toy_step(stabilizers=[LeCam(weight=0.7, decay=0.9)], lr=0.1)
    step.stabilizers[0].name = "lecam"
    w = step.gan.discriminator.weight.detach().clone()
    b = torch.zeros(3, dtype=F64)
    a_real = a_fake = None
    softplus = torch.nn.functional.softplus
    for i in range(2):
        torch.manual_seed(i)
        step(lambda _, i=i: real_batch(i))
        torch.manual_seed(i)
        real, fake = real_batch(i)[0], torch.randn(8, 3, dtype=F64) + b
        w.requires_grad_()
        r, f = real @ w, fake @ w
        now = r.detach().mean(), f.detach().mean()
        a_real, a_fake = now if i == 0 else (0.9 * a_real + 0.1 * now[0], 0.9 * a_fake + 0.1 * now[1])
        away = (r - a_fake).square().mean() + (f - a_real).square().mean()
        loss = softplus(-r).mean() + softplus(f).mean() + 0.7 * away
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - 0.1 * gradient).detach()
        b = b + 0.1 * torch.sigmoid(-(fake @ w)).mean() * w
        torch.testing.assert_close(step.gan.discriminator.weight.detach(), w)
        torch.testing.assert_close(step.gan.generator.bias.detach(), b)
    assert "d_penalty/lecam" in step.meter.read()


def test_looking_ahead_is_no_update_of_d():
    means = []
    for others in ((), (Unrolled(3),)):
        torch.manual_seed(0)
        lecam = LeCam()
        toy_step(stabilizers=[*others, lecam], gan=ToyGAN())(real_batch)
        means.append((lecam.state["real"], lecam.state["fake"]))
        assert lecam.state["parts"] == 0
        assert float(lecam.state["sum_real"]) == float(lecam.state["sum_fake"]) == 0.0
    assert means[0] == means[1]


def test_checkpoints_keep_the_running_means():
    config, data = tiny("mlp-gan", (2,), stabilizer=["lecam:decay=0.5", "none"])
    state = trained(config, data).stabilizers[0].state
    assert state["real"].isfinite()
    want_exact_resume(config, data, "with lecam")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decay": 1.0}, r"lecam: decay must be in \[0, 1\), got 1"), ({"decay": -0.1}, "decay"),
        ({"decay": float("nan")}, "decay"), ({"weight": -1.0}, "weight"),
        ({"weight": float("inf")}, "weight"), ({"weight": float("nan")}, "weight"),
    ],
)  # fmt: skip
def test_options_outside_their_range_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        LeCam(**options)
