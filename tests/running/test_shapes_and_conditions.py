"""Data of any shape, and models that are asked for values: trained, drawn, looked at, measured, resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as zoo
from ganzoo.data.base import Dataset, Standardization
from ganzoo.data.conditions import Conditions
from ganzoo.data.tensors import TensorSplit, fingerprint
from ganzoo.errors import UsageError
from ganzoo.registry import DATASETS
from ganzoo.running.run import load

SMALL = {"steps": 4, "batch_size": 8, "progress": False, "device": "cpu"}
TINY = {"model.width": 8, "model.d_width": 8}


def made_up(shape, *, kind="", y=None, n=80, pixels=False):
    """A dataset of noise; `y` makes the conditions of n samples."""

    class MadeUp(Dataset):
        name = "made-up"

        def __init__(self):
            generator = torch.Generator().manual_seed(0)
            if pixels:
                x = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=generator)
            else:
                x = 3.0 + 2.0 * torch.randn(n, *shape, generator=generator)
                self.standardization = Standardization.of(x)
            values = None if y is None else y(generator)
            self.kind, self.sample_shape = kind, shape
            self.condition_shape = () if values is None else tuple(values.shape[1:])
            self.fingerprint = fingerprint(x, values)
            self.eval_samples = 40
            half = n // 2
            for name, rows in (("train", slice(half)), ("test", slice(half, n))):
                seen = None if pixels else self.from_units(x[rows])
                setattr(self, name, TensorSplit(x[rows], None if values is None else values[rows], seen))

    return DATASETS.lent("made-up", MadeUp)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SHAPES = {
    "series": ((2, 12), "", False, "kid"),
    "rectangle": ((3, 8, 20), "", True, None),
    "video": ((1, 5, 8, 8), "", True, None),
    "volume": ((1, 4, 4, 4, 4), "", False, "swd"),
    "numbers on a grid": ((2, 6, 6), "tensors", False, "swd"),
}


@pytest.mark.parametrize(("shape", "kind", "pixels", "metric"), SHAPES.values(), ids=SHAPES)
def test_samples_of_any_shape(ganzoo, shape, kind, pixels, metric):
    with made_up(shape, kind=kind, pixels=pixels):
        run = zoo.train("mlp-gan", "made-up", set=TINY, **SMALL)
        assert all(picture.stat().st_size > 500 for picture in run.path.glob("samples/*.png"))
        samples = run.sample(6)
        assert samples.shape == (6, *shape)
        assert samples.dtype == (torch.uint8 if pixels else torch.float32)
        for words in ("-n 5", "--interpolate -n 8", "-n 3 --out x.npz"):
            assert ganzoo(f"sample {run.path} {words}").code == 0
        assert np.load("x.npz")["samples"].shape == (3, *shape)
        if metric:
            assert np.isfinite(list(run.evaluate([metric], progress=False)["scores"].values())).all()
        refused = ganzoo(f"eval {run.path} --metric {'modes' if pixels else 'fid --extractor inception'}")
        assert (refused.code, refused.out) == (2, "")
    assert run.config.kind == kind


def test_numbers_are_standardised_by_channel():
    x = torch.stack([torch.randn(50, 9) * 4 + 1, torch.zeros(50, 9)], dim=1)
    scale = Standardization.of(x)
    assert scale.mean.shape == (2, 1)
    assert scale.fits((2, 9))
    assert not scale.fits((9,))
    seen = scale.from_units(x)
    assert seen[:, 0].mean().abs() < 1e-5
    assert seen[:, 0].std(correction=0) == pytest.approx(1.0, abs=1e-5)
    assert torch.allclose(scale.to_units(seen), x, atol=1e-5)


def test_models_of_squares_refuse_other_shapes(ganzoo):
    for shape, word in (((3, 8, 20), "8 x 20"), ((2, 12), "series"), ((1, 5, 8, 8), "video")):
        with made_up(shape, pixels=len(shape) > 2):
            result = ganzoo("run dcgan --dataset made-up --steps 2")
            assert result.code == 2
            assert word in result.err
            assert not Path("runs").exists()
    with made_up((2, 12)):
        result = ganzoo("run mlp-gan --dataset made-up --steps 2 --stabilizer diffaugment")
        assert result.code == 2
        assert "series of shape (2, 12)" in result.err


def values(generator):
    return torch.randn(80, 3, generator=generator)


def several_labels(generator):
    return torch.randint(0, 2, (80, 5), generator=generator).float()


@pytest.mark.parametrize("y", [values, several_labels])
def test_a_model_is_asked_for_values(ganzoo, y):
    with made_up((2,), y=y):
        run = zoo.train("mlp-gan", "made-up", set=TINY, conditional=True, **SMALL)
        own = run.dataset.test.all()[1]
        assert run.model.condition_shape == tuple(own.shape[1:])
        # Where nobody says what, those that were held out: as scores and pictures have them.
        card = run.card.conditions.values
        assert {tuple(row.tolist()) for row in card} == {tuple(row.tolist()) for row in own}
        drawn = run.sample(4)
        assert torch.equal(drawn, run.sample(4, condition=card[:4]))
        assert not torch.equal(drawn, run.sample(4, condition=card[4:8]))
        np.save("want.npy", own[:3].numpy())
        assert ganzoo(f"sample {run.path} --condition want.npy --out x.npz").code == 0
        made = np.load("x.npz")
        assert np.array_equal(made["conditions"], own[:3].numpy())
        assert np.array_equal(made["samples"], run.sample(3, condition=own[:3]).numpy())
        measured = run.evaluate(["swd", "d-accuracy"], progress=False)
        assert measured["protocol"]["labels"] == "conditions of the test split"
    assert load(run.path, device="cpu").sample(4).equal(drawn)  # without the data


def test_what_makes_no_sense_is_refused_in_a_sentence(ganzoo):
    with made_up((2,), y=values):
        plain = zoo.train("mlp-gan", "made-up", set=TINY, conditional=False, **SMALL)
        run = zoo.train("mlp-gan", "made-up", set=TINY, conditional=True, **SMALL)
        np.save("wide.npy", np.zeros((4, 7), np.float32))
        np.save("words.npy", np.array(["a"]))
        np.save("nan.npy", np.full((1, 3), np.nan, np.float32))
        np.save("right.npy", np.zeros((1, 3), np.float32))
        for where, words, expected in (
            (run, "--condition wide.npy", "[N, 3] of numbers, got [4, 7]"),
            (run, "--condition words.npy", "[N, 3] of numbers"),
            (run, "--condition nan.npy", "finite"),
            (run, "--condition none.npy", "none.npy"),
            (run, "--class 1", "--condition"),
            (run, "--condition right.npy --class 1", "--class 1"),
            (run, "--condition right.npy --interpolate -n 16", "each of the 2 rows, got 1"),
            (plain, "--condition right.npy", "train with --conditional"),
        ):
            result = ganzoo(f"sample {where.path} {words}")
            assert (result.code, result.out) == (2, ""), words
            assert expected in result.err, result.err
        with pytest.raises(UsageError, match="no labels: give condition"):
            run.sample(2, labels=[0, 1])
        with pytest.raises(UsageError, match="give one of them"):
            run.sample(2, labels=[0, 1], condition=torch.zeros(2, 3))
        with pytest.raises(UsageError, match=r"expected 2 of shape \(3,\)"):
            run.sample(2, condition=torch.zeros(3, 3))


@pytest.mark.parametrize("model", ["acgan", "biggan", "stylegan2"])
def test_models_of_classes_refuse_values(ganzoo, model):
    with made_up((1, 32, 32), y=values, pixels=True):
        result = ganzoo(f"run {model} --dataset made-up --conditional --steps 2")
        assert result.code == 2, result
        assert "takes classes as conditions, and those of these data are vectors of shape (3,)" in result.err


def test_classes_and_values_at_once_are_refused():
    with made_up((2,), y=values) as _:
        member = DATASETS.get("made-up")
        member.num_classes = 3
        with pytest.raises(UsageError, match="classes or values, not both"):
            zoo.train("mlp-gan", "made-up", set=TINY, **SMALL)


def images(generator):
    return torch.randint(0, 256, (80, 1, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_images_made_of_images(ganzoo, model):
    with made_up((3, 32, 32), y=images, pixels=True):
        run = zoo.train(model, "made-up", set={"model.width": 4}, **SMALL)
        assert run.config.conditional
        (picture,) = run.path.glob("samples/step-00000004.png")  # rows of conditions above those of samples
        with Image.open(picture) as opened:
            assert opened.height > opened.width
        Image.fromarray(np.zeros((40, 50), np.uint8)).save("mine.png")
        Path("folder").mkdir()
        for i in range(3):
            Image.fromarray(np.full((32, 32, 3), 9 * i, np.uint8)).save(f"folder/{i}.png")
        for what, n in (("mine.png", 1), ("folder", 3)):
            assert ganzoo(f"sample {run.path} --condition {what} --out x.npz").code == 0
            made = np.load("x.npz")
            assert made["samples"].shape == (n, 3, 32, 32)
            assert made["conditions"].shape == (n, 1, 32, 32)
        assert ganzoo(f"sample {run.path} --condition folder --out x.png").code == 0
    plain = ganzoo(f"run {model} --dataset mnist-5k --steps 2")
    assert plain.code == 2
    assert ("unpaired:PATH_A,PATH_B" if model == "cyclegan" else "such as pairs:PATH,") in plain.err


def test_a_run_of_before_goes_on():
    """config.json and the checkpoint knew no conditions and no kinds."""
    with made_up((2,)):
        run = zoo.train("mlp-gan", "made-up", set=TINY, **SMALL)
        path = run.path / "config.json"
        said = json.loads(path.read_text())
        for name in ("condition_shape", "kind"):
            del said[name]
        path.write_text(json.dumps(said))
        again = load(run.path, device="cpu")
        assert again.config == run.config
        assert again.sample(3).equal(run.sample(3))


def test_conditions_are_kept_within_bounds():
    def wide(generator):
        return torch.zeros(80, 500_000)  # 2 MB each

    with made_up((2,), y=wide):
        data = DATASETS.make("made-up")
        assert len(Conditions.of(data, conditional=True).values) == 2
        assert len(Conditions.of(data, conditional=True, whole=True).values) == 40
    with made_up((2,), y=values):
        data = DATASETS.make("made-up")
        assert Conditions.of(data, conditional=False).in_turn(3) is None
        own = Conditions.of(data, conditional=True)
        assert torch.equal(own.in_turn(90)[40:80], own.values)  # in turn, and again
        assert own.at_random(50).shape == (50, 3)
