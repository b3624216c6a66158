"""Attention, conditional norms, BigGAN's skipped z, orthogonal penalty and truncation, written out."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.nn import functional as F
from toys import turn_of

from ganzoo.errors import UsageError
from ganzoo.models.biggan import BigGAN, matrices, unlike
from ganzoo.models.sagan import SAGAN, ConditionalNorm, SelfAttention

F64 = torch.float64


def built(kind, classes=3, **options):
    torch.manual_seed(0)
    return kind(
        (1, 16, 16), num_classes=classes, **{"z_dim": 9, "width": 8, "max_width": 16} | options
    ).eval()


def test_attention_is_a_weighted_mean_over_pooled_places():
    torch.manual_seed(0)
    layer, x = SelfAttention(16).double().eval(), torch.randn(2, 16, 4, 6, dtype=F64)
    torch.testing.assert_close(layer(x), x)  # it starts as nothing
    layer.share.data.fill_(0.7)
    query, key, value = layer.query(x), F.max_pool2d(layer.key(x), 2), F.max_pool2d(layer.value(x), 2)
    expected = x.clone()
    for n in range(2):
        for i in range(4):
            for j in range(6):
                keys, values = (part[n].flatten(1) for part in (key, value))
                weights = torch.exp(query[n, :, i, j] @ keys)
                taken = (values * (weights / weights.sum())).sum(1)
                expected[n, :, i, j] += 0.7 * layer.out(taken[None, :, None, None])[0, :, 0, 0]
    torch.testing.assert_close(layer(x), expected)
    assert (query.shape[1], value.shape[1]) == (2, 8)


def test_attention_can_be_differentiated_twice():
    torch.manual_seed(0)
    layer = SelfAttention(8).double().eval()
    layer.share.data.fill_(0.5)
    x = torch.randn(1, 8, 2, 2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, x)


def test_a_norm_takes_gain_and_bias_from_its_condition():
    torch.manual_seed(0)
    norm, h = ConditionalNorm(4, 3).double(), torch.randn(5, 4, 2, 2, dtype=F64)
    c = torch.randn(5, 3, dtype=F64)
    norm.eval()
    weight = norm.scale.weight.detach()
    changed = (c @ weight.T)[:, :, None, None]
    plain = h / math.sqrt(1.0 + norm.norm.eps)
    torch.testing.assert_close(norm(h, c), plain * (1.0 + changed[:, :4]) + changed[:, 4:])
    without = ConditionalNorm(4, 0).double()
    torch.testing.assert_close(without(h, None), without.norm(h))


@pytest.mark.parametrize("kind", [SAGAN, BigGAN])
@pytest.mark.parametrize("classes", [0, 3])
def test_all_layers_of_both_nets_are_spectrally_normalised(kind, classes):
    gan = built(kind, classes).train()
    y = torch.tensor([0, 1, 2, 0]) if classes else None
    for _ in range(60):  # power iterations
        gan.discriminator(gan.generator(gan.sample_z(4), y), y)
    gan.eval()
    layers = [part for part in gan.modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    norms = [float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) for layer in layers]
    assert norms == pytest.approx([1.0] * len(norms), rel=2e-2)


def test_a_block_of_biggan_sees_its_own_part_of_z_and_the_shared_embedding():
    gan = built(BigGAN, z_dim=10, embed=5)
    generator, seen = gan.generator, []
    for block in generator.blocks:
        block.register_forward_hook(lambda _, inputs, __: seen.append(inputs[1]))
    z, y = torch.randn(2, 10), torch.tensor([2, 0])
    generator(z, y)
    first, *others = z.tensor_split(3, dim=1)
    assert [part.shape[1] for part in (first, *others)] == [4, 3, 3]
    for c, part in zip(seen, others, strict=True):
        torch.testing.assert_close(c, torch.cat([generator.embed(y), part], dim=1))
    with pytest.raises(UsageError, match="cuts z into 3 parts"):
        built(BigGAN, z_dim=2)


def test_a_block_of_sagan_sees_the_label():
    generator, seen = built(SAGAN).generator, []
    generator.blocks[1].register_forward_hook(lambda _, inputs, __: seen.append(inputs[1]))
    generator(torch.randn(2, 9), torch.tensor([2, 0]))
    assert seen[0].tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_the_orthogonal_penalty_is_of_all_but_the_diagonal():
    w = torch.randn(3, 2, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    products = torch.einsum("oikl,pikl->op", w, w)
    torch.testing.assert_close(unlike(w), ((products * (1 - torch.eye(3))) ** 2).sum())
    gan = built(BigGAN, ortho=0.5)
    turn = turn_of(torch.zeros(2, 1, 16, 16))
    expected = 0.5 * sum(unlike(weight) for weight in matrices(gan.generator))
    torch.testing.assert_close(gan.g_terms(turn)["ortho"], expected)
    assert built(BigGAN, ortho=0.0).g_terms(turn) == {}
    torch.nn.init.normal_(next(iter(matrices(gan.generator))))
    assert gan.g_terms(turn)["ortho"] > expected
    for weight in matrices(built(BigGAN)):
        rows = weight.flatten(1)
        few = rows if len(rows) <= rows.shape[1] else rows.T
        torch.testing.assert_close(few @ few.T, torch.eye(len(few)), atol=1e-4, rtol=0)
    with pytest.raises(UsageError, match="ortho must be"):
        built(BigGAN, ortho=-1.0)


@pytest.mark.parametrize("truncation", [0.1, 0.7, 2.0])
def test_truncated_z_is_of_the_truncated_normal_distribution(truncation):
    gan, seen = built(BigGAN), []
    gan.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    z = torch.randn(20_000, 9, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        gan.sample(z[:4], torch.tensor([0, 1, 2, 0]), truncation=truncation)
        gan.generator.forward = lambda z, y: z
        gan.sample(z, None, truncation=truncation)
    assert torch.equal(seen[0], seen[1][:4])
    values = seen[1].flatten()
    assert float(values.abs().max()) <= truncation
    assert bool((values[z.flatten().argsort()].diff() >= 0.0).all())
    assert stats.kstest(values.double().numpy(), stats.truncnorm(-truncation, truncation).cdf).pvalue > 1e-3


def test_truncation_that_makes_no_sense():
    gan, z, y = built(BigGAN), torch.randn(2, 9), torch.tensor([0, 1])
    torch.manual_seed(0)
    plain = gan.sample(z, y)
    torch.testing.assert_close(plain, gan.generator(z, y))
    for wrong in (built(BigGAN, z="uniform"), gan):
        with pytest.raises(UsageError, match="truncation must be at least 0, of a normal z"):
            wrong.sample(z, y, truncation=-1.0 if wrong is gan else 0.5)
