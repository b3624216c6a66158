"""A run outlives its surroundings: its data gone, or elsewhere, or changed; sampled, measured and resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as zoo
from ganzoo.data.base import Standardization
from ganzoo.data.card import DataCard, DataKnown
from ganzoo.data.tensors import TensorSplit, fingerprint
from ganzoo.data.vectors import Npy
from ganzoo.registry import DATASETS
from ganzoo.running.places import CARD
from ganzoo.system.tensors import DamagedFile, read_tensors, write_tensors
from ganzoo.training.checkpoint import saved

VECTORS = {
    "model": "mlp-gan", "batch_size": 8, "steps": 4, "progress": False,
    "set": {"model.width": 8, "model.d_width": 8},
}  # fmt: skip
IMAGES = {**VECTORS, "model": "dcgan", "set": {"model.width": 4}}


def draw_numbers(path: Path, columns: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    np.save(path, 1e3 + rng.normal(size=(200, columns)) * np.arange(1, columns + 1))


def draw_pictures(folder: Path, classes=("cat", "dog's\u00e9")) -> None:
    """Of the second class there are three times as many."""
    rng = np.random.default_rng(0)
    for name, count in zip(classes, (10, 30), strict=True):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


# Each kind of data: what makes its files, the dataset, and words of the training.
KINDS = {
    "mixture": (None, "ring8", {**VECTORS, "conditional": True}),
    "line": (None, "gaussian-1d", VECTORS),
    "digits": (None, "mnist-5k", {**IMAGES, "conditional": True}),
    "stacked": (None, "stacked-mnist-5k", {**IMAGES, "conditional": True}),
    "vectors": (lambda: draw_numbers(Path("data/x.npy"), 3), "npy:data/x.npy", VECTORS),
    "column": (lambda: draw_numbers(Path("data/x.npy"), 1), "npy:data/x.npy", VECTORS),
    "wide": (lambda: draw_numbers(Path("data/x.npy"), 2000), "npy:data/x.npy", VECTORS),
    "folder": (lambda: draw_pictures(Path("data")), "folder:data", {**IMAGES, "conditional": True}),
}


def made(kind: str, out: str = "made") -> zoo.Run:
    files, dataset, words = KINDS[kind]
    if files and not Path("data").exists():
        files()
    return zoo.train(dataset=dataset, out=out, **words)


@pytest.fixture
def opened(monkeypatch):
    """The names of datasets that were opened since."""
    names: list[str] = []
    make = DATASETS.make
    monkeypatch.setattr(DATASETS, "make", lambda name, **given: names.append(name) or make(name, **given))
    return names


def take_away(run: zoo.Run) -> str:
    """To another machine, as it were: the run in another folder, without the data, with an empty cache."""
    shutil.move(run.path, "other/place")
    for gone in ("data", "cache"):
        shutil.rmtree(gone, ignore_errors=True)
    return "other/place"


WAYS = [
    "sample -n 9 --seed 3 --out {}.npz",
    "sample -n 9 --interpolate --out {}.npz",
    "sample -n 9 --out {}.png",
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_samples_without_the_data(kind, ganzoo, opened):
    run = made(kind)
    vectors = len(run.config.sample_shape) == 1
    conditional = run.config.conditional
    ways = [*WAYS[: 2 if vectors else 3], *(["sample -n 9 --class 1 --out {}.npz"] * conditional)]
    one = torch.full((1, *run.config.sample_shape), 0.3)
    assert torch.equal(run.to_units(one), zoo.load("made").dataset.to_units(one))
    expected = run.sample(5)
    for i, way in enumerate(ways):
        command, rest = way.format(f"here-{i}").split(maxsplit=1)
        assert ganzoo(f"{command} made {rest}").code == 0
    place = take_away(run)
    opened.clear()
    assert torch.equal(zoo.load(place).sample(5), expected)
    for i, way in enumerate(ways):
        command, rest = way.format(f"there-{i}").split(maxsplit=1)
        result = ganzoo(f"{command} {place} {rest}")
        assert (result.code, result.err) == (0, "")
        ends = rest[-4:]
        assert Path(f"here-{i}{ends}").read_bytes() == Path(f"there-{i}{ends}").read_bytes()
    assert not opened


def test_classes_by_name_and_by_their_shares_without_the_data(ganzoo):
    place = take_away(made("folder"))
    assert ganzoo(f"sample {place} -n 8 --out a.npz").code == 0
    assert np.bincount(np.load("a.npz")["labels"]).tolist() == [2, 6]
    assert ganzoo("sample", place, "--class", "dog's\u00e9", "-n", "4", "--out", "b.npz").code == 0
    assert np.load("b.npz")["labels"].tolist() == [1] * 4
    assert "one of cat, dog's\u00e9" in ganzoo(f"sample {place} --class cow").sentence


@pytest.mark.parametrize("kind", ["vectors", "column"])
def test_a_picture_of_vectors_shows_the_data_if_they_are_there(kind, ganzoo):
    run = made(kind)
    assert ganzoo("sample made --out with.png").code == 0
    place = take_away(run)
    result = ganzoo(f"sample {place} --out without.png")
    assert result.code == 0
    assert result.err.count("note: no real data are shown beside the samples: ") == 1
    with Image.open("with.png") as one, Image.open("without.png") as other:
        assert one.size == other.size
        assert one.tobytes() != other.tobytes()


def test_measured_against_other_data_without_its_own(ganzoo):
    """Of one class, so that labels go by the shares of the run's own data, which are kept."""
    words = {"samples": 60, "progress": False, "dataset": "npy:other.npy"}
    draw_numbers(Path("other.npy"), 2)
    run = zoo.train(dataset="ring8", out="made", **{**VECTORS, "conditional": True})
    first = run.evaluate(["swd"], **words)
    place = take_away(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.Run, "dataset", property(lambda run: pytest.fail("the data are not here")))
        again = zoo.load(place).evaluate(["swd"], **words)
    assert again["scores"] == first["scores"]
    assert again["protocol"]["dataset"] == "npy:other.npy"


@pytest.mark.parametrize("words", ["sample GONE --nearest", "eval GONE", "resume GONE --steps 9"])
def test_what_needs_the_data_says_how_to_tell_where_they_are(words, ganzoo):
    run = made("folder")
    shutil.move(run.path, "GONE")
    shutil.move("data", "moved")
    before = {path: path.read_bytes() for path in Path("GONE").rglob("*") if path.is_file()}
    result = ganzoo(words)
    assert result.code == 2
    assert (
        "if the data of GONE lie elsewhere now: ganzoo resume GONE --dataset folder:PATH (which trains "
        "nothing where no step is left to do)" in result.sentence
    )
    assert {path: path.read_bytes() for path in Path("GONE").rglob("*") if path.is_file()} == before


# The card itself


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run on numbers that nobody has touched."""
    folder = tmp_path_factory.mktemp("whole")
    draw_numbers(folder / "x.npy", 3)
    torch.set_num_threads(1)
    words = {**VECTORS, "checkpoint_every": 2}
    return zoo.train(dataset=f"npy:{folder / 'x.npy'}", out=folder / "run", **words).path


def all_but_speed(path: Path) -> dict[str, object]:
    """All that a run folder holds, but for what depends on the time."""
    found: dict[str, object] = {}
    for file in sorted(path.rglob("*")):
        if file.is_file():
            found[str(file.relative_to(path))] = file.read_bytes()
    found["log.jsonl"] = [
        {key: value for key, value in json.loads(line).items() if key != "images_per_s"}
        for line in (path / "log.jsonl").read_text().splitlines()
    ]
    return {key: value for key, value in found.items() if key != "config.json"}


@pytest.mark.parametrize(
    "damage", ["missing", "cut", "altered", "empty", "foreign", "of-other-data", "pickle"]
)
def test_a_card_that_is_lost_or_damaged_is_made_again_and_blocks_nothing(damage, whole, capsys):
    shutil.copytree(whole, "parts")
    card = Path("parts", CARD)
    content = card.read_bytes()
    if damage == "missing":
        card.unlink()
    elif damage == "foreign":
        write_tensors(card, {"a": torch.zeros(2)}, {"some": "thing"})
    elif damage == "of-other-data":
        draw_numbers(Path("other.npy"), 3, seed=1)
        DataCard.of(Npy("other.npy"), False).write(card)
    else:
        broken = {"cut": content[:-9], "empty": b"", "pickle": b"\x80\x04N."}
        card.write_bytes(broken.get(damage, content.replace(content[-40:], bytes(40))))
    capsys.readouterr()
    assert torch.equal(zoo.load("parts").sample(5), zoo.load(whole).sample(5))
    notes = capsys.readouterr().err
    assert notes.count(f"{card} is") == (damage != "missing"), notes
    saved(Path("parts"))[-1].unlink()
    zoo.resume("parts", progress=False)
    assert card.read_bytes() == content
    assert all_but_speed(Path("parts")) == all_but_speed(whole)


def test_a_card_that_is_damaged_where_the_data_are_gone_ends_in_one_sentence(ganzoo):
    place = take_away(made("vectors"))
    Path(place, CARD).write_bytes(b"nothing")
    result = ganzoo(f"sample {place}")
    assert result.code == 2
    assert "x.npy is not there" in result.sentence
    assert f"{place}/{CARD} is damaged" in result.err


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": [1, 2]}, {"class_names": ["a"]}, {"class_names": 3}, {"format": 2},
        {"knows_units": 1}, {"sample_shape": 3}, {"sample_shape": [4]}, {"fingerprint": None},
        {"shares": torch.zeros(3)},
        {"mean": torch.zeros(4), "std": torch.ones(4)}, {"mean": torch.zeros(3)}, {"std": torch.zeros(3)},
        {"std": torch.full((3,), float("nan"))}, {"mean": torch.zeros(3, 3)},
    ],
    ids=str,
)  # fmt: skip
def test_a_card_is_read_only_as_what_it_should_be(change):
    draw_numbers(Path("x.npy"), 3)
    data = Npy("x.npy")
    DataCard.of(data, False).write(Path(CARD))
    want = DataKnown(data.fingerprint, (3,), "vectors", 0, ())
    DataCard.read(Path(CARD), want)
    tensors, meta = read_tensors(Path(CARD))
    meta.pop("sha256")
    for key, value in change.items():
        (tensors if torch.is_tensor(value) else meta)[key] = value
    if list(change) == ["mean"] and change["mean"].dim() == 1:
        del tensors["std"]
    write_tensors(Path(CARD), tensors, meta)
    with pytest.raises(DamagedFile):
        DataCard.read(Path(CARD), want)


class Points(zoo.Dataset):
    """A few points."""

    name = "points"
    sample_shape = (2,)

    def __init__(self) -> None:
        x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) * 5 + 3
        self.fingerprint = fingerprint(x)
        self.train, self.test = TensorSplit(x[:150], None), TensorSplit(x[150:], None)


class Curved(Points):
    """With units that no mean and std give."""

    name = "curved"

    def to_units(self, x):
        return x.sinh()

    def from_units(self, x):
        return x.asinh()


class Scaled(Points):
    """Standardised, as a plugin may say it."""

    name = "scaled"

    def __init__(self) -> None:
        super().__init__()
        x, test = self.train.all()[0], self.test.all()[0]
        self.standardization = Standardization.of(x)
        self.train, self.test = (TensorSplit(part, None, self.from_units(part)) for part in (x, test))


@pytest.fixture
def added():
    kinds = (Points, Curved, Scaled)
    for kind in kinds:
        DATASETS.add(kind.name, kind)
    yield
    for kind in kinds:
        DATASETS._added.pop(kind.name, None)


def test_units_of_a_plugin(added, opened):
    for kind in (Points, Curved, Scaled):
        run = zoo.train(dataset=kind.name, out=kind.name, **VECTORS)
        expected, raw = run.sample(5), run.to_units(torch.ones(1, 2))
        assert torch.equal(raw, kind().to_units(torch.ones(1, 2)))
        opened.clear()
        assert torch.equal(zoo.load(kind.name).sample(5), expected)
        assert opened == (["curved"] if kind is Curved else [])
    del DATASETS._added["points"], DATASETS._added["curved"]  # the plugin is gone
    assert zoo.load("points").sample(5).shape == (5, 2)
    with pytest.raises(zoo.UsageError, match="made with the dataset 'curved', which was added by hand"):
        zoo.load("curved").sample(5)


def test_a_standardization_of_other_columns_is_refused_before_anything_is_written():
    wrong = type("Wrong", (Points,), {"standardization": Standardization.of(torch.randn(9, 3))})
    with (
        DATASETS.lent("points", wrong),
        pytest.raises(zoo.UsageError, match=r"standardization of shape \(3,\)"),
    ):
        zoo.train(dataset="points", **VECTORS)
    assert not Path("runs").exists()


# Where the data are now


def test_resumed_with_data_that_are_elsewhere_now(ganzoo):
    for kind in ("vectors", "folder"):
        files, dataset, words = KINDS[kind]
        files()
        words = {**words}
        words["set"] = {**words["set"], "lr_schedule.kind": "const"}  # another one keeps to its first plan
        whole = zoo.train(dataset=dataset, out=f"whole-{kind}", **{**words, "steps": 8})
        zoo.train(dataset=dataset, out=f"run-{kind}", **words)
        Path("new").mkdir(exist_ok=True)
        shutil.move("data", f"new/{kind}")
        name = "npy:new/vectors/x.npy" if kind == "vectors" else f"folder:new/{kind}"
        result = ganzoo(f"resume run-{kind} --steps 8 --dataset {name}")
        assert result.code == 0, result.err
        recorded = json.loads(Path(f"run-{kind}", "config.json").read_text())
        kind_of, _, path = name.partition(":")
        assert recorded["dataset"] == f"{kind_of}:{Path(path).absolute()}"
        run = zoo.load(f"run-{kind}")
        assert torch.equal(run.sample(5), whole.sample(5))
        assert run.dataset.fingerprint == run.config.data_fingerprint


def test_other_data_are_refused_and_change_nothing(ganzoo):
    run = made("vectors")
    draw_numbers(Path("other.npy"), 3, seed=1)
    draw_numbers(Path("wide.npy"), 4)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    for dataset, says in (
        ("npy:other.npy", "npy:other.npy is not what made was trained on (fingerprint "),
        ("npy:wide.npy", "npy:wide.npy is not what made was trained on"),
        ("ring8", "ring8 is not what made was trained on"),
        ("npy:gone.npy", "gone.npy is not there"),
        ("npy", "npy needs a path"),
        ("npi:other.npy", "did you mean npy"),
        ("", "dataset"),
    ):
        for steps in ("", " --steps 9"):
            result = ganzoo(f"resume made{steps} --dataset", dataset)
            assert result.code == 2
            assert says in result.sentence
            assert "ganzoo resume" not in result.sentence  # which is what was typed
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_a_run_that_is_done_is_told_where_its_data_are_too(ganzoo):
    run = made("vectors")
    shutil.move("data", "new")
    assert ganzoo("eval made --metric swd --samples 20").code == 2
    result = ganzoo("resume made --dataset npy:new/x.npy")
    assert (result.code, "nothing is left to do" in result.out) == (0, True)
    assert zoo.load("made").config.dataset == f"npy:{Path('new/x.npy').absolute()}"
    assert zoo.load("made").config.recipe == run.config.recipe
    assert ganzoo("eval made --metric swd --samples 20").code == 0


def test_from_python_and_with_a_data_root():
    made("mixture", "drawn")
    run = zoo.resume("drawn", steps=6, data_root="~/sets", progress=False)
    root = json.loads(Path("drawn/config.json").read_text())["data_options"]["root"]
    assert root == str(Path("~/sets").expanduser())
    assert run.steps_done == 6
    made("vectors")
    shutil.move("data", "new")
    assert zoo.resume("made", steps=6, dataset="npy:new/x.npy", progress=False).steps_done == 6


def test_digits_by_their_more_exact_name():
    made("digits")
    run = zoo.resume("made", steps=5, dataset="mnist-5k", progress=False)
    assert (run.steps_done, run.config.dataset) == (5, "mnist-5k")


def test_other_data_than_the_run_had_are_called_that_whatever_their_options(ganzoo):
    """The options are the run's: nobody typed them, and other datasets need not have them."""
    draw_pictures(Path("data"))
    run = zoo.train(
        dataset="folder:data", out="made", **{**IMAGES, "set": {**IMAGES["set"], "data.broken": "skip"}}
    )
    sentence = ganzoo("resume made --dataset mnist-5k").sentence
    assert f"mnist-5k is not what {run.path} was trained on" in sentence
    shutil.move("data", "there")
    assert ganzoo("resume made --dataset folder:there").code == 0
    assert json.loads((run.path / "config.json").read_text())["data_options"]["broken"] == "skip"
    sentence = ganzoo("eval made --dataset folder:data").sentence
    assert "data" in sentence
