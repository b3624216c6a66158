"""`ganzoo sample`: classes by name and number, as many as were asked for, names in any case."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ganzoo as zoo
from ganzoo.cli.sample import WALK, _columns
from ganzoo.errors import UsageError

SMALL = {"model.width": 8, "model.d_width": 8}


def fill(folder: Path, n: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng([i, *folder.name.encode()]).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs on folders whose classes have the names that are asked for."""
    made: dict[tuple[str, ...], Path] = {}

    def run(*names: str) -> Path:
        if names not in made:
            root = tmp_path_factory.mktemp("runs")
            for name in names:
                fill(root / "data" / name)
            how = {"steps": 1, "batch_size": 4, "conditional": True, "progress": False}
            data = f"folder:{root / 'data'}"
            zoo.train("mlp-gan", data, out=root / "run", set={**SMALL, "data.size": 8}, **how)
            made[names] = root / "run"
        return made[names]

    return run


NUMBERS = tuple(map(str, range(1, 13)))


@pytest.mark.parametrize("word", NUMBERS)
def test_a_number_that_is_a_name_is_that_class(ganzoo, trained, word):
    assert ganzoo(f"sample {trained(*NUMBERS)} -n 2 --class {word} --out x.npz").code == 0
    assert np.load("x.npz")["labels"].tolist() == [int(word) - 1] * 2


@pytest.mark.parametrize("word", ["0", "13", "1.0", "one", "-1", "\u00b2", "9" * 5000])
def test_where_numbers_are_names_there_are_no_others(ganzoo, trained, word):
    result = ganzoo(f"sample {trained(*NUMBERS)} --class={word} --out x.npz")
    assert result.code == 2
    assert result.sentence.startswith(f"ganzoo: --class {word[:9]}")
    assert "has no class of that name" in result.sentence
    numbers = "are called by numbers, so that a number is a name here: " in result.sentence
    assert numbers == word.isdecimal()


def test_zeros_before_a_number_do_not_count_where_that_is_clear(ganzoo, trained):
    for run, word, label in ((trained(*NUMBERS), "07", 6), (trained("001", "002", "2", "30"), "1", 0)):
        assert ganzoo(f"sample {run} -n 1 --class {word} --out x.npz").code == 0
        assert np.load("x.npz")["labels"].tolist() == [label]
    run = trained("001", "002", "2", "30")
    for word in ("002", "2"):
        assert ganzoo(f"sample {run} -n 1 --class {word} --out x.npz").code == 0
        names = [path.name for path in sorted((run.parent / "data").iterdir())]
        assert np.load("x.npz")["labels"].tolist() == [names.index(word)]
    assert ganzoo(f"sample {run} --class 02 --out x.npz").code == 2


def test_one_number_among_names_is_enough(ganzoo, trained):
    run = trained("cat", "7", "dog")
    for word, label in (("7", 0), ("cat", 1), ("dog", 2)):
        assert ganzoo(f"sample {run} -n 1 --class {word} --out x.npz").code == 0
        assert np.load("x.npz")["labels"].tolist() == [label]
    assert "called by numbers" in ganzoo(f"sample {run} --class 1 --out x.npz").sentence


def test_other_names_have_numbers_beside_them(ganzoo, trained):
    run = trained("a1", "a2", "a10")
    for word, label in (("a2", 1), ("a10", 2), ("0", 0), ("2", 2)):
        assert ganzoo(f"sample {run} -n 1 --class {word} --out x.npz").code == 0
        assert np.load("x.npz")["labels"].tolist() == [label]
    assert (
        "expected a number from 0 to 2, or one of a1, a2, a10" in ganzoo(f"sample {run} --class 3").sentence
    )


def test_the_picture_is_called_as_the_class_is(ganzoo, trained):
    assert ganzoo(f"sample {trained(*NUMBERS)} -n 2 --class 12").out.endswith("sample-s0-class12.png\n")
    assert ganzoo(f"sample {trained('a1', 'a2', 'a10')} -n 2 --class a10").out.endswith("class2.png\n")


# ---- as many as were asked for


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 10, 12, 13, 15, 16, 24, 27, 60, 64, 100])
def test_so_many_are_in_whole_walks(n):
    columns = _columns(n)
    assert n % columns == 0
    assert columns == n < WALK[0] or columns in WALK
    assert n % 8 or columns == 8


@pytest.mark.parametrize(("n", "fewer", "more"), [(17, 16, 18), (19, 18, 20), (34, 33, 35), (97, 96, 98)])
def test_other_numbers_are_refused_with_those_that_work(n, fewer, more):
    with pytest.raises(UsageError, match=rf"-n {n}: .*: give -n {fewer} or {more}$"):
        _columns(n)
    assert _columns(fewer)
    assert _columns(more)


@pytest.mark.parametrize("n", range(1, 17))
def test_so_many_are_written(ganzoo, trained, n):
    run = trained("a1", "a2", "a10")
    assert ganzoo(f"sample {run} -n {n} --interpolate --out x.npz").code == 0
    assert len(np.load("x.npz")["samples"]) == n
    assert len(np.load("x.npz")["labels"]) == n


def test_a_picture_of_nine(ganzoo, trained):
    run = trained("a1", "a2", "a10")
    assert ganzoo(f"sample {run} -n 9 --interpolate --out x.png").code == 0
    with Image.open("x.png") as image:
        assert image.width > 4 * image.height  # one walk
    result = ganzoo(f"sample {run} -n 17 --interpolate --out y.png")
    assert (result.code, Path("y.png").exists()) == (2, False)


# ---- names of files


@pytest.mark.parametrize("name", ["g.PNG", "g.Png", "g.NPZ", "g.Npz"])
def test_endings_in_any_case(ganzoo, trained, name):
    run = trained("a1", "a2", "a10")
    assert ganzoo(f"sample {run} -n 6 --out {name}").out == f"{name}\n"
    content = Path(name).read_bytes()
    assert content.startswith(b"PK" if name[2].lower() == "n" else b"\x89PNG")
    if name[2].lower() == "n":
        assert np.load(name)["labels"].tolist()[:3] == [0, 1, 2]
        shutil.move(name, "samples")  # as it is, a file with no ending is one of samples too
        for target in ("samples", shutil.copy("samples", name)):
            words = f"--dataset folder:{run.parent / 'data'} --set size=8 --offline --metric fid"
            assert ganzoo(f"eval {target} {words}").sentence.startswith("ganzoo: fid: inception needs its")


def test_endings_of_other_files(ganzoo, trained):
    data = trained("a1", "a2", "a10").parent / "data"
    words = f"extractor train --dataset folder:{data} --set size=8 --epochs 1 --out"
    assert ganzoo(f"{words} made.SAFETENSORS").code == 0
    assert ganzoo(f"{words} made.png").code == 2
