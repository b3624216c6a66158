"""What the one object that hooks are given holds, in every turn of a real step."""

from __future__ import annotations

import pytest
import torch
from parts import double_z, images, model, step_of
from toys import ToyGAN, real_batch

from ganzoo.errors import UsageError
from ganzoo.models.sample import scales
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.unrolled import Unrolled

Y = torch.tensor([0, 1, 2, 0, 1, 2])


class Spy(Stabilizer):
    name = "spy"

    def __init__(self):
        super().__init__()
        self.seen = []

    def note(self, hook, turn):
        self.seen.append((hook, turn))

    def transform(self, sample, turn):
        self.note("transform", turn)
        return sample

    def wrap_critic(self, critic, turn):
        self.note("wrap_critic", turn)
        return critic

    def real_target(self, target, turn):
        self.note("real_target", turn)
        return target

    def update_d(self, turn):
        self.note("update_d", turn)
        return True

    def differentiates_at(self, turn):
        self.note("differentiates_at", turn)
        return frozenset()

    def d_penalty(self, turn):
        self.note("d_penalty", turn)
        self.state["calls"] = self.state.get("calls", 0) + 1

    def g_penalty(self, turn):
        self.note("g_penalty", turn)

    def gradients(self, turn):
        self.note("gradients", turn)

    def weights(self, turn):
        self.note("weights", turn)

    def turns(self, hook, phase=None):
        return [turn for name, turn in self.seen if name == hook and phase in (None, turn.phase)]


@pytest.fixture
def spied():
    gan = model("acgan", num_classes=3, d_norm="none")
    double_z(gan)
    spy = Spy()
    step = step_of(gan, 0.1, 0.1, stabilizers=[spy])
    step.now = 7, 0.25, 0.5
    step(lambda i: (images(), Y))
    return gan, step, spy


def test_every_hook_is_told_of_step_time_scale_loss_and_labels(spied):
    _, step, spy = spied
    for _, turn in spy.seen:
        assert (turn.step, turn.t, turn.scale) == (7, 0.25, 0.5)
        assert turn.loss is step.loss
        assert torch.equal(turn.y, Y)
        assert torch.equal(turn.real, images())
    order = [f"{turn.phase} {hook}" for hook, turn in spy.seen if hook not in ("transform", "wrap_critic")]
    assert order == [
        "d update_d", "d differentiates_at", "d real_target", "d d_penalty", "d gradients", "d weights",
        "g g_penalty", "g gradients", "g weights",
    ]  # fmt: skip


def test_fake_is_what_g_made_of_z_and_has_a_graph_in_gs_turn_alone(spied):
    gan, _, spy = spied
    (d,), (g,) = spy.turns("d_penalty"), spy.turns("g_penalty")
    assert d.z is g.z
    assert torch.equal(d.fake, g.fake)
    assert not d.fake.requires_grad
    assert g.fake.requires_grad
    assert set(gan.net("d")) == {"discriminator", "classifier"}
    assert list(d.net.parameters()) == list(gan.net("d").parameters())
    assert g.net is gan.generator


def test_in_gs_turn_all_that_ds_optimizer_trains_is_frozen():
    gan = model("acgan", num_classes=3, d_norm="none")
    double_z(gan)
    seen = {}

    class Frozen(Spy):
        def d_penalty(self, turn):
            seen["d"] = [p.requires_grad for p in gan.net("d").parameters()]

        def g_penalty(self, turn):
            seen["g"] = [p.requires_grad for p in gan.net("d").parameters()]

    step_of(gan, 0.1, 0.1, stabilizers=[Frozen()])(lambda i: (images(), Y))
    assert all(seen["d"])
    assert not any(seen["g"])
    assert all(p.requires_grad for p in gan.net("d").parameters())


def test_sides_are_told_while_samples_are_transformed_and_none_else(spied):
    _, _, spy = spied
    assert [(turn.phase, turn.side) for turn in spy.turns("transform")] == [
        ("d", "real"), ("d", "fake"), ("g", "fake"),
    ]  # fmt: skip
    assert all(turn.side is None for hook, turn in spy.seen if hook != "transform")


def test_points_between_have_no_side():
    spy = Spy()

    class Between(Spy):
        def d_penalty(self, turn):
            turn.critic((turn.real + turn.fake) / 2, turn.y)

    step_of(ToyGAN(), stabilizers=[spy, Between()])(real_batch)
    assert [turn.side for turn in spy.turns("transform", "d")] == ["real", "fake", None]


def test_there_is_no_critic_while_samples_are_made_for_it(spied):
    _, _, spy = spied
    for hook in ("transform", "wrap_critic"):
        turn = spy.turns(hook)[0]
        for ask in (turn.critic, turn.critic.features):
            with pytest.raises(UsageError, match="transform and wrap_critic are told of no critic"):
                ask(turn.real, turn.y)


def test_the_critic_answers_what_it_answered_until_a_sample_is_altered(spied):
    gan, _, spy = spied
    (turn,) = spy.turns("d_penalty")
    calls = []
    gan.discriminator.register_forward_hook(lambda *_: calls.append(1))
    said = turn.critic(turn.real, turn.y)
    assert turn.critic(turn.real, turn.y) is said
    assert turn.critic.features(turn.real, turn.y) is turn.critic.features(turn.real, turn.y)
    assert calls == []  # it is all of the step's own forward
    turn.critic(turn.real.clone(), turn.y)
    assert len(calls) == 1
    turn.real.mul_(0.5)
    assert turn.critic(turn.real, turn.y) is not said
    assert len(calls) == 2


def test_features_of_a_d_without_a_head_are_refused():
    asked = []

    class Asks(Stabilizer):
        def d_penalty(self, turn):
            asked.append(turn)

    step_of(ToyGAN(), stabilizers=[Asks()])(real_batch)
    with pytest.raises(UsageError, match=r"discriminator of ToyGAN is not made of features\(x, y\)"):
        asked[0].critic.features(asked[0].real, None)


def test_ds_loss_is_that_of_one_update_ago():
    spy = Spy()
    step = step_of(ToyGAN(), 0.1, 0.1, stabilizers=[spy])
    read = []
    for i in range(3):
        step(lambda _, i=i: real_batch(i))
        read.append(step.meter.read()["d_loss"])
    given = [turn.d_loss for turn in spy.turns("update_d")]
    assert given[0] is None
    assert given[1:] == pytest.approx(read[:2])
    assert all(turn.d_loss is None for _, turn in spy.seen if turn.phase == "g")


def test_what_is_looked_ahead_at_is_a_turn_of_d_that_never_was():
    """Its penalties are asked with D's net and phase, and what they keep of it is forgotten."""
    gan, spy = ToyGAN(), Spy()
    step_of(gan, 0.1, 0.1, stabilizers=[Unrolled(3), spy])(real_batch)
    turns = spy.turns("d_penalty")
    assert len(turns) == 4
    assert all(turn.phase == "d" and turn.net is gan.discriminator for turn in turns)
    assert spy.state == {"calls": 1}
    assert len(spy.turns("weights", "d")) == 1


def test_a_pyramid_is_one_sample():
    gan = model("msg-gan", (1, 16, 16))
    double_z(gan)
    spy = Spy()
    step_of(gan, stabilizers=[spy])(lambda i: (images(4, (1, 16, 16)), None))
    (turn,) = spy.turns("d_penalty")
    assert isinstance(turn.real, tuple)
    assert [x.shape for x in scales(turn.real)] == [x.shape for x in scales(turn.fake)]
    assert [t.side for t in spy.turns("transform", "d")] == ["real", "fake"]
