"""Images per second of the trainer, beside a plain loop and beside the best loop that we can write by hand.

DCGAN at 32 px, 1 channel, 32 base channels, batch 64; the same nets, data in memory on all sides.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import softplus

from ganzoo.data.base import from_uint8
from ganzoo.plan.config import Config
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS, MODELS
from ganzoo.training.trainer import Trainer

BATCH, STEPS, ROUNDS = 64, 5, 80


def nets():
    torch.manual_seed(0)
    gan = MODELS.get("dcgan")((1, 32, 32), z_dim=100, width=32)
    return gan.generator, gan.discriminator


def trainer_steps():
    config, dataset = plan(
        Words("dcgan", "noise32", batch_size=BATCH, set={"model.width": 32, "model.z_dim": 100}, device="cpu")
    )
    assert isinstance(config, Config)
    trainer = Trainer(config, dataset)
    trainer.gan.train()

    def run():
        for _ in range(STEPS):
            trainer.one_step()

    return run


def plain_steps():
    """The textbook loop: NCHW, default Adam, D not frozen in G's step, losses read at every step."""
    g, d = nets()
    d.main[-1] = torch.nn.Flatten()  # as in the textbook; ours is made for channels_last
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d))
    x = from_uint8(DATASETS.get("noise32")().train.all()[0])
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x), BATCH, shuffle=True, drop_last=True
    )
    ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)

    def run():
        batches = iter(loader)
        for _ in range(STEPS):
            (real,) = next(batches)
            opt_d.zero_grad()
            fake = g(torch.randn(BATCH, 100))
            loss_d = bce(d(real), ones) + bce(d(fake.detach()), zeros)
            loss_d.backward()
            opt_d.step()
            opt_g.zero_grad()
            loss_g = bce(d(fake), ones)
            loss_g.backward()
            opt_g.step()
            loss_d.item(), loss_g.item()

    return run


def tuned_steps():
    """The best we can write by hand without any abstraction: the trainer's machinery is measured on it."""
    g, d = (net.to(memory_format=torch.channels_last) for net in nets())
    opt_g, opt_d = (
        torch.optim.Adam(net.parameters(), lr=5e-4, betas=(0.5, 0.999), fused=True) for net in (g, d)
    )
    averaged = [p.detach().clone() for p in g.parameters()]
    x = DATASETS.get("noise32")().train.all()[0]
    d_parameters = list(d.parameters())

    def run():
        order = torch.randperm(len(x))
        for i in range(STEPS):
            real = from_uint8(x[order[i * BATCH : (i + 1) * BATCH]])
            real = real.contiguous(memory_format=torch.channels_last)
            fake = g(torch.randn(BATCH, 100))
            opt_d.zero_grad()
            (softplus(-d(real)).mean() + softplus(d(fake.detach())).mean()).backward()
            opt_d.step()
            for p in d_parameters:
                p.requires_grad_(False)
            opt_g.zero_grad()
            softplus(-d(fake)).mean().backward()
            opt_g.step()
            for p in d_parameters:
                p.requires_grad_(True)
            with torch.no_grad():
                torch._foreach_lerp_(averaged, list(g.parameters()), 0.02)

    return run


def test_trainer_over_plain_loop(side_by_side):
    """Target >= 1.40."""
    side_by_side(trainer_steps(), plain_steps(), ROUNDS, "a plain eager loop with the same nets")


def test_trainer_over_tuned_loop(side_by_side):
    """Target >= 0.97: the trainer's step takes at most 1.03 of the hand-written one's."""
    side_by_side(trainer_steps(), tuned_steps(), ROUNDS, "the best hand-written loop with the same nets")


def multi_scale(model):
    """A trainer at full resolution, and the same nets, loss and R1 in a loop written for this alone."""
    config, dataset = plan(Words(model, "noise32", batch_size=32, device="cpu"))
    recipe = config.recipe
    assert recipe.loss == "non-saturating"
    (r1,) = recipe.stabilizers
    gamma, interval = (float(word.partition("=")[2]) for word in r1.partition(":")[2].split(","))
    assert r1.startswith("r1:gamma=")
    assert interval == 1
    trainer = Trainer(config, dataset)
    trainer.gan.train()

    def ours():
        trainer.step = recipe.steps  # t = 1: nothing is left to grow
        for _ in range(STEPS):
            trainer.one_step()

    torch.manual_seed(0)
    gan = MODELS.get(model)((1, 32, 32), **recipe.model).to(memory_format=torch.channels_last)
    gan.progress(1.0)
    g, d = gan.generator, gan.discriminator
    opt_g, opt_d = (
        torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.0, 0.99), fused=True) for net in (g, d)
    )
    averaged = [p.detach().clone() for p in g.parameters()]
    x = DATASETS.get("noise32")().train.all()[0]
    d_parameters = list(d.parameters())
    every = (lambda f, s: tuple(map(f, s))) if model == "msg-gan" else (lambda f, s: f(s))

    def hand_written():
        order = torch.randperm(len(x))
        for i in range(STEPS):
            real = from_uint8(x[order[i * 32 : (i + 1) * 32]])
            real = every(
                lambda r: r.detach().requires_grad_(),
                gan.view(real.contiguous(memory_format=torch.channels_last)),
            )
            fake = g(torch.randn(32, gan.z_dim))
            on_real = d(real, None)
            scales = real if isinstance(real, tuple) else (real,)
            slopes = torch.autograd.grad(on_real.sum(), scales, create_graph=True)
            penalty = sum(slope.square().flatten(1).sum(1) for slope in slopes).mean()
            on_fake = d(every(torch.Tensor.detach, fake), None)
            loss = softplus(-on_real).mean() + softplus(on_fake).mean() + gamma / 2 * penalty
            opt_d.zero_grad()
            loss.backward(inputs=d_parameters)
            opt_d.step()
            for p in d_parameters:
                p.requires_grad_(False)
            opt_g.zero_grad()
            softplus(-d(fake, None)).mean().backward()
            opt_g.step()
            for p in d_parameters:
                p.requires_grad_(True)
            with torch.no_grad():
                torch._foreach_lerp_(averaged, list(g.parameters()), 0.02)

    return ours, hand_written


@pytest.mark.parametrize("model", ["progan", "msg-gan"])
def test_step_over_hand_written_loop(model, side_by_side):
    """Target >= 0.95: a step at full resolution takes at most 1.05 of the hand-written one's."""
    side_by_side(*multi_scale(model), 30, "the best hand-written loop with the same nets")
