"""Convolutions next to an image of one channel are computed in another way: the same function and weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganzoo.models.layers import Doubling, Halving

OURS = {
    "halving": (lambda channels: Halving(channels, 6), F.conv2d, lambda channels: (3, channels, 8, 12)),
    "doubling": (lambda channels: Doubling(6, channels), F.conv_transpose2d, lambda channels: (3, 6, 4, 6)),
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OURS)
def test_values_and_gradients_are_those_of_the_plain_convolution(name, channels, layout):
    make, plain, shape = OURS[name]
    torch.manual_seed(0)
    layer = make(channels).double().to(memory_format=layout)
    x = torch.randn(shape(channels), dtype=torch.float64).to(memory_format=layout).requires_grad_()

    def derivatives(y):
        of = [x, layer.weight, layer.bias]
        first = torch.autograd.grad(y.sin().sum(), of, create_graph=True)
        return [y, *first, *torch.autograd.grad(first[0].square().sum(), of[:2])]

    theirs = derivatives(plain(x, layer.weight, layer.bias, stride=2, padding=1))
    for mine, other in zip(derivatives(layer(x)), theirs, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("name", OURS)
def test_weights_are_those_of_the_plain_layer(name):
    make, *_ = OURS[name]
    layer = make(1)
    kind = nn.Conv2d if name == "halving" else nn.ConvTranspose2d
    plain = kind(layer.in_channels, layer.out_channels, 4, stride=2, padding=1)
    plain.load_state_dict(layer.state_dict())
    layer.load_state_dict(plain.state_dict())


def test_a_normalised_weight_is_taken():
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.spectral_norm(Halving(1, 4)).eval()
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias, stride=2, padding=1))
