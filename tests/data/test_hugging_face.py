"""Sets of Hugging Face, from a folder and from Python."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import datasets
import files
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Image

from ganzoo.data import hub
from ganzoo.data.hub import Hub
from ganzoo.data.hugging import pictures_of, splits_of, table_of
from ganzoo.data.kept import decode
from ganzoo.data.own import Samples
from ganzoo.data.streams import StreamSplit
from ganzoo.errors import UsageError


@pytest.fixture(autouse=True)
def _quiet(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def parquet_files() -> None:
    """The pictures as people upload them."""
    files.hugging_face()
    Path("uploaded").mkdir()
    for name, part in datasets.load_from_disk("pictures").items():
        part.to_parquet(f"uploaded/{name}-00000-of-00001.parquet")


def test_pictures_of_a_folder(capsys):
    files.hugging_face()
    data = Hub("pictures", size=16)
    assert (data.sample_shape, data.class_names) == ((3, 16, 16), ("cat", "dog", "owl"))
    line = (
        "hf:pictures: 60 images of 3 classes (cat, dog, owl), 16 x 16, RGB; 21 to test, in a split of their"
    )
    assert line in capsys.readouterr().err
    x, y = data.train.all()
    assert np.array_equal(x.numpy(), files.pixels(60, 16).transpose(0, 3, 1, 2))
    assert y.tolist() == [0, 1, 2] * 20


def test_parquet_files_hold_the_same_and_are_streamed_alike():
    parquet_files()
    held, streamed = Hub("pictures", size=8), Hub("uploaded", size=8, memory_gb=1e-6)
    assert isinstance(streamed.train, StreamSplit)
    assert held.fingerprint == streamed.fingerprint
    for one, other in zip(held.train.batch(8, 3, 1), streamed.train.batch(8, 3, 1), strict=True):
        assert torch.equal(one, other)


def test_they_are_decoded_once(monkeypatch):
    files.hugging_face()
    first = Hub("pictures", size=8).fingerprint
    monkeypatch.setattr(hub, "pictures_of", None)
    assert Hub("pictures", size=8).fingerprint == first


@pytest.mark.parametrize(
    ("options", "counts"),
    [({}, (60, 21)), ({"test": "none"}, (54, 6)), ({"train": "test", "test": "train"}, (21, 60))],
)
def test_splits(options, counts):
    files.hugging_face()
    data = Hub("pictures", size=8, **options)
    assert (len(data.train), len(data.test)) == counts


def test_numbers_are_vectors(capsys):
    files.hugging_face()
    data = Hub("numbers", label="kind")
    assert (data.sample_shape, data.class_names) == ((3,), ("cat", "dog", "owl"))
    assert "60 rows of 3 numbers, of 3 classes" in capsys.readouterr().err
    found = torch.cat([data.train.all()[0], data.test.all()[0]])
    assert np.array_equal(np.sort(found, axis=0), np.sort(files.numbers().astype("f4"), axis=0))
    assert Hub("numbers", columns=("a",)).sample_shape == (1,)


@pytest.mark.parametrize(
    ("name", "options", "pieces"),
    [
        ("pictures", {"label": "knd"}, ["data.label", "did you mean kind"]),
        ("pictures", {"image": "note"}, ["data.image", "of images", "picture"]),
        ("pictures", {"train": "trian"}, ["data.train", "did you mean train"]),
        ("pictures", {"test": "tset"}, ["data.test", "did you mean test"]),
        ("pictures", {"size": 3}, ["data.size"]),
        ("numbers", {}, ["'cat', string, in column 'kind'", "data.label=kind"]),
        ("./nowhere", {}, ["nowhere is not there"]),
        ("empty", {}, ["empty cannot be read as a dataset", "save_to_disk"]),
        ("user/set", {"offline": True}, ["hf:user/set can't be had", "--offline", "hf:FOLDER"]),
        ("user/set", {}, ["hf:user/set can't be had", "http://127.0.0.1:9 does not answer"]),
    ],
)
def test_what_cannot_be_used(name, options, pieces):
    files.hugging_face()
    Path("empty").mkdir()
    start = time.monotonic()
    with pytest.raises(UsageError) as refused:
        Hub(name, **options)
    assert all(piece in str(refused.value) for piece in pieces), refused.value
    assert time.monotonic() - start < 8
    assert not datasets.config.HF_HUB_OFFLINE


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'ganzoo-torch\[hf\]'"):
        Hub("user/set")


# ---- from Python


def from_hf(dataset, test=None, label="", size=0, channels=0) -> Samples:
    """The arrays of a `datasets.Dataset`, or of the splits of a `DatasetDict`."""
    if isinstance(dataset, dict):
        dataset, test = splits_of(dataset, "", "")
    pictures = pictures_of("the dataset", dataset, test, "", label, size, channels)
    if pictures is None:
        return table_of("the dataset", dataset, test, label, ())
    copy = decode(pictures, "the dataset")
    x, train = torch.from_numpy(copy.x), copy.meta["train"]
    y = torch.from_numpy(copy.y) if len(copy.y) else None
    held = (x[train:], None if y is None else y[train:])
    return Samples(x[:train], None if y is None else y[:train], pictures.class_names, held)


def of_images(*contents: bytes | None, **columns) -> Dataset:
    cells = [None if content is None else {"bytes": content, "path": None} for content in contents]
    return Dataset.from_dict({"image": cells, **columns}).cast_column("image", Image())


def some(count: int) -> list[bytes]:
    return [files.png(image) for image in files.pixels(count)]


def test_a_dataset_of_images_whatever_its_format_and_order():
    made = of_images(*some(20), label=list(range(20)))
    samples = from_hf(made.with_format("torch").shuffle(seed=3), size=16)
    both = torch.cat([samples.x, samples.test[0]]), torch.cat([samples.y, samples.test[1]])
    assert (len(samples.x), len(samples.test[0]), samples.x.dtype) == (18, 2, torch.uint8)
    pixels = files.pixels(20).transpose(0, 3, 1, 2)
    for x, y in zip(*both, strict=True):
        assert np.array_equal(x.numpy(), pixels[int(samples.class_names[y])])


def test_a_test_split_beside_and_a_dict_of_both():
    one, two = of_images(*some(6), label=[0, 1] * 3), of_images(*some(4), label=[0, 1] * 2)
    for samples in (
        from_hf(one, two, size=8),
        from_hf(DatasetDict({"train": one, "validation": two}), size=8),
    ):
        assert (len(samples.x), len(samples.test[0]), samples.class_names) == (6, 4, ("0", "1"))


def test_labels_by_type_by_name_and_none():
    images = some(4)
    typed = of_images(*images, kind=[0, 1, 0, 1]).cast_column("kind", ClassLabel(names=["a", "b"]))
    assert from_hf(typed, size=8).class_names == ("a", "b")
    assert from_hf(typed, size=8, label="none").y is None
    assert from_hf(of_images(*images, other=[0, 1, 0, 1]), size=8).y is None
    both = typed.add_column("coarse", [0, 0, 1, 1]).cast_column("coarse", ClassLabel(names=["c", "d"]))
    with pytest.raises(UsageError, match="classes in kind, coarse: choose"):
        from_hf(both, size=8)
    assert from_hf(both, size=8, label="coarse").class_names == ("c", "d")


@pytest.mark.parametrize(
    ("made", "pieces"),
    [
        (lambda: of_images(b"x", b"y"), ["2 of 2 images cannot be read", "not an image"]),
        (lambda: of_images(*some(3), None), ["image 3 of the dataset is not there"]),
        (
            lambda: of_images(*some(2), label=[0, -1]).cast_column("label", ClassLabel(names=["a"])),
            ["row 1", "none"],
        ),
        (lambda: Dataset.from_dict({"a": [1.0, None]}), ["no value in column 'a', row 1"]),
        (lambda: Dataset.from_dict({"a": ["x", "y"]}), ["'x', string", "numbers"]),
        (lambda: Dataset.from_dict({"a": [[1], [1, 2]]}), ["several lengths", "'a'"]),
        (lambda: Dataset.from_dict({"a": [[[1]], [[1]]]}), ["lists of lists", "'a'"]),
    ],
)
def test_rows_that_cannot_be_used(made, pieces):
    with pytest.raises(UsageError) as refused:
        from_hf(made(), size=8, channels=3)
    assert all(piece in str(refused.value) for piece in pieces), refused.value
