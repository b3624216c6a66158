"""On a GPU: whole runs, from the command line and from Python."""

from __future__ import annotations

import math

import pytest
import torch

import ganzoo as zoo
from ganzoo.extractors.open import open_extractor
from ganzoo.system.lines import read_lines

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]

GPU = "cuda"
METRICS = ["fid", "kid", "precision-recall", "modes", "d-accuracy", "d-features"]


def train(model="dcgan", dataset="mnist-5k", **words):
    options = {"steps": 2, "batch_size": 8, "device": GPU, "progress": False, "set": {"model.width": 4}}
    return zoo.train(model, dataset, **{**options, **words})


def test_a_run_is_trained_sampled_measured_and_judged(capsys):
    run = train(eval_every=2, eval_metric=["fid"])
    assert run.config.device == GPU
    assert run.sample(5).shape == (5, 1, 28, 28)
    assert torch.equal(run.sample(3), run.sample(5)[:3])
    found = run.evaluate(METRICS, samples=200, progress=False)
    assert found["provenance"]["device"] == GPU
    assert all(math.isfinite(value) for value in found["scores"].values())
    assert len(found["scores"]) >= len(METRICS)
    rows = read_lines(run.path / "log.jsonl")
    assert any(key.startswith("signal/") for key in rows[-1])
    assert "are not looked for" not in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_compiled_run_is_that_of_any_once_it_is_written(precision, capsys):
    run = train(compile=True, precision=precision)
    assert run.config.compile
    assert "compiling G and D took" in capsys.readouterr().err
    run = zoo.resume(run.path, steps=4, compile=False, device="cpu", progress=False)
    assert run.sample(2).isfinite().all()
    assert zoo.load_generator(run.path / "generator.safetensors", device="cpu").sample(2).isfinite().all()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_that_is_stopped_ends_as_one_that_was_not(precision):
    whole, half = (train(steps=4, precision=precision, checkpoint_every=2), train(precision=precision))
    half = zoo.resume(half.path, steps=4, progress=False)
    for key, value in whole.generator.state_dict().items():
        torch.testing.assert_close(half.generator.state_dict()[key], value, rtol=1e-3, atol=1e-3)


def test_features_are_those_of_the_cpu():
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8)
    found = [open_extractor("mnist-cnn-v1", device=torch.device(device))(images) for device in ("cpu", GPU)]
    for key, on_cpu in found[0].items():
        if on_cpu is not None:
            torch.testing.assert_close(found[1][key], on_cpu, rtol=1e-3, atol=1e-3)


def test_an_encoder_runs_where_the_run_is():
    run = train("bigan", set={"model.width": 4, "model.z_dim": 8})
    x = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    assert run.encode(x).shape == (5, 8)
    assert run.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("first", ["cpu", GPU])
def test_a_run_goes_on_elsewhere_and_comes_back(first, capsys):
    other = {"cpu": GPU, GPU: "cpu"}[first]
    run = train(device=first, precision="fp16")
    for steps, device in ((4, other), (6, first)):
        run = zoo.resume(run.path, steps=steps, device=device, progress=False)
        assert run.config.device == device
        assert run.sample(2).isfinite().all()
        assert "the last bits differ" in capsys.readouterr().err
    assert [row["step"] for row in read_lines(run.path / "log.jsonl")] == [1, 2, 3, 4, 5, 6]
    here = zoo.load(run.path, device="cpu")
    assert here.model.generator.main[0].weight.device.type == "cpu"


def test_too_little_memory_is_one_sentence(ganzoo):
    words = "--dataset mnist-5k --steps 2 --batch-size 64 --set model.width=64 --device cuda"
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-4)
    try:
        result = ganzoo(f"run dcgan {words}")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert result.code in (1, 2)
    assert "more memory than there is" in result.sentence
