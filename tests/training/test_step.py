"""The one step: its order, its counts, and its numbers against a plain loop written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from toys import ToyGAN, part, real_batch, toy_step

from ganzoo.registry import MODELS
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.training.late import LateScalar
from ganzoo.training.meter import Meter


@pytest.mark.parametrize("n_dis", [1, 3])
def test_counts(n_dis):
    step = toy_step(n_dis=n_dis)
    drawn = []
    step(lambda i: (drawn.append(i), real_batch(i))[1])
    gan = step.gan
    assert drawn == list(range(n_dis))
    assert gan.generator.calls == n_dis  # G's step judges the fakes of the last of D's updates
    assert gan.generator.graphs == [False] * (n_dis - 1) + [True]
    assert gan.discriminator.calls == 2 * n_dis + 1


def test_relativistic_g_sees_real_logits_too():
    step = toy_step("relativistic")
    step(real_batch)
    assert step.gan.discriminator.calls == 4


def test_d_is_frozen_in_gs_step_and_thawed_after_it():
    seen = []

    class Spy(Stabilizer):
        def wrap_critic(self, critic, turn):
            def spy(x, y):
                seen.append((turn.phase, step.gan.discriminator.weight.requires_grad))
                return critic(x, y)

            return spy

    step = toy_step(stabilizers=[Spy()])
    step(real_batch)
    assert seen == [("d", True), ("d", True), ("g", False)]
    assert step.gan.discriminator.weight.requires_grad
    step.gan.discriminator.weight.requires_grad_(False)
    toy = toy_step(gan=step.gan)
    z = step.gan.sample_z(4)
    toy._update_g(part(z, None, real_batch()[0], step.gan.generator(z)))
    assert not step.gan.discriminator.weight.requires_grad  # what was frozen before stays so


def test_d_thaws_even_if_gs_step_fails():
    step = toy_step()
    step.loss.g = None
    with pytest.raises(TypeError):
        step(real_batch)
    assert step.gan.discriminator.weight.requires_grad


def test_separate_learning_rates():
    still = toy_step(lr=0.1, lr_d=0.0)
    before = still.gan.discriminator.weight.clone()
    still(real_batch)
    assert torch.equal(still.gan.discriminator.weight, before)
    assert still.gan.generator.bias.abs().sum() > 0


def test_transforms_touch_real_and_fake_alike_and_penalties_differentiate_before_them():
    seen = []

    class Double(Stabilizer):
        def transform(self, sample, turn):
            return 2.0 * sample

        def d_penalty(self, turn):
            x = turn.real.detach().requires_grad_()
            (grad,) = torch.autograd.grad(turn.critic(x, turn.y).sum(), x, create_graph=True)
            seen.append((turn.real.clone(), grad))
            return grad.square().sum()

    step = toy_step(stabilizers=[Double()])
    weight = step.gan.discriminator.weight.detach().clone()
    step(real_batch)
    real, grad = seen[0]
    assert torch.equal(real, real_batch()[0])
    torch.testing.assert_close(grad.detach(), (2.0 * weight).expand(8, 3))


def test_packing_halves_the_judgements():
    step = toy_step(gan=ToyGAN(pack=2))
    logits = []
    step.loss.d = lambda r, f, **_: (logits.append(r.shape), r.mean() - f.mean())[1]
    step(real_batch)
    assert logits == [(4,)]


@pytest.mark.parametrize("fused", [False, True])
def test_dcgan_step_equals_a_plain_loop(fused):
    """Same nets, NCHW, default Adam, D not frozen: the numbers of the textbook loop."""
    torch.manual_seed(0)
    ours = MODELS.get("dcgan")((1, 28, 28), width=4, z_dim=5).double()
    plain = MODELS.get("dcgan")((1, 28, 28), width=4, z_dim=5).double()
    plain.load_state_dict(ours.state_dict())
    ours.to(memory_format=torch.channels_last)
    z = [torch.randn(6, 5, dtype=torch.float64) for _ in range(4)]
    x = [torch.rand(6, 1, 28, 28, dtype=torch.float64) * 2 - 1 for _ in range(4)]

    from ganzoo.registry import LOSSES
    from ganzoo.training.step import Step

    adam = [torch.optim.Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.999), fused=fused) for n in nets(ours)]
    step = Step(ours, LOSSES.get("non-saturating")(), [], tuple(adam))
    zs = iter(z)
    ours.sample_z = lambda n: next(zs)
    for i in range(4):
        step(lambda _, i=i: (x[i].contiguous(memory_format=torch.channels_last), None))

    opt_g, opt_d = (torch.optim.Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.999)) for n in nets(plain))
    ones, zeros = torch.ones(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    for i in range(4):
        opt_d.zero_grad()
        fake = plain.generator(z[i])
        loss = bce(plain.discriminator(x[i]), ones) + bce(plain.discriminator(fake.detach()), zeros)
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(plain.discriminator(fake), ones).backward()
        opt_g.step()
    for (name, a), b in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


def nets(gan) -> tuple[nn.Module, nn.Module]:
    return gan.generator, gan.discriminator


def test_readings_are_probabilities_where_logits_are():
    step = toy_step()
    step(real_batch)
    values = step.meter.read()
    assert 0.0 < values["d_real"] < 1.0
    raw = toy_step("hinge")
    raw.gan.discriminator.weight.data.fill_(10.0)
    raw(real_batch)
    assert raw.meter.read()["d_real"] > 1.0


def test_meter_gives_means_and_forgets():
    meter = Meter()
    for value in (1.0, 2.0, 6.0):
        meter.add("a", torch.tensor(value))
    copy = Meter()
    copy.load_state_dict(meter.state_dict())
    copy.add("a", torch.tensor(3.0))
    assert meter.read() == {"a": 3.0}
    assert copy.read() == {"a": 3.0}
    assert meter.read() == {}


def test_late_scalar():
    late = LateScalar()
    assert late.get() is None
    late.put(torch.tensor(2.5, requires_grad=True))
    assert late.get() == 2.5
    assert late.get() == 2.5
