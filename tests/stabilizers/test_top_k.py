"""Top-k training: G learns from the samples that D finds the most real, D from all."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toys import ToyGAN, real_batch, toy_step

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.stabilizers.critic import TopK
from ganzoo.stabilizers.penalties import R1
from ganzoo.testing.training import tiny, turn_of, want_exact_resume

F64 = torch.float64


def judged(topk, logits, t=1.0, phase="g", sample=None):
    turn = dataclasses.replace(turn_of(torch.zeros(1, 1)), fake=torch.ones(1, 1), t=t, phase=phase)
    judge = topk.wrap_critic(lambda sample, y: logits, turn)
    return judge({None: turn.fake, "real": turn.real, "other": torch.zeros(1, 1)}[sample], None)


@pytest.mark.parametrize(
    ("t", "left"), [(0.0, 8), (0.125, 7), (0.25, 6), (0.49, 4), (0.5, 4), (0.75, 4), (1.0, 4)]
)
def test_the_share_falls_from_all_to_least_until_its_time(t, left):
    """By hand: of 8 at time t there are round(8 (1 - 0.5 min(1, 2 t)))."""
    logits = torch.tensor([3.0, -1.0, 8.0, 0.0, 2.0, -7.0, 5.0, 1.0])
    assert sorted(judged(TopK(0.5, 0.5), logits, t).tolist()) == sorted(logits.tolist())[-left:]


def test_one_is_always_left_and_least_1_leaves_all():
    logits = torch.tensor([3.0, -1.0, 8.0, 0.0])
    assert judged(TopK(0.01), logits).tolist() == [8.0]
    assert sorted(judged(TopK(1.0), logits).tolist()) == [-1.0, 0.0, 3.0, 8.0]


def test_each_output_has_its_own_k_and_of_a_map_the_mean_counts():
    maps = torch.zeros(3, 2, 2)
    maps[0, 0, 0], maps[1], maps[2] = 7.0, 2.0, 1.0  # means 1.75, 2, 1
    plain, best = judged(TopK(1 / 3, 0.5), (torch.tensor([0.0, 1.0, 2.0]), maps))
    assert plain.tolist() == [2.0]
    assert torch.equal(best, maps[1:2])


@pytest.mark.parametrize(("phase", "sample"), [("d", None), ("d", "real"), ("g", "real"), ("g", "other")])
def test_nothing_but_gs_fakes_is_cut(phase, sample):
    logits = torch.tensor([3.0, -1.0, 8.0, 0.0])
    assert judged(TopK(0.25), logits, phase=phase, sample=sample) is logits


@pytest.mark.parametrize("loss", ["non-saturating", "hinge", "wasserstein"])
def test_g_learns_from_the_best_alone_and_d_as_ever(loss):
    """Against the step written out for a linear D; the gradient at a left-out sample is 0."""
    steps = []
    for stabilizers in ([], [TopK(0.25, 0.5)]):
        torch.manual_seed(0)
        step = toy_step(loss, stabilizers)
        step.now = 3, 1.0, 1.0
        step(real_batch)
        steps.append(step.gan)
    plain, cut = steps
    assert torch.equal(plain.discriminator.weight, cut.discriminator.weight)
    torch.manual_seed(0)
    fake = torch.randn(8, 3, dtype=F64).requires_grad_()
    logits = fake @ cut.discriminator.weight.detach()
    best = logits.sort(descending=True).indices[:2]
    by_hand = torch.nn.functional.softplus(-logits[best]) if loss == "non-saturating" else -logits[best]
    (gradient,) = torch.autograd.grad(by_hand.mean(), fake)
    assert int((gradient != 0).any(1).sum()) == 2
    torch.testing.assert_close(cut.generator.bias.detach(), -0.1 * gradient.sum(0))
    # Through this D all samples pull alike where the loss is linear.
    assert torch.allclose(plain.generator.bias, cut.generator.bias) == (loss != "non-saturating")


def test_at_the_start_it_is_plain_training():
    biases = []
    for stabilizers in ([], [TopK(0.25, 0.5)]):
        torch.manual_seed(0)
        step = toy_step(stabilizers=stabilizers)
        step(real_batch)
        biases.append(step.gan.generator.bias.detach())
    torch.testing.assert_close(*biases)  # in another order


def test_of_packed_samples_those_judged_together_are_cut():
    step = toy_step(stabilizers=[TopK(0.5, 0.5)], gan=ToyGAN(pack=2))
    step.now = 3, 1.0, 1.0
    torch.manual_seed(0)
    step(real_batch)
    torch.manual_seed(0)
    fake = torch.randn(8, 3, dtype=F64).reshape(4, 6)
    w = step.gan.discriminator.weight.detach()
    best = (fake @ w).topk(2).values
    # Each of two samples of the two chosen pairs moves along its half of w.
    expected = 0.1 * torch.sigmoid(-best).mean() * w.reshape(2, 3).sum(0)
    torch.testing.assert_close(step.gan.generator.bias.detach(), expected)


@pytest.mark.parametrize("loss", ["relativistic", "relativistic-average"])
def test_losses_of_pairs_are_refused(loss):
    with pytest.raises(UsageError, match=r"top-k needs a loss whose G looks at generated samples alone"):
        ganzoo.train("mlp-gan", dataset="ring8", loss=loss, stabilizer=["top-k"], progress=False)


@pytest.mark.parametrize("order", [["top-k", "gradient-normalization"], ["gradient-normalization", "top-k"]])
def test_gradient_normalization_is_refused_as_it_pairs_logits_with_samples(order):
    with pytest.raises(UsageError, match=r"top-k makes no sense together with gradient-normalization"):
        ganzoo.train("mlp-gan", dataset="ring8", stabilizer=order, progress=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"least": 0.0}, r"top-k: least must be in \(0, 1\], got 0"), ({"least": 1.1}, "least"),
        ({"least": float("nan")}, "least"), ({"until": 0.0}, "top-k: until must be a positive number, got 0"),
        ({"until": float("inf")}, "until"), ({"until": float("nan")}, "until"),
    ],
)  # fmt: skip
def test_options_outside_their_range_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        TopK(**options)


@pytest.mark.parametrize("model", ["msg-gan", "infogan"])
def test_it_trains_and_resumes(model):
    config, data = tiny(model, (1, 28, 28), stabilizer=["top-k:least=0.25", "none"], set=["width=4"])
    want_exact_resume(config, data, "with top-k")


def test_penalties_of_d_see_all():
    penalties = []
    for stabilizers in ([R1(1.0)], [R1(1.0), TopK(0.25)]):
        torch.manual_seed(0)
        stabilizers[0].name = "r1"
        step = toy_step(stabilizers=stabilizers)
        step.now = 3, 1.0, 1.0
        step(real_batch)
        penalties.append(step.meter.read()["d_penalty/r1"])
    assert penalties[0] == penalties[1]
