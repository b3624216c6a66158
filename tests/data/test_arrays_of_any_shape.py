"""Arrays in .npy files: what their shape makes of them, and what is beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import ganzoo as zoo
from ganzoo.data.base import from_uint8
from ganzoo.data.kinds import kind_of
from ganzoo.data.open import open_dataset
from ganzoo.data.vectors import Npy
from ganzoo.errors import UsageError


def some(*shape: int, dtype: str = "float64") -> np.ndarray:
    random = np.random.default_rng(list(shape))
    if dtype == "uint8":
        return random.integers(0, 256, shape, np.uint8)
    return random.normal(5, 2, shape).astype(dtype)


def opened(x: np.ndarray, y: np.ndarray | None = None) -> Npy:
    np.save("x.npy", x)
    if y is None:
        return Npy("x.npy")
    np.save("y.npy", y)
    return Npy("x.npy", y="y.npy")


def rows(split) -> list[bytes]:
    return [row.numpy().tobytes() for row in split.all()[0]]


def test_vectors_are_what_they_were(capsys):
    data = opened(some(20, 3))
    assert (data.fingerprint, kind_of(data)) == ("be39f2dbd5bda693", "vectors")
    assert capsys.readouterr().err == (
        "note: npy:x.npy: 20 rows of 3 numbers; 2 to test, a tenth of them, by hash\n"
    )


@pytest.mark.parametrize(
    ("x", "kind", "shape", "line"),
    [
        (some(40, 2, 16), "series", (2, 16), "40 series of shape (2, 16);"),
        (some(40, 3, 8, 8), "tensors", (3, 8, 8), "40 tensors of shape (3, 8, 8) (pixels would be uint8"),
        (some(40, 5, 8, 8, dtype="uint8"), "tensors", (5, 8, 8), "40 tensors of shape (5, 8, 8) (pixels"),
        (some(40, 3, 2, 8, 8), "tensors", (3, 2, 8, 8), "40 tensors of shape (3, 2, 8, 8) (pixels"),
        (some(40, 3, 2, 2, 2, 2), "tensors", (3, 2, 2, 2, 2), "40 tensors of shape (3, 2, 2, 2, 2);"),
        (some(40, 1, 2, 2, 2, 2, dtype="uint8"), "tensors", (1, 2, 2, 2, 2), "40 tensors of"),
    ],
)
def test_numbers_on_a_grid_are_standardised_by_channel(capsys, x, kind, shape, line):
    data = opened(x)
    assert (kind_of(data), data.sample_shape, data.num_classes, data.condition_shape) == (kind, shape, 0, ())
    assert f"note: npy:x.npy: {line}" in capsys.readouterr().err
    own = data.train.all()[0]
    assert own.dtype == torch.float32
    assert sorted(rows(data.train) + rows(data.test)) == sorted(row.tobytes() for row in x.astype("f4"))
    batch, y = data.train.batch(len(data.train), 0, 0)
    assert y is None
    over = (0, *range(2, batch.dim()))
    assert batch.mean(over).abs().max() < 1e-5
    assert torch.allclose(batch.std(over, correction=0), torch.ones(shape[0]), atol=1e-5)
    assert torch.allclose(data.to_units(data.from_units(own)), own, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("sides", "kind"), [((8, 6), "images"), ((4, 8, 6), "video")])
def test_bytes_with_channels_of_pictures_are_pixels(channels, last, sides, kind):
    x = some(40, channels, *sides, dtype="uint8")
    data = opened(np.moveaxis(x, 1, -1) if last else x)
    assert (kind_of(data), data.sample_shape, data.standardization) == (kind, (channels, *sides), None)
    assert sorted(rows(data.train) + rows(data.test)) == sorted(row.tobytes() for row in x)
    batch = data.train.batch(8, 0, 0)[0]
    assert torch.equal(from_uint8(data.to_units(batch)), batch)
    assert batch.min() >= -1.0
    assert data.fingerprint == opened(x).fingerprint


def test_up_to_sixteen_dimensions():
    assert len(opened(some(8, *[2] * 3, *[1] * 12)).sample_shape) == 15
    with pytest.raises(UsageError, match="up to 16 dimensions"):
        opened(some(8, *[1] * 16))


def numbered(n: int = 40) -> np.ndarray:
    """Each row has its number in it."""
    x = some(n, 4)
    x[:, 0] = np.arange(n)
    return x


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u8"])
def test_whole_numbers_beside_are_classes(capsys, dtype):
    data = opened(numbered(), (np.arange(40) % 5).astype(dtype))
    assert (data.num_classes, data.condition_shape, data.modes) == (5, (), None)
    assert "40 rows of 4 numbers, of 5 classes; 4 to test" in capsys.readouterr().err
    for split in (data.train, data.test):
        x, y = split.all()
        assert (y.dtype, y.tolist()) == (torch.int64, (x[:, 0].int() % 5).tolist())
    x, y = data.train.batch(20, 1, 2)
    assert torch.equal(data.to_units(x)[:, 0].round().long() % 5, y)


def test_text_beside_is_the_names_of_classes():
    names = np.array(["tom cat", " dog", "10", "9"])
    data = opened(numbered(), names[np.arange(40) % 4])
    assert (data.class_names, data.num_classes) == (("9", "10", "dog", "tom cat"), 4)
    for split in (data.train, data.test):
        x, y = split.all()
        assert [data.class_names[i] for i in y] == [names[int(i) % 4].strip() for i in x[:, 0]]
    with pytest.raises(UsageError, match=r"y.npy has no text in row 3 \(from 0\)"):
        opened(numbered(), np.array(["a", "b", "c", " "] * 10))
    np.save("y.npy", np.full(40, "ab"))
    broken = bytearray(Path("y.npy").read_bytes())
    broken[-1] = 0xFF
    Path("y.npy").write_bytes(broken)
    with pytest.raises(UsageError, match=r"y.npy cannot be read as text"):
        Npy("x.npy", y="y.npy")


def test_classes_of_images_have_shares():
    data = opened(some(40, 1, 8, 8, dtype="uint8"), np.arange(40) % 2)
    assert data.modes.count == 2
    assert data.modes.shares.sum() == 1


@pytest.mark.parametrize(
    ("shape", "dtype", "condition"),
    [
        ((40,), "float32", (1,)),
        ((40, 3), "float64", (3,)),
        ((40, 3), "int64", (3,)),
        ((40, 3), "uint8", (3,)),
        ((40, 2, 5), "float16", (2, 5)),
        ((40, 3, 6, 6), "uint8", (3, 6, 6)),
        ((40, 6, 6, 1), "uint8", (1, 6, 6)),
    ],
)
def test_values_beside(capsys, shape, dtype, condition):
    y = (some(*shape, dtype="uint8") if dtype == "uint8" else 10 * some(*shape)).astype(dtype)
    y.reshape(40, -1)[:, 0] = np.arange(40)
    data = opened(numbered(), y)
    pixels = len(condition) == 3
    assert (data.num_classes, data.condition_shape) == (0, condition)
    assert f"with conditions of shape {condition}; 4 to test" in capsys.readouterr().err
    for split in (data.train, data.test):
        x, own = split.all()
        assert own.dtype == (torch.uint8 if pixels else torch.float32)
        assert torch.equal(own.reshape(len(own), -1)[:, 0].float(), x[:, 0])
    x, seen = data.train.batch(20, 0, 0)
    assert (seen.dtype, seen.shape) == (torch.float32, (20, *condition))
    assert not pixels or seen.abs().max() <= 1.0


def test_the_fingerprint_is_of_what_is_beside_too():
    x, y = numbered(), np.arange(40) % 5
    plain, one = opened(x), opened(x, y)
    other = opened(x, y[::-1])
    assert len({plain.fingerprint, one.fingerprint, other.fingerprint}) == 3
    assert opened(x, y.astype("u1")).fingerprint == one.fingerprint


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (np.arange(39), r"y\.npy has the length 39, and .*x\.npy 40: expected one row for each sample"),
        (np.arange(40) - 1, r"y\.npy has the class -1: expected 0, 1, 2 and so on, below 1,048,576"),
        (np.arange(40) * 10**6, r"y\.npy has the class 39000000: .*numpy\.unique"),
        (np.full(40, 2**64 - 1, np.uint64), "has the class 18446744073709551615"),
        (
            np.where(np.arange(40) == 7, np.nan, 1.0),
            r"y\.npy has a number in row 7 \(from 0\) that is not finite",
        ),
        (np.array([["a"]] * 40), r"y\.npy holds str"),
        (np.array([None] * 40), r"y\.npy cannot be read as an array of numbers: it holds Python objects"),
        (np.zeros((40, 3, 4, 4)), r"has the shape \(40, 3, 4, 4\) of float64: expected whole numbers \[N\]"),
        (np.zeros((40, 5, 4, 4), np.uint8), r"\(40, 5, 4, 4\) of uint8: expected whole numbers \[N\]"),
        (np.zeros((40, 3, 2, 4, 4), np.uint8), r"\(40, 3, 2, 4, 4\) of uint8: expected"),
        (np.zeros((40, 4, 4), np.uint8), r"\(40, 4, 4\) of uint8: expected \[N, 1, H, W\]"),
        (np.zeros((40, 0)), r"y\.npy has the shape \(40, 0\)"),
        (np.array(3), r"y\.npy has the shape \(\)"),
    ],
)
def test_what_is_not_beside_is_told_apart(y, sentence):
    with pytest.raises(UsageError, match=sentence):
        opened(numbered(), y)


def test_a_name_is_one_in_the_folder_of_the_samples():
    Path("data").mkdir()
    np.save("data/x.npy", numbered())
    np.save("data/y.npy", np.arange(40) % 5)
    data = Npy("data/x.npy", y="y.npy")
    assert Npy("data/x.npy", y=str(Path("data/y.npy").absolute())).fingerprint == data.fingerprint
    with pytest.raises(UsageError, match=r"data\.y=data/y\.npy: a name is one in the folder of data/x\.npy"):
        Npy("data/x.npy", y="data/y.npy")
    with pytest.raises(UsageError, match=r"data/z\.npy is not there"):
        Npy("data/x.npy", y="z.npy")


def test_a_run_finds_both_where_they_were_moved_to(ganzoo):
    Path("data").mkdir()
    np.save("data/x.npy", numbered())
    np.save("data/y.npy", np.arange(40) % 5)
    words = (
        "--conditional --steps 2 --batch-size 4 --set data.y=y.npy --set width=8 --set d_width=8 --out made"
    )
    result = ganzoo(f"run mlp-gan --dataset npy:data/x.npy {words}")
    assert result.code == 0, result.err
    shutil.move("data", "new")
    result = ganzoo("resume made --steps 4 --dataset npy:new/x.npy")
    assert result.code == 0, result.err
    assert zoo.load("made").config.num_classes == 5
    assert open_dataset("npy:new/x.npy", {"y": "y.npy"}).num_classes == 5
