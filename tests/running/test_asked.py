"""What runs are asked for in Python: taken where it is sensible, and else refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ganzoo as zoo
from ganzoo.errors import UsageError, WorkError

SMALL = {"steps": 2, "batch_size": 8, "progress": False, "device": "cpu", "set": {"model.width": 8}}
X = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return zoo.train("mlp-gan", "ring8", out=tmp_path_factory.mktemp("plain"), **SMALL)


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    y = np.array(["cat", "owl"])[np.arange(200) % 2]
    return zoo.train("mlp-gan", X, y, conditional=True, out=tmp_path_factory.mktemp("named"), **SMALL)


@pytest.fixture(scope="module")
def valued(tmp_path_factory):
    return zoo.train("mlp-gan", X, X + 1, conditional=True, out=tmp_path_factory.mktemp("valued"), **SMALL)


@pytest.mark.parametrize(
    ("labels", "indices"),
    [
        (["cat", "owl"], [0, 1]),
        (np.array(["owl", "cat"]), [1, 0]),
        (("owl", 0), [1, 0]),
        ("1", [1] * 64),  # no name is a number
        ("owl", [1] * 64),
        (1, [1] * 64),
        (torch.tensor(1), [1] * 64),
        (np.array([1, 0]), [1, 0]),
        ([np.int64(1), torch.tensor(0)], [1, 0]),
        (torch.tensor([1, 0], dtype=torch.int32), [1, 0]),
    ],
)
def test_classes_by_name_and_by_number(named, labels, indices):
    assert torch.equal(named.sample(labels=labels), named.sample(labels=torch.tensor(indices)))


def test_one_class_is_that_of_as_many_as_are_asked_for(named):
    assert torch.equal(named.sample(3, labels="owl"), named.sample(labels=[1, 1, 1]))
    assert torch.equal(
        named.sample(z=np.ones((2, 2)), labels="owl"), named.sample(z=torch.ones(2, 2), labels=[1, 1])
    )


@pytest.mark.parametrize(
    "labels",
    [[], [0.9], [1.0], np.array([0.5]), torch.tensor([0.0]), ["car"], "car", [2], [-1], [2**70], [True],
     [None], [[0], [1]], {"cat": 1}, {0, 1}, b"cat", object(), torch.tensor([], dtype=torch.int64),
     torch.tensor([7])],
)  # fmt: skip
def test_what_is_no_class_is_refused(named, labels):
    with pytest.raises(UsageError, match=r"^labels: "):
        named.sample(labels=labels)


def test_a_run_without_classes_takes_none(plain, valued):
    for labels in (["cat"], [1], "cat"):
        with pytest.raises(UsageError, match="not conditional"):
            plain.sample(labels=labels)
        with pytest.raises(UsageError, match="give condition"):
            valued.sample(labels=labels)


@pytest.mark.parametrize("n", [0, -1, 2.5, "x", True, [1], 10**30])
def test_a_number_that_is_none_is_refused(plain, n):
    with pytest.raises(UsageError, match=r"^n: expected a whole number"):
        plain.sample(n)


def test_more_than_memory_holds_is_refused(plain, named):
    for run in (plain, named):
        with pytest.raises(WorkError, match="need more memory"):
            run.sample(10**15)


@pytest.mark.parametrize("seed", ["a", 1.5, -1, None])
def test_a_seed_that_is_none_is_refused(plain, seed):
    with pytest.raises(UsageError, match="seed: expected a whole number"):
        plain.sample(2, seed=seed)
    with pytest.raises(UsageError, match="seed: expected a whole number"):
        plain.evaluate("swd", samples=50, seed=seed, progress=False)


def test_numbers_as_others_have_them(plain):
    assert torch.equal(plain.sample("4", seed="3"), plain.sample(np.int64(4), seed=np.int32(3)))


def test_rows_of_arrays_and_lists(plain, valued):
    rows = [[1.0, 2.0], [0.0, -1.0]]
    for given in (rows, np.array(rows), np.array(rows, dtype=">f4"), torch.tensor(rows).double()):
        assert torch.equal(plain.sample(z=given), plain.sample(z=torch.tensor(rows)))
        assert torch.equal(valued.sample(condition=given), valued.sample(condition=torch.tensor(rows)))
    assert torch.equal(plain.sample(z=[[1, 2]]), plain.sample(z=torch.tensor([[1.0, 2.0]])))


@pytest.mark.parametrize(
    "rows",
    [[[np.nan, 0.0]], [[np.inf, 0.0]], np.ones((3, 5)), [1.0, 2.0], 5, "z", [], [[1.0], [1.0, 2.0]], {"a": 1},
     np.ones((2, 2), complex), torch.ones(2, 2).to_sparse()],
)  # fmt: skip
def test_what_is_no_rows_is_refused(plain, valued, rows):
    with pytest.raises(UsageError, match=r"^z: expected"):
        plain.sample(z=rows)
    with pytest.raises(UsageError, match=r"^conditions?: expected"):
        valued.sample(condition=rows)


def test_labels_of_what_an_encoder_is_given():
    pixels = np.random.default_rng(0).integers(0, 256, (80, 1, 16, 16), dtype=np.uint8)
    run = zoo.train("bigan", pixels, np.arange(80) % 2, conditional=True, **SMALL)
    z = run.encode(pixels[:4], labels="1")
    assert torch.equal(z, run.encode(torch.from_numpy(pixels[:4]), labels=[1] * 4))
    assert run.reconstruct(pixels[:4], labels=[0, 1, 0, 1]).shape == (4, 1, 16, 16)
    with pytest.raises(UsageError, match="expected 4"):
        run.encode(pixels[:4], labels=[1, 0])


def test_one_metric_by_name(plain):
    one = plain.evaluate("swd", samples=50, progress=False)["scores"]
    assert one == plain.evaluate(["swd"], samples=50, progress=False)["scores"]
    x = np.random.default_rng(0).normal(size=(50, 2))
    named = [
        zoo.evaluate(given, "ring8", "swd", progress=False)["scores"] for given in (x, torch.from_numpy(x))
    ]
    assert named[0] == named[1]
    assert named[0] == zoo.evaluate(torch.from_numpy(x).float(), "ring8", ["swd"], progress=False)["scores"]


@pytest.mark.parametrize(
    "samples",
    [np.zeros((5, 3)), 3.0, [1.0], None, np.zeros((0, 2)), np.full((9, 2), np.nan), {"a": 1}, [["a", "b"]]],
)
def test_samples_that_are_none_are_refused(samples):
    with pytest.raises(UsageError, match=r"^samples"):
        zoo.evaluate(samples, "ring8", "swd", progress=False)


def test_a_set_in_the_place_of_a_dataset_is_told_of_score():
    for data in (X, torch.from_numpy(X), None):
        with pytest.raises(UsageError, match=r"expected a name.*ganzoo\.score"):
            zoo.evaluate(X, data, ["swd"])


def test_labels_of_samples_are_classes():
    said = r"labels of the samples are torch.int64 \(1,\): expected whole numbers \(200,\) from 0 to 7"
    with pytest.raises(UsageError, match=said):
        zoo.evaluate(X, "ring8", "swd", labels=[1], progress=False)


def test_a_run_stands_for_its_folder(plain):
    assert zoo.load(plain).path == plain.path
    assert zoo.resume(plain, progress=False).path == plain.path


def test_a_budget_as_it_is_typed(tmp_path):
    run = zoo.train("mlp-gan", "ring8", out=tmp_path / "run", **SMALL)
    for steps in ("x", 9.5, 0, True):
        with pytest.raises(UsageError, match="--steps: expected a whole number"):
            zoo.resume(run, steps=steps, progress=False)
    assert zoo.resume(run, steps="3", progress=False).steps_done == 3


def test_a_sentence_names_few_of_many_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(60):
        folder = tmp_path / "runs" / f"{i:04d}-run"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"valid names: (\d{4}-run, ){19}\d{4}-run and 40 more$"):
        zoo.load("qzqzqz")
