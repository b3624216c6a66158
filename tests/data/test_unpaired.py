"""Two folders of images without partners: an order for each, and two paths in one word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from PIL import Image

import ganzoo as zoo
from ganzoo.data.open import lasting_name, open_dataset, spelled
from ganzoo.data.streams import StreamSplit
from ganzoo.data.unpaired import Unpaired
from ganzoo.errors import UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))


def fill(folder: str, numbers, side: int = 8, grey: bool = False) -> None:
    """Images that begin with their number."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i in numbers:
        pixels = np.random.default_rng(i).integers(
            64, 256, (side, side) if grey else (side, side, 3), np.uint8
        )
        pixels[0, 0] = i
        Image.fromarray(pixels).save(Path(folder, f"{i:03d}.png"))


def numbers(x: torch.Tensor) -> list[int]:
    if x.is_floating_point():
        x = zoo.data.base.to_uint8(x)
    return x[:, 0, 0, 0].tolist()


def opened(path: str = "A,B", **options) -> Unpaired:
    return Unpaired(path, size=8, **options)


def test_both_sides_are_used_each_in_its_own_order(capsys):
    fill("A", range(20), grey=True)
    fill("B", range(100, 140))
    data = opened()
    said = capsys.readouterr().err
    for line in (
        "conditions: 20 images without classes, 8 x 8, grey; 2 to test, a tenth of them, by hash",
        "images to make: 40 images without classes, 8 x 8, RGB; 4 to test, a tenth of them, by hash",
    ):
        assert f"note: unpaired:A,B: {line}\n" in said
    assert (data.sample_shape, data.condition_shape, data.num_classes) == ((3, 8, 8), (1, 8, 8), 0)
    assert (len(data.train), len(data.test)) == (18, 2)
    made, given = set(), set()
    for step in range(6):
        x, y = data.train.batch(6, step, 0)
        assert (x.dtype, y.dtype, x.shape[1:], y.shape[1:]) == (
            torch.float32,
            torch.float32,
            (3, 8, 8),
            (1, 8, 8),
        )
        if step in (0, 3):
            given.clear()
        assert not {*numbers(y)} & given
        given |= {*numbers(y)}
        made |= {*numbers(x)}
    assert len(given) == 18
    assert len(made) == 36
    assert {*numbers(data.test.all()[1])} == {*range(20)} - given
    assert min(made) >= 100


def test_partners_change():
    for folder in "AB":
        fill(folder, range(20))
    split = opened().train
    seen = [
        list(zip(*(numbers(part) for part in split.batch(18, step, 0)), strict=True)) for step in range(2)
    ]
    assert sum(x == y for x, y in seen[0]) < 9
    assert len({*seen[0]} & {*seen[1]}) < 9


def test_everything_is_equally_many_from_all_over():
    fill("A", range(20))
    fill("B/x", range(100, 120))
    fill("B/y", range(120, 140))
    x, y = opened().train.all()
    assert (len(x), len(y), x.dtype, y.dtype) == (18, 18, torch.uint8, torch.uint8)
    assert len({*numbers(x)}) == 18
    assert 6 < sum(i < 120 for i in numbers(x)) < 12


def test_splits_of_its_own_and_one_size(capsys):
    fill("A/train", range(7))
    fill("A/test", range(7, 10))
    fill("B", range(100, 120), side=64)
    data = Unpaired("A,B")
    assert (data.sample_shape, data.condition_shape) == ((3, 32, 32), (3, 32, 32))
    assert (len(data.train), len(data.test)) == (7, 2)
    assert "7 images without classes, 32 x 32, RGB, in train/; 3 to test, in test/" in capsys.readouterr().err
    assert Unpaired("A,B").fingerprint == data.fingerprint
    assert Unpaired("B,A").fingerprint != data.fingerprint


def test_labels_of_a_folder_are_kept_for_who_wants_them():
    fill("A/x", range(10))
    fill("A/y", range(10, 20))
    fill("B", range(100, 120))
    opened()
    again = open_dataset("folder:A", {"size": 8})
    assert sorted(again.train.all()[1].tolist()) == sorted(int(i > 9) for i in numbers(again.train.all()[0]))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_does_not_fit_is_streamed_in_the_same_order(workers):
    fill("A", range(20))
    fill("B", range(100, 130))
    memory, stream = opened(), opened(memory_gb=1e-9, workers=workers)
    assert isinstance(stream.train._x, StreamSplit)
    for ours, theirs in [(stream.train.batch(4, 3, 1), memory.train.batch(4, 3, 1)),
                         (stream.test.all(), memory.test.all())]:  # fmt: skip
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("A", "A: expected 2 paths with a comma between them"),
        ("A,", "A,: expected 2 paths"),
        (",B", ",B: expected 2 paths"),
        ("A,gone", "gone is not there: expected a folder"),
        (
            "A,B,C",
            "A,B,C has 2 commas, and no ways to read it as 2 paths that are there: expected one",
        ),
        ("x,y,z", "x,y,z has 2 commas, and 2 ways to read it"),
    ],
)
def test_paths_that_are_none(path, sentence):
    for folder in ("A", "B", "x", "y,z", "x,y", "z"):
        fill(folder, range(3))
    with pytest.raises(UsageError, match=sentence):
        opened(path)


def test_commas_in_names_where_one_way_is_there():
    fill("a,b", range(10))
    fill("c", range(100, 110))
    data = opened("a,b,c")
    assert max(numbers(data.train.all()[1])) < 100
    here = Path.cwd()
    assert lasting_name("unpaired:a,b,c", data) == f"unpaired:{here}/a,b,{here}/c"
    assert spelled("unpaired") == "unpaired:PATH_A,PATH_B"


def test_a_run_whose_data_moved(ganzoo):
    fill("A", range(20))
    fill("B", range(100, 120))
    words = "--steps 2 --batch-size 4 --set data.size=8 --set width=8 --set d_width=8 --out made"
    result = ganzoo(f"run mlp-gan --dataset unpaired:A,B {words}")
    assert result.code == 0, result.err
    here = Path.cwd()
    assert json.loads(Path("made/config.json").read_text())["dataset"] == f"unpaired:{here}/A,{here}/B"
    Path("new").mkdir()
    shutil.move("A", "new/one")
    shutil.move("B", "new/two")
    result = ganzoo("resume made --steps 4")
    assert result.code == 2
    assert "ganzoo resume made --dataset unpaired:PATH_A,PATH_B" in result.sentence
    result = ganzoo("resume made --steps 4 --dataset unpaired:new/one,new/two")
    assert result.code == 0, result.err
    recorded = json.loads(Path("made/config.json").read_text())["dataset"]
    assert recorded == f"unpaired:{here}/new/one,{here}/new/two"
    assert ganzoo("resume made --dataset unpaired:new/two,new/one").code == 2


def test_a_suite(ganzoo):
    fill("A", range(20))
    fill("B", range(100, 120))
    Path("s.toml").write_text(
        "dataset = ['unpaired:A,B', 'gaussian-1d']\n"
        "steps = 1\nbatch-size = 4\nseeds = 1\nmetric = ['d-accuracy']\n"
        "samples = 20\n[[cells]]\nmodel = 'mlp-gan'\n"
    )
    result = ganzoo("bench s.toml --dry-run")
    assert result.code == 0, result.err


def test_no_path_is_told_how(ganzoo):
    assert "--dataset unpaired:PATH_A,PATH_B" in ganzoo("run mlp-gan --dataset unpaired").sentence
    assert "ganzoo run cyclegan --dataset unpaired:PATH_A,PATH_B" in ganzoo("info unpaired").out
