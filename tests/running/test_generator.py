"""A generator's file needs nothing beside it: samples to the last bit, and one sentence for anything else."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from torch.nn.utils.parametrizations import spectral_norm

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.registry import MODELS, STABILIZERS
from ganzoo.registry.registry import CONTRACT
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.system.tensors import read_tensors, write_tensors
from ganzoo.training.about import FORMAT, away_from_home

SMALL = {"steps": 2, "batch_size": 8, "progress": False, "device": "cpu", "set": {"model.width": 8}}
TINY = {**SMALL, "set": {"model.width": 4}}
X = np.random.default_rng(0).normal(3.0, [1e-3, 100.0], size=(200, 2)).astype("float32")
CASES = {
    "pixels": ("dcgan", "mnist-5k", {}),
    "styles": ("stylegan2", "mnist-5k", {}),
    "modes": ("mlp-gan", "ring8", {}),
    "series": ("wavegan", "waves", {}),
    "columns": ("mlp-gan", X, {}),
    "named": ("mlp-gan", X, {"y": np.array(["cat", "owl"])[np.arange(200) % 2], "conditional": True}),
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run, and its generator's file where nothing else is."""
    made = {}

    def get(case):
        if case not in made:
            model, data, words = CASES[case]
            folder = tmp_path_factory.mktemp(case)
            run = ganzoo.train(model, data, out=folder / "run", **TINY, **words)
            shutil.copy(run.path / "generator.safetensors", folder / "alone.safetensors")
            made[case] = run, folder / "alone.safetensors"
        return made[case]

    return get


@pytest.mark.parametrize("case", ["pixels", "styles", "modes", "series", "columns", "named"])
def test_samples_are_those_of_the_run(alone, case):
    run, file = alone(case)
    loaded = ganzoo.load_generator(file)
    for n, seed in ((3, 0), (70, 5)):
        mine, theirs = loaded.sample(n, seed=seed), run.sample(n, seed=seed)
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)
    z = torch.randn(4, loaded.z_dim)
    assert torch.equal(loaded.sample(z=z), run.sample(z=z))


def test_it_needs_no_run_no_data_and_no_folder(alone, tmp_path, monkeypatch):
    _, file = alone("columns")
    shutil.copy(file, tmp_path / "g.safetensors")
    monkeypatch.chdir(tmp_path)
    loaded = ganzoo.load_generator("g.safetensors")
    x = loaded.sample(500)
    assert x.dtype == torch.float32
    assert x[:, 1].std() > 1000 * x[:, 0].std()  # in the data's own units
    assert str(tmp_path) not in json.dumps(loaded.about.as_json())
    with pytest.raises(UsageError, match="came without its data"):
        _ = loaded.dataset


def test_classes_by_name_and_options_of_the_model(alone):
    run, file = alone("named")
    loaded = ganzoo.load_generator(file)
    assert loaded.classes == ("cat", "owl")
    assert torch.equal(loaded.sample(5, labels="owl"), run.sample(5, labels=1))
    with pytest.raises(UsageError, match="one of cat, owl"):
        loaded.sample(2, labels=["owls", "cat"])
    run, file = alone("styles")
    loaded = ganzoo.load_generator(file)
    assert torch.equal(loaded.sample(5, truncation=0.5, mix=2), run.sample(5, truncation=0.5, mix=2))
    with pytest.raises(UsageError, match="no option"):
        loaded.sample(2, blur=1)


def test_what_it_says_of_itself(tmp_path):
    run = ganzoo.train("mlp-gan", "ring8", out=tmp_path / "run", eval_every=1, eval_metric="modes", **SMALL)
    loaded = ganzoo.load_generator(run.path / "generator.safetensors")
    assert (loaded.about.model, loaded.about.dataset, loaded.step) == ("mlp-gan", "ring8", 2)
    assert loaded.scores == run.scores
    assert loaded.about.measured[0].protocol["n_fake"] == 1000
    assert not loaded.model.training
    run.evaluate(["modes"], samples=700, progress=False)  # what is measured later is in no file yet
    assert len(ganzoo.load_generator(run.path / "generator.safetensors").about.measured) == 1
    later = ganzoo.load_generator(run.path)
    assert [one.protocol["n_fake"] for one in later.about.measured] == [1000, 700]
    assert dict(later.facts())["data"] == "ring8: vectors of 2"


def test_values_have_to_be_given(tmp_path):
    run = ganzoo.train("mlp-gan", X, X + 1, conditional=True, out=tmp_path / "run", **SMALL)
    loaded = ganzoo.load_generator(
        shutil.copy(run.path / "generator.safetensors", tmp_path / "g.safetensors")
    )
    assert torch.equal(loaded.sample(condition=X[:7]), run.sample(condition=X[:7]))
    with pytest.raises(UsageError, match="say which"):
        loaded.sample(4)


class Normed(Stabilizer):
    """Changes the modules of G."""

    def setup(self, gan):
        spectral_norm(gan.generator.main[0])


def test_stabilizers_that_change_the_generator_come_along(tmp_path):
    STABILIZERS.add("normed", Normed)
    try:
        words = {**SMALL, "stabilizer": ["normed", "lecam"]}
        run = ganzoo.train("mlp-gan", "ring8", out=tmp_path / "run", **words)
        loaded = ganzoo.load_generator(run.path / "generator.safetensors")
        assert loaded.about.stabilizers == ("normed",)
        assert torch.equal(loaded.sample(4), run.sample(4))
    finally:
        STABILIZERS.drop("normed")
    with pytest.raises(UsageError, match="added by hand: add it again"):
        ganzoo.load_generator(run.path / "generator.safetensors")


def test_a_file_of_the_version_before_in_its_run(alone, tmp_path):
    run, _ = alone("modes")
    old = tmp_path / "old"
    shutil.copytree(run.path, old)
    weights, meta = read_tensors(old / "generator.safetensors")
    for checkpoint in old.glob("checkpoints/step-*"):
        checkpoint.unlink()
    write_tensors(old / "generator.safetensors", weights, {"step": meta["step"], "t": meta["t"]})
    assert torch.equal(ganzoo.load_generator(old / "generator.safetensors").sample(9), run.sample(9))
    (old / "config.json").unlink()
    with pytest.raises(UsageError, match="leave it in its run folder"):
        ganzoo.load_generator(old / "generator.safetensors")


def altered(file, folder, change):
    """The same file with another text about itself, and a hash that is right."""
    weights, meta = read_tensors(file)
    del meta["sha256"]
    meta["generator"] = json.loads(json.dumps(meta["generator"]))
    change(meta)
    write_tensors(folder / "altered.safetensors", weights, meta)
    return folder / "altered.safetensors"


def said(**words):
    return lambda meta: meta["generator"].update(words)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (said(format=FORMAT + 1), "install a newer ganzoo"),
        (said(format="x"), "in format 'x'"),
        (said(contract=CONTRACT + 1), "install a matching version"),
        (said(model="mlp-gam"), "no model 'mlp-gam': did you mean mlp-gan"),
        (said(model=3), "expected text"),
        (said(model_options={"wdith": 8}), "did you mean width"),
        (said(model_options={"width": 10**9}), "width"),
        (said(model_options={"width": 16}), "does not hold"),
        (said(sample_shape=[3]), "does not hold"),
        (said(sample_shape=[]), "sample_shape: expected"),
        (said(sample_shape=[2**40]), "sample_shape: expected"),
        (said(sample_shape="x"), "expected a list"),
        (said(class_names=["a"]), "1 names of 0 classes"),
        (said(num_classes=-1), "num_classes"),
        (said(kind="picture"), "did you mean|valid names"),
        (said(seed=2**64), "seed"),
        (said(stabilizers=["nonsense"]), "no stabilizer 'nonsense'"),
        (said(measured=[{"scores": {"is": "high"}}]), "expected a number"),
        (said(origins={"model mlp-gan": {"distribution": "gone", "version": "1"}}), "'gone'"),
        (said(origins={"model mlp-gan": {}}), "distribution"),
        (lambda meta: meta.pop("generator"), "leave it in its run folder"),
        (lambda meta: meta.update(generator=[1]), "leave it in its run folder"),
        (lambda meta: meta.update(t=7), "no time"),
        (lambda meta: meta.update(step="x"), "no step"),
    ],
)
def test_what_a_stranger_wrote_gets_one_sentence(alone, tmp_path, change, sentence):
    _, file = alone("modes")
    with pytest.raises(UsageError, match=sentence) as refused:
        ganzoo.load_generator(altered(file, tmp_path, change))
    assert "altered.safetensors" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_flipped_bits_are_found(alone, tmp_path):
    _, file = alone("modes")
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    for place in (0, 9, len(content) - 1, *rng.integers(0, len(content), 60)):
        broken = bytearray(content)
        broken[place] ^= 1 << int(rng.integers(8))
        path = tmp_path / "broken.safetensors"
        path.write_bytes(broken)
        with pytest.raises(UsageError, match=r"broken\.safetensors"):
            ganzoo.load_generator(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(100)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.safetensors is damaged"):
        ganzoo.load_generator(tmp_path / "x.safetensors")


def test_a_model_of_a_notebook_is_asked_for_by_name(tmp_path):
    class Own(MODELS.get("mlp-gan")):
        """An own model."""

    run = ganzoo.train(Own, "ring8", out=tmp_path / "run", **SMALL)
    x = ganzoo.load_generator(run.path / "generator.safetensors").sample(3)
    assert torch.equal(x, run.sample(3))
    MODELS.drop(run.config.model)
    with pytest.raises(UsageError, match="added by hand: add it again"):
        ganzoo.load_generator(run.path / "generator.safetensors")


@pytest.mark.parametrize(
    ("here", "away"),
    [("mnist", "mnist"), ("folder:/home/me/cats", "folder:cats"), ("hf:owner/name", "hf:owner/name"),
     ("unpaired:/a/horses,/b/zebras", "unpaired:horses,zebras"), ("given:abc", "given:abc")],
)  # fmt: skip
def test_folders_of_this_machine_stay_here(here, away):
    assert away_from_home(here) == away
