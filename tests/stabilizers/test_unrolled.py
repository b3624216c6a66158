"""G is judged by a D of some updates later, and learns through these updates."""

from __future__ import annotations

import copy

import pytest
import torch
from toys import ToyGAN, real_batch, toy_step, turn_of

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.recipe import Optimizer
from ganzoo.registry import MODELS
from ganzoo.stabilizers.balance import LabelSmoothing
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.penalties import R1, R2
from ganzoo.stabilizers.unrolled import Unrolled
from ganzoo.training.optimizers import make_optimizer

F64 = torch.float64


def d_loss(w, real, fake, gamma=0.0, target=1.0):
    """What D minimises, for D(x) = w . x: non-saturating, with R1 and R2, all written out."""
    softplus = torch.nn.functional.softplus
    real_logits, fake_logits = real @ w, fake @ w
    on_real = target * softplus(-real_logits) + (1 - target) * softplus(real_logits)
    return on_real.mean() + softplus(fake_logits).mean() + gamma * w.square().sum()


def weights_ahead(k, loss, net, optimizer):
    """The weights of a D k updates of its optimizer from now."""
    gan, stabilizer = ToyGAN(), Unrolled(k)
    gan.discriminator = net
    stabilizer.setup(gan)
    return stabilizer.look_ahead(turn_of("g", gan), loss, optimizer)


@pytest.mark.parametrize(
    ("others", "gamma", "target"),
    [((), 0.0, 1.0), ((R1(gamma=1.0), R2(gamma=1.0)), 1.0, 1.0), ((LabelSmoothing(0.1),), 0.0, 0.9)],
    ids=["plain", "penalties", "smoothing"],
)
@pytest.mark.parametrize("k", [1, 3])
def test_g_learns_through_the_updates_of_d(k, others, gamma, target):
    """Against the same thing written out for a linear D, k steps of gradient descent, in float64."""
    for stabilizer in others:
        stabilizer.name = type(stabilizer).__name__
    step = toy_step(stabilizers=[Unrolled(k), *others], lr=0.1, lr_d=0.3)
    real, _ = real_batch()
    torch.manual_seed(3)
    step(lambda i: (real, None))
    w = step.gan.discriminator.weight.detach()  # D has made its own update before G is judged

    torch.manual_seed(3)
    fake = torch.randn(8, 3, dtype=F64)
    bias = torch.zeros(3, dtype=F64, requires_grad=True)
    ahead = w.clone().requires_grad_()
    for _ in range(k):
        loss = d_loss(ahead, real, fake + bias, gamma, target)
        ahead = ahead - 0.3 * torch.autograd.grad(loss, ahead, create_graph=True)[0]
    g_loss = torch.nn.functional.softplus(-((fake + bias) @ ahead)).mean()
    expected = -0.1 * torch.autograd.grad(g_loss, bias)[0]
    torch.testing.assert_close(step.gan.generator.bias.detach(), expected)


def test_of_a_relativistic_loss_real_logits_depend_on_g_too():
    step = toy_step("relativistic", [Unrolled(2)], lr=0.1, lr_d=0.3)
    real, _ = real_batch()
    torch.manual_seed(3)
    step(lambda i: (real, None))
    w = step.gan.discriminator.weight.detach()
    torch.manual_seed(3)
    fake = torch.randn(8, 3, dtype=F64)
    bias = torch.zeros(3, dtype=F64, requires_grad=True)
    ahead = w.clone().requires_grad_()
    softplus = torch.nn.functional.softplus
    for _ in range(2):
        loss = softplus((fake + bias - real) @ ahead).mean()
        ahead = ahead - 0.3 * torch.autograd.grad(loss, ahead, create_graph=True)[0]
    expected = -0.1 * torch.autograd.grad(softplus((real - fake - bias) @ ahead).mean(), bias)[0]
    torch.testing.assert_close(step.gan.generator.bias.detach(), expected)


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_updates_are_the_optimizers_own(kind, momentum):
    """Three updates from the middle of training are those that torch's optimizer then makes."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Softplus(), torch.nn.Linear(5, 1)).double()
    x = torch.randn(16, 3, dtype=F64)
    settings = Optimizer(kind, lr=0.05, beta1=0.5, beta2=0.9, momentum=momentum)
    optimizer = make_optimizer(settings, net, torch.device("cpu"))

    def update():
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()

    for warm in (0, 2):  # without any state yet, and from the middle
        for _ in range(warm):
            update()
        before = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
        ahead = weights_ahead(
            3, lambda weights: torch.func.functional_call(net, weights, (x,)).square().mean(), net, optimizer
        )
        for kept, now in zip(before[0].values(), net.state_dict().values(), strict=True):
            assert torch.equal(kept, now)
        assert str(before[1]) == str(optimizer.state_dict())
        for _ in range(3):
            update()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(ahead[name], parameter.detach())


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "sgd"])
def test_a_weight_out_of_use_stays_as_the_optimizer_leaves_it(kind):
    """Of layers that are in use never, now, no more, and of one that is frozen."""
    torch.manual_seed(0)
    net = torch.nn.ModuleDict(
        {name: torch.nn.Linear(3, 1) for name in ("never", "now", "before", "frozen")}
    ).double()
    net["frozen"].requires_grad_(False)
    x = torch.randn(16, 3, dtype=F64)
    settings = Optimizer(kind, lr=0.05, beta1=0.5, beta2=0.9, momentum=0.9)
    optimizer = make_optimizer(settings, net, torch.device("cpu"))

    def loss(*names):
        return sum(net[name](x) for name in (*names, "now", "frozen")).square().mean()

    def update(*names):
        optimizer.zero_grad()
        loss(*names).backward()
        optimizer.step()

    update("before")
    update("before")
    forward, net.forward = net.forward, lambda: loss()
    ahead = weights_ahead(3, lambda weights: torch.func.functional_call(net, weights, ()), net, optimizer)
    net.forward = forward
    before = copy.deepcopy(net.state_dict())
    for _ in range(3):
        update()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(ahead.get(name, before[name]), parameter.detach())
        assert torch.equal(before[name], parameter) == (not name.startswith("now"))


@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_a_growing_model_can_look_ahead_at_any_stage(t):
    torch.manual_seed(0)
    gan = MODELS.get("progan")((1, 28, 28), width=4)
    gan.progress(t)
    x = torch.rand(4, 1, 28, 28) * 2 - 1
    before = copy.deepcopy(gan.state_dict())
    toy_step(gan=gan, stabilizers=[Unrolled(2)], lr=1e-2)(lambda i: (x, None))
    moved = [key for key, value in gan.state_dict().items() if not torch.equal(value, before[key])]
    assert all(any(key.startswith(net) for key in moved) for net in ("generator", "discriminator"))
    assert any("blocks.2" in key for key in moved) == (t == 1.0)


def test_what_is_frozen_in_d_stays_when_looking_ahead():
    step = toy_step(stabilizers=[Unrolled(2)], lr=0.1, lr_d=0.3)
    step.gan.discriminator.scale = torch.nn.Parameter(torch.ones(1, dtype=F64), requires_grad=False)
    assert "scale" not in step.stabilizers[0].look_ahead(
        turn_of("g", step.gan),
        lambda weights: step.gan.discriminator(real_batch()[0]).sum() * 0 + weights["weight"].square().sum(),
        step.optimizers["d"],
    )
    step(real_batch)
    assert not step.gan.discriminator.scale.requires_grad


def test_it_looks_at_the_d_that_another_stabilizer_puts_in_place():
    class Replaces(Stabilizer):
        name = "replaces"

        def setup(self, gan):
            gan.discriminator = type(gan.discriminator)(3)
            gan.discriminator.weight.data.fill_(0.5)

    moved = []
    for order in (1, -1):
        torch.manual_seed(3)
        step = toy_step(stabilizers=[Unrolled(2), Replaces()][::order], lr=0.1, lr_d=0.3)
        step(real_batch)
        moved.append(step.gan.generator.bias.detach())
    assert torch.equal(*moved)


def test_a_dead_unit_gives_no_nan():
    """A weight whose gradient is 0 has Adam's second moment at 0, where a root has no slope."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    torch.nn.init.constant_(net[0].bias, -100.0)
    x = torch.ones(4, 2, requires_grad=True)
    optimizer = make_optimizer(Optimizer(), net, torch.device("cpu"))
    ahead = weights_ahead(
        2, lambda weights: torch.func.functional_call(net, weights, (x,)).square().mean(), net, optimizer
    )
    torch.func.functional_call(net, ahead, (x,)).sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "sngan", "msg-gan"])
def test_any_model_can_look_ahead(model):
    """Spectral norm's parametrised weights, BatchNorm, pyramids: D stays where its own update left it."""
    torch.manual_seed(0)
    gan = MODELS.get(model)((1, 28, 28), width=8)
    twin = copy.deepcopy(gan)
    x = torch.rand(4, 1, 28, 28) * 2 - 1
    for net, stabilizers in ((gan, [Unrolled(2)]), (twin, [])):
        torch.manual_seed(1)
        step = toy_step(gan=net, stabilizers=stabilizers, lr=1e-3)
        step(lambda i: (x, None))
    for a, b in zip(gan.discriminator.parameters(), twin.discriminator.parameters(), strict=True):
        assert torch.equal(a, b)
    pairs = zip(gan.generator.parameters(), twin.generator.parameters(), strict=True)
    assert all(a.isfinite().all() for a in gan.parameters())
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match="k must be a whole number of at least 1, got 0"):
        Unrolled(0)
    with pytest.raises(UsageError, match=r"unrolled.* makes no sense together with clip-weights"):
        ganzoo.train("mlp-gan", dataset="ring8", stabilizer=["unrolled", "clip-weights"], progress=False)
