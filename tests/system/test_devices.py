"""Devices by name: typed, or recorded on a machine that had others."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch

import ganzoo as zoo
from ganzoo.errors import UsageError
from ganzoo.system import devices
from ganzoo.system.devices import choose_device

RING = "mlp-gan --dataset ring8 --steps 4 --batch-size 8 --set model.width=8"


@pytest.fixture
def machine(monkeypatch):
    """machine(cuda=2, mps=True): what there is."""

    def has(cuda: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(devices, "_counts", lambda: {"cuda": cuda, "mps": int(mps), "cpu": 1})

    has()
    return has


def test_what_is_there_is_found(machine):
    assert choose_device("auto") == choose_device("cpu:0") == choose_device(torch.device("cpu", 0))
    assert str(choose_device("cpu:0")) == "cpu"  # by which the number of threads is chosen
    machine(mps=True)
    assert (str(choose_device("auto")), str(choose_device("mps:0"))) == ("mps", "mps:0")
    machine(cuda=2, mps=True)
    assert [str(choose_device(name)) for name in ("auto", "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cuda", "--device cuda: this machine, or this build of torch, has none; use --device cpu"),
        ("cuda:99", "--device cuda:99: this machine, or this build of torch, has none; use --device cpu"),
        ("mps", "--device mps: this machine, or this build of torch, has none; use --device cpu"),
        ("cdua", "--device cdua is not known: did you mean cuda or cpu?"),
        ("cpu:1", "--device cpu:1: this machine has cpu:0"),
        ("", "--device  is not known: valid names: auto, cpu, cuda, mps"),
        *(
            (name, f"--device {name} is not known: expected a name like cuda or cuda:0")
            for name in ("cuda:", "cuda:-1", "cuda:x", "cuda:01", "cuda:0:1", "cuda: 0", f"cuda:{'9' * 5000}")
        ),
        ("meta", "--device meta is not known: valid names: auto, cpu, cuda, mps"),
        ("CPU", "--device CPU is not known: valid names: auto, cpu, cuda, mps"),
        (3, "--device 3 is not known: valid names: auto, cpu, cuda, mps"),
    ],
)
def test_what_is_not_there_is_refused_in_one_sentence(name, says, machine):
    with pytest.raises(UsageError) as refused:
        choose_device(name)
    assert str(refused.value) == says


def test_a_number_beyond_the_last_one(machine):
    machine(cuda=2)
    with pytest.raises(UsageError, match=r"--device cuda:2: this machine has cuda:0 to cuda:1$"):
        choose_device("cuda:2")
    with pytest.raises(UsageError, match="X was made on cuda:2: this machine has cuda:0 to cuda:1; ganzoo "):
        choose_device("cuda:2", Path("X"))


@pytest.fixture
def from_cuda(ganzoo, machine):
    """A folder X, of a run of 4 steps that was made on a GPU, it says."""
    assert ganzoo(f"run {RING} --device cpu --out X").code == 0
    record("cuda")
    return Path("X")


def record(device: str) -> None:
    path = Path("X/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "device": device}))


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps"])
def test_a_run_of_another_machine_says_how_to_go_on(device, ganzoo, from_cuda):
    record(device)
    before = {path: path.read_bytes() for path in from_cuda.rglob("*") if path.is_file()}
    result = ganzoo("resume X --steps 8")
    assert (result.code, result.sentence) == (
        2,
        f"ganzoo: X was made on {device}: this machine, or this build of torch, has none; ganzoo resume X "
        f"--device cpu goes on with it, and the last bits of its numbers differ then",
    )
    with pytest.raises(UsageError, match=f"X was made on {device}: this machine"):
        zoo.resume("X", steps=8, progress=False)
    assert {path: path.read_bytes() for path in from_cuda.rglob("*") if path.is_file()} == before


def test_it_goes_on_where_it_is_told_to(ganzoo, from_cuda):
    result = ganzoo("resume X --steps 8 --device cpu")
    assert result.code == 0, result.err
    assert "step 4 was done on cuda, and what follows is on cpu: the last bits differ" in " ".join(
        result.err.split()
    )
    assert json.loads(Path("X/config.json").read_text())["device"] == "cpu"
    assert ganzoo("resume X --steps 9").code == 0  # and needs not be told again


def test_nothing_is_said_of_schedules_where_only_the_device_changes(ganzoo, machine):
    words = "--set lr_schedule.kind=linear --set lr_schedule.end=0 --device cpu --out X"
    assert ganzoo(f"run {RING} {words}").code == 0
    record("cuda")
    for path in sorted(Path("X/checkpoints").glob("*"))[-1:]:
        path.unlink()
    result = ganzoo("resume X --device auto")
    assert result.code == 0, result.err
    assert "schedule" not in result.err


def test_from_python(from_cuda):
    run = zoo.resume("X", steps=6, device=torch.device("cpu"), progress=False)
    assert (run.steps_done, run.config.device, str(run.device)) == (6, "cpu", "cpu")
    assert zoo.load("X", device="cpu").sample(3).shape == (3, 2)
    for use in (lambda: zoo.load("X", device="cuda"), lambda: zoo.resume("X", device="cdua")):
        with pytest.raises(UsageError, match="--device c"):
            use()


def test_sampled_and_measured_wherever_it_was_made(ganzoo, from_cuda):
    assert ganzoo("sample X -n 4 --out a.npz").code == 0
    assert ganzoo("sample X -n 4 --out b.npz --device cpu").code == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()
    assert ganzoo("eval X --metric modes --samples 50 --device cpu --json").code == 0
    assert ganzoo("eval a.npz --dataset ring8 --metric modes --device cpu").code == 0
    assert json.loads(Path("X/config.json").read_text())["device"] == "cuda"  # where it is trained
    for words in ("sample X", "eval X --metric modes", "eval a.npz --dataset ring8", "resume X"):
        for device, says in (
            ("cuda", "has none; use --device cpu"),
            ("gpu", "not known"),
            ("cpu:9", "cpu:0"),
        ):
            result = ganzoo(f"{words} --device {device}")
            assert (result.code, says in result.sentence) == (2, True), result.err


def test_all_of_a_run_that_needs_its_device_asks_the_same_way(from_cuda):
    from ganzoo.bench.machine import processor
    from ganzoo.running.evaluations import evaluation_of
    from ganzoo.training.rehearsal import rehearse
    from ganzoo.training.trainer import Trainer

    run = zoo.load("X")
    uses = (
        lambda: Trainer(run.config, run.dataset),
        lambda: rehearse(run.config, run.dataset),
        lambda: evaluation_of(run.config, run.dataset),
        lambda: processor(run.config.device),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for use in uses:
            with pytest.raises(UsageError, match="cuda: this machine, or this build of torch, has none"):
                use()


def test_a_suite_that_was_begun_on_another_machine(ganzoo, machine, tmp_path):
    suite = Path("tiny.toml")
    suite.write_text(
        'model = "mlp-gan"\ndataset = "ring8"\nsteps = 4\nbatch-size = 8\nmetric = ["modes"]\nsamples = 50\n'
        'device = "cpu"\nset = { "model.width" = 8 }\n'
    )
    assert ganzoo("bench tiny.toml --out results").code == 0
    (folder,) = Path("results/tiny").glob("mlp-gan-*")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "device": "cuda"}))
    Path("results/tiny.jsonl").unlink()
    for state in (folder / "checkpoints").glob("*"):
        state.unlink()
    result = ganzoo("bench tiny.toml --out results")
    assert result.code == 1
    assert (
        "was made on cuda: this machine, or this build of torch, has none; ganzoo resume" in result.sentence
    )
    suite.write_text(suite.read_text().replace('"cpu"', '"cuda"'))
    result = ganzoo("bench tiny.toml --out results")
    assert (result.code, result.sentence.count("--device cuda: this machine")) == (2, 1)
