"""The harness: what comes out of `ganzoo eval`, how often samples are looked at, what tells what apart."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import ganzoo
from ganzoo.cli.main import main
from ganzoo.data.base import to_uint8
from ganzoo.data.open import open_dataset
from ganzoo.extractors.cnn import MnistCnnV1
from ganzoo.extractors.open import open_extractor
from ganzoo.metrics.base import Metric
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.kept import statistics_folder
from ganzoo.registry import METRICS
from ganzoo.running.evaluation import evaluate
from ganzoo.system.lines import read_lines
from ganzoo.system.tensors import read_tensors
from ganzoo.training.rows import measured

FEW = {"model.width": 4, "z_dim": 8}
AT = "@mnist-cnn-v1"


@pytest.fixture(scope="module")
def digits():
    return open_dataset("mnist-5k", {})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    torch.set_num_threads(1)
    words = {"steps": 4, "batch_size": 16, "set": FEW, "conditional": True, "progress": False}
    return ganzoo.train("dcgan", "mnist-5k", out=folder, **words).path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs" / "0001-dcgan")


@pytest.fixture
def evaluated(capsys):
    """evaluated("--metric is"): the JSON document of the command."""

    def of(words: str) -> dict:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["eval", *words.split(), "--json"])
        output = capsys.readouterr()
        assert end.value.code == 0, output.err
        return json.loads(output.out)

    return of


def test_the_newest_run_as_typed(run, evaluated):
    document = evaluated("--metric is --samples 300")
    assert set(document["scores"]) == {f"is{AT}", f"is_std{AT}"} == set(document["real"])
    assert 1.0 <= document["scores"][f"is{AT}"] < document["real"][f"is{AT}"] <= 10.0
    protocol = document["protocol"]
    assert (protocol["n_fake"], protocol["n_real"], protocol["reference"]) == (300, 4000, "train")
    assert protocol["extractor"] == {"name": "mnist-cnn-v1", "weights": MnistCnnV1().weights_hash}
    assert protocol["metrics"]["is"]["splits"] == 10
    assert protocol["dataset"] == "mnist-5k"
    assert (protocol["generator"], protocol["checkpoint"]) == ("averaged, eval mode", "last")
    assert document["provenance"]["seed"] == 0
    assert document["provenance"]["versions"]["torch"] == torch.__version__.partition("+")[0]
    rows = read_lines(run / "metrics.jsonl")
    assert [row["step"] for row in rows] == [4]
    assert {key: rows[0][key] for key in document} == document


def test_the_same_numbers_again_and_from_the_exported_file(run, evaluated, tmp_path):
    names = "--metric is --metric fid --metric kid --metric precision-recall --metric modes --metric kl"
    first = evaluated(f"{names} --samples 700")
    assert evaluated(f"{names} --samples 700")["scores"] == first["scores"]
    with pytest.raises(SystemExit):
        main(["sample", "-n", "700", "--out", "made.npz"])
    foreign = evaluated(f"made.npz --dataset mnist-5k {names}")
    assert foreign["scores"] == first["scores"]
    assert foreign["real"] == first["real"]
    assert evaluated(f"{names} --samples 700 --seed 1")["scores"] != first["scores"]


def test_a_generator_that_left_its_run_has_the_scores_of_the_run(run, evaluated, tmp_path):
    names = "--metric fid --metric conditional-accuracy --samples 700 --seed 3"
    ours = evaluated(f"{names} --per-class")
    measured = (run / "metrics.jsonl").read_bytes()
    shutil.copy(run / "generator.safetensors", tmp_path / "mine.safetensors")
    for target in ("mine.safetensors", str(run / "generator.safetensors")):
        theirs = evaluated(f"{target} {names} --per-class")
        assert theirs.keys() == ours.keys()
        assert [theirs[key] for key in ("scores", "real", "per_class")] == [
            ours[key] for key in ("scores", "real", "per_class")
        ]
        assert {**theirs["protocol"], "checkpoint": "last"} == ours["protocol"]
        assert theirs["provenance"]["generator"] == Path(target).name
    assert evaluated(f"mine.safetensors --dataset mnist-5k {names}")["scores"] == ours["scores"]
    assert "d_accuracy" not in evaluated("mine.safetensors --samples 200")["scores"]
    # No run is made, and nothing is written to the one that it came from.
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.name]
    assert (run / "metrics.jsonl").read_bytes() == measured


def test_a_pretrained_generator_is_as_good_as_its_file_says(evaluated):
    found = evaluated("mlp-gan:ring8 --metric modes --metric kl --metric js")
    said = ganzoo.load_generator("mlp-gan:ring8").about.measured[-1]
    assert found["scores"] == pytest.approx(said.scores, rel=1e-4)
    assert found["real"] == pytest.approx(said.real, rel=1e-4)
    assert found["provenance"]["generator"] == "mlp-gan:ring8"


def test_from_python_with_every_metric_that_fits(run):
    document = ganzoo.load(run).evaluate(samples=200, progress=False)
    plain = {key.partition("@")[0] for key in document["scores"]}
    assert plain == {
        "is", "is_std", "kid", "kid_std", "fid", "precision", "recall", "density", "coverage", "modes",
        "reverse_kl", "conditional_accuracy", "label_kl", "label_js", "label_js_distance", "memorization",
        "d_accuracy", "probe_accuracy", "c2st", "c2st_std", "swd",
    }  # fmt: skip
    assert document["scores"].keys() >= {f"fid{AT}", f"memorization{AT}", "d_accuracy"}
    assert document["real"].keys() == document["scores"].keys()


def test_the_model_is_built_once_with_its_discriminator_too(run, monkeypatch):
    from ganzoo.running import run as runs

    built, original = [], runs.build_trained
    monkeypatch.setattr(runs, "build_trained", lambda *words: built.append(words) or original(*words))
    for metrics in (["d-accuracy"], ["is"]):
        built.clear()
        ganzoo.load(run).evaluate(metrics, samples=100, progress=False)
        assert len(built) == 1


def test_features_are_computed_once_for_all_metrics(digits, monkeypatch):
    seen: list[int] = []
    call = MnistCnnV1.__call__

    def counting(self, samples):
        seen.append(len(samples))
        return call(self, samples)

    monkeypatch.setattr(MnistCnnV1, "__call__", counting)
    x = digits.train.all()[0][:300]
    for metrics in (["fid"], ["fid", "is", "kid", "precision-recall", "density-coverage", "modes", "kl"]):
        shutil.rmtree(statistics_folder(), ignore_errors=True)
        seen.clear()
        Evaluation(metrics, digits)(x, progress=False)
        assert sum(seen) == 300 + 4000 + 1000  # generated, reference, and the held-out ones beside them
    seen.clear()
    Evaluation(["fid", "is", "memorization"], digits)(x, progress=False)
    assert sum(seen) == 300  # what is known of real data is kept


def test_kept_statistics_follow_the_content_and_survive_damage(digits, monkeypatch):
    x = digits.train.all()[0][:200]
    first = Evaluation(["fid"], digits)(x, progress=False)["scores"]
    files = sorted(statistics_folder().glob("*.safetensors"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    assert Evaluation(["fid"], digits)(x, progress=False)["scores"] == first
    other = open_dataset("mnist-5k", {})
    other.train._x[:] = 255 - other.train._x
    assert Evaluation(["fid"], other)(x, progress=False)["scores"] != first


class Items(torch.utils.data.Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i]


def test_is_kid_fid_and_precision_agree_with_torch_fidelity(digits):
    from torch_fidelity import calculate_metrics

    from ganzoo.extractors.fidelity import register

    generator = torch.Generator().manual_seed(0)
    real = digits.train.all()[0]
    noise = torch.randint(0, 120, (900, 1, 28, 28), generator=generator)
    fake = (real[:900].int() + noise).clamp(max=255).to(torch.uint8)
    names = ["is", "fid", "kid", "precision-recall"]
    ours = evaluate(fake, "mnist-5k", names, progress=False)["scores"]
    theirs = calculate_metrics(
        input1=Items(fake), input2=Items(real), feature_extractor=register("mnist-cnn-v1"),
        isc=True, fid=True, kid=True, prc=True, kid_subset_size=900, cuda=False, save_cpu_ram=True,
        cache=False, verbose=False,
    )  # fmt: skip
    for key, name in {
        "is": "inception_score_mean", "is_std": "inception_score_std", "precision": "precision",
        "recall": "recall", "kid": "kernel_inception_distance_mean", "fid": "frechet_inception_distance",
    }.items():  # fmt: skip
        assert ours[key + AT] == pytest.approx(theirs[name], rel=1e-6, abs=1e-6), key


def test_generators_of_four_kinds_are_told_apart(digits):
    """Perfect, collapsed, too wide, memorising: each fires where it should and nowhere else."""
    train, test = digits.train.all()[0], digits.test.all()[0]
    overlaid = torch.maximum(test, test.flip(0).roll(7, 2))  # two digits on top of each other
    kinds = {
        "perfect": test,
        "collapsed": test[digits.test.all()[1] == 3].repeat(10, 1, 1, 1),
        "wide": torch.cat([test[:300], overlaid[:700]]),
        "memorising": train[:1000],
    }
    names = ["fid", "precision-recall", "density-coverage", "modes", "memorization", "kl"]
    evaluation = Evaluation(names, digits)
    scores = {
        kind: {key.partition("@")[0]: value for key, value in made["scores"].items()}
        for kind, made in (
            (kind, evaluation(x, progress=False, with_real=False)) for kind, x in kinds.items()
        )
    }
    perfect, collapsed = scores["perfect"], scores["collapsed"]
    assert collapsed["recall"] < 0.2 < 0.8 < perfect["recall"]
    assert collapsed["precision"] > 0.7
    assert collapsed["reverse_kl"] > 2.0 > 0.01 > perfect["reverse_kl"]
    assert collapsed["modes"] < 10 == perfect["modes"]
    assert collapsed["coverage"] < 0.2 < 0.5 < perfect["coverage"]
    assert collapsed["label_kl"] > 1.0 > 0.05 > perfect["label_kl"]
    assert scores["wide"]["precision"] < 0.5 < 0.8 < perfect["precision"]
    assert scores["wide"]["recall"] > 0.8
    assert scores["wide"]["density"] < 0.5 < 0.8 < perfect["density"]
    assert scores["memorising"]["memorization"] > 0.95
    assert perfect["memorization"] == 0.5
    assert scores["wide"]["memorization"] < 0.3
    assert perfect["fid"] < 0.1 < min(collapsed["fid"], scores["wide"]["fid"])


def test_too_few_samples_for_a_covariance(digits):
    x = digits.test.all()[0]
    with pytest.raises(ganzoo.UsageError, match="at least 128 samples, and there are 100 generated"):
        Evaluation(["fid"], digits)(x[:100], progress=False)
    notes = Evaluation(["fid", "kid"], digits)(x[:300], progress=False)["notes"]
    assert any("640 samples" in note for note in notes)
    assert any("subsets of 300" in note for note in notes)
    made = Evaluation([], digits)(x[:100], progress=False)  # all that fit: what does not is named
    assert any(note.startswith("fid was left out") for note in made["notes"])
    assert f"is{AT}" in made["scores"]


def test_reference_split(digits):
    x = digits.test.all()[0][:500]
    made = evaluate(x, "mnist-5k", ["precision-recall"], reference="test", progress=False)
    assert made["scores"][f"precision{AT}"] == 1.0
    assert (made["protocol"]["reference"], made["protocol"]["n_real"]) == ("test", 1000)


def test_eval_during_training_keeps_the_best_and_changes_nothing(tmp_path):
    words = {"steps": 6, "batch_size": 16, "set": FEW, "seed": 3, "progress": False, "checkpoint_every": 2}
    plain = ganzoo.train("dcgan", "mnist-5k", out=tmp_path / "plain", **words)
    metrics = {"eval_every": 2, "eval_metric": ["fid", "d-accuracy"]}
    run = ganzoo.train("dcgan", "mnist-5k", out=tmp_path / "measured", **words, **metrics)
    weights, other = (read_tensors(each.path / "generator.safetensors")[0] for each in (run, plain))
    assert weights.keys() == other.keys()
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    rows = read_lines(run.path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert {row["protocol"]["n_fake"] for row in rows} == {1000}
    assert {row["protocol"]["checkpoint"] for row in rows} == {"during training"}
    best = min(rows, key=lambda row: row["scores"][f"fid{AT}"])
    assert run.load_model("best", discriminator=True)[1] == best["step"]
    again = run.evaluate(["fid"], samples=1000, seed=3, checkpoint="best", progress=False)
    assert again["scores"][f"fid{AT}"] == pytest.approx(best["scores"][f"fid{AT}"], rel=1e-5)
    assert again["protocol"]["checkpoint"] == "best"
    for later in run.path.glob("checkpoints/step-*6.safetensors"):  # as after a crash past step 4
        later.unlink()
    resumed = ganzoo.resume(run.path, progress=False)
    after = measured(resumed.path)
    assert [row["scores"] for row in after] == [row["scores"] for row in rows]
    # Of real data once: they do not age.
    assert [set(row["real"]) for row in after] == [{f"fid{AT}", "d_accuracy"}, set(), set()]


def test_a_metric_that_fails_is_named(digits):
    class Broken(Metric):
        def __call__(self, context):
            raise ZeroDivisionError("one over nothing")

    class NoNumber(Metric):
        def __call__(self, context):
            return {"nothing": float("nan")}

    METRICS.add("broken", Broken)
    METRICS.add("no-number", NoNumber)
    try:
        for name, says in (
            ("broken", "ZeroDivisionError: one over nothing"),
            ("no-number", "nothing is nan"),
        ):
            with pytest.raises(ganzoo.WorkError, match=says):
                Evaluation([name], digits)(digits.test.all()[0][:20], progress=False)
    finally:
        del METRICS._added["broken"], METRICS._added["no-number"]


@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_states_its_source(name):
    assert any(year in (METRICS.get(name).__doc__ or "") for year in map(str, range(1951, 2027)))


def test_one_rule_from_floats_to_bytes(run):
    """Samples of a run are the network's outputs by to_uint8, and D is shown them by its inverse."""
    from ganzoo.data.base import from_uint8

    x = torch.linspace(-1.2, 1.2, 1001)
    expected = np.clip(np.round(127.5 * x.double().numpy() + 127.5), 0, 255)
    assert np.abs(to_uint8(x).numpy() - expected).max() <= 1  # float32 and float64 halves
    everything = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(everything)), everything)


def test_the_table_for_people(run, capsys, monkeypatch):
    for columns in ("80", "130"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit):
            main(["eval", "--metric", "is", "--metric", "fid", "--samples", "300"])
        out = capsys.readouterr().out
        assert f"fid{AT}" in out
        assert "real data" in out
        assert "lower" in out
        assert "distance between the clouds of features" in out
        assert " ± " in out
        assert "300 generated samples against 4000 of mnist-5k" in out
        assert max(len(line) for line in out.splitlines()) <= int(columns)


def test_nothing_warns_and_the_cache_holds_no_pickle(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ganzoo.load(run).evaluate(["fid", "precision-recall", "memorization"], samples=200, progress=False)
    assert {file.suffix for file in Path(statistics_folder()).iterdir()} == {".safetensors"}
    assert open_extractor("mnist-cnn-v1").name == "mnist-cnn-v1"
