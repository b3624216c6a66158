"""Activations that are computed again: the same bits, in less memory, whatever a net does in its forward."""

from __future__ import annotations

import dataclasses

import pytest
import ranks_child
import torch
from little import BUILDS, small
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.plan.compiling import refuse_uncompiled
from ganzoo.registry import STABILIZERS
from ganzoo.testing.training import flat, trained, want_exact_resume
from ganzoo.training import recomputing
from ganzoo.training.recomputing import recompute
from ganzoo.training.trainer import Trainer

ON = {"checkpoint_activations": True}


class Nets(GAN):
    """Two nets as they are given."""

    def __init__(self, generator, discriminator):
        super().__init__((4,), 4)
        self.generator, self.discriminator = generator, discriminator


def assert_same_weights(task):
    task = {"dtype": "float64", **task}
    words = task["words"]
    settings = words.get("set", {})
    one = ranks_child.trained(task)
    two = ranks_child.trained({**task, "words": {**words, "set": {**settings, **ON}}})
    assert one["weights"].keys() == two["weights"].keys()
    unlike = [key for key, value in one["weights"].items() if not torch.equal(value, two["weights"][key])]
    assert not unlike
    assert one["read"] == two["read"]


@pytest.fixture
def runs_again(monkeypatch):
    """How often a block was run again."""
    again = []
    enter = recomputing._Again.__enter__
    monkeypatch.setattr(recomputing._Again, "__enter__", lambda self: (again.append(1), enter(self))[1])
    return again


@pytest.mark.parametrize(("name", "vectors"), BUILDS)
def test_every_model_learns_the_same_bits(name, vectors, runs_again):
    words = {"steps": 2, "batch_size": 8, **({"vectors": True} if vectors else {})}
    assert_same_weights({"kind": "model", "name": name, "words": words})
    assert runs_again


@pytest.mark.parametrize(
    "words", [{"precision": "bf16"}, {"precision": "fp16"}, {"set": {"accumulate": 2}}], ids=str
)
def test_so_it_does_in_half_precision_and_in_parts(words):
    task = {"kind": "model", "name": "dcgan", "words": {"steps": 2, "batch_size": 8, **words}}
    assert_same_weights({**task, "dtype": "float32"})


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("r1", "unrolled", "averaged-d") else pytest.param(name, marks=pytest.mark.slow)
        for name in STABILIZERS.names()
    ],
)
def test_every_stabilizer_works_on_it(name):
    assert_same_weights({"kind": "stabilizer", "name": name, "words": {"steps": 2, "batch_size": 8}})


def test_a_run_goes_on_exactly():
    want_exact_resume(*small("dcgan", set=ON), "computed again")


def test_names_of_weights_and_what_is_averaged_stay():
    plain, small_one = (trained(*small("stylegan2", set=on), 2) for on in ({}, ON))
    a, b = (flat(trainer.state_dict()) for trainer in (plain, small_one))
    assert a.keys() == b.keys()
    layers = [part for part in small_one.gan.modules() if isinstance(part, recomputing._Recomputed)]
    assert layers
    assert not any(
        isinstance(part, recomputing._Recomputed) for part in small_one.snapshot().generator.modules()
    )


# Blocks


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


def block():
    layers = [
        spectral_norm(nn.Linear(4, 6)),
        nn.BatchNorm1d(6),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Dropout(0.5),
    ]
    return nn.Sequential(*layers, nn.Linear(6, 4), Noisy(), nn.ReLU(inplace=True), nn.Linear(4, 4), nn.Tanh())


def gradients(net, twice):
    torch.manual_seed(3)
    x = torch.randn(8, 4, dtype=torch.float64, requires_grad=True)
    for _ in range(2):  # as D is asked about real and generated samples
        y = net(x)
    slope = torch.autograd.grad(y.sum(), x, create_graph=True)[0] if twice else y
    slope.square().mean().backward()
    return [p.grad for p in net.parameters() if p.grad is not None], [*net.buffers()]


@pytest.mark.parametrize("twice", [False, True])
def test_what_a_forward_changes_and_draws_is_as_it_was(twice, runs_again):
    torch.manual_seed(0)
    plain = block().double()
    again = block().double()
    again.load_state_dict(plain.state_dict())
    recompute(Nets(again, nn.Linear(4, 1)))
    for one, two in zip(gradients(plain, twice), gradients(again, twice), strict=True):
        assert len(one) == len(two) > 3
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert runs_again
    with torch.no_grad():
        again(torch.zeros(2, 4, dtype=torch.float64))  # nothing is kept, and nothing run again


class Held:
    """Bytes that a graph holds on to, each storage once."""

    def __init__(self, monkeypatch):
        self.storages = {}
        monkeypatch.setattr(recomputing, "checkpoint", self.checkpoint)
        self.real = torch.utils.checkpoint.checkpoint

    def hold(self, x):
        storage = x.untyped_storage()
        self.storages[storage.data_ptr()] = (storage.nbytes(), x)  # with the tensor, so that it stays there
        return x

    def checkpoint(self, function, *inputs, context_fn, **options):
        contexts = context_fn()
        for x in [*inputs, *(buffer for _, _, buffer in contexts[1]._buffers)]:
            if isinstance(x, torch.Tensor):
                self.hold(x)
        return self.real(function, *inputs, context_fn=lambda: contexts, **options)

    def of(self, trainer):
        self.storages.clear()
        gan = trainer.gan.train()
        with torch.autograd.graph.saved_tensors_hooks(self.hold, lambda x: x):
            fake = gan.generator(gan.sample_z(64), torch.zeros(64, dtype=torch.long))
            gan.discriminator(fake, torch.zeros(64, dtype=torch.long))
        own = {p.untyped_storage().data_ptr() for p in gan.parameters()}
        return sum(size for where, (size, _) in self.storages.items() if where not in own)


@pytest.mark.parametrize("name", ["dcgan", "stylegan2", "sngan"])
def test_less_memory_is_held(name, monkeypatch):
    held = Held(monkeypatch)
    shape = (1, 32, 32)
    every, few = (held.of(Trainer(*small(name, shape, conditional=True, set=on))) for on in ({}, ON))
    assert few < 0.7 * every


# What is refused


def test_what_could_not_be_run_again_is_refused():
    with pytest.raises(UsageError, match="the nets of Nets have no blocks"):
        recompute(Nets(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 1))))

    class Altering(nn.Linear):
        def forward(self, x):
            return super().forward(x.mul_(0.5))

    net = nn.Sequential(Altering(4, 4), nn.Linear(4, 4))
    recompute(Nets(net, nn.Linear(4, 1)))
    made = net(torch.zeros(2, 4, requires_grad=True) * 1.0)
    # Of torch itself where it looks, as newer ones do.
    with pytest.raises((UsageError, RuntimeError), match=r"changed in place|inplace operation"):
        made.sum().backward()
    config, data = small("dcgan", set=ON)
    gan = Trainer(config, data).gan
    with pytest.raises(UsageError, match="--compile does not go with checkpoint_activations"):
        refuse_uncompiled(dataclasses.replace(config, compile=True), gan, 1)


def test_it_is_a_setting_of_the_recipe(ganzoo):
    words = (
        "run mlp-gan --dataset ring8 --steps 2 --batch-size 8 --set width=8 --set checkpoint_activations=true"
    )
    assert '"checkpoint_activations": true' in ganzoo(f"{words} --dry-run").out
    assert ganzoo(f"{words} --out R").code == 0
    assert ganzoo("resume R --steps 4").code == 0
