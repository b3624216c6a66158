"""Folders that have their own splits, and what is said of a folder when it is opened."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.folder import ImageFolder
from ganzoo.data.streams import StreamSplit
from ganzoo.data.vectors import Npy
from ganzoo.errors import UsageError


@pytest.fixture
def root(tmp_path):
    return tmp_path / "mine"


def fill(folder: Path, n: int, seed: int = 0) -> list[bytes]:
    """n images, and their pixels as the dataset has them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = np.random.default_rng([seed, *str(folder).encode()]).integers(0, 256, (n, 8, 8, 3), np.uint8)
    for i, pixels in enumerate(made):
        Image.fromarray(pixels).save(folder / f"{seed}-{i:03d}.png")
    return [pixels.transpose(2, 0, 1).tobytes() for pixels in made]


def rows(split) -> list[bytes]:
    return [row.numpy().tobytes() for row in split.all()[0]]


def opened(root: Path, **options) -> ImageFolder:
    return ImageFolder(root, size=8, **options)


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING", "training"])
@pytest.mark.parametrize("test", ["test", "Testing", "val", "valid", "Validation", "DEV"])
def test_names_of_splits(root, capsys, train, test):
    seen, held_out = fill(root / train, 5), fill(root / test, 3)
    data = opened(root)
    assert (sorted(rows(data.train)), sorted(rows(data.test))) == (sorted(seen), sorted(held_out))
    assert (data.num_classes, data.train.all()[1], data.test.all()[1]) == (0, None, None)
    line = f"5 images without classes, 8 x 8, RGB, in {train}/; 3 to test, in {test}/"
    assert capsys.readouterr().err == f"note: folder:{root}: {line}\n"


def test_classes_below_splits(root, capsys):
    for name, n in (("cat", 4), ("dog", 3), ("elk", 2), ("fox", 2)):
        fill(root / "train" / name, n)
    for name, n in (("cat", 2), ("fox", 1)):
        fill(root / "test" / name, n)
    fill(root / "val" / "cat", 7)
    (root / "train" / "gnu").symlink_to(shutil.copytree(root / "val" / "cat", root.parent / "elsewhere"))
    data = opened(root)
    assert (data.class_names, data.num_classes) == (("cat", "dog", "elk", "fox", "gnu"), 5)
    assert data.train.all()[1].tolist() == [0] * 4 + [1] * 3 + [2] * 2 + [3] * 2 + [4] * 7
    assert data.test.all()[1].tolist() == [0, 0, 3]
    shares = data.modes.shares * 18
    assert torch.equal(shares.round(), torch.tensor([4.0, 3.0, 2.0, 2.0, 7.0], dtype=torch.float64))
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith(
        "18 images of 5 classes (cat, dog, elk, ...), 8 x 8, RGB, in train/; 3 to test, in test/"
    )
    assert said[1].endswith(f"elsewhere were followed: train/gnu -> {root.parent / 'elsewhere'}")
    assert said[2].endswith("left out, as there is a test split: val/")
    assert len(said) == 3
    stream = opened(root, memory_gb=1e-9)
    assert isinstance(stream.test, StreamSplit)
    for name in ("train", "test"):
        for got, want in zip(getattr(stream, name).all(), getattr(data, name).all(), strict=True):
            assert torch.equal(got, want)


@pytest.mark.parametrize("classes", [("",), ("cat", "dog")])
def test_a_training_split_alone_is_the_folder(root, capsys, classes):
    for name in classes:
        fill(root / "train" / name, 10)
    (root / "test").mkdir()  # empty
    data, inner = opened(root), opened(root / "train")
    assert data.fingerprint == inner.fingerprint
    assert (len(data.train), len(data.test)) == (len(inner.train), len(inner.test))
    assert data.class_names == tuple(name for name in classes if name)
    assert "RGB, in train/; " in capsys.readouterr().err


def test_a_split_has_a_fingerprint_of_its_own(root):
    fill(root / "train", 5)
    fill(root / "test", 3)
    data = opened(root)
    before = data.fingerprint
    shutil.move(root / "test" / "0-000.png", root / "train" / "z.png")
    assert opened(root).fingerprint != before
    shutil.copytree(root / "train", root.parent / "all")
    shutil.copytree(root / "test", root.parent / "all", dirs_exist_ok=True)
    assert opened(root.parent / "all").fingerprint != opened(root).fingerprint


def test_some_names_of_splits_are_classes(root, capsys):
    for name in ("car", "train", "test"):
        fill(root / name, 10)
    data = opened(root)
    assert data.class_names == ("car", "test", "train")
    assert (len(data.train), len(data.test)) == (27, 3)
    assert capsys.readouterr().err.endswith(
        "30 images of 3 classes (car, test, train), 8 x 8, RGB; 3 to test, a tenth of them, by hash\n"
    )


def test_twins_are_counted(root, capsys):
    fill(root / "train", 30)
    fill(root / "test", 4)
    for name in ("0-003.png", "0-007.png"):
        shutil.copy(root / "train" / name, root / "test" / f"copy-{name}")
    for _ in range(2):
        opened(root)
        assert "2 of the 6 images to test are among those to train on as well" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (["test"], r"mine has test/, but no training split: .*folder:.*mine/test"),
        (["val", "test"], r"mine has test/ and val/, but no training split: .*folder:.*mine/test"),
        (["train", "Training", "test"], r"mine has Training/ and train/: expected one training split"),
        (["train", "test", "testing"], r"mine has test/ and testing/: expected one test split"),
        (["train", "val", "dev"], r"mine has dev/ and val/: expected one test split"),
        (["train/cat", "test/cat", "test/dgo", "train/dog"], r"mine/test has the class dgo, .*mean dog\?"),
        (["train/cat", "test"], r"mine/train has images in one sub-folder per class, and .*test directly"),
        (
            ["train", "val/cat"],
            r"mine/train has images directly in it, and .*val in one sub-folder per class",
        ),
        (["train", "train/cat", "test"], r"mine/train has images directly in it .* and in sub-folders"),
        ([".", "train", "test"], r"mine has images directly in it .* and in sub-folders"),
    ],
)
def test_splits_that_make_no_sense(root, folders, sentence):
    for name in folders:
        fill(root / name, 3)
    with pytest.raises(UsageError, match=sentence):
        opened(root)


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (["inner/train/cat", "inner/test/cat"], "inner has test/ and train/: .* folder:.*mine/inner"),
        (["cat/train", "cat/test", "dog/train"], "cat has test/ and train/: .* as train/cat"),
    ],
)
def test_splits_one_folder_deeper_are_pointed_out(root, capsys, folders, said):
    for name in folders:
        fill(root / name, 3)
    opened(root)
    assert re.search(said, capsys.readouterr().err)


# ---- what is said, and what follows from the number of test samples


def test_the_size_is_that_of_all(root):
    """Not of the first hundred, which may be of one class."""
    root.mkdir()
    for i in range(101):
        Image.new("L", (64, 64), i).save(root / f"{i:03d}.png")
    assert ImageFolder(root).sample_shape == (1, 64, 64)
    Image.new("L", (64, 63), 9).save(root / "small.png")
    assert ImageFolder(root).sample_shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("count", "dim", "what"), [(2000, 32, "2,000 rows of 32 numbers"), (20, 1, "of 1 number;")]
)
def test_vectors_say_what_they_are(tmp_path, capsys, count, dim, what):
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(count, dim)))
    Npy(tmp_path / "v.npy")
    said = capsys.readouterr().err
    assert said.startswith(f"note: npy:{tmp_path}/v.npy: ")
    assert what in said
    assert said.endswith(f"; {count // 10} to test, a tenth of them, by hash\n")


@pytest.mark.parametrize(
    ("rows_", "samples"), [(9_990, 10_000), (10_000, 1_000), (30_000, 3_000), (120_000, 10_000)]
)
def test_as_many_are_generated_as_are_held_out(tmp_path, rows_, samples):
    np.save(tmp_path / "v.npy", np.arange(rows_, dtype=np.float32)[:, None])
    assert Npy(tmp_path / "v.npy").eval_samples == samples


@pytest.mark.parametrize(("held_out", "samples"), [(999, 10_000), (1_001, 1_001)])
def test_as_many_images_are_generated_as_are_held_out(root, held_out, samples):
    fill(root / "train", 2)
    fill(root / "test", held_out)
    assert opened(root).eval_samples == samples
