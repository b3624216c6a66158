"""Turns that are made for the test of a hook."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import ganzoo.testing
from ganzoo.errors import UsageError
from ganzoo.models.turn import Turn
from ganzoo.registry import MODELS
from ganzoo.stabilizers.penalties import R1
from ganzoo.testing import turn_of

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_passes():
    (example,) = re.findall(r"^```py title=[^\n]*small_logits[^\n]*\n(.*?)^```$", PAGE, flags=re.S | re.M)
    names: dict = {}
    exec(compile(example, "plugins.md", "exec"), names)
    names["test_the_penalty_is_their_mean_square"]()


def test_it_is_among_what_the_package_offers():
    assert "turn_of" in ganzoo.testing.__all__
    with pytest.raises(AttributeError, match="no attribute 'turn'"):
        ganzoo.testing.turn  # noqa: B018  # to look it up is what fails


def test_without_a_model_nobody_judges_and_fields_are_as_told():
    x, y = torch.randn(4, 3), torch.arange(4)
    turn = turn_of(x, y, phase="g", step=7, t=0.5, fake=2 * x)
    assert isinstance(turn, Turn)
    assert (turn.phase, turn.step, turn.t, turn.scale) == ("g", 7, 0.5, 1.0)
    assert turn.real is x
    assert turn.y is y
    assert torch.equal(turn.fake, 2 * x)
    with pytest.raises(UsageError):
        turn.critic(x, y)


@pytest.mark.parametrize("phase", ["d", "g"])
@pytest.mark.parametrize("name", ["mlp-gan", "msg-gan", "bigan"])
def test_a_model_makes_what_there_is_in_its_step(name, phase):
    gan = MODELS.get(name)((1, 8, 8), width=4, num_classes=3)
    x, y = torch.randn(6, 1, 8, 8), torch.arange(6) % 3
    turn = turn_of(x, y, gan, phase=phase)
    assert turn.net is not None
    assert {id(p) for p in turn.net.parameters()} == {id(p) for p in gan.net(phase).parameters()}
    assert len(turn.z) == 6
    assert gan.samples(turn.fake).requires_grad == (phase == "g")
    assert torch.equal(gan.samples(turn.real), x)
    logits = turn.critic(turn.fake, y)
    assert turn.critic(turn.fake, y) is logits


def test_penalties_can_be_asked():
    gan = MODELS.get("mlp-gan")((2,), width=4, d_norm="none")
    x = torch.randn(6, 2).requires_grad_()
    penalty = R1(gamma=2.0).d_penalty(turn_of(x, gan=gan, scale=0.5))
    (slope,) = torch.autograd.grad(gan.discriminator(x, None).sum(), x)
    torch.testing.assert_close(penalty, 0.5 * slope.square().sum(1).mean())
