"""Generators that come with ganzoo: small, as good as they say, and there by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as zoo
from ganzoo.errors import UsageError
from ganzoo.running import pretrained

MOST, MOST_OF_ALL = 2_000_000, 4_000_000  # bytes


def test_they_are_small():
    sizes = [pretrained.file_of(name).stat().st_size for name in pretrained.names()]
    assert "dcgan:mnist" in pretrained.names()
    assert max(sizes) <= MOST
    assert sum(sizes) <= MOST_OF_ALL


@pytest.mark.parametrize("name", pretrained.names())
def test_each_is_what_its_name_says(name):
    loaded = zoo.load_generator(name)
    about = loaded.about
    assert name == loaded.name == f"{about.model}:{about.dataset}"
    assert loaded.sample(3).shape == (3, *about.sample_shape)
    (measured,) = about.measured
    assert measured.scores.keys() == measured.real.keys()
    assert "float16" in measured.protocol["generator"]
    assert {about.made["recipe"], about.seed} == {"default", 0}
    assert "/" not in json.dumps(about.as_json())


def test_digits_are_what_they_are_asked_for():
    digits = zoo.load_generator("dcgan:mnist")
    labels = torch.arange(200) % 10
    read = zoo.extractor("mnist-cnn-v1")(digits.sample(labels=labels))["logits"].argmax(1)
    assert (read == labels).float().mean() > 0.95


def test_a_picture_by_name(ganzoo):
    made = ganzoo("sample dcgan:mnist -n 4 --class 7")
    assert (made.code, made.out) == (0, "dcgan-mnist-sample-s0-class7.png\n")
    with Image.open("dcgan-mnist-sample-s0-class7.png") as picture:
        assert picture.size[0] > 56
    ganzoo("sample dcgan:mnist -n 4 --out x.npz")
    with np.load("x.npz") as arrays:
        assert arrays["samples"].shape == (4, 1, 28, 28)
    assert ganzoo("sample dcgan:mnist --interpolate -n 8").code == 0
    assert not Path("runs").exists()


def test_a_picture_of_a_file(ganzoo):
    zoo.train("mlp-gan", "ring8", steps=1, progress=False, set={"model.width": 8}, out="run")
    Path("run/generator.safetensors").rename("mine.safetensors")
    assert ganzoo("sample mine.safetensors -n 20").out == "mine-sample-s0.png\n"


def test_they_are_listed_and_described(ganzoo):
    listed = json.loads(ganzoo("list pretrained --json").out)
    assert [row["name"] for row in listed] == pretrained.names()
    assert "dcgan:mnist" in ganzoo("list pretrained").out
    said = ganzoo("info dcgan:mnist").out
    for word in ("dcgan", "10 classes", "step 6,000", "fid@mnist-cnn-v1", "ganzoo sample dcgan:mnist"):
        assert word in said


def test_a_name_that_there_is_not(ganzoo):
    assert "did you mean dcgan:mnist?" in ganzoo("sample dcgan:mnits").sentence
    assert "did you mean dcgan:mnist or" in ganzoo("info dcgan:mnits").sentence
    assert "did you mean pretrained?" in ganzoo("list pretraned").sentence
    with pytest.raises(UsageError, match=r"no (file, run or folder|run)"):
        zoo.load_generator("nothing:mnist")
