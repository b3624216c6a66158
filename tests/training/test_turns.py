"""Members in somebody's own loop: it does what the zoo's own step does."""

from __future__ import annotations

import pytest
import torch
from toys import ToyGAN, real_batch, toy_step

import ganzoo
from ganzoo import UsageError

STABILIZERS = ("r1", "instance-noise", "drift")


IMAGES = ("dcgan", (1, 16, 16), {"width": 4})
SMALL = {
    **dict.fromkeys(("ada", "consistency", "diffaugment", "layer-norm"), IMAGES),
    "path-length": ("stylegan2", (1, 16, 16), {"width": 4}),
}


def members():
    gan = ToyGAN()
    stabilizers = [ganzoo.stabilizers.get(name)() for name in STABILIZERS]
    for stabilizer in stabilizers:
        stabilizer.setup(gan)
    return gan, ganzoo.losses.get("non-saturating")(), stabilizers


def test_a_loop_by_hand_makes_the_step_of_the_zoo():
    gan, loss, stabilizers = members()
    by_hand = [torch.optim.SGD(gan.net(phase).parameters(), lr=0.1) for phase in "gd"]
    torch.manual_seed(0)
    for i in range(3):
        real, _ = real_batch(i)
        turn = ganzoo.turn("d", gan, loss, real, stabilizers=stabilizers, step=i)
        d_loss = loss.d(turn.critic(turn.real, None), turn.critic(turn.fake, None))
        penalties = [one.d_penalty(turn) for one in stabilizers]
        by_hand[1].zero_grad()
        sum((one for one in penalties if one is not None), d_loss).backward()
        by_hand[1].step()
        turn = ganzoo.turn("g", gan, loss, real, stabilizers=stabilizers, z=turn.z, step=i)
        by_hand[0].zero_grad()
        loss.g(turn.critic(turn.fake, None)).backward()
        by_hand[0].step()

    other, _, stabilizers = members()
    step = toy_step(stabilizers=stabilizers, gan=other)
    torch.manual_seed(0)
    for i in range(3):
        step.now = (i, 0.0, 1.0)
        step(lambda _, i=i: real_batch(i))
    for mine, its in zip(gan.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert not torch.equal(gan.generator.bias, ToyGAN().generator.bias)


def test_what_a_turn_holds():
    gan, loss, stabilizers = members()
    real, _ = real_batch()
    turn = ganzoo.turn("d", gan, loss, real, stabilizers=stabilizers, step=4, d_loss=0.5)
    assert (turn.phase, turn.step, turn.d_loss, turn.net) == ("d", 4, 0.5, gan.discriminator)
    assert turn.real.requires_grad  # r1 differentiates there
    assert not turn.fake.requires_grad
    turn = ganzoo.turn("g", gan, loss, real, fake=turn.fake, d_loss=0.5)
    assert turn.d_loss is None
    assert ganzoo.turn("g", gan, loss, real).fake.requires_grad
    with pytest.raises(UsageError, match="phase='D': expected"):
        ganzoo.turn("D", gan, loss, real)


@pytest.mark.parametrize("name", ganzoo.STABILIZERS)
def test_every_stabilizer_is_told_of_both_turns(name):
    """Those of the zoo, on a small model of vectors, or of images."""
    stabilizer = ganzoo.stabilizers.get(name)()
    model, shape, options = SMALL.get(name, ("mlp-gan", (2,), {"width": 8, "d_width": 8}))
    gan = ganzoo.models.get(model)(shape, **options, **stabilizer.model_options())
    loss, real = ganzoo.losses.get("non-saturating")(), torch.rand(8, *shape) * 2 - 1
    stabilizer.setup(gan)
    turn = ganzoo.turn("d", gan, loss, real, stabilizers=[stabilizer])
    d_loss = loss.d(turn.critic(turn.real, None), turn.critic(turn.fake, None))
    (d_loss + (stabilizer.d_penalty(turn) or 0)).backward()
    turn = ganzoo.turn("g", gan, loss, real, stabilizers=[stabilizer])
    (loss.g(turn.critic(turn.fake, None)) + (stabilizer.g_penalty(turn) or 0)).backward()
    assert any(p.grad is not None for p in gan.generator.parameters())
