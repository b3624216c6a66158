"""The zoo's own members keep the contract that plugins are checked by."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import files
import numpy as np
import pytest
from PIL import Image

from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.registry import MODELS, OF_KIND, REGISTRIES
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.testing import checks, contract

SMALL = {"width": 8, "d_width": 8, "z_dim": 14}  # of these, the options that a model has
ELSEWHERE = {  # what needs a path, a network or weights; some of them are opened below
    "folder", "pairs", "unpaired", "npy", "cnn", "inception", "cifar10", "fashion-mnist", "stacked-mnist",
    "csv", "parquet", "wav", "webdataset", "torchvision", "hf",
}  # fmt: skip
# Callbacks whose packages do not come with [test]; there are fakes of them in tests/training.
SERVICES = ("wandb", "mlflow")


def options(kind: str, name: str) -> dict:
    if kind == "model":
        return {key: value for key, value in SMALL.items() if key in MODELS.options(name)}
    if name == "upload":
        return {"to": "memory://contract"}
    return {"offline": True} if name == "mnist" else {}


def own():
    """Every check of every member that needs nothing from outside."""
    for registry in REGISTRIES.values():
        for entry in registry.entries():
            elsewhere = registry.kind in ("dataset", "extractor") and entry.name in ELSEWHERE
            if entry.distribution == DISTRIBUTION and not elsewhere:
                gone = entry.name in SERVICES and find_spec(entry.name) is None
                marks = [pytest.mark.skip(f"{entry.name} is not installed")] if gone else []
                for check in checks(entry.name, registry.kind, **options(registry.kind, entry.name)):
                    yield pytest.param(check, marks=marks, id=f"{registry.kind}-{entry.name}-{check.name}")


@pytest.mark.parametrize("check", list(own()))
def test_own(check):
    check()


def test_own_datasets_from_files():
    np.save("mine.npy", np.random.default_rng(0).normal(3.0, 2.0, (60, 4)))
    pixels = np.random.default_rng(1).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        path = Path("pictures", "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    for check in [*checks("npy:mine.npy"), *checks("folder:pictures")]:
        check()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("2 16", "classes"),
        ("3 8 8", "3"),
        ("2 3 4 4", "2 5"),
        ("2 2 2 2 2", ""),
        ("pixels 3 8 8", "pixels 1 6 6"),
        ("pixels 1 4 8 8", "classes"),
    ],
)
def test_own_datasets_of_any_shape(x, y):
    random = np.random.default_rng(0)
    for name, words in (("x", x.split()), ("y", y.split())):
        shape = [60, *(int(side) for side in words if side.isdecimal())]
        pixels = random.integers(0, 256, shape, np.uint8)
        classes = np.arange(60) % 4
        numbers = random.normal(3.0, 2.0, shape)
        np.save(f"{name}.npy", classes if "classes" in words else pixels if "pixels" in words else numbers)
    for check in checks("npy:x.npy", "dataset", **({"y": "y.npy"} if y else {})):
        check()


def test_own_datasets_of_two_folders():
    pixels = np.random.default_rng(1).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        for side, shown in (("a", image[..., 0]), ("b", image)):
            path = Path("pictures", side, f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown).save(path)
    for name in ("pairs:pictures", "unpaired:pictures/a,pictures/b"):
        for check in checks(name, "dataset", size=8):
            check()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("csv:table.csv", {"label": "kind"}),
        ("parquet:table.parquet", {"columns": "a+b"}),
        ("wav:sounds", {"length": 32}),
        ("webdataset:shard-{000..001}.tar", {"size": 8}),
        ("torchvision:FakeData", {"size": 8, "channels": 1}),
        ("hf:pictures", {"size": 8}),
        ("hf:numbers", {"label": "kind"}),
    ],
)
def test_own_datasets_of_other_programs(name, options):
    files.write(name)
    for check in checks(name, "dataset", **options):
        check()


def test_a_test_file_of_one_line():
    test = contract("mlp-gan", width=8)
    ((mark,),) = [test.pytestmark]
    names = [check.name for check in mark.args[1]]
    assert names == [check.name for check in checks("mlp-gan")]
    for check in mark.args[1]:
        assert check.title
        assert mark.kwargs["ids"](check) == check.name
    test(mark.args[1][0])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("mlp-gam",), "no member 'mlp-gam' is installed: did you mean mlp-gan"),
        (("hinge", "model"), "no model 'hinge' is installed"),
        (("hinge", "los"), "no kind 'los': did you mean loss"),
    ],
)
def test_names_that_are_not_there(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        contract(*words)


def test_a_name_of_two_kinds_must_say_which():
    with OF_KIND["loss"].lent("mlp-gan", Loss):
        with pytest.raises(UsageError, match=r"a model and a loss.*--kind"):
            checks("mlp-gan")
        assert checks("mlp-gan", "loss")


def test_options_that_are_not_there():
    with pytest.raises(UsageError, match="model mlp-gan has no option 'widht': did you mean width"):
        checks("mlp-gan", widht=8)[0]()
