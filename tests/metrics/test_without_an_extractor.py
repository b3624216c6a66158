"""Offline, on one's own images: what needs no extractor is measured, and how to have one is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TRAIN = "ganzoo extractor train --dataset folder:own"
SMALL = "--set width=8 --set d_width=8 --set data.size=8 --batch-size 4 --steps 1"


def fill(folder: str, n: int = 12) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng([i, *folder.encode()]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"{folder}/{i}.png")


@pytest.fixture
def own() -> str:
    """A folder of two classes, and samples as large as its images."""
    fill("own/cat")
    fill("own/dog")
    np.savez("x.npz", samples=np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8))
    return "x.npz --dataset folder:own --set size=8 --offline"


def test_what_was_named_is_refused_with_what_to_do(ganzoo, own):
    result = ganzoo(f"eval {own} --metric fid --metric precision-recall")
    assert result.code == 2
    assert result.sentence.startswith("ganzoo: fid, precision-recall: inception needs its weights, and ")
    assert result.sentence.endswith(f"; or train one of these data (with the same --set): {TRAIN}")


def test_each_class_without_an_extractor_says_what_is_lacking(ganzoo, own):
    assert ganzoo(f"run mlp-gan --dataset folder:own --conditional --out cond {SMALL}").code == 0
    said = ganzoo("eval cond --samples 20 --per-class --offline").sentence
    assert "nothing of one class; left out, as they need an extractor: " in said
    assert "ganzoo extractor train --dataset folder:" in said
    assert "use --metric fid" not in said


def test_what_that_sentence_says_helps(ganzoo, own):
    assert ganzoo(f"{TRAIN.removeprefix('ganzoo ')} --set size=8 --epochs 1 --offline").code == 0
    result = ganzoo(f"eval {own} --metric precision-recall --json")
    assert result.code == 0, result.err
    assert any("@cnn:own-" in key for key in json.loads(result.out)["scores"])


def test_what_needs_none_is_measured(ganzoo, own):
    assert ganzoo(f"run mlp-gan --dataset folder:own {SMALL} --out made").code == 0
    result = ganzoo("eval made --samples 60 --offline --json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert {"d_accuracy"} <= document["scores"].keys()
    assert not [key for key in document["scores"] if "@" in key]
    assert document["protocol"]["extractor"] is None
    (note,) = [note for note in document["notes"] if "extractor" in note]
    assert note.startswith("left out, as they need an extractor: ")
    assert "fid, " in note
    assert "ganzoo extractor train --dataset folder:" in note
    one = ganzoo("eval made --samples 60 --offline --metric d-accuracy --json")
    assert one.code == 0
    assert "extractor" not in " ".join(json.loads(one.out)["notes"])
    both = ganzoo("eval made --samples 60 --offline --metric d-accuracy --metric fid")
    assert both.code == 2
    assert both.sentence.startswith("ganzoo: fid: inception needs")
    assert both.sentence.endswith("; d-accuracy can be measured without")


def test_where_there_is_nothing_else(ganzoo, own):
    result = ganzoo(f"eval {own}")
    assert result.code == 2
    assert "nothing could be measured; left out, as they need an extractor: " in result.sentence


def test_images_without_classes(ganzoo):
    fill("own")
    np.savez("x.npz", samples=np.zeros((20, 3, 8, 8), np.uint8) + 7)
    sentence = ganzoo("eval x.npz --dataset folder:own --set size=8 --offline --metric fid").sentence
    assert "train one of images like these that have classes, in sub-folders, ganzoo extractor" in sentence
    assert sentence.endswith("--dataset folder:PATH, and give it as --extractor cnn:NAME")


def test_one_that_was_asked_for_is_refused_as_ever(ganzoo, own):
    for words in ("--extractor inception", "--extractor cnn:none", "--extractor-weights gone.pth"):
        result = ganzoo(f"eval {own} {words}")
        assert result.code == 2
        assert "train one of these data" not in result.sentence
