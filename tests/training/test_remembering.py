"""What D said is said again only of the same samples with the same labels, unaltered, and with a graph."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn
from toys import ToyGAN, part, real_batch, toy_step, turn_of

from ganzoo.errors import UsageError
from ganzoo.stabilizers.augment import InstanceNoise
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.batches import FeatureMatching
from ganzoo.stabilizers.critic import GradientNormalization
from ganzoo.stabilizers.penalties import R1, R2
from ganzoo.stabilizers.unrolled import Unrolled
from ganzoo.training.critic import TurnsCritic

Y = (torch.arange(8) % 3 == 0).long()
OTHER = 1 - Y


class Labelled(nn.Module):
    """D(x, y) = w . x + b[y], made of features [N, 4] and a head; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Linear(3, 4, dtype=torch.float64)
        self.table = nn.Embedding(2, 4, dtype=torch.float64)
        self.head = nn.Linear(4, 1, dtype=torch.float64)
        self.calls = 0

    def features(self, x, y):
        return self.main(x) + self.table(y)

    def forward(self, x, y=None):
        self.calls += 1
        x = x[0] + x[1] if isinstance(x, tuple) else x
        return self.head(self.features(x, y)).squeeze(1)


def labelled() -> ToyGAN:
    torch.manual_seed(0)
    gan = ToyGAN()
    gan.discriminator = Labelled()
    return gan


def critic_of(gan: ToyGAN, *stabilizers, phase="d", **told) -> TurnsCritic:
    return TurnsCritic(gan, list(stabilizers), turn_of(phase, gan, **told))


class Asks(Stabilizer):
    """Keeps what the critic says of real samples, as they are given and in other ways."""

    name = "asks"

    def __init__(self, ask) -> None:
        super().__init__()
        self.ask, self.seen = ask, []

    def d_penalty(self, turn):
        self.seen = self.ask(turn.critic, turn.real, turn.y)


@pytest.mark.parametrize("others", [[], [GradientNormalization]], ids=["plain", "normalized"])
def test_a_penalty_is_answered_for_the_labels_that_it_asks_with(others):
    asks = Asks(
        lambda critic, real, y: [critic(real, y), critic(real, OTHER), critic(real, None if y is None else y)]
    )
    gan = labelled()
    step = toy_step(gan=gan, stabilizers=[asks, *(kind() for kind in others)], lr=0.0)
    x, _ = real_batch()
    step(lambda i: (x, Y))
    critic = critic_of(gan, *step.stabilizers)
    said, other, again = asks.seen
    torch.testing.assert_close(said, critic(x, Y))
    torch.testing.assert_close(other, critic(x, OTHER))
    assert not torch.allclose(said, other)
    assert again is said


def test_of_altered_samples_or_labels_it_is_asked_anew():
    gan, (x, _), y = labelled(), real_batch(), Y.clone()
    pair = (x, x + 1.0)
    critic = critic_of(gan)
    with torch.no_grad():
        for alter in (lambda: None, lambda: pair[1].mul_(2.0), lambda: y.copy_(OTHER), lambda: x.add_(1.0)):
            alter()
            assert torch.equal(critic(pair, y), gan.discriminator(pair, y))
            assert torch.equal(critic.features(pair, y), gan.discriminator.features(pair[0] + pair[1], y))
            calls = gan.discriminator.calls
            critic(pair, y)
            assert gan.discriminator.calls == calls


def test_a_d_that_alters_what_it_is_given_is_not_asked_again_for_it():
    gan, x = labelled(), real_batch()[0]
    features = gan.discriminator.features
    gan.discriminator.features = lambda x, y: features(x.mul_(2.0), y)
    critic = critic_of(gan)
    assert critic(x, Y) is critic(x, Y)
    assert critic.features(x, Y) is critic.features(x, Y)
    assert gan.discriminator.calls == 1
    torch.testing.assert_close(x, 2.0 * real_batch()[0])


def test_an_answer_without_a_graph_is_none_where_one_is_wanted():
    gan, (x, _) = labelled(), real_batch()
    critic = critic_of(gan)
    with torch.no_grad():
        assert not critic(x, Y).requires_grad
    said = critic(x, Y)
    assert said.requires_grad
    with torch.no_grad():  # the other way round it will do
        assert critic(x, Y) is said
    assert gan.discriminator.calls == 2
    assert critic(x.requires_grad_(), Y) is not said  # whose graph does not reach x


def test_looking_ahead_remembers_by_labels_too():
    asks = Asks(lambda critic, real, y: [(critic(real, y) - critic(real, OTHER)).detach()])
    step = toy_step(gan=labelled(), stabilizers=[Unrolled(1), asks], lr=0.0)
    step(lambda i: (real_batch()[0], Y))
    assert float(asks.seen[0].abs().min()) > 0.0


# Features


@pytest.mark.parametrize("phase", ["d", "g"])
def test_features_are_of_the_forward_that_the_logits_are_of(phase):
    """Behind the same noise, whichever was asked for first, for real, generated and other samples."""
    real, fake, other = (real_batch(i)[0] for i in range(3))
    for features_first in (True, False):
        gan = labelled()
        critic = critic_of(gan, InstanceNoise(std=2.0), phase=phase, real=real, fake=fake, y=Y)
        for x in (real, fake, other):
            calls = gan.discriminator.calls
            if features_first:
                features, logits = critic.features(x, Y), critic(x, Y)
            else:
                logits, features = critic(x, Y), critic.features(x, Y)
            assert gan.discriminator.calls == calls + 1
            torch.testing.assert_close(gan.discriminator.head(features).squeeze(1), logits)
            assert not torch.allclose(features, gan.discriminator.features(x, Y))
            assert critic.features(x, Y) is features
    assert not gan.discriminator.head._forward_pre_hooks


@pytest.mark.parametrize("others", [[], [GradientNormalization]], ids=["plain", "normalized"])
def test_features_are_of_the_labels_and_with_the_graph_that_they_are_asked_for(others):
    gan, (x, _) = labelled(), real_batch()
    critic = critic_of(gan, *(kind() for kind in others), real=x)
    critic(x, Y)
    d = gan.discriminator
    torch.testing.assert_close(critic.features(x, OTHER), d.features(x, OTHER))
    torch.testing.assert_close(critic.features(x, Y), d.features(x, Y))
    again = critic_of(gan, *(kind() for kind in others), real=x)
    with torch.no_grad():
        again.features(x, Y)
    assert again.features(x, Y).requires_grad
    (slope,) = torch.autograd.grad(again.features(leaf := x.clone().requires_grad_(), Y).sum(), leaf)
    torch.testing.assert_close(slope, d.main.weight.sum(0).expand(8, 3))


@pytest.mark.parametrize("pyramid", [False, True])
@pytest.mark.parametrize("phase", ["d", "g"])
def test_features_behind_a_wrapper_are_of_its_forward(phase, pyramid):
    """Gradient normalisation judges samples under other names, at which it can differentiate."""
    gan, (real, fake) = labelled(), (real_batch(i)[0] for i in range(2))
    if pyramid:
        real, fake = (real, real.clone()), (fake, fake.clone())
    if phase == "g":
        fake = tuple(x.requires_grad_() for x in fake) if pyramid else fake.requires_grad_()
    critic = critic_of(
        gan, InstanceNoise(2.0), GradientNormalization(), phase=phase, real=real, fake=fake, y=Y
    )
    for calls, x in enumerate((real, fake), 1):
        logits, features = critic(x, Y), critic.features(x, Y)
        assert gan.discriminator.calls == calls
        raw = gan.discriminator.head(features).squeeze(1)
        slope = (gan.discriminator.head.weight @ gan.discriminator.main.weight).norm()
        torch.testing.assert_close(logits, raw / ((2**0.5 if pyramid else 1.0) * slope + raw.abs()))
    if phase == "g":
        part = fake[0] if pyramid else fake
        (slope,) = torch.autograd.grad(critic.features(fake, Y).sum(), part)
        assert slope.abs().sum() > 0.0


class Cuts(Stabilizer):
    """Judges samples that are cut from what made them."""

    def wrap_critic(self, critic, turn):
        return lambda sample, y: critic(sample.detach().requires_grad_(), y)


@pytest.mark.parametrize("others", [[], [Cuts]], ids=["by a penalty", "by a wrapper"])
def test_features_with_a_graph_are_not_those_of_a_sample_cut_from_it(others):
    """Where D was asked at points that were cut from what G made, G learns from features all the same."""
    gan, fake = labelled(), real_batch()[0].requires_grad_()
    critic = critic_of(gan, *(kind() for kind in others), phase="g", fake=fake, y=Y)
    critic(fake.detach().requires_grad_(), Y)
    critic(fake, Y)
    (slope,) = torch.autograd.grad(critic.features(fake, Y).sum(), fake)
    assert slope.abs().sum() > 0.0


def test_of_a_d_without_features_they_are_refused_with_a_sentence():
    step = toy_step()
    with pytest.raises(UsageError, match=r"the discriminator of ToyGAN is not made of features\(x, y\)"):
        critic_of(step.gan).features(real_batch()[0], None)


def test_a_d_whose_head_is_a_method_trains():
    class Methods(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main = nn.Linear(3, 1, dtype=torch.float64)

        def features(self, x, y):
            return self.main(x)

        def head(self, h, y):
            return h.squeeze(1)

        def forward(self, x, y=None):
            return self.head(self.features(x, y), y)

    gan = ToyGAN()
    gan.discriminator = Methods()
    toy_step(gan=gan)(real_batch)
    with pytest.raises(UsageError, match=r"not made of features\(x, y\) and such a head"):
        critic_of(gan).features(real_batch()[0], None)


class Graphs(Stabilizer):
    """Has weak references to what D says and to its features, in either turn."""

    name = "graphs"

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def look(self, turn):
        for x in (turn.real, turn.fake):
            self.seen += map(weakref.ref, (turn.critic(x, turn.y), turn.critic.features(x, turn.y)))

    def d_penalty(self, turn):
        self.look(turn)
        return turn.critic(turn.real, turn.y).square().mean()

    def g_penalty(self, turn):
        self.look(turn)


@pytest.mark.parametrize(
    "others",
    [[], [FeatureMatching], [GradientNormalization], [R1, R2, InstanceNoise], [lambda: Unrolled(1)]],
    ids=["plain", "matching", "normalized", "penalties", "ahead"],
)
@pytest.mark.parametrize("loss", ["non-saturating", "relativistic"])
def test_no_graph_outlives_the_step(loss, others):
    """Nor does a cycle of references keep one until somebody collects it: that would be memory lost."""
    graphs, others = Graphs(), [kind() for kind in others]
    for stabilizer in others:
        stabilizer.name = type(stabilizer).__name__
    step = toy_step(loss, [*others, graphs], gan=labelled())
    step(lambda i: (real_batch(i)[0], Y))  # with gradients made, and whatever is made once
    gc.collect()
    gc.disable()
    try:
        graphs.seen.clear()
        step(lambda i: (real_batch(i)[0], Y))
        assert len(graphs.seen) >= 8
        assert not [seen for seen in graphs.seen if seen() is not None]
    finally:
        gc.enable()


# Feature matching


class Before(Stabilizer):
    """Asks the critic of G's step for other answers before feature matching has its turn."""

    name = "before"

    def __init__(self, ask) -> None:
        super().__init__()
        self.ask = ask

    def g_penalty(self, turn):
        self.ask(turn.critic, turn.fake)


def no_graph(critic, fake):
    with torch.no_grad():
        critic(fake, Y)


@pytest.mark.parametrize(
    "ask", [lambda critic, fake: critic(fake, OTHER), no_graph], ids=["other labels", "no graph"]
)
def test_feature_matching_has_features_of_its_own_labels_and_graph(ask):
    (x, _), z = real_batch(), real_batch(1)[0]
    moved = []
    for stabilizers in ([FeatureMatching(3.0)], [Before(ask), FeatureMatching(3.0)]):
        step = toy_step(gan=labelled(), stabilizers=stabilizers, lr=0.1)
        step._update_g(part(z, Y, x, step.gan.generator(z)))
        moved.append(step.gan.generator.bias.detach())
    torch.testing.assert_close(*moved)
    assert not torch.equal(moved[0], torch.zeros_like(moved[0]))
