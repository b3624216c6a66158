"""Of what D is shown of real samples, a part that G makes is taught too: an encoder, as of a BiGAN."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from toys import real_batch, toy_step

from ganzoo.models.base import GAN
from ganzoo.stabilizers.penalties import R1, R2, GradientPenalty
from ganzoo.stabilizers.unrolled import Unrolled

F64 = torch.float64


class Both(nn.Module):
    """z -> (G(z), z); `encoder` takes x to z."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Linear(2, 3, dtype=F64)
        self.encoder = nn.Linear(3, 2, dtype=F64)

    def forward(self, z, y=None):
        return self.main(z), z


class Pairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 6, dtype=F64), nn.Tanh(), nn.Linear(6, 1, dtype=F64))
        self.seen = []

    def forward(self, pair, y=None):
        self.seen.append([part.requires_grad for part in pair])
        return self.layers(torch.cat(pair, 1)).squeeze(1)


class BiGAN(GAN):
    def __init__(self) -> None:
        super().__init__((3,), 2)
        self.generator, self.discriminator = Both(), Pairs()

    def sample_z(self, n):
        return torch.randn(n, 2, dtype=F64)

    def view(self, x):
        return x, self.generator.encoder(x)

    def samples(self, sample):
        return sample[0]


def bigan() -> BiGAN:
    torch.manual_seed(0)
    return BiGAN()


def by_hand(gan: BiGAN, n_dis: int, gamma: float, lr: float) -> None:
    """One step of the relativistic game, D with r1 on both of its inputs, written out."""
    optimizers = [torch.optim.SGD(net.parameters(), lr=lr) for net in (gan.generator, gan.discriminator)]
    for i in range(n_dis):
        x, z = real_batch(i)[0], gan.sample_z(8)
        pair = [x.clone().requires_grad_(), gan.generator.encoder(x).detach().requires_grad_()]
        real, fake = gan.discriminator(pair), gan.discriminator([gan.generator.main(z).detach(), z])
        slopes = torch.autograd.grad(real.sum(), pair, create_graph=True)
        r1 = torch.cat(slopes, 1).square().sum(1).mean()
        optimizers[1].zero_grad()
        (softplus(fake - real).mean() + gamma / 2 * r1).backward()
        optimizers[1].step()
    real = gan.discriminator([x, gan.generator.encoder(x)])
    fake = gan.discriminator([gan.generator.main(z), z])
    optimizers[0].zero_grad()
    softplus(real - fake).mean().backward()
    optimizers[0].step()


@pytest.mark.parametrize("n_dis", [1, 3])
@pytest.mark.parametrize("gamma", [0.0, 0.7])
def test_an_encoder_learns_as_by_hand(n_dis, gamma):
    ours, plain = bigan(), bigan()
    stabilizers = [R1(gamma=gamma)] if gamma else []
    step = toy_step("relativistic", stabilizers, lr=0.2, n_dis=n_dis, gan=ours)
    for gan, one in ((ours, lambda: step(real_batch)), (plain, lambda: by_hand(plain, n_dis, gamma, 0.2))):
        before = copy.deepcopy(gan.generator.encoder.weight)
        torch.manual_seed(1)
        one()
        assert not torch.equal(before, gan.generator.encoder.weight)
    for (name, a), b in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")


def test_d_is_shown_what_no_gradient_leads_out_of():
    step = toy_step("relativistic", gan=bigan(), n_dis=2)
    step(real_batch)
    seen = step.gan.discriminator.seen
    assert seen[:4] == [[False, False]] * 4  # two updates of D, real and fake
    assert seen[4:] == [[True, False], [False, True]]  # G's: (G(z), z) and (x, E(x))


def test_a_loss_that_asks_nothing_of_real_samples_costs_no_forward():
    step = toy_step("non-saturating", gan=bigan())
    before = copy.deepcopy(step.gan.generator.encoder.weight)
    step(real_batch)
    assert len(step.gan.discriminator.seen) == 3
    assert torch.equal(before, step.gan.generator.encoder.weight)  # which a dry step says


def test_looking_ahead_an_encoder_learns_through_ds_updates_too():
    """One update of D, with penalties at real and at generated pairs, written out."""
    ours, plain = bigan(), bigan()
    for stabilizer in (r1 := R1(gamma=0.5), r2 := R2(gamma=0.5)):
        stabilizer.name = type(stabilizer).__name__
    step = toy_step("relativistic", [Unrolled(1), r1, r2], lr=0.1, lr_d=0.3, gan=ours)
    x, _ = real_batch()
    torch.manual_seed(1)
    step(lambda i: (x, None))

    torch.manual_seed(1)
    z = plain.sample_z(8)
    weights = {name: p.detach() for name, p in ours.discriminator.named_parameters()}  # D has been updated
    weights = {name: p.clone().requires_grad_() for name, p in weights.items()}

    def judge(at, pair):
        return torch.func.functional_call(plain.discriminator, at, (pair,))

    real = [x.clone().requires_grad_(), plain.generator.encoder(x)]
    fake = [plain.generator.main(z), z.clone().requires_grad_()]
    # The slopes at D's inputs, and not through what made them.
    pairs = [[part.view_as(part) for part in pair] for pair in (real, fake)]
    logits = [judge(weights, pair) for pair in pairs]
    loss = softplus(logits[1] - logits[0]).mean()
    for pair, said in zip(pairs, logits, strict=True):
        slopes = torch.autograd.grad(said.sum(), pair, create_graph=True)
        loss = loss + 0.25 * torch.cat(slopes, 1).square().sum(1).mean()
    gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
    ahead = {name: w - 0.3 * g for (name, w), g in zip(weights.items(), gradients, strict=True)}
    g_loss = softplus(judge(ahead, real) - judge(ahead, fake)).mean()
    moves = torch.autograd.grad(g_loss, list(plain.generator.parameters()))
    for (name, a), b, move in zip(
        ours.generator.named_parameters(), plain.generator.parameters(), moves, strict=True
    ):
        torch.testing.assert_close(a, b - 0.1 * move, msg=lambda text, name=name: f"{name}: {text}")


def test_penalties_between_real_and_generated_pairs():
    penalty = GradientPenalty()
    penalty.name = "gradient-penalty"
    step = toy_step("relativistic", [penalty], gan=bigan())
    step(real_batch)
    assert all(p.isfinite().all() for p in step.gan.parameters())
