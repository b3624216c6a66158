"""Folders of --data-root with other files than those that were published: never unpickled, nor believed."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from ganzoo.data.downloads import Cifar10
from ganzoo.data.fetch import idx_files
from ganzoo.data.mnist import Mnist
from ganzoo.errors import UsageError


class Trap:
    """Unpickled, it makes a file."""

    def __reduce__(self):
        return Path.touch, (Path("trapped"),)


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return struct.pack(f">{array.ndim + 1}i", kind * 256 + array.ndim, *array.shape) + array.tobytes()


def digits(root: Path, count: int = 20, **instead: bytes) -> Path:
    """Four files as MNIST's are; `instead` says what is in those whose names begin so."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    for name in idx_files("MNIST"):
        images, train = "images" in name, "train" in name
        content = idx(pixels if images else (np.arange(count) % 10).astype(np.uint8))
        key = ("train" if train else "test") + ("_images" if images else "_labels")
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(instead.get(key, content))
    return root


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta", ""])
def test_what_is_not_the_published_pickle_is_not_unpickled(tmp_path, monkeypatch, name):
    """All the others are what torchvision knows."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1], "label_names": list("ab")}
    whole = pickle.dumps(batch)
    known = hashlib.md5(whole).hexdigest()

    def sums(files):
        return [[file, md5 if file == name else known] for file, md5 in files]

    monkeypatch.setattr(CIFAR10, "train_list", sums(CIFAR10.train_list))
    monkeypatch.setattr(CIFAR10, "test_list", sums(CIFAR10.test_list))
    if name != "batches.meta":
        monkeypatch.setitem(CIFAR10.meta, "md5", known)
    for each in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
        (folder / each).write_bytes(whole)
    if name:
        (folder / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(UsageError, match=r"CIFAR10 files in .*batches-py cannot be read .*delete them"):
            Cifar10(tmp_path, offline=True)
    else:  # so that it is the checksum that counts above
        assert len(Cifar10(tmp_path, offline=True).train) == 10
    assert not Path("trapped").exists()


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    digits(tmp_path)
    with (tmp_path / idx_files("MNIST")[0]).open("r+b") as file:
        file.truncate(40 * 2**30)
    with pytest.raises(UsageError, match=r"train-images-idx3-ubyte has 40\.0 GiB"):
        Mnist(tmp_path, offline=True)


def test_what_older_versions_left_behind_is_not_looked_at(tmp_path):
    digits(tmp_path)
    old = tmp_path / "MNIST" / "processed"
    old.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(5, 28, 28, dtype=torch.uint8), torch.zeros(5, dtype=torch.int64)), old / name)
    assert len(Mnist(tmp_path, offline=True).train) == 20


def test_a_pipe_is_no_file_of_digits(tmp_path):
    digits(tmp_path)
    path = tmp_path / idx_files("MNIST")[1]
    path.unlink()
    os.mkfifo(path)
    assert Mnist(tmp_path, offline=True).name == "mnist-5k"


SMALL = np.zeros((20, 28, 28), np.uint8)
WRONG = {
    "labels beyond": {"train_labels": idx(np.full(20, 10, np.uint8))},
    "fewer labels": {"train_labels": idx(np.zeros(19, np.uint8))},
    "labels as images": {"train_labels": idx(SMALL)},
    "a table of images": {"train_images": idx(SMALL.reshape(20, -1))},
    "another size": {"train_images": idx(np.zeros((20, 32, 32), np.uint8))},
    "no size": {"train_images": idx(np.zeros((20, 0, 28), np.uint8))},
    "none": {"test_images": idx(SMALL[:0]), "test_labels": idx(np.zeros(0, np.uint8))},
    "fractions": {"train_images": idx(SMALL.astype(">f4"), kind=13)},
    "more than there is": {"train_images": struct.pack(">4i", 0x803, 2**30, 28, 28) + bytes(100)},
    "negative": {"train_images": struct.pack(">4i", 0x803, -1, 28, -28) + bytes(100)},
    "another format": {"train_images": pickle.dumps(Trap())},
    "cut": {"train_images": idx(SMALL)[:500]},
    "empty": {"train_images": b""},
}


@pytest.mark.parametrize("name", WRONG)
def test_digits_that_are_none(tmp_path, name):
    digits(tmp_path, **WRONG[name])
    with pytest.raises(UsageError, match=r"MNIST files in .*raw cannot be read \(.*\): delete them"):
        Mnist(tmp_path, offline=True)
    assert not Path("trapped").exists()


def test_damaged_digits(tmp_path):
    """Changed headers at random: read, or refused in one sentence."""
    draw, ends = random.Random(0), set()
    plain = idx(SMALL)
    for _ in range(300):
        made = bytearray(plain)
        for _ in range(draw.choice((1, 2))):
            made[draw.randrange(16)] = draw.choice((0, 1, 255, draw.randrange(256)))
        key = draw.choice(("train_images", "test_images"))
        digits(tmp_path, **{key: bytes(made[: draw.choice((len(made), len(made), 5, 900))])})
        try:
            Mnist(tmp_path, offline=True)
            ends.add("read")
        except UsageError as error:
            ends.add("refused")
            if "\n" in str(error):
                pytest.fail(str(error))
    assert ends == {"read", "refused"}
