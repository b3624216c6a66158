"""Models of several nets, step by step: what tests of their terms share."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ganzoo.registry import LOSSES, MODELS
from ganzoo.training.step import Step

F64 = torch.float64
SHAPE = (1, 8, 8)


def model(name, shape=SHAPE, seed=0, **options):
    """A small one in float64."""
    torch.manual_seed(seed)
    return MODELS.get(name)(shape, **{"width": 4, **options}).double()


def images(n=6, shape=SHAPE, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, dtype=F64, generator=generator) * 2 - 1


def step_of(gan, lr_g=0.0, lr_d=0.0, loss="non-saturating", stabilizers=(), accumulate=1):
    """A step by plain gradient descent at these rates."""
    for stabilizer in stabilizers:
        stabilizer.setup(gan)
    optimizers = tuple(
        torch.optim.SGD(gan.net(net).parameters(), lr=lr) for net, lr in (("g", lr_g), ("d", lr_d))
    )
    return Step(gan, LOSSES.get(loss)(), list(stabilizers), optimizers, accumulate=accumulate)


def double_z(gan):
    """Have a model draw its latents in float64."""
    draw = gan.sample_z
    gan.sample_z = lambda n: draw(n).double()


def moved(gan, before):
    """The names of the nets of which a weight has moved."""
    parameters = dict(gan.named_parameters())
    return {key.split(".")[0] for key, value in before.items() if not torch.equal(value, parameters[key])}


def weights(gan):
    return {key: value.detach().clone() for key, value in gan.named_parameters()}


def gradients(loss, net: nn.Module):
    parameters = dict(net.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, retain_graph=True)
    return dict(zip(parameters, found, strict=True))


def assert_gradients(net: nn.Module, loss, rate, before):
    """The net has made a step down the gradient of a loss from the weights before."""
    for key, gradient in gradients(loss, before).items():
        step = dict(before.named_parameters())[key] - dict(net.named_parameters())[key]
        expected = torch.zeros_like(step) if gradient is None else rate * gradient
        torch.testing.assert_close(step.detach(), expected, msg=lambda text, key=key: f"{key}: {text}")


def twin(gan):
    return copy.deepcopy(gan)
