"""InfoGAN: codes in z that a net reads from D's features, against the bound of equation 5."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from parts import F64, assert_gradients, double_z, gradients, images, model, moved, step_of, twin, weights

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.testing.training import tiny, want_exact_resume

softplus = torch.nn.functional.softplus


def infogan(**options):
    gan = model("infogan", **{"z_dim": 9, "categories": 3, "codes": 2, "d_norm": "none", **options})
    double_z(gan)
    return gan


def bound(gan, fake, z, weight=1.0, code_weight=0.1):
    """-weight log Q(kind | x) - code_weight log Q(codes | x), up to a constant, sample by sample."""
    read = gan.reader(gan.discriminator.main(fake))
    total = torch.zeros((), dtype=F64)
    for said, latent in zip(read, z, strict=True):
        noise, categories, codes = gan.parts
        kind, numbers = int(latent[noise:].argmax()), latent[noise + categories :]
        total = total - weight * (said[kind] - said[:categories].exp().sum().log())
        normal = torch.distributions.Normal(said[categories:], torch.ones(codes, dtype=F64))
        likelihood = normal.log_prob(numbers).sum() + codes * 0.5 * math.log(2 * math.pi)
        total = total - code_weight * likelihood
    return total / len(z)


@pytest.mark.parametrize("given", [(1.0, 0.1), (0.5, 2.0)])
def test_g_and_the_reader_minimise_gs_loss_and_the_bound(given):
    weight, code_weight = given
    gan = infogan(weight=weight, code_weight=code_weight)
    before = twin(gan)
    torch.manual_seed(1)
    step = step_of(gan, lr_g=0.1)
    step(lambda i: (images(), None))
    torch.manual_seed(1)
    z = gan.sample_z(6)
    fake = before.generator(z)
    info = bound(before, fake, z, weight, code_weight)
    loss = softplus(-before.discriminator(fake)).mean() + info
    assert_gradients(gan.net("g"), loss, 0.1, before.net("g"))
    assert moved(gan, weights(before)) == {"generator", "reader"}
    said = step.meter.read()
    assert said["g_term/category"] + said["g_term/codes"] == pytest.approx(float(info.detach()))


def test_ds_features_learn_their_part_in_ds_turn_and_the_reader_does_not():
    gan = infogan()
    before = twin(gan)
    torch.manual_seed(1)
    step = step_of(gan, lr_d=0.1)
    step(lambda i: (images(), None))
    torch.manual_seed(1)
    z = gan.sample_z(6)
    fake = before.generator(z).detach()
    info = bound(before, fake, z)
    loss = softplus(-before.discriminator(images())).mean() + softplus(before.discriminator(fake)).mean()
    assert_gradients(gan.net("d"), loss + info, 0.1, before.net("d"))
    assert moved(gan, weights(before)) == {"discriminator"}
    of_info = gradients(info, before.discriminator)
    assert all(of_info[key].any() for key in of_info if key.startswith("main") and key.endswith("weight"))
    assert of_info["head.linear.weight"] is None  # which no code is read from
    said = step.meter.read()
    assert said["d_term/category"] + said["d_term/codes"] == pytest.approx(float(info.detach()))


@pytest.mark.parametrize("z", ["normal", "uniform"])
def test_latents_are_noise_a_kind_and_numbers(z):
    gan = infogan(z=z)
    torch.manual_seed(0)
    drawn = gan.sample_z(9000)
    assert drawn.shape == (9000, 9)
    noise, kind, numbers = drawn.split([4, 3, 2], dim=1)
    assert torch.equal(kind.sum(1), torch.ones(9000, dtype=F64))
    assert set(kind.unique().tolist()) == {0.0, 1.0}
    assert (kind.mean(0) - 1 / 3).abs().max() < 0.02
    quantiles = torch.linspace(0, 1, 11, dtype=F64)
    for column in (numbers if z == "normal" else torch.cat([numbers, noise], 1)).T:
        torch.testing.assert_close(column.quantile(quantiles), 2 * quantiles - 1, atol=0.04, rtol=0)
    if z == "normal":
        assert (noise.mean(0).abs() < 0.05).all()
        assert (noise.std(0) - 1).abs().max() < 0.05
    together = torch.corrcoef(torch.cat([noise, kind[:, :2], numbers], 1).T) - torch.eye(8)
    together[4, 5] = together[5, 4] = 0.0  # of one kind there is not another
    assert together.abs().max() < 0.05


def test_latents_follow_the_seed():
    gan = infogan()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(gan.sample_z(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_codes_come_to_be_read():
    """G and the reader alone, D as it is: what G makes tells its kind after some steps."""
    gan = infogan(codes=1, code_weight=1.0, z_dim=5, categories=3)
    torch.manual_seed(0)
    z = gan.sample_z(64)
    first = float(bound(gan, gan.generator(z), z, code_weight=1.0).detach())
    step = step_of(gan)
    step.optimizers["g"] = torch.optim.Adam(gan.net("g").parameters(), lr=0.02)
    for _ in range(80):
        step(lambda i: (images(16), None))
    assert float(bound(gan, gan.generator(z), z, code_weight=1.0).detach()) < 0.7 * first


def test_without_weights_it_is_plain_training():
    gan = infogan(weight=0.0, code_weight=0.0)
    before = twin(gan)
    torch.manual_seed(1)
    step_of(gan, lr_g=0.1)(lambda i: (images(), None))
    torch.manual_seed(1)
    loss = softplus(-before.discriminator(before.generator(gan.sample_z(6)))).mean()
    assert_gradients(gan.generator, loss, 0.1, before.generator)
    assert moved(gan, weights(before)) == {"generator"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"z_dim": 5}, r"model.pack=1 and model.z_dim of more than the 3 \+ 2 of the codes, got 1 and 5"),
        ({"pack": 2}, "reads the codes of each sample.* got 2 and 9"),
        ({"categories": 1}, "model.categories: expected a whole number of at least 2, got 1"),
        ({"codes": 0}, "model.codes: expected a whole number of at least 1, got 0"),
        ({"weight": -1.0}, "model.weight: expected a number of at least 0, got -1"),
        ({"code_weight": float("nan")}, "model.code_weight"),
        ({"code_weight": float("inf")}, "model.code_weight"),
    ],
)
def test_nonsense_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        infogan(**options)
    assert infogan(z_dim=6).parts[0] == 1


def test_packing_is_refused():
    with pytest.raises(UsageError, match="infogan reads the codes of each sample"):
        ganzoo.train("infogan", dataset="mnist-5k", stabilizer=["packing:m=2"], progress=False)


@pytest.mark.parametrize("words", [{}, {"conditional": True, "stabilizer": ["diffaugment", "averaged-d"]}])
def test_it_resumes_exactly(words):
    config, data = tiny("infogan", (1, 8, 8), set=["width=4"], **words)
    want_exact_resume(config, data, "infogan")


def test_from_the_command_line(ganzoo):
    words = "--dataset mnist-5k --steps 2 --batch-size 8 --set width=4 --set codes=1 --out X"
    assert ganzoo(f"run infogan {words}").code == 0
    rows = list(map(json.loads, Path("X/log.jsonl").read_text().splitlines()))
    assert {f"{net}_term/{name}" for net in "dg" for name in ("category", "codes")} <= rows[-1].keys()
    assert ganzoo("sample X -n 3 --out x.npz").code == 0
    assert ganzoo("resume X --steps 4").code == 0
