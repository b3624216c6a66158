"""Pairs of images: every layout that they come in, and every way in which they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from PIL import Image

from ganzoo.data.pairs import Pairs
from ganzoo.data.streams import StreamSplit
from ganzoo.errors import UsageError
from ganzoo.system.cache import place


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "mine"


def picture(seed: int, grey: bool = False, width: int = 8) -> np.ndarray:
    """Of a seed, which its first pixel has too."""
    made = np.random.default_rng(seed).integers(64, 256, (8, width) if grey else (8, width, 3), np.uint8)
    made[0, 0] = seed
    return made


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def fill(a: Path, b: Path, numbers=range(20)) -> None:
    """Images of `a` are RGB and begin with their number, those of `b` are grey and begin with 100 more."""
    for i in numbers:
        save(a / f"{i}.png", picture(i))
        save(b / f"{i}.bmp", picture(100 + i, grey=True))


def beside(folder: Path, numbers=range(20)) -> None:
    """The left half begins with its number, the right one with 100 more."""
    for i in numbers:
        save(folder / f"{i}.png", np.concatenate([picture(i), picture(100 + i)], axis=1))


def opened(root: Path, **options) -> Pairs:
    return Pairs(root, size=8, **options)


def numbers(split) -> list[int]:
    """Of the pairs, which are all right."""
    x, y = split.all()
    assert (x.dtype, y.dtype) == (torch.uint8, torch.uint8)
    first = [(int(image[0, 0, 0]), int(other[0, 0, 0])) for image, other in zip(x, y, strict=True)]
    assert {abs(one - other) for one, other in first} == {100}
    return sorted(min(pair) for pair in first)


TWO = [("train/A", "train/B", "test/A", "test/B"), ("trainA", "trainB", "testA", "testB"),
       ("A/Train", "B/Train", "A/val", "B/val"), ("train_A", "train_B", "valid-A", "valid-B")]  # fmt: skip


def test_two_folders(root, capsys):
    fill(root / "photos", root / "drawings")
    data = opened(root)
    assert (data.sample_shape, data.condition_shape) == ((3, 8, 8), (1, 8, 8))
    assert sorted(numbers(data.train) + numbers(data.test)) == list(range(20))
    assert len(data.test) == 2
    line = "20 pairs, 8 x 8, photos (RGB) made from drawings (grey); 2 to test, a tenth of them, by hash"
    assert capsys.readouterr().err == f"note: pairs:{root}: {line}\n"
    x, y = data.train.all()
    assert torch.equal(x[0], torch.from_numpy(picture(int(x[0, 0, 0, 0]))).permute(2, 0, 1))
    assert torch.equal(y[0, 0], torch.from_numpy(picture(int(y[0, 0, 0, 0]), grey=True)))
    other = opened(root, condition="photos")
    assert (other.sample_shape, other.condition_shape) == ((1, 8, 8), (3, 8, 8))
    assert other.fingerprint != data.fingerprint
    assert opened(root).fingerprint == data.fingerprint
    assert opened(root, condition_channels=3).condition_shape == (3, 8, 8)


@pytest.mark.parametrize("places", TWO)
def test_splits_of_two_folders(root, capsys, places):
    a, b, c, d = (root / place for place in places)
    fill(a, b, range(7))
    fill(c, d, range(7, 10))
    data = opened(root)
    assert (numbers(data.train), numbers(data.test)) == (list(range(7)), [7, 8, 9])
    assert int(data.train.all()[1][0, 0, 0, 0]) < 100  # A, the first, is the condition
    said = capsys.readouterr().err
    assert "7 pairs, 8 x 8, B (grey) made from A (RGB), in " in said
    assert "; 3 to test, in " in said
    assert data.condition_shape == (3, 8, 8)
    assert opened(root, condition="B").condition_shape == (1, 8, 8)


def test_a_training_split_alone_is_split_by_hash(root):
    fill(root / "trainA", root / "trainB")
    assert len(opened(root).test) == 2


def test_the_test_split_goes_before_validation(root, capsys):
    for name in ("train", "val", "test"):
        fill(root / name / "A", root / name / "B", range(3))
    assert len(opened(root).test) == 3
    assert "left out, as there is a test split: val/" in capsys.readouterr().err
    assert "3 of the 3 images to test are among those to train on as well" not in capsys.readouterr().err


def test_twins_are_told(root, capsys):
    for name in ("train", "test"):
        beside(root / name, range(3))
    opened(root)
    assert "3 of the 3 images to test are among those to train on as well" in capsys.readouterr().err


def test_pictures_side_by_side(root, capsys):
    beside(root)
    data = opened(root)
    assert (data.sample_shape, data.condition_shape) == ((3, 8, 8), (3, 8, 8))
    assert sorted(numbers(data.train) + numbers(data.test)) == list(range(20))
    x, y = data.train.all()
    for image in (x[0], y[0]):
        assert torch.equal(image, torch.from_numpy(picture(int(image[0, 0, 0]))).permute(2, 0, 1))
    assert int(y[0, 0, 0, 0]) < 100
    line = (
        "20 pairs, 8 x 8, right (RGB) made from left (RGB), side by side; 2 to test, a tenth of them, by hash"
    )
    assert capsys.readouterr().err == f"note: pairs:{root}: {line}\n"
    turned = opened(root, condition="right")
    assert sorted(numbers(turned.train) + numbers(turned.test)) == list(range(20))
    assert int(turned.train.all()[1][0, 0, 0, 0]) >= 100
    assert turned.fingerprint != data.fingerprint
    assert opened(root, channels=1).sample_shape == (1, 8, 8)


def test_splits_of_pictures_side_by_side(root):
    beside(root / "train", range(7))
    beside(root / "val", range(7, 10))
    data = opened(root)
    assert (numbers(data.train), numbers(data.test)) == (list(range(7)), [7, 8, 9])


def test_folders_below_the_sides(root):
    fill(root / "A" / "aachen", root / "B" / "aachen", range(5))
    fill(root / "A" / "ulm", root / "B" / "ulm", range(5, 10))
    data = opened(root)
    assert sorted(numbers(data.train) + numbers(data.test)) == list(range(10))


def test_networks_see_both_in_minus_one_to_one(root):
    fill(root / "A", root / "B")
    data = opened(root)
    x, y = data.train.batch(6, 2, 0)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((6, 1, 8, 8), (6, 3, 8, 8), torch.float32, torch.float32)
    assert x.min() >= -1.0
    assert y.max() <= 1.0
    numbers_of = [((part[:, 0, 0, 0] + 1) * 127.5).round().int() for part in (x, y)]
    assert ((numbers_of[0] - numbers_of[1]) == 100).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_what_does_not_fit_is_streamed_in_the_same_order(root, workers):
    fill(root / "A", root / "B")
    memory, stream = opened(root), opened(root, memory_gb=1e-9, workers=workers)
    assert isinstance(stream.train, StreamSplit)
    assert (stream.fingerprint, len(list(place("folders").iterdir()))) == (memory.fingerprint, 1)
    for name in ("train", "test"):
        ours, theirs = getattr(stream, name), getattr(memory, name)
        for got, want in [(ours.batch(2, 3, 1), theirs.batch(2, 3, 1)), (ours.all(), theirs.all())]:
            assert torch.equal(got[0], want[0])
            assert torch.equal(got[1], want[1])


def nothing(root):
    pass


def alone(root):
    fill(root / "A", root / "B")
    save(root / "A" / "x.png", picture(1))
    for i in range(3):
        save(root / "B" / f"y{i}.png", picture(1))


def same_name(root):
    fill(root / "A", root / "B")
    save(root / "A" / "3.bmp", picture(1))


def three(root):
    fill(root / "A", root / "B")
    save(root / "C" / "1.png", picture(1))


def shapes(root):
    fill(root / "A", root / "B")
    save(root / "A" / "3.png", picture(3, width=12))


def not_twice(root):
    beside(root)
    save(root / "7.png", picture(3, width=12))


def mixed(root):
    beside(root)
    beside(root / "more")


def no_train(root):
    fill(root / "testA", root / "testB")


def unlike(root):
    fill(root / "train" / "A", root / "train" / "B")
    beside(root / "test")


def half_split(root):
    fill(root / "A" / "train", root / "B" / "train")
    save(root / "A" / "test" / "1.png", picture(1))


def one(root):
    fill(root / "A", root / "B", [1])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing, "mine is not there: expected a folder"),
        (alone, r"mine has 4 images without a partner \(A/x\.png, B/y0\.png, B/y1\.png, \.\.\.\): expected"),
        (same_name, r"mine has A/3\.bmp and A/3\.png: expected one image of a name"),
        (three, "mine has A/, B/ and C/: pairs are two sub-folders"),
        (shapes, r"B/3\.bmp is 8 x 8, and its partner .*A/3\.png 12 x 8: expected two of equal proportions"),
        (not_twice, r"7\.png is 12 x 8: expected two pictures side by side, twice as wide as high"),
        (mixed, r"images directly in it \(0\.png\) and in sub-folders: pairs are two sub-folders"),
        (no_train, "mine has test/, but no training split: put one beside, called train$"),
        (unlike, "has A and B in train, and pictures side by side in test: expected the same in both"),
        (half_split, "A has test/ and train/, and .*B train/: expected the same splits in both"),
        (one, "B has 1 image: at least 2 are needed"),
    ],
)
def test_mistakes_are_named_and_leave_nothing_behind(root, make, sentence):
    make(root)
    with pytest.raises(UsageError, match=sentence):
        opened(root)
    assert not place("folders").exists() or list(place("folders").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"condition": "C"}, r"data\.condition: 'C' is no side of .*: valid names: A, B"),
        ({"condition": "left"}, "'left' is no side of"),
        ({"condition_channels": 2}, r"data\.condition_channels: expected 0 \(choose\), 1 or 3, got 2"),
        ({"channels": 4}, r"data\.channels: expected 0 \(choose\), 1 or 3, got 4"),
    ],
)
def test_senseless_options_are_named(root, options, sentence):
    fill(root / "A", root / "B")
    with pytest.raises(UsageError, match=sentence):
        opened(root, **options)


def test_a_side_may_be_called_left(root):
    fill(root / "left", root / "right")
    assert opened(root).condition_shape == (3, 8, 8)
    assert opened(root, condition="right").condition_shape == (1, 8, 8)
