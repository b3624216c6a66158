"""What the zoo's models are, beyond the contract (tests/testing/test_contract.py)."""

from __future__ import annotations

import itertools

import pytest
import torch
from little import OF_PAIRS

from ganzoo.data.kinds import KINDS, kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.layers import Project, ladder
from ganzoo.models.sample import pack
from ganzoo.registry import MODELS
from ganzoo.registry.options import options_of

SHAPES = [(c, s, s) for s, c in itertools.product((28, 32, 64), (1, 3))] + [(1,), (2,), (7,), (2, 32)]
TAKES = {
    "mlp-gan": KINDS,
    "r3gan": ("vectors", "images", "series"),
    "wavegan": ("series",),
}  # others: images alone
SMALL = {"width": 8, "d_width": 8, "z_dim": 14}  # of these, the options that a model has
LABELLED = ("acgan",)  # which are for labelled data alone


def build(name: str, shape: tuple[int, ...], **options):

    known = MODELS.options(name)
    torch.manual_seed(0)
    small = {k: v for k, v in SMALL.items() if k in known}
    asked = {"num_classes": 5} if name in LABELLED else {"condition_shape": shape} if name in OF_PAIRS else {}
    return MODELS.get(name)(shape, **small | asked | options)


@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name in MODELS.names() for shape in SHAPES])
def test_the_zoo_builds_what_it_should(name, shape):
    if kind_of_shape(shape) in TAKES.get(name, ("images",)):
        assert build(name, shape).sample_shape == shape
    else:
        with pytest.raises(UsageError, match=r"makes (images|series)|takes images"):
            build(name, shape)


@pytest.mark.parametrize("name", MODELS.names())
def test_a_conditional_generator_asks_for_labels(name):
    gan = build(
        name,
        (2, 32) if name == "wavegan" else (1, 28, 28),
        **({} if name in OF_PAIRS else {"num_classes": 5}),
    )
    with pytest.raises(ValueError, match=r"needs (labels|these)"):
        gan.generator(gan.sample_z(2), None)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_project_is_the_transposed_convolution(memory):
    layer = Project(5, 8, 7).to(memory_format=memory).double()
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    textbook = torch.nn.functional.conv_transpose2d(x[:, :, None, None], layer.weight)
    ours = layer(x)
    torch.testing.assert_close(ours, textbook)
    assert ours.is_contiguous(memory_format=memory)
    other = torch.randn_like(textbook)
    for a, b in zip(
        *(torch.autograd.grad(y, (x, layer.weight), other) for y in (ours, textbook)), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_pack_lays_neighbours_side_by_side():
    x = torch.arange(4 * 3 * 2).reshape(4, 3, 2).float()
    packed = pack(x, 2)
    assert packed.shape == (2, 6, 2)
    assert torch.equal(packed[0], torch.cat([x[0], x[1]]))


@pytest.mark.parametrize("d_norm", ["batch", "layer", "spectral", "none"])
@pytest.mark.parametrize(
    "name", [name for name in MODELS.names() if "d_norm" in options_of(MODELS.get(name))]
)
def test_norm_of_d_is_a_switch(name, d_norm):
    gan = build(name, (1, 28, 28), d_norm=d_norm)
    net, x = gan.discriminator, torch.randn(2, 1, 28, 28)
    kinds = {type(module).__name__ for module in net.modules()}
    assert ("BatchNorm2d" in kinds or "BatchNorm1d" in kinds) == (d_norm == "batch")
    assert ("GroupNorm" in kinds) == (d_norm == "layer")
    if d_norm == "spectral":
        net.train()
        for _ in range(200):  # power iteration settles with use
            net(gan.view(x), None)
        net.eval()
        weights = [m.weight for m in net.modules() if hasattr(m, "parametrizations")]
        assert weights
        for weight in weights:
            sigma = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
            assert float(sigma) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 30, 30), (3, 28, 32), (1, 3, 3), (1, 5, 5)])
def test_a_size_that_cannot_be_built_is_refused_with_those_that_can(shape):
    with pytest.raises(UsageError, match=r"cannot build .* nearest being .*\d"):
        build("dcgan", shape)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((37, 37), 40), ((36, 36), 32), ((33, 33), 32), ((3, 3), 8), ((500, 500), 512), ((3000, 3000), 3072),
     ((50, 90), 48), ((90, 50), 48)],
)  # fmt: skip
def test_the_nearest_size_is_the_nearest(shape, size):
    with pytest.raises(UsageError, match=rf"nearest being .*\b{size}\b.*\(--set data\.size={size}\)$"):
        build("dcgan", (1, *shape))
    assert ladder((1, size, size), "dcgan")


@pytest.mark.parametrize("size", [8, 10, 12, 14, 28, 40, 48, 56, 96, 128])
def test_depth_follows_from_the_size(size):
    gan = build("dcgan", (1, size, size), width=2)
    assert gan.generator(gan.sample_z(2)).shape == (2, 1, size, size)


def test_dcgan_weights_start_as_in_the_paper():
    gan = build("dcgan", (3, 64, 64), width=32)
    weights = torch.cat(
        [p.detach().flatten() for k, p in gan.named_parameters() if k.endswith("main.0.weight")]
    )
    assert float(weights.std()) == pytest.approx(0.02, rel=0.05)
    assert abs(float(weights.mean())) < 1e-3


@pytest.mark.parametrize("name", sorted({*MODELS.names()} - {"cyclegan"}))  # which draws none
@pytest.mark.parametrize(("z", "std"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_z_is_drawn_as_it_says(name, z, std):
    shape = (2, 32) if name == "wavegan" else (1, 28, 28)
    gan = build(name, shape, z=z)
    drawn = gan.sample_z(20_000)[:, : gan.parts[0] if name == "infogan" else None]  # its codes follow
    assert float(drawn.std()) == pytest.approx(std, rel=0.02)
    assert z == "normal" or float(drawn.abs().max()) <= 1.0
    with pytest.raises(UsageError, match="normal or uniform"):
        build(name, shape, z="cauchy")


@pytest.mark.parametrize(("shape", "z_dim"), [((1,), 2), ((2,), 2), ((7,), 7), ((1, 28, 28), 100)])
def test_mlp_gan_chooses_z_by_the_data(shape, z_dim):
    assert build("mlp-gan", shape, z_dim=0).z_dim == z_dim
