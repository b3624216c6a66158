"""Data from Python: arrays, pairs, tables, sets of items; which become one dataset, known by its content."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset, Subset, TensorDataset

from ganzoo import UsageError
from ganzoo.data.given import as_dataset
from ganzoo.data.kinds import kind_of
from ganzoo.data.mixtures import Ring8
from ganzoo.data.vectors import Npy

PIXELS = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VECTORS = np.random.default_rng(0).normal(size=(40, 3))
CLASSES = torch.arange(40) % 4


class Items(TorchDataset):
    """Items of somebody's own, made by a function of their number."""

    def __init__(self, make, count=40, classes=None):
        self.make, self.count = make, count
        if classes:
            self.classes = classes

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return self.make(i)


def rows(dataset):
    """Everything in it, each row with its label, in no order."""
    found = []
    for split in (dataset.train, dataset.test):
        x, y = split.all()
        labels = [None] * len(x) if y is None else [tuple(np.ravel(one).tolist()) for one in y]
        found += [(tuple(one.flatten().tolist()), label) for one, label in zip(x, labels, strict=True)]
    return sorted(found, key=str)


@pytest.mark.parametrize(
    ("x", "kind", "shape", "dtype"),
    [
        (PIXELS, "images", (1, 8, 8), torch.uint8),
        (PIXELS.numpy(), "images", (1, 8, 8), torch.uint8),
        (PIXELS.movedim(1, -1), "images", (1, 8, 8), torch.uint8),
        (PIXELS.repeat(1, 3, 1, 1) / 127.5 - 1, "images", (3, 8, 8), torch.uint8),
        ((PIXELS / 127.5 - 1).double(), "images", (1, 8, 8), torch.uint8),
        (VECTORS, "vectors", (3,), torch.float32),
        (VECTORS.tolist(), "vectors", (3,), torch.float32),
        (torch.from_numpy(VECTORS).bfloat16(), "vectors", (3,), torch.float32),
        ((10 * VECTORS).astype(int), "vectors", (3,), torch.float32),
        (np.random.default_rng(0).normal(size=(40, 2, 16)), "series", (2, 16), torch.float32),
        (np.random.default_rng(0).normal(size=(40, 2, 8, 8)), "tensors", (2, 8, 8), torch.float32),
        (50 * np.random.default_rng(0).normal(size=(40, 3, 8, 8)), "tensors", (3, 8, 8), torch.float32),
    ],
)
def test_what_samples_are_follows_from_their_type_and_shape(x, kind, shape, dtype):
    dataset = as_dataset(x)
    x, y = dataset.train.all()
    assert (kind_of(dataset), dataset.sample_shape, x.dtype, y) == (kind, shape, dtype, None)
    assert (len(dataset.train), len(dataset.test)) == (36, 4)


def test_floats_in_both_ranges_are_the_pixels_that_they_were_made_of():
    plain = as_dataset(PIXELS)
    assert rows(as_dataset(PIXELS / 127.5 - 1)) == rows(plain)
    assert rows(as_dataset(PIXELS / 255, pixels=(0, 1))) == rows(plain)
    assert as_dataset(PIXELS / 255, pixels=(0, 1)).fingerprint == plain.fingerprint
    assert as_dataset(PIXELS, pixels=(0, 1)).fingerprint == plain.fingerprint


@pytest.mark.parametrize("pixels", [None, (0, 1)])
def test_floats_that_may_be_in_either_range_are_asked_for(pixels):
    if pixels is None:
        with pytest.raises(UsageError, match=r"pixels=\(0, 1\).*pixels=\(-1, 1\)"):
            as_dataset(PIXELS / 255)
    else:
        with pytest.raises(UsageError, match="from -1 to"):
            as_dataset(PIXELS / 127.5 - 1, pixels=pixels)


def test_the_same_data_are_the_same_whatever_holds_them():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(VECTORS, columns=["a", "b", "c"])
    labelled = frame.assign(k=CLASSES.numpy())
    same = [
        (VECTORS, CLASSES),
        (torch.from_numpy(VECTORS), CLASSES.numpy()),
        TensorDataset(torch.from_numpy(VECTORS), CLASSES),
        Items(lambda i: (VECTORS[i], int(CLASSES[i]))),
        Items(lambda i: {"x": torch.from_numpy(VECTORS[i]), "label": CLASSES[i]}),
        Subset(Items(lambda i: (VECTORS[i], CLASSES[i])), range(40)),
    ]
    found = [as_dataset(data) for data in same]
    found += [as_dataset(VECTORS, CLASSES), as_dataset(labelled, "k"), as_dataset(frame, CLASSES)]
    assert {dataset.fingerprint for dataset in found} == {found[0].fingerprint}
    assert {dataset.num_classes for dataset in found} == {4}
    assert as_dataset(VECTORS + 1, CLASSES).fingerprint != found[0].fingerprint


def test_a_file_and_an_array_are_split_alike():
    np.save("x.npy", VECTORS)
    assert as_dataset(VECTORS).standardization.mean.equal(Npy("x.npy").standardization.mean)


def test_pictures_of_pillow_become_pixels():
    grey = Items(
        lambda i: (Image.fromarray(PIXELS[i, 0].numpy()), int(CLASSES[i])), classes=["a", "b", "c", "d"]
    )
    dataset = as_dataset(grey)
    assert dataset.fingerprint == as_dataset(PIXELS, CLASSES).fingerprint
    assert dataset.class_names == ("a", "b", "c", "d")
    rgb = Items(lambda i: Image.fromarray(PIXELS[i, 0].numpy()).convert("RGB"))
    assert as_dataset(rgb).sample_shape == (3, 8, 8)


def test_a_set_without_a_length_is_read_to_its_end():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter((VECTORS[i], CLASSES[i]) for i in range(40))

    assert as_dataset(Stream()).fingerprint == as_dataset(VECTORS, CLASSES).fingerprint


@pytest.mark.parametrize(
    "names", [np.array(["b", "a"] * 20), ["b", "a"] * 20, np.array(["b", "a"] * 20, object)]
)
def test_classes_may_be_names(names):
    dataset = as_dataset(VECTORS, names)
    assert (dataset.num_classes, dataset.class_names) == (2, ("a", "b"))
    x, y = dataset.train.all()
    number = {
        tuple(np.float32(row).tolist()): "ab".index(name) for row, name in zip(VECTORS, names, strict=True)
    }
    assert [number[tuple(row.tolist())] for row in x] == y.tolist()


def test_values_and_images_may_be_what_samples_are_made_for():
    assert as_dataset(VECTORS, VECTORS[:, :2]).condition_shape == (2,)
    assert as_dataset(VECTORS, VECTORS[:, 0]).condition_shape == (1,)
    assert as_dataset(VECTORS, PIXELS).condition_shape == (1, 8, 8)


def test_a_test_split_of_ones_own():
    dataset = as_dataset(VECTORS[:30], CLASSES[:30], test=(VECTORS[30:], CLASSES[30:]))
    assert torch.equal(dataset.test.all()[0], torch.from_numpy(VECTORS[30:]).float())
    assert dataset.num_classes == 4
    named = as_dataset((VECTORS, ["a", "b"] * 20), test=(VECTORS, ["b"] * 40))
    assert named.test.all()[1].tolist() == [1] * 40


def test_a_dataset_of_ganzoos_is_itself():
    ring = Ring8()
    assert as_dataset(ring) is ring


@pytest.mark.parametrize(
    ("give", "sentence"),
    [
        (lambda: as_dataset("a.csv"), "expected an array of numbers"),
        (lambda: as_dataset({"x": VECTORS}), "got dict"),
        (lambda: as_dataset(object()), "object"),
        (lambda: as_dataset(np.array(["a", "b"])), "<U1"),
        (lambda: as_dataset(np.array([[1, None]] * 3)), "object"),
        (lambda: as_dataset([[1.0, 2.0], [1.0]]), "cannot be read as an array"),
        (lambda: as_dataset(5.0), "a row for each sample"),
        (lambda: as_dataset(VECTORS[:, 0]), r"x\[:, None\]"),
        (lambda: as_dataset(VECTORS[:1]), "1 row"),
        (lambda: as_dataset(np.zeros((5, 0))), r"\(5, 0\)"),
        (lambda: as_dataset(np.full((5, 2), np.nan)), "row 0"),
        (lambda: as_dataset(PIXELS[:, 0]), r"x\[:, None\]"),
        (lambda: as_dataset((PIXELS / 127.5 - 1).movedim(1, -1)), "channels of images first"),
        (lambda: as_dataset(VECTORS, CLASSES[:5]), "40 rows, and its y 5"),
        (lambda: as_dataset(VECTORS, CLASSES - 1), "the class -1"),
        (lambda: as_dataset(VECTORS, "k"), "names a column"),
        (lambda: as_dataset(VECTORS, pixels=(0, 1)), "expected images"),
        (lambda: as_dataset(PIXELS / 255, pixels=(1, 0)), "the darkest and the brightest"),
        (lambda: as_dataset(VECTORS, test=VECTORS[:, :2]), "expected the same"),
        (lambda: as_dataset((VECTORS, CLASSES), test=VECTORS), "the other has none"),
        (lambda: as_dataset((VECTORS, ["a", "b"] * 20), test=(VECTORS, ["c"] * 40)), "the class 'c'"),
        (lambda: as_dataset(Ring8(), test=VECTORS), "give it alone"),
        (lambda: as_dataset(Items(lambda i: VECTORS[i, : 1 + i % 2])), "item 1 is"),
        (
            lambda: as_dataset(Items(lambda i: 1 / (i - 7))),
            "item 7 of the data cannot be read: ZeroDivisionError",
        ),
        (lambda: as_dataset(Items(lambda i: {"a": 1})), "expected the samples to be called"),
        (lambda: as_dataset(Items(lambda i: (VECTORS[i], 1 if i else None))), "item 0 has no label"),
        (lambda: as_dataset(Items(lambda i: VECTORS[i], 0)), "no items"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(give, sentence):
    with pytest.raises(UsageError, match=sentence) as refused:
        give()
    assert len(str(refused.value)) < 400


def test_tables_are_refused_by_column():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(VECTORS, columns=["a", "b", "c"])
    for y, table, sentence in (
        ("d", frame, "no such column"),
        (None, frame.assign(d="x"), "column 'd' holds"),
        (None, frame.assign(a=frame["a"].where(frame.index != 3)), "column 'a' has nothing in row 3"),
        ("k", frame.assign(k=[None, *"ab"] + ["a"] * 37), "row 0"),
    ):
        with pytest.raises(UsageError, match=sentence):
            as_dataset(table, y)


def test_a_dataset_of_hugging_face_is_taken_apart_by_its_columns():
    datasets = pytest.importorskip("datasets")
    columns = {name: VECTORS[:, i] for i, name in enumerate("abc")}
    labelled = datasets.Dataset.from_dict({**columns, "label": CLASSES.tolist()})
    dataset = as_dataset(labelled)
    assert (dataset.sample_shape, dataset.num_classes) == ((3,), 4)
    assert rows(dataset) == rows(as_dataset(VECTORS, CLASSES))
    split = datasets.DatasetDict(
        {"train": labelled.select(range(30)), "test": labelled.select(range(30, 40))}
    )
    assert len(as_dataset(split).test) == len(as_dataset(split["train"], test=split["test"]).test) == 10
    pictures = {"image": [Image.fromarray(one[0].numpy()) for one in PIXELS]}
    assert as_dataset(datasets.Dataset.from_dict(pictures)).fingerprint == as_dataset(PIXELS).fingerprint
    with pytest.raises(UsageError, match="no column 'k'"):
        as_dataset(labelled, "k")


def test_what_transforms_and_formats_of_hugging_face_give_is_what_is_learnt():
    datasets = pytest.importorskip("datasets")
    pictures = datasets.Dataset.from_dict({"image": [Image.fromarray(one[0].numpy()) for one in PIXELS]})
    turned = pictures.with_transform(
        lambda rows: {"image": [255 - np.asarray(one)[None] for one in rows["image"]]}
    )
    assert rows(as_dataset(turned)) == rows(as_dataset(255 - PIXELS))
    numbers = datasets.Dataset.from_dict({"a": VECTORS[:, 0], "b": VECTORS[:, 1]})
    assert as_dataset(numbers.with_format("torch", columns=["a"])).sample_shape == (1,)
    assert as_dataset(numbers).sample_shape == (2,)


def test_constant_columns_are_columns():
    x = np.c_[VECTORS, np.full(40, 0.1)]
    assert as_dataset(x).sample_shape == (4,)


def test_the_columns_of_a_test_frame_are_those_of_the_same_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(VECTORS, columns=["a", "b", "c"])
    turned = as_dataset(frame[:30], test=frame[30:][["c", "a", "b"]])
    assert torch.equal(turned.test.all()[0], torch.from_numpy(VECTORS[30:]).float())
    with pytest.raises(UsageError, match="is in one of them alone"):
        as_dataset(frame, test=frame.rename(columns={"c": "d"}))
    assert (
        as_dataset(pandas.DataFrame(VECTORS).assign(**{"3": 1}).rename(columns={"3": 3}), 3).num_classes == 2
    )
    assert as_dataset(frame, ["b", "c"]).condition_shape == (2,)


def test_a_column_of_whole_numbers_is_classes():
    assert as_dataset(VECTORS, CLASSES[:, None]).fingerprint == as_dataset(VECTORS, CLASSES).fingerprint


def test_a_list_of_pictures_is_pictures():
    pictures = [Image.fromarray(one[0].numpy()) for one in PIXELS]
    assert as_dataset(pictures).fingerprint == as_dataset(PIXELS).fingerprint


def test_grids_of_numbers_that_look_like_pixels_are_told_of(capsys):
    as_dataset(PIXELS.float())
    assert "pixels=(0, 255)" in capsys.readouterr().err
    assert rows(as_dataset(PIXELS.float(), pixels=(0, 255))) == rows(as_dataset(PIXELS))


def test_arrays_that_are_read_alone_are_copied():
    x = VECTORS.copy()
    x.flags.writeable = False
    assert as_dataset(x).fingerprint == as_dataset(VECTORS).fingerprint


@pytest.mark.parametrize(
    ("give", "sentence"),
    [
        (
            lambda: as_dataset(Items(lambda i: Image.fromarray(np.full((8, 8), i * 257, np.uint16)))),
            "mode I;16",
        ),
        (lambda: as_dataset(np.ma.masked_greater(VECTORS, 0.5)), "masked"),
        (lambda: as_dataset(VECTORS, ["a", None] * 20), "row 1"),
        (lambda: as_dataset(VECTORS, np.array(["a", np.nan] * 20, dtype=object)), "row 1"),
        (lambda: as_dataset(PIXELS // 200), "only the values 0 and 1"),
        (lambda: as_dataset(PIXELS // 200, pixels=(0, 1)), "only the values 0 and 1"),
        (lambda: as_dataset(PIXELS / 255, pixels="01"), "two numbers"),
        (lambda: as_dataset(PIXELS / 255, pixels=1), "two numbers"),
        (lambda: as_dataset(torch.from_numpy(VECTORS).to_sparse()), "expected a dense one"),
        (lambda: as_dataset(torch.empty(5, 2, device="meta")), "expected a dense one"),
    ],
)
def test_what_would_be_learnt_wrongly_is_refused(give, sentence):
    with pytest.raises(UsageError, match=sentence):
        give()


def test_a_path_is_told_how_to_be_said(tmp_path):
    with pytest.raises(UsageError, match="folder:"):
        as_dataset(tmp_path)


def test_more_than_memory_holds_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr("ganzoo.data.items.machine_memory", lambda: 1000)
    with pytest.raises(UsageError, match="give a DataLoader"):
        as_dataset(Items(lambda i: VECTORS[i]))


def test_labels_of_text_are_in_order_with_their_numbers():
    names = [f"c{1 + i % 12}" for i in range(240)]
    dataset = as_dataset(np.random.default_rng(0).normal(size=(240, 2)).astype("f4"), names)
    assert dataset.class_names == tuple(f"c{1 + i}" for i in range(12))
