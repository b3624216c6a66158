"""A model with nets and terms of its own: who learns what, what is averaged, saved, loaded and resumed."""

from __future__ import annotations

import copy
import json
from typing import Unpack

import pytest
import torch
from resuming import N, assert_same, interrupted
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import mse_loss, softplus
from toys import real_batch, toy_step

import ganzoo
from ganzoo.models.base import GAN, Common
from ganzoo.models.recipe import Recipe
from ganzoo.registry import MODELS
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.gradients import ClipGradNorm
from ganzoo.stabilizers.unrolled import Unrolled
from ganzoo.testing import checks
from ganzoo.training.checkpoint import load_checkpoint, saved
from ganzoo.training.ema import twin
from ganzoo.training.signals import Measurement
from ganzoo.training.step import frozen

WORDS = {"model": "parts", "dataset": "ring8", "batch_size": 16, "steps": N, "seed": 3}
GENERATOR, DISCRIMINATOR = ("generator", "encoder"), ("discriminator", "tell")


class Net(nn.Sequential):
    """Layers that take no account of labels."""

    def forward(self, x, y=None):
        return super().forward(x)


class D(nn.Module):
    def __init__(self, inputs) -> None:
        super().__init__()
        self.main = nn.Sequential(nn.Linear(inputs, 6), nn.Tanh())
        self.head = nn.Linear(6, 1)

    def features(self, x, y=None):
        return self.main(x)

    def forward(self, x, y=None):
        return self.head(self.features(x, y)).squeeze(1)


class Parts(GAN):
    """An encoder goes with G, and with D a net that tells z, as of an InfoGAN with cycles."""

    with_g, with_d = ("encoder",), ("tell",)
    recipes = {"default": Recipe(batch_size=16, steps=20)}

    def __init__(self, sample_shape, z_dim=2, **common: Unpack[Common]) -> None:
        super().__init__(sample_shape, z_dim, **common)
        if len(sample_shape) != 1 or self.num_classes or self.pack > 1:
            raise ganzoo.UsageError("parts is for plain vectors")
        self.generator = Net(nn.Linear(z_dim, 8), nn.Tanh(), nn.Linear(8, *sample_shape))
        self.discriminator = D(*sample_shape)
        self.encoder = nn.Linear(*sample_shape, z_dim)
        self.tell = nn.Linear(6, z_dim)

    def d_terms(self, turn):
        told = self.tell(turn.critic.features(turn.fake, turn.y))
        return {"told": mse_loss(told, turn.z), "real": mse_loss(self.encoder(turn.real), self.told(turn))}

    def told(self, turn):
        return self.tell(turn.critic.features(turn.real, turn.y))

    def g_terms(self, turn):
        told = self.tell(turn.critic.features(turn.fake, turn.y))
        return {"told": mse_loss(told, turn.z), "cycle": mse_loss(self.encoder(turn.fake), turn.z)}


def parts() -> Parts:
    torch.manual_seed(0)
    gan = Parts((3,)).double()
    gan.sample_z = lambda n: torch.randn(n, 2, dtype=torch.float64)
    return gan


@pytest.fixture
def lent():
    with MODELS.lent("parts", Parts):
        yield


def changed(gan, before) -> set[str]:
    """Names of the nets that are not as they were."""
    return {name.split(".")[0] for name, p in gan.state_dict().items() if not torch.equal(p, before[name])}


def by_hand(gan: Parts, lr: float) -> dict[str, float]:
    """One step with the non-saturating loss, written out; the values of all terms."""
    x, z = real_batch()[0], gan.sample_z(8)
    d, tell, encoder = gan.discriminator, gan.tell, gan.encoder
    players = [[gan.generator, encoder], [d, tell]]
    optimizers = [torch.optim.SGD([p for net in nets for p in net.parameters()], lr=lr) for nets in players]
    fake = gan.generator(z).detach()
    told, real = mse_loss(tell(d.main(fake)), z), mse_loss(encoder(x), tell(d.main(x)))
    values = {"d_loss": softplus(-d(x)).mean() + softplus(d(fake)).mean()}
    values |= {"d_term/told": told, "d_term/real": real}
    optimizers[1].zero_grad()
    sum(values.values()).backward()
    optimizers[1].step()
    fake = gan.generator(z)
    told, cycle = mse_loss(tell(d.main(fake)), z), mse_loss(encoder(fake), z)
    g_values = {"g_loss": softplus(-d(fake)).mean(), "g_term/told": told, "g_term/cycle": cycle}
    optimizers[0].zero_grad()
    sum(g_values.values()).backward()
    optimizers[0].step()
    return {name: float(value.detach()) for name, value in (values | g_values).items()}


def test_terms_enter_their_loss_and_are_logged_as_by_hand():
    ours, plain = parts(), parts()
    step = toy_step(gan=ours, lr=0.2)
    torch.manual_seed(1)
    step(real_batch)
    torch.manual_seed(1)
    values = by_hand(plain, 0.2)
    for (name, a), b in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")
    said = step.meter.read()
    assert {name: said[name] for name in values} == pytest.approx(values)
    assert {name for name in said if "term/" in name} == {name for name in values if "term/" in name}


@pytest.mark.parametrize(("rates", "learns"), [((0.2, 0.0), GENERATOR), ((0.0, 0.2), DISCRIMINATOR)])
def test_each_net_is_trained_by_its_own_optimizer_alone(rates, learns):
    """The encoder stands in a term of D's, and `tell` in one of G's."""
    gan = parts()
    before = copy.deepcopy(gan.state_dict())
    toy_step(gan=gan, lr=rates[0], lr_d=rates[1])(real_batch)
    assert changed(gan, before) == set(learns)


def test_optimizers_have_each_parameter_once():
    gan = parts()
    owned = [{id(p) for p in gan.net(phase).parameters()} for phase in "gd"]
    assert not owned[0] & owned[1]
    assert owned[0] | owned[1] == {id(p) for p in gan.parameters()}
    assert list(gan.net("g").keys()) == list(GENERATOR)
    assert list(gan.net("d").keys()) == list(DISCRIMINATOR)
    assert (
        sum(1 for _ in gan.modules() if isinstance(_, nn.ModuleDict)) == 0
    )  # the model itself stays as it is


def test_terms_cost_no_forward_of_their_own():
    gan, calls = parts(), []
    gan.discriminator.register_forward_hook(lambda *_: calls.append(1))
    toy_step(gan=gan)(real_batch)
    assert len(calls) == 3


def trainable(gan) -> dict[str, bool]:
    return {name: p.requires_grad for name, p in gan.named_parameters()}


def test_what_goes_with_d_is_frozen_in_gs_turn_and_thawed_after_it():
    gan, seen = parts(), {}
    gan.tell.bias.requires_grad_(False)  # what was frozen before stays so
    g_terms, d_terms = gan.g_terms, gan.d_terms
    gan.g_terms = lambda turn: (seen.update(g=trainable(gan)), g_terms(turn))[1]
    gan.d_terms = lambda turn: (seen.update(d=trainable(gan)), d_terms(turn))[1]
    before = trainable(gan)
    toy_step(gan=gan)(real_batch)
    assert seen["d"] == before == trainable(gan)
    assert seen["g"] == {name: name.startswith(GENERATOR) for name in before}
    gan.g_terms = lambda turn: 1 / 0
    with pytest.raises(ZeroDivisionError):
        toy_step(gan=gan)(real_batch)
    assert trainable(gan) == before


def test_freezing_a_part_that_is_frozen_thaws_nothing():
    gan = parts()
    with frozen(gan.net("d")):
        with frozen(gan.net("d")):
            pass
        assert not any(p.requires_grad for p in gan.net("d").parameters())


def test_stabilizers_are_told_of_all_that_an_optimizer_trains():
    clip = ClipGradNorm(max=1e-3)
    clip.name, nets = "clip-grad-norm", []

    class Spy(Stabilizer):
        name = "spy"

        def gradients(self, turn):
            nets.append(turn.net)
            grads = [p.grad.flatten() for p in turn.net.parameters()]
            assert float(torch.cat(grads).norm()) == pytest.approx(1e-3, rel=1e-3)

    gan = parts()
    step = toy_step(gan=gan, stabilizers=[clip, Spy()])
    step(real_batch)
    assert [list(net.keys()) for net in nets] == [list(DISCRIMINATOR), list(GENERATOR)]
    assert nets == [step.nets["d"], step.nets["g"]]


def test_looking_ahead_has_ds_terms_and_leaves_its_nets_as_they_are():
    gan, terms = parts(), []
    d_terms = gan.d_terms
    gan.d_terms = lambda turn: (terms.append(turn), d_terms(turn))[1]
    step = toy_step(gan=gan, stabilizers=[Unrolled(2)], lr=0.1, lr_d=0.0)
    before = copy.deepcopy(gan.state_dict())
    step(real_batch)
    assert [turn.fake.requires_grad for turn in terms] == [False, True, True]
    assert all(turn.net is step.nets["d"] for turn in terms)
    assert changed(gan, before) == set(GENERATOR)
    assert set(step.meter.read()) == {
        "d_loss", "d_real", "d_fake", "g_loss", "d_term/told", "d_term/real", "g_term/told", "g_term/cycle",
    }  # fmt: skip


# In a run


@pytest.mark.usefixtures("lent")
def test_a_run_logs_saves_averages_and_goes_on_bit_for_bit(monkeypatch):
    whole = ganzoo.train(**WORDS, progress=False)
    interrupted(WORDS, "parts", monkeypatch)
    again = ganzoo.resume("parts", progress=False)
    one, other = (load_checkpoint(saved(run.path)[-1]) for run in (whole, again))
    assert one["step"] == N
    assert_same(one, other)
    rows = [json.loads(line) for line in (whole.path / "log.jsonl").read_text().splitlines()]
    assert {"d_term/told", "d_term/real", "g_term/told", "g_term/cycle"} <= set(rows[-1])
    assert all(0.0 < rows[-1][name] < 100.0 for name in rows[-1] if "_term/" in name)

    nets = {"generator": GENERATOR, "ema": GENERATOR, "discriminator": DISCRIMINATOR}
    for key, names in nets.items():
        assert {name.split(".")[0] for name in one[key]} == set(names)
    assert len(one["optimizer_g"]) == len(one["generator"])
    assert len(one["optimizer_d"]) == len(one["discriminator"])

    kept = load_file(whole.path / "generator.safetensors")
    assert kept.keys() == one["ema"].keys()
    assert all(torch.equal(value, one["ema"][name]) for name, value in kept.items())
    assert not torch.equal(kept["encoder.weight"], one["generator"]["encoder.weight"])

    gan, _ = whole.load_model(discriminator=True)
    assert torch.equal(gan.encoder.weight, one["ema"]["encoder.weight"])
    assert torch.equal(gan.tell.weight, one["discriminator"]["tell.weight"])
    assert not gan.encoder.training
    assert torch.equal(whole.sample(5), again.sample(5))


class OneStep:
    """A trainer of the model, and all its weights before and after a step."""

    def __init__(self) -> None:
        from ganzoo.plan.plan import plan
        from ganzoo.plan.words import Words
        from ganzoo.training.trainer import Trainer

        asked = Words("parts", "ring8", steps=4, batch_size=16, device="cpu", set={"ema_halflife": 50.0})
        self.trainer = Trainer(*plan(asked))
        self.trainer.gan.train()
        self.trainer.one_step()
        self.before = copy.deepcopy(self.trainer.state_dict())
        self.trainer.one_step()


@pytest.mark.usefixtures("lent")
def test_what_goes_with_g_is_averaged_as_g_is():
    one = OneStep()
    before, now = one.before["ema"], one.trainer.state_dict()
    shares = {}
    for name, value in now["ema"].items():
        moved, target = value - before[name], now["generator"][name] - before[name]
        share = (moved * target).sum() / target.square().sum()
        torch.testing.assert_close(moved, share * target, atol=1e-6, rtol=1e-3)
        shares[name] = float(share)
    assert {name.split(".")[0] for name in shares} == set(GENERATOR)
    assert all(share == pytest.approx(shares["generator.0.weight"], rel=1e-2) for share in shares.values())
    assert 0.0 < shares["encoder.weight"] < 1.0


@pytest.mark.usefixtures("lent")
def test_a_copy_shares_what_goes_with_d_and_has_its_own_of_what_goes_with_g():
    trainer = OneStep().trainer
    for made in (trainer.ema.gan, twin(trainer.gan), trainer.snapshot()):
        assert made.tell is trainer.gan.tell
        assert made.discriminator is trainer.gan.discriminator
        assert made.encoder is not trainer.gan.encoder
    assert not any(p.requires_grad for p in trainer.ema.gan.net("g").parameters())
    assert all(p.requires_grad for p in trainer.gan.parameters())
    assert not trainer.snapshot().encoder.training
    assert trainer.gan.encoder.training


@pytest.mark.usefixtures("lent")
def test_signals_are_of_the_nets_in_training(monkeypatch):
    """D is shown what the encoder in training makes of real samples, and not the averaged one."""
    trainer, seen = OneStep().trainer, []
    measure = Measurement(trainer)
    view = Parts.view

    def spied(gan, x):
        seen.append(gan.encoder.weight.clone())
        return view(gan, x)

    monkeypatch.setattr(Parts, "view", spied)
    measure(trainer)
    assert seen
    assert all(torch.equal(weight, trainer.gan.encoder.weight) for weight in seen)


@pytest.mark.usefixtures("lent")
@pytest.mark.parametrize(
    "check", ["builds", "gradients", "trains", "resumes", "samples", "repeats", "reloads"]
)
def test_it_keeps_the_contract(check):
    (one,) = (one for one in checks("parts", "model") if one.name == check)
    one()


@pytest.mark.usefixtures("lent")
def test_a_checkpoint_without_one_of_its_nets_is_refused():
    trainer = OneStep().trainer
    state = copy.deepcopy(trainer.state_dict())
    del state["discriminator"]["tell.weight"]
    with pytest.raises(ganzoo.UsageError, match=r"not one of this run's model: tell\.weight is missing"):
        trainer.load_state_dict(state)
