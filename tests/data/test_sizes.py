"""Digits, clothes and photographs at other sizes than their own, and their scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.mnist import Mnist, Mnist5k
from ganzoo.data.resize import resized
from ganzoo.data.stacked import StackedMnist5k
from ganzoo.errors import UsageError
from ganzoo.extractors.open import open_extractor


@pytest.fixture(scope="module")
def large():
    return Mnist5k(size=64)


def test_they_are_scaled_once_and_are_other_data(large):
    own = Mnist5k()
    assert (large.name, large.sample_shape, large.num_classes) == ("mnist-5k", (1, 64, 64), 10)
    assert large.fingerprint != own.fingerprint == Mnist5k(size=28).fingerprint == "d5bac2a49048ba2a"
    x, y = own.test.all()
    assert torch.equal(large.test.all()[1], y)
    by_hand = Image.fromarray(x[7, 0].numpy()).resize((64, 64), Image.Resampling.LANCZOS)
    assert np.array_equal(large.test.all()[0][7, 0], np.asarray(by_hand))
    assert Mnist(offline=True, size=64).fingerprint == large.fingerprint


def test_colours_are_scaled_one_by_one():
    x = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resized(x, 12)[:, 1:2], resized(x[:, 1:2], 12))
    assert resized(x, 8) is x
    assert resized(x, 0) is x


def test_stacked_digits_too():
    data = StackedMnist5k(size=32)
    assert data.sample_shape == (3, 32, 32)
    assert data.train.batch(4, 0, 0)[0].shape == (4, 3, 32, 32)
    assert data.fingerprint != StackedMnist5k().fingerprint


@pytest.mark.parametrize("size", [-1, 3, 20_000])
def test_sizes_that_make_no_sense(size):
    with pytest.raises(UsageError, match=r"data\.size"):
        Mnist5k(size=size)


def test_more_than_the_memory(monkeypatch):
    monkeypatch.setattr("ganzoo.data.resize.machine_memory", lambda: 10**6)
    with pytest.raises(UsageError, match=r"4,000 images of 64 x 64 take .* smaller size"):
        Mnist5k(size=64)


def test_the_shipped_classifier_knows_them(large):
    extractor = open_extractor("mnist-cnn-v1")
    x, y = large.test.all()
    assert (extractor(x)["logits"].argmax(1) == y).float().mean() > 0.99
    few = extractor(x[:3])
    assert torch.equal(few["features"], extractor(x)["features"][:3])
    with pytest.raises(UsageError, match=r"\(1, 64, 32\)"):
        extractor.check((1, 64, 32))


def test_the_size_is_in_the_protocol_of_scores(ganzoo):
    words = "run mlp-gan --dataset mnist-5k --set data.size=32 --steps 1 --batch-size 8 --set model.width=8"
    assert ganzoo(words).code == 0
    done = ganzoo("eval --metric is --samples 100 --offline --json")
    protocol = json.loads(done.out)["protocol"]
    assert (protocol["shape"], protocol["fingerprint"]) == ([1, 32, 32], Mnist5k(size=32).fingerprint)
    assert protocol["extractor"]["name"] == "mnist-cnn-v1"
