"""G is judged by D's running mean, and D learns as ever."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from toys import real_batch, toy_step

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.registry import MODELS
from ganzoo.stabilizers.averaged import AveragedD
from ganzoo.stabilizers.balance import SkipD
from ganzoo.stabilizers.norms import MinibatchStd, SpectralNorm
from ganzoo.testing.training import tiny, trained, turn_of, want_exact_resume

F64 = torch.float64


def test_the_average_and_its_ramp_by_hand():
    """min(decay, (1 + n) / (10 + n)): 0.1, 2 / 11, 3 / 12, then decay = 0.25 for good."""
    averaged = AveragedD(decay=0.25)
    step = toy_step(stabilizers=[averaged])
    mean = step.gan.discriminator.weight.detach().clone()
    for n, decay in enumerate((0.1, 2 / 11, 0.25, 0.25, 0.25)):
        step(real_batch)
        mean = decay * mean + (1 - decay) * step.gan.discriminator.weight.detach()
        torch.testing.assert_close(averaged.state["weight"], mean)
        assert averaged.state["updates"] == n + 1


@pytest.mark.parametrize("n_dis", [1, 3])
@pytest.mark.parametrize("loss", ["non-saturating", "relativistic"])
def test_g_is_judged_by_it_and_d_learns_as_ever(loss, n_dis):
    """Three steps of a linear D and of G, against the same thing written out."""
    step = toy_step(loss, [AveragedD(decay=0.9)], n_dis=n_dis)
    w, b = step.gan.discriminator.weight.detach().clone(), torch.zeros(3, dtype=F64)
    mean, n = w, 0
    softplus = torch.nn.functional.softplus
    for i in range(3):
        torch.manual_seed(i)
        step(lambda j, i=i: real_batch(3 * i + j))
        torch.manual_seed(i)
        for j in range(n_dis):
            real, z = real_batch(3 * i + j)[0], torch.randn(8, 3, dtype=F64)
            w = w.requires_grad_()
            r, f = real @ w, (z + b) @ w
            d = (
                softplus(-r).mean() + softplus(f).mean()
                if loss == "non-saturating"
                else softplus(f - r).mean()
            )
            w = (w - 0.1 * torch.autograd.grad(d, w)[0]).detach()
            mean = torch.lerp(w, mean, min(0.9, (1 + n) / (10 + n)))
            n += 1
        b = b.requires_grad_()
        f = (z + b) @ mean
        g = softplus(-f) if loss == "non-saturating" else softplus(real @ mean - f)
        b = (b - 0.1 * torch.autograd.grad(g.mean(), b)[0]).detach()
        torch.testing.assert_close(step.gan.discriminator.weight.detach(), w)
        torch.testing.assert_close(step.gan.generator.bias.detach(), b)


def test_while_d_was_never_updated_g_is_judged_by_d():
    class Never(SkipD):
        def update_d(self, turn):
            return False

    steps = []
    for stabilizers in ([Never()], [Never(), AveragedD()]):
        torch.manual_seed(0)
        step = toy_step(stabilizers=stabilizers)
        step(real_batch)
        steps.append(step)
    assert torch.equal(steps[0].gan.generator.bias, steps[1].gan.generator.bias)
    assert steps[1].stabilizers[1].state == {"updates": 0}


@pytest.mark.parametrize("options", [{"d_norm": "batch"}, {"d_norm": "spectral"}])
def test_with_normalisation_gs_gradient_is_that_of_a_d_with_averaged_weights(options):
    """D's buffers are its own: BatchNorm's statistics and spectral norm's vectors are as they were."""
    torch.manual_seed(0)
    gan = MODELS.get("dcgan")((1, 8, 8), width=4, z_dim=4, **options).double()
    gan.sample_z = lambda n: torch.randn(n, 4, dtype=F64)
    averaged = AveragedD(decay=0.9)
    step = toy_step(gan=gan, stabilizers=[averaged], lr=0.05)
    x = torch.rand(6, 1, 8, 8, dtype=F64) * 2 - 1
    step(lambda i: (x, None))
    twin = copy.deepcopy(gan)
    made = {}

    def watched(turn):
        if turn.phase == "g":
            made["z"] = turn.z
            made["gradients"] = [p.grad.clone() for p in gan.generator.parameters()]
            made["buffers"] = [b.clone() for b in gan.discriminator.buffers()]

    judging = averaged.look_ahead

    def ahead(turn, loss, optimizer):
        made["d"] = copy.deepcopy(gan.discriminator)
        return judging(turn, loss, optimizer)

    averaged.gradients, averaged.look_ahead = watched, ahead
    step(lambda i: (x, None))
    d = made["d"]
    plain = [p.clone() for p in d.parameters()]
    with torch.no_grad():
        for name, parameter in d.named_parameters():
            parameter.copy_(averaged.state[name])
    assert any(not torch.equal(a, b) for a, b in zip(plain, d.parameters(), strict=True))
    loss = torch.nn.functional.softplus(-d(twin.generator(made["z"]))).mean()
    for got, expected in zip(
        made["gradients"], torch.autograd.grad(loss, list(twin.generator.parameters())), strict=True
    ):
        torch.testing.assert_close(got, expected)
    for got, expected in zip(made["buffers"], d.buffers(), strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "sngan", "msg-gan"])
def test_ds_own_update_is_untouched(model):
    torch.manual_seed(0)
    gan = MODELS.get(model)((1, 28, 28), width=8)
    twin = copy.deepcopy(gan)
    x = torch.rand(4, 1, 28, 28) * 2 - 1
    for net, stabilizers in ((gan, [AveragedD()]), (twin, [])):
        torch.manual_seed(1)
        toy_step(gan=net, stabilizers=stabilizers, lr=1e-3)(lambda i: (x, None))
    for a, b in zip(gan.discriminator.parameters(), twin.discriminator.parameters(), strict=True):
        assert torch.equal(a, b)
    pairs = zip(gan.generator.parameters(), twin.generator.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_in_gs_turn_nothing_is_averaged():
    averaged = AveragedD()
    step = toy_step(stabilizers=[averaged])
    step(real_batch)
    before = averaged.state["weight"].clone()
    averaged.weights(dataclasses.replace(turn_of(torch.zeros(1, 1)), phase="g"))
    assert torch.equal(before, averaged.state["weight"])
    assert averaged.state["updates"] == 1


@pytest.mark.parametrize("other", [SpectralNorm, MinibatchStd])
def test_stabilizers_that_change_d_may_come_later(other):
    def run(first_averaged):
        torch.manual_seed(0)
        gan = MODELS.get("dcgan")((1, 8, 8), width=4, z_dim=4, d_norm="none")
        both = [AveragedD(), other()]
        step = toy_step(gan=gan, stabilizers=both if first_averaged else both[::-1])
        x = torch.rand(4, 1, 8, 8) * 2 - 1
        for _ in range(2):
            step(lambda i: (x, None))
        return gan

    for a, b in zip(run(True).parameters(), run(False).parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("model", "words"),
    [("dcgan", ["d_norm=batch"]), ("dcgan", ["d_norm=spectral"]), ("acgan", []), ("msg-gan", [])],
)
def test_it_resumes_exactly(model, words):
    config, data = tiny(model, (1, 28, 28), stabilizer=["averaged-d", "none"], set=["width=4", *words])
    state = trained(config, data).stabilizers[0].state
    assert state["updates"] == 4
    assert len(state) > 4
    want_exact_resume(config, data, "with averaged-d")


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_options_outside_their_range_are_refused(decay):
    with pytest.raises(UsageError, match=r"averaged-d: decay must be in \[0, 1\)"):
        AveragedD(decay)


def test_it_is_refused_beside_unrolled():
    with pytest.raises(UsageError, match="averaged-d makes no sense together with unrolled"):
        ganzoo.train("mlp-gan", dataset="ring8", stabilizer=["averaged-d", "unrolled"], progress=False)
