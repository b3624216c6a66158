"""What D said is said again only of the same samples with the same labels, unaltered, and with a graph."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toys import ToyGAN, real_batch, toy_step

from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.batches import FeatureMatching
from ganzoo.stabilizers.critic import GradientNormalization
from ganzoo.stabilizers.unrolled import Unrolled
from ganzoo.training.step import _once

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
        return self.head(self.features(x, y)).squeeze(1)


def labelled() -> ToyGAN:
    torch.manual_seed(0)
    gan = ToyGAN()
    gan.discriminator = Labelled()
    return gan


class Asks(Stabilizer):
    """Keeps what the critic says of real samples, as they are given and in other ways."""

    name = "asks"

    def __init__(self, ask) -> None:
        super().__init__()
        self.ask, self.seen = ask, []

    def d_penalty(self, critic, real, fake, y):
        self.seen = self.ask(critic, real, y)


@pytest.mark.parametrize("others", [[], [GradientNormalization]], ids=["plain", "normalized"])
def test_a_penalty_is_answered_for_the_labels_that_it_asks_with(others):
    asks = Asks(
        lambda critic, real, y: [critic(real, y), critic(real, OTHER), critic(real, None if y is None else y)]
    )
    gan = labelled()
    step = toy_step(gan=gan, stabilizers=[asks, *(kind() for kind in others)], lr=0.0)
    x, _ = real_batch()
    step(lambda i: (x, Y))
    critic = step._critic("d")
    said, other, again = asks.seen
    torch.testing.assert_close(said, critic(x, Y))
    torch.testing.assert_close(other, critic(x, OTHER))
    assert not torch.allclose(said, other)
    assert again is said


def test_of_altered_samples_or_labels_it_is_asked_anew():
    gan, (x, _), y = labelled(), real_batch(), Y.clone()
    pair = (x, x + 1.0)
    critic = _once(lambda sample, y: gan.discriminator(sample[0] + sample[1], y))
    with torch.no_grad():
        for alter in (lambda: None, lambda: pair[1].mul_(2.0), lambda: y.copy_(OTHER), lambda: x.add_(1.0)):
            alter()
            assert torch.equal(critic(pair, y), gan.discriminator(pair[0] + pair[1], y))
            calls = gan.discriminator.calls
            critic(pair, y)
            assert gan.discriminator.calls == calls


def test_a_d_that_alters_what_it_is_given_is_not_asked_again_for_it():
    calls = []

    def critic(sample, y):
        calls.append(sample.mul_(2.0))
        return sample.sum(1)

    once, x = _once(critic), real_batch()[0]
    assert once(x, None) is once(x, None)
    assert len(calls) == 1


def test_an_answer_without_a_graph_is_none_where_one_is_wanted():
    gan, (x, _) = labelled(), real_batch()
    critic = _once(gan.discriminator)
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


class Before(Stabilizer):
    """Asks the critic of G's step for other answers before feature matching has its turn."""

    name = "before"

    def __init__(self, ask) -> None:
        super().__init__()
        self.ask = ask

    def g_penalty(self, critic, real, fake, y):
        self.ask(critic, fake)


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
        step._update_g(step.gan.generator(z), x, Y)
        moved.append(step.gan.generator.bias.detach())
    torch.testing.assert_close(*moved)
    assert not torch.equal(moved[0], torch.zeros_like(moved[0]))
