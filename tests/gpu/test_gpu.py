"""On a GPU: every model and stabilizer trains, goes on exactly, and waits for nothing."""

from __future__ import annotations

import dataclasses
import traceback
import warnings
from contextlib import contextmanager

import pytest
import torch
from little import BUILDS, CONDITIONAL, small, stabilized

from ganzoo.data.streams import StreamSplit
from ganzoo.models.sample import scales
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import MODELS, STABILIZERS
from ganzoo.system.rng import counted, kept
from ganzoo.testing.training import STOP, flat, trained, want_exact_resume
from ganzoo.training.checkpoint import load_checkpoint, write_state
from ganzoo.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]

GPU = "cuda"
# Bilinear resampling and reflected edges add up their gradients in any order.
INEXACT = ("r3gan", "stylegan2", "cyclegan")


def begun(config, data):
    trainer = Trainer(config, data)
    trainer.gan.train()
    return trainer


def plain_convolutions():
    """As a CPU computes them, and always in the same order."""
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def assert_finite(trainer):
    for key, value in flat(trainer.state_dict()).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            assert value.isfinite().all(), key
            # Where nothing is fused, torch counts steps on the CPU.
            assert value.device.type == GPU or key.endswith("/step"), key
    assert all(p.dtype == torch.float32 for p in trainer.gan.parameters())


def labels(name):
    """Conditional or not, as far as a model can be."""
    return [True] if name in CONDITIONAL else [False, True]


# Models


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(("name", "vectors"), BUILDS)
def test_every_model_trains(name, vectors, conditional):
    if conditional not in labels(name):
        pytest.skip("needs labels")
    config, data = small(name, vectors=vectors, device=GPU, conditional=conditional)
    trainer = trained(config, data, 2)
    assert trainer.step == 2
    assert_finite(trainer)
    assert all(torch.isfinite(torch.tensor(value)) for value in trainer.meter.read().values())
    samples = trainer.generate(5, "sample", 0)
    assert samples.shape == (5, *config.sample_shape)
    assert samples.device.type == "cpu"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(("name", "vectors"), BUILDS)
def test_every_model_trains_in_half_precision(name, vectors, precision):
    config, data = small(name, vectors=vectors, device=GPU, precision=precision)
    assert_finite(trained(config, data, 2))


@pytest.mark.parametrize(("name", "vectors"), BUILDS)
def test_nets_compute_what_they_compute_on_the_cpu(name, vectors):
    """The same weights, samples and z; what is drawn in a step differs, as generators do."""
    config, data = small(name, vectors=vectors, device=GPU)
    computed, z = [], None
    for device in ("cpu", GPU):
        trainer = Trainer(dataclasses.replace(config, device=device), data)
        gan = trainer.gan.eval()
        gan.progress(1.0)
        x, y = trainer.real(0)
        with torch.no_grad(), plain_convolutions():
            z = gan.sample_z(len(x)) if z is None else z.to(x.device)
            real, fake = gan.view(x), gan.generator(z, y)
            logits = [gan.discriminator(sample, y) for sample in (real, fake)]
        computed.append([part.cpu() for one in (real, fake, *logits) for part in scales(one)])
    for on_cpu, on_gpu in zip(*computed, strict=True):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in MODELS.names() if name not in INEXACT])
def test_it_resumes_exactly(name):
    config, data = small(name, device=GPU)
    with plain_convolutions():
        want_exact_resume(config, data, "on a GPU")


@pytest.mark.parametrize("words", [{"precision": "fp16"}, {"precision": "bf16"}, {"set": {"accumulate": 2}},
                                   {"stabilizer": ["lecam", "averaged-d", "skip-d"]}], ids=str)  # fmt: skip
def test_it_resumes_exactly_with_all_that_is_kept(words):
    config, data = small("dcgan", device=GPU, **words)
    with plain_convolutions():
        want_exact_resume(config, data, "on a GPU")


@pytest.mark.parametrize("name", STABILIZERS.names())
def test_every_stabilizer_works(name):
    config, data = stabilized(name, device=GPU)
    assert_finite(trained(config, data, 2))


@pytest.mark.parametrize(("name", "vectors"), BUILDS)
def test_every_model_learns_the_same_with_activations_that_are_computed_again(name, vectors):
    if name in INEXACT:
        pytest.skip("adds gradients up in any order")
    made = []
    for on in (False, True):
        config, data = small(name, vectors=vectors, device=GPU, set={"checkpoint_activations": on})
        with plain_convolutions():
            made.append(flat(trained(config, data, 2).state_dict()))
    unlike = [
        key for key, value in made[0].items() if torch.is_tensor(value) and not value.equal(made[1][key])
    ]
    assert [key for key in unlike if "/generator/" in key or "/discriminator/" in key] == []


# Compiled


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize(("name", "vectors"), [("mlp-gan", True), ("dcgan", False), ("stylegan2", False)])
def test_compiled_nets_compute_what_nets_as_they_are_compute(name, vectors, precision):
    config, data = small(name, vectors=vectors, device=GPU, precision=precision)
    plain, fast = (trained(dataclasses.replace(config, compile=on), data, 2) for on in (False, True))
    assert fast.compiled.seconds > 0.0
    assert_finite(fast)
    losses = fast.meter.read()
    for key, value in plain.meter.read().items():
        assert losses[key] == pytest.approx(value, rel=0.05, abs=0.02), key


def test_a_compiled_run_goes_on_exactly():
    config, data = small("dcgan", device=GPU)
    with plain_convolutions():
        want_exact_resume(dataclasses.replace(config, compile=True), data, "compiled")


# From one device to another


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "rmsprop", "adagrad"])
@pytest.mark.parametrize("way", [("cpu", GPU), (GPU, "cpu")], ids="-".join)
def test_a_run_goes_on_elsewhere(way, kind, tmp_path):
    """`stylegan2` has parameters that are single numbers, as counts of steps are."""
    words = {
        "stabilizer": ["lecam", "averaged-d", "ada:p=0.5"],
        "precision": "fp16" if kind == "adam" else "fp32",
    }
    settings = {f"optimizer_{net}.kind": kind for net in "gd"}
    config, data = small("stylegan2", set={**settings, "optimizer_d.momentum": 0.5}, **words)
    there, here = (dataclasses.replace(config, device=device) for device in way)
    write_state(tmp_path / "half", trained(there, data, STOP).state_dict())
    trainer = Trainer(here, data)
    trainer.load_state_dict(load_checkpoint(tmp_path / "half"))
    for optimizer in (trainer.optimizer_g, trainer.optimizer_d):
        for parameter, own in optimizer.state.items():
            for key, value in own.items():
                if isinstance(value, torch.Tensor) and key != "step":
                    assert value.device == parameter.device
    trainer.fit()
    assert trainer.step == 4
    for key, value in flat(trainer.state_dict()).items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            assert value.isfinite().all(), key


# Waiting


@contextmanager
def waiting_is_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not find every wait, torch says
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def waits(config, data):
    """Where a step first waits for the device, or ""."""
    trainer = begun(config, data)
    for step in (0, 1):  # kernels are loaded, moments and averages made
        trainer.step = step
        trainer.one_step()
    torch.cuda.synchronize()
    try:
        with waiting_is_an_error():
            for step in (15, 16):  # a new epoch, and what is done every 8 or 16 steps
                trainer.step = step
                trainer.one_step()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "ganzoo" in f.filename]
        return f"{ours[-1].filename}:{ours[-1].lineno}: {ours[-1].line}"
    return ""


def test_no_step_of_a_model_waits_for_the_device():
    found = {}
    for name, vectors in BUILDS:
        where = waits(*small(name, vectors=vectors, device=GPU))
        if where:
            found[name, vectors] = where
    assert found == {}


def test_no_stabilizer_has_a_step_wait():
    found = {name: where for name in STABILIZERS.names() if (where := waits(*stabilized(name, device=GPU)))}
    assert found == {}


def test_neither_do_scales_nor_parts_nor_endless_data_nor_many_updates_of_d():
    runs = {precision: small("dcgan", device=GPU, precision=precision) for precision in ("bf16", "fp16")}
    runs["parts"] = small("mlp-gan", vectors=True, device=GPU, set={"accumulate": 2})
    runs["again"] = small("dcgan", device=GPU, set={"checkpoint_activations": True})
    config, data = small("dcgan", device=GPU)
    runs["compiled"] = dataclasses.replace(config, compile=True), data
    runs["endless"] = plan(Words("mlp-gan", "ring8", steps=4, batch_size=8, device=GPU))
    runs["many d"] = small("dcgan", device=GPU, n_dis=3, stabilizer=["skip-d"])
    found = {what: where for what, run in runs.items() if (where := waits(*run))}
    assert found == {}


# Random numbers and data


def test_draws_on_the_device_are_counted_and_its_generator_is_given_back():
    device = torch.device(GPU)
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    drawn = []
    for _ in range(2):
        with counted(device, 5, "test"):
            drawn.append(torch.rand(4, device=device))
    assert torch.equal(*drawn)
    with kept(device):
        torch.rand(4, device=device)
    trained(*small("mlp-gan", vectors=True, device=GPU), 1)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_images_that_are_read_as_they_are_needed_come_as_on_the_cpu(tmp_path):
    import numpy as np

    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    split = StreamSplit(tmp_path / "images.npy", 0, 20, torch.arange(20) % 5)
    there = split.to(torch.device(GPU))
    for step in range(6):
        for here, other in zip(split.batch(4, step, 1), there.batch(4, step, 1), strict=True):
            assert other.device.type == GPU
            torch.testing.assert_close(here, other.cpu(), rtol=0, atol=1e-6)  # a GPU divides otherwise
