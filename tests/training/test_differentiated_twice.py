"""Convolutions whose gradients are differentiated again: what torch makes of them, for all of its kinds."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.system import convolutions
from ganzoo.system.convolutions import Twice
from ganzoo.training.trainer import Trainer

LAYERS = {
    "1d": (lambda: nn.Conv1d(2, 3, 5, stride=2, padding=2), (2, 2, 9)),
    "2d": (lambda: nn.Conv2d(2, 4, 3, padding=1), (2, 2, 5, 4)),
    "strides": (lambda: nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 2, 5, 4)),
    "groups": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (2, 4, 4, 4)),
    "depthwise": (lambda: nn.Conv2d(3, 3, 4, stride=2, groups=3, bias=False), (2, 3, 6, 6)),
    "dilated": (lambda: nn.Conv2d(2, 3, 3, padding="same", dilation=2), (2, 2, 6, 6)),
    "valid": (lambda: nn.Conv2d(2, 3, 2, padding="valid"), (2, 2, 4, 4)),
    "3d": (lambda: nn.Conv3d(1, 2, 2), (2, 1, 3, 3, 3)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), (2, 3, 3, 3)),
    "transposed-groups": (
        lambda: nn.ConvTranspose2d(4, 4, 3, stride=2, groups=2, dilation=(1, 2)),
        (2, 4, 3, 3),
    ),
    "transposed-1d": (lambda: nn.ConvTranspose1d(2, 3, 4, stride=2), (2, 2, 5)),
    "transposed-3d": (lambda: nn.ConvTranspose3d(2, 1, 2), (1, 2, 2, 2, 2)),
    "reflected": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 4, 4)),
}

# torch cannot differentiate it three times.
SECOND = {"output-padding": (lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=1), (1, 2, 2, 2))}


def slopes(layer, x, twice):
    """Everything that a penalty on a gradient asks for, and a step of an unrolled D."""
    x = x.clone().requires_grad_()
    parameters = [*layer.parameters()]
    if twice:
        with Twice():
            y = layer(x)
    else:
        y = layer(x)
    of = [x, *parameters]
    first = torch.autograd.grad(y.sin().sum(), of, create_graph=True)
    penalty = torch.stack([grad.square().sum() for grad in first]).sum()
    second = torch.autograd.grad(penalty, of, create_graph=True)
    total = torch.stack([grad.square().sum() for grad in second]).sum()
    third = torch.autograd.grad(total, of)
    return [y, *first, *second, *third]


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_three_derivatives_are_those_of_torch(name):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    layer, x = make().double(), torch.randn(shape, dtype=torch.float64)
    for ours, theirs in zip(slopes(layer, x, True), slopes(layer, x, False), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["2d", "groups", "transposed", "output-padding"])
def test_second_derivatives_are_those_of_differences(name):
    make, shape = {**LAYERS, **SECOND}[name]
    torch.manual_seed(0)
    layer, x = make().double(), torch.randn(shape, dtype=torch.float64, requires_grad=True)

    def gradient(x, weight):
        with Twice():
            y = torch.func.functional_call(layer, {"weight": weight}, x)
        return torch.autograd.grad(y.sin().sum(), (x, weight), create_graph=True)

    assert torch.autograd.gradcheck(gradient, (x, layer.weight))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_what_it_does_not_know_is_left_to_torch():
    torch.manual_seed(0)
    single, even = torch.randn(2, 5, 5), torch.randn(1, 2, 5, 5)
    layer, lopsided = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 2, padding="same")
    with Twice():
        ours = layer(single), lopsided(even), F.relu(single)
    torch.testing.assert_close(ours, (layer(single), lopsided(even), F.relu(single)))


def test_transforms_of_functions_see_through_it():
    torch.manual_seed(0)
    layer, x = nn.Conv2d(2, 3, 3), torch.randn(4, 2, 2, 5, 5)
    slopes = torch.func.grad(lambda x: layer(x).sin().sum())
    with Twice():
        ours = torch.func.vmap(layer)(x), slopes(x[0])
    torch.testing.assert_close(ours, (torch.func.vmap(layer)(x), slopes(x[0])))


def test_half_precision_is_that_of_autocast():
    torch.manual_seed(0)
    layer, x = nn.Conv2d(2, 4, 3), torch.randn(2, 2, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        with Twice():
            ours = layer(x)
        theirs = layer(x)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    torch.testing.assert_close(ours, theirs)
    grads = [torch.autograd.grad(y.float().sum(), (x, layer.weight)) for y in (ours, theirs)]
    assert [grad.dtype for grad in grads[0]] == [torch.float32] * 2
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("model", ["dcgan", "r3gan", "stylegan2"])
def test_steps_of_a_penalised_critic_are_those_of_torch(model, monkeypatch):
    """And they go the short way: torch's own long one is not taken."""
    words = Words(model, "mnist-5k", batch_size=4, stabilizer=["r1", "r2"], steps=2, seed=0, device="cpu")

    def trained():
        config, dataset = plan(words)
        trainer = Trainer(config, dataset)
        trainer.gan.train()
        trainer.one_step()
        trainer.one_step()
        return [p.detach().clone() for p in trainer.gan.parameters()]

    calls = []
    plain = convolutions._gradients
    monkeypatch.setattr(convolutions, "_gradients", lambda *given: calls.append(1) or plain(*given))
    ours = trained()
    assert calls
    monkeypatch.setattr(Twice, "__torch_function__", lambda self, f, t, a=(), k=None: f(*a, **(k or {})))
    for mine, theirs in zip(ours, trained(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-4)
