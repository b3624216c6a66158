"""Tables of numbers: .csv in every usual way of writing it, parquet, and every usual mistake."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import files
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganzoo.data import table as table_module
from ganzoo.data.open import open_dataset
from ganzoo.data.table import Csv, Parquet, read_csv
from ganzoo.errors import UsageError


def opened(text: str, **options):
    Path("x.csv").write_text(text, encoding="utf-8")
    return Csv("x.csv", **options)


def everything(data) -> np.ndarray:
    return np.concatenate([split.all()[0].numpy() for split in (data.train, data.test)])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_all_ways_of_writing_a_table_give_the_same(separator, header, capsys):
    files.table("table.csv", separator, header)
    data = Csv("table.csv", label="kind" if header else "3")
    assert (data.sample_shape, data.class_names, len(data.train), len(data.test)) == (
        (3,), ("cat", "dog", "owl"), 54, 6,
    )  # fmt: skip
    assert data.fingerprint == Parquet(files.parquet(), label="kind").fingerprint
    names = "(a, b, c)" if header else "(0, 1, 2)"
    line = (
        f"note: csv:table.csv: 60 rows of 3 numbers {names}, of 3 classes (cat, dog, owl); 6 to test, a tenth"
    )
    assert line in capsys.readouterr().err
    found, written = everything(data), files.numbers().astype(np.float32)
    assert np.array_equal(np.sort(found, axis=0), np.sort(written, axis=0))


def test_each_row_keeps_its_label():
    rows = [(i, "even" if i % 2 == 0 else "odd") for i in range(40)]
    data = opened("n,kind\n" + "".join(f"{n},{kind}\n" for n, kind in rows), label="kind")
    for split in (data.train, data.test):
        x, y = split.all()
        assert torch.equal(x[:, 0].long() % 2, y)


def test_networks_see_columns_standardised():
    data = opened("a,b\n" + "".join(f"{i},{1000 + 3 * i}\n" for i in range(50)))
    x = data.train.batch(len(data.train), 0, 0)[0]
    assert x.mean(0).abs().max() < 1e-5
    assert torch.allclose(x.std(0, correction=0), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["10", "9", "10", "9"], ("9", "10")),
        (["b", "10", "b", "10"], ("10", "b")),
        (["1.0", "2.0", "1.0", "2.0"], ("1", "2")),
        ([" x", "y", "x ", "y"], ("x", "y")),
        (["9" * 5000, "+-5", "9" * 5000, "+-5"], ("+-5", "9" * 5000)),
        (["inf", "1e5", "inf", "1e5"], ("1e5", "inf")),
    ],
)
def test_names_of_classes(values, names):
    data = opened("n,k\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values)), label="k")
    assert data.class_names == names


def test_columns_that_are_chosen():
    files.table()
    data = Csv("table.csv", columns=("c", "a"))
    assert np.array_equal(np.sort(everything(data)[:, 0]), np.sort(files.numbers()[:, 2].astype(np.float32)))
    assert open_dataset("csv:table.csv", {"columns": "c,a"}).fingerprint == data.fingerprint
    same = open_dataset(f"parquet:{files.parquet()}", {"columns": "c+a"})
    assert same.fingerprint == data.fingerprint == Csv("table.parquet", columns=("c", "a")).fingerprint


def test_rows_in_other_blocks_are_the_same(monkeypatch):
    files.table()
    whole = Csv("table.csv", label="kind").fingerprint
    monkeypatch.setattr(table_module, "AT_A_TIME", 7)
    assert Csv("table.csv", label="kind").fingerprint == whole


@pytest.mark.parametrize(
    ("text", "options", "pieces"),
    [
        ("", {}, ["is empty"]),
        ("\n\n", {}, ["is empty"]),
        ("a,b\n", {}, ["at least 2"]),
        ("a,b\n1,2\n", {}, ["1 row", "at least 2"]),
        ("a,b\n1,2\n3,\n", {}, ["no value in column 'b', line 3", "data.columns"]),
        ("a,b\n1,2\n\n3,NA\n", {}, ["no value in column 'b', line 4"]),
        ("a,b\n1,2\n3,nan\n", {}, ["no value in column 'b', line 3"]),
        ("a,b\n1,2\n3,inf\n", {}, ["'inf' in column 'b', line 3", "finite"]),
        ("a,b\n1,2\n3,x\n", {}, ["'x' in column 'b', line 3", "data.label=b"]),
        ("a;b\n1;2\n3;1,5\n", {}, ["'1,5' in column 'b', line 3", "write numbers with a point, 1.5"]),
        ("h;w\n0,12;1,30\n0,5;2,25\n", {}, ["'0,12' in column 'h', line 2", "with a point, 0.12"]),
        ("0,12;1,30\n0,5;2,25\n", {}, ["'0,12' in column '0', line 1", "with a point, 0.12"]),
        ("a,b\n1,2\n3,4\n", {"columns": ("a", "a")}, ["'a' is there 2 times"]),
        ("a,b\n1,2\n3,4,5\n", {}, ["3 columns in line 3", "2 are expected", "commas"]),
        ("a,b\n1,2\n3,4\n", {"label": "c"}, ["data.label", "no column 'c'"]),
        ("a,b\n1,2\n3,4\n", {"columns": ("a", "z")}, ["data.columns", "no column 'z'"]),
        ("a,a\n1,2\n3,4\n", {"columns": ("a",)}, ["2 columns called 'a'"]),
        ("a,b\n1,2\n3,4\n", {"columns": ("a",), "label": "a"}, ["'a' is the label"]),
        ("a,b\n1,2\n3,4\n", {"label": "b"}, ["another label", "each of its 2 rows"]),
        ("a,b\n1,2.5\n3,2.5\n", {"label": "b"}, ["'2.5' in column 'b', line 2", "whole numbers"]),
        ("a,b\n1,x\n3,\n2,x\n", {"label": "b"}, ["no label in column 'b', line 3"]),
        ("b\nx\nx\n", {"label": "0"}, ["no column but the label"]),
        ("t\n" + "".join(f"{1.6e9 + i / 100}\n" for i in range(9)), {}, ["column 't'", "mean first"]),
    ],
)
def test_mistakes(text, options, pieces):
    with pytest.raises(UsageError) as refused:
        opened(text, **options)
    assert "x.csv" in str(refused.value) or "data." in str(refused.value)
    for piece in pieces:
        assert piece in str(refused.value)


def test_files_that_are_no_tables(tmp_path):
    cases = {
        "latin.csv": ("a,b\n1,é\n".encode("latin-1"), "UTF-8"),
        "nul.csv": (b"a,b\n1,\0\n2,3\n", "column 'b'"),
        "long.csv": (b"1" * 2**24 + b",2\n3,4\n", "a line of more than"),
        "x.parquet": (b"a,b\n1,2\n", "parquet"),
    }
    for name, (content, piece) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=piece):
            Csv(tmp_path / name)
    with pytest.raises(UsageError, match="is not there"):
        Csv("nowhere.csv")
    with pytest.raises(UsageError, match="a folder"):
        Csv(tmp_path)


def test_a_table_beyond_the_memory_is_not_read(monkeypatch):
    opened("a,b\n" + "1,2\n" * 60)
    monkeypatch.setattr(table_module, "AT_A_TIME", 10)
    monkeypatch.setattr("ganzoo.data.own.machine_memory", lambda: 10_000)
    with pytest.raises(UsageError, match=r"x.csv has \d+ samples of 2 values.*memory"):
        Csv("x.csv")


@pytest.mark.parametrize(
    ("column", "pieces"),
    [
        ([1.0, None, 3.0], ["no value in column 'q', row 1 (from 0)"]),
        ([1.0, float("nan"), 3.0], ["no value in column 'q', row 1 (from 0)"]),
        ([1.0, float("inf"), 3.0], ["'inf' in column 'q', row 1 (from 0)"]),
        (["x", "y", "z"], ["'x', string, in column 'q'", "data.label=q"]),
        ([[1], [2], [3]], ["in column 'q'", "expected numbers"]),
    ],
)
def test_columns_of_parquet_that_are_no_numbers(column, pieces):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"p": [1, 2, 3], "q": column}), "x.parquet")
    with pytest.raises(UsageError) as refused:
        Parquet("x.parquet")
    assert all(piece in str(refused.value) for piece in ["x.parquet", *pieces])
    assert Parquet("x.parquet", columns=("p",)).sample_shape == (1,)


def test_without_pyarrow_it_says_what_to_install(monkeypatch):
    files.parquet()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'ganzoo-torch\[parquet\]'"):
        Parquet("table.parquet")


@given(st.text(max_size=60))
def test_any_text_is_a_table_or_one_sentence(text):
    path = Path("any.csv")
    path.write_text(text, encoding="utf-8", newline="")
    with contextlib.suppress(UsageError):  # and no other error
        chosen, samples = read_csv(path, "", ())
        assert samples.x.shape == (len(samples.x), len(chosen.chosen))
        assert samples.x.isfinite().all()


def test_a_run_from_a_table(ganzoo):
    files.table()
    words = "run mlp-gan --dataset csv:table.csv --set data.label=kind --conditional --steps 2 --batch-size 8"
    assert ganzoo(words).code == 0
    assert ganzoo("resume --steps 3").code == 0
    assert ganzoo("sample -n 4 --class dog --out s.npz").code == 0
    assert np.load("s.npz")["samples"].shape == (4, 3)
    assert "no column 'knd': did you mean kind?" in ganzoo(f"{words} --set data.label=knd").sentence
