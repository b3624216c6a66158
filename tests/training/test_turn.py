"""What each hook is told, in D's turn and in G's, and in which order they are asked."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from parts import double_z, images, model
from toys import ToyGAN, real_batch, toy_step, turn_of

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.recipe import Schedule
from ganzoo.models.sample import leaf, map_sample, scales
from ganzoo.registry import STABILIZERS
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.critic import GradientNormalization
from ganzoo.stabilizers.penalties import R1, R2, Dragan
from ganzoo.stabilizers.unrolled import Unrolled

Y = torch.arange(8) % 2
OF_D = [
    "update_d", "differentiates_at", "wrap_critic", "transform real", "transform fake", "real_target",
    "d_penalty", "gradients", "weights",
]  # fmt: skip
OF_G = ["look_ahead", "wrap_critic", "transform fake", "g_penalty", "gradients", "weights"]


class Told(Stabilizer):
    """Keeps every turn that it is told of, by hook, in order."""

    name = "told"
    update = True

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    def transform(self, sample, turn):
        self.calls.append((f"transform {turn.side}", turn))
        return sample

    def wrap_critic(self, critic, turn):
        self.calls.append(("wrap_critic", turn))
        return critic

    def real_target(self, target, turn):
        self.calls.append(("real_target", turn))
        return target

    def update_d(self, turn):
        self.calls.append(("update_d", turn))
        return self.update

    def differentiates_at(self, turn):
        self.calls.append(("differentiates_at", turn))
        return frozenset()

    def d_penalty(self, turn):
        self.calls.append(("d_penalty", turn))

    def g_penalty(self, turn):
        self.calls.append(("g_penalty", turn))

    def look_ahead(self, turn, loss, optimizer):
        self.calls.append(("look_ahead", turn))

    def gradients(self, turn):
        self.calls.append(("gradients", turn))

    def weights(self, turn):
        self.calls.append(("weights", turn))

    @property
    def hooks(self):
        return [hook for hook, _ in self.calls]

    def turns(self, phase):
        return [turn for _, turn in self.calls if turn.phase == phase]


def draw(i):
    return real_batch(i)[0], Y


def several():
    """Beside D another net learns, from what D sees."""
    gan = model("acgan", num_classes=2, d_norm="none")
    double_z(gan)
    return gan


def told_of_a_step(loss="non-saturating", others=(), gan=None, n_dis=1):
    told = Told()
    step = toy_step(loss, [*others, told], gan=gan, n_dis=n_dis)
    step.now = 7, 0.25, 0.5
    step(draw if gan is None or len(gan.sample_shape) == 1 else lambda i: (images(8), Y))
    return told, step


@pytest.mark.parametrize("n_dis", [1, 3])
@pytest.mark.parametrize("gan", [ToyGAN, several])
def test_the_order_and_the_phase(gan, n_dis):
    told, _ = told_of_a_step(gan=gan(), n_dis=n_dis)
    assert told.hooks == OF_D * n_dis + OF_G
    assert [turn.phase for _, turn in told.calls] == ["d"] * len(OF_D) * n_dis + ["g"] * len(OF_G)


def test_of_a_relativistic_loss_g_compares_with_real_ones():
    told, _ = told_of_a_step("relativistic")
    assert told.hooks == [*OF_D, *OF_G[:3], "transform real", *OF_G[3:]]


def test_where_d_sleeps_only_its_loss_is_asked_for():
    told = Told()
    told.update = False
    toy_step(stabilizers=[told])(draw)
    asleep = [OF_D[0], *OF_D[2:5]]
    assert told.hooks == [*asleep, *OF_G]


@pytest.mark.parametrize("gan", [ToyGAN, several])
def test_every_hook_is_told_the_same(gan):
    told, step = told_of_a_step(gan=gan())
    real = real_batch()[0] if gan is ToyGAN else images(8)
    for _, turn in told.calls:
        assert (turn.step, turn.t, turn.scale) == (7, 0.25, 0.5)
        assert turn.loss is step.loss
        assert turn.y is Y
        assert turn.net is step.nets[turn.phase]
        assert list(turn.net.parameters()) == list(step.gan.net(turn.phase).parameters())
        torch.testing.assert_close(turn.real, real, rtol=0, atol=0)
    for hook, turn in told.calls:
        sides = {"transform real": "real", "transform fake": "fake"}
        assert turn.side == sides.get(hook)
    with pytest.raises(dataclasses.FrozenInstanceError):
        turn.step = 8


def test_z_is_what_fake_was_made_from():
    """G's turn is about the samples of the last of D's, with a graph in it alone."""
    gan = ToyGAN()
    gan.generator.bias.data += 0.3
    told, _ = told_of_a_step(gan=gan, n_dis=3)
    zs = [next(calls)[1].z for _, calls in itertools.groupby(told.calls, lambda call: id(call[1].z))]
    assert len(zs) == 3
    before = torch.full((3,), 0.3, dtype=torch.float64)
    for _, turn in told.calls:
        torch.testing.assert_close(turn.fake.detach(), turn.z + before)
        assert turn.fake.requires_grad == (turn.phase == "g")
        assert not turn.real.requires_grad
    assert all(turn.z is zs[-1] for turn in told.turns("g"))


def test_of_several_nets_both_turns_are_about_one_fake():
    gan = several()
    told, _ = told_of_a_step(gan=gan)
    d, g = (next(turn for hook, turn in told.calls if hook == f"{phase}_penalty") for phase in "dg")
    assert d.z is g.z
    assert torch.equal(d.fake, g.fake)
    assert not d.fake.requires_grad
    assert g.fake.requires_grad
    assert set(gan.net("d")) == set(d.net) == {"discriminator", "classifier"}
    assert g.net is gan.generator


def test_in_gs_turn_all_that_ds_optimizer_trains_is_frozen():
    gan, seen = several(), {}

    class Frozen(Told):
        def d_penalty(self, turn):
            seen["d"] = [p.requires_grad for p in gan.net("d").parameters()]

        def g_penalty(self, turn):
            seen["g"] = [p.requires_grad for p in gan.net("d").parameters()]

    told_of_a_step(others=[Frozen()], gan=gan)
    assert all(seen["d"])
    assert not any(seen["g"])
    assert all(p.requires_grad for p in gan.net("d").parameters())


def test_a_pyramid_is_one_sample():
    gan = model("msg-gan", (1, 16, 16))
    double_z(gan)
    told = Told()
    toy_step(stabilizers=[told], gan=gan)(lambda i: (images(4, (1, 16, 16)), None))
    (turn,) = (turn for hook, turn in told.calls if hook == "d_penalty")
    assert isinstance(turn.real, tuple)
    assert [x.shape for x in scales(turn.real)] == [x.shape for x in scales(turn.fake)]
    assert sides_of(told) == ["real", "fake", "fake"]


def test_a_run_tells_the_step_and_what_its_schedules_say():
    told = []

    class Tells(Told):
        def __init__(self) -> None:
            super().__init__()
            told.append(self)

    schedule = {"penalty_schedule.kind": "linear", "penalty_schedule.end": 0.2}
    with STABILIZERS.lent("tells", Tells):
        ganzoo.train(
            "mlp-gan", "ring8", steps=4, batch_size=8, stabilizer=["tells"], set=schedule, progress=False
        )
    (calls,) = (one.calls for one in told if len({turn.step for _, turn in one.calls}) == 4)
    expected = [(i, i / 4, Schedule("linear", 1.0, 0.2).at(i / 4)) for i in range(4)]
    seen = [(turn.step, turn.t, turn.scale) for _, turn in calls]
    assert list(dict.fromkeys(seen)) == [pytest.approx(one) for one in expected]


# D's loss


@pytest.mark.parametrize("n_dis", [1, 2])
def test_ds_loss_is_told_one_update_late_and_in_gs_turn_never(n_dis):
    told = Told()
    step = toy_step(stabilizers=[told], n_dis=n_dis)
    losses, d = [None], step.loss.d
    step.loss.d = lambda *args, **more: (losses.append(d(*args, **more)), losses[-1])[1]
    for _ in range(3):
        step(draw)
    said = [None if loss is None else pytest.approx(float(loss.detach())) for loss in losses]
    updates = [turn.d_loss for hook, turn in told.calls if hook == "update_d"]
    assert updates == said[:-1]
    assert len(updates) == 3 * n_dis
    by_update = {id(turn.z): turn.d_loss for hook, turn in told.calls if hook == "update_d"}
    assert all(turn.d_loss == by_update[id(turn.z)] for turn in told.turns("d"))
    assert {turn.d_loss for turn in told.turns("g")} == {None}


# Sides


def sides_of(told):
    return [hook.removeprefix("transform ") for hook in told.hooks if hook.startswith("transform")]


@pytest.mark.parametrize(
    ("others", "sides"),
    [
        ([], ["real", "fake", "fake"]),
        ([R1, R2], ["real", "fake", "fake"]),
        ([Dragan], ["real", "fake", "None", "fake"]),
        ([GradientNormalization], ["real", "fake", "fake"]),
    ],
    ids=["plain", "at real and fake", "around real", "normalized"],
)
def test_transforms_are_told_which_of_the_two_a_sample_is(others, sides):
    others = [kind() for kind in others]
    for stabilizer in others:
        stabilizer.name = type(stabilizer).__name__
    assert sides_of(told_of_a_step(others=others)[0]) == sides


@pytest.mark.parametrize("phase", ["d", "g"])
@pytest.mark.parametrize("pyramid", [False, True])
def test_a_sample_has_its_side_by_any_name(phase, pyramid):
    """Cut from its graph or not; a copy is another sample, and so is a point between the two."""
    told = Told()
    step = toy_step(stabilizers=[told])
    step.gan.discriminator.forward = lambda x, y=None: (x[0] if pyramid else x).sum(1)
    real, fake = ((x, x[:, :2]) if pyramid else x for x in (real_batch(i)[0] for i in range(2)))
    critic = step._judged(turn_of(phase, step.gan, real=real, fake=fake)).critic
    clone = map_sample(torch.clone, real)
    for sample in (real, fake, leaf(real), leaf(fake), clone, map_sample(lambda x: x + 1.0, fake)):
        critic(sample, None)
    assert sides_of(told) == ["real", "fake", "real", "fake", "None", "None"]


def test_transforms_are_told_the_labels_that_the_critic_is_asked_with():
    told = Told()
    step, (x, _) = toy_step(stabilizers=[told]), draw(0)
    critic = step._judged(turn_of("d", step.gan, real=x, y=Y)).critic
    for y in (Y, 1 - Y, None):
        critic(x, y)
        assert told.calls[-1][1].y is y


# The critic


@pytest.mark.parametrize("hook", ["transform", "wrap_critic"])
@pytest.mark.parametrize("how", ["judges", "features"])
def test_where_samples_are_being_made_for_the_critic_there_is_none(hook, how):
    def asks(self, given, turn):
        (turn.critic if how == "judges" else turn.critic.features)(turn.real, turn.y)

    step = toy_step(stabilizers=[type("Asks", (Stabilizer,), {hook: asks})()])
    with pytest.raises(UsageError, match="what D sees is being made: transform and wrap_critic are told of"):
        step(draw)


def test_penalties_are_told_of_the_critic_that_the_loss_was_made_by():
    told, step = told_of_a_step()
    calls = step.gan.discriminator.calls
    for hook in ("real_target", "d_penalty", "g_penalty"):
        (turn,) = (turn for name, turn in told.calls if name == hook)
        logits = turn.critic(turn.fake, turn.y)
        assert turn.critic(turn.fake, turn.y) is logits
    assert step.gan.discriminator.calls == calls  # they were at hand


def test_the_critic_answers_what_it_answered_until_a_sample_is_altered():
    gan, calls = several(), []
    told, _ = told_of_a_step(gan=gan)
    (turn,) = (turn for hook, turn in told.calls if hook == "d_penalty")
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
    told, _ = told_of_a_step()
    (turn,) = (turn for hook, turn in told.calls if hook == "d_penalty")
    with pytest.raises(UsageError, match=r"discriminator of ToyGAN is not made of features\(x, y\)"):
        turn.critic.features(turn.real, None)


def test_wrappers_wrap_in_the_order_given_and_are_told_of_features():
    order = []

    class Wraps(Stabilizer):
        def wrap_critic(self, critic, turn):
            def wrapped(sample, y):
                order.append((self.name, turn.phase))
                with pytest.raises(UsageError, match="ToyGAN is not made of features"):
                    critic.features(sample, y)
                return critic(sample, y)

            return wrapped

    first, second = Wraps(), Wraps()
    first.name, second.name = "first", "second"
    toy_step(stabilizers=[first, second])(draw)
    assert order == [(name, phase) for phase in "ddg" for name in ("second", "first")]


# Ahead


@pytest.mark.parametrize("k", [1, 2])
def test_looking_ahead_is_a_turn_of_d_inside_gs(k):
    told, step = told_of_a_step(others=[Unrolled(k)])
    ahead = ["wrap_critic", "transform real", "transform fake", "real_target", "d_penalty"]
    assert told.hooks == [*OF_D, *ahead * k, *OF_G[1:]]  # look_ahead: the first with an answer counts
    for _, turn in told.calls[len(OF_D) : -len(OF_G) + 1]:
        assert (turn.phase, turn.d_loss, turn.step) == ("d", None, 7)
        assert turn.net is step.gan.discriminator
        assert turn.fake.requires_grad


def test_what_is_kept_while_somebody_looks_ahead_is_forgotten():
    class Counts(Told):
        def d_penalty(self, turn):
            super().d_penalty(turn)
            self.state["calls"] = self.state.get("calls", 0) + 1

    counts = Counts()
    toy_step(stabilizers=[Unrolled(3), counts])(draw)
    assert counts.hooks.count("d_penalty") == 4
    assert counts.state == {"calls": 1}
    assert [turn.phase for hook, turn in counts.calls if hook == "weights"] == ["d", "g"]


def test_updates_of_d_are_told_to_the_optimizers_net_alone():
    told, step = told_of_a_step()
    nets = [(hook, turn.net) for hook, turn in told.calls if hook in ("gradients", "weights")]
    d, g = step.gan.discriminator, step.gan.generator
    assert nets == [("gradients", d), ("weights", d), ("gradients", g), ("weights", g)]


def test_a_turn_takes_objects_alone():
    gan, loss = model("mlp-gan", (2,)).float(), ganzoo.LOSSES.make("hinge")
    x = torch.zeros(4, 2)
    for given in (["r1"], "r1", R1, [R1]):
        with pytest.raises(UsageError, match="stabilizers: expected objects"):
            ganzoo.turn("d", gan, loss, x, stabilizers=given)
    assert ganzoo.turn("d", gan, loss, x, stabilizers=R1()).real.requires_grad
    with pytest.raises(UsageError, match="loss: expected an object"):
        ganzoo.turn("d", gan, "hinge", x)
