"""N steps = k steps + resume + (N - k), bit for bit, with everything stateful on."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from resuming import N, assert_same, interrupted

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.recipe import Optimizer
from ganzoo.running.run import create
from ganzoo.system.lines import read_lines
from ganzoo.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    read_state,
    saved,
    step_of,
    write_state,
)
from ganzoo.training.optimizers import check_layout, load_moments, make_optimizer
from ganzoo.training.restoring import moments_of

CASES = {
    "dcgan": {
        "model": "dcgan", "dataset": "mnist-5k", "batch_size": 8, "conditional": True, "label_smoothing": 0.1,
        "skip_d_below": 1.3, "n_dis": 2, "stabilizer": ["clip-grad-norm:max=1"], "set": {"model.width": 4},
    },
    "dcgan-spectral": {
        "model": "dcgan", "dataset": "mnist-5k", "batch_size": 8, "loss": "relativistic-average",
        "stabilizer": ["gradient-normalization"], "set": {"model.width": 4, "model.d_norm": "spectral"},
    },
    "mlp-gan": {
        "model": "mlp-gan", "dataset": "ring8", "batch_size": 16, "skip_d_below": 1.37, "precision": "bf16",
        "set": {"model.width": 8, "model.d_width": 8, "model.dropout": 0.2, "lr_schedule.kind": "cosine"},
    },
    "mlp-gan-images": {
        "model": "mlp-gan", "dataset": "stacked-mnist-5k", "batch_size": 8, "label_smoothing": 0.2,
        "skip_d_below": 1.37, "stabilizer": ["unrolled:k=2"],
        "set": {"model.width": 8, "model.d_width": 8},
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bit_for_bit(case, monkeypatch):
    words = {**CASES[case], "steps": N, "seed": 3}
    whole = ganzoo.train(**words, out="whole", progress=False)
    interrupted(words, "parts", monkeypatch)
    parts = ganzoo.resume("parts", progress=False)
    one, other = (load_checkpoint(saved(run.path)[-1]) for run in (whole, parts))
    assert one["step"] == N
    assert_same(one, other)
    if case == "dcgan":
        assert one["stabilizers"]["skip-d"]["mean"] is not None
    assert torch.equal(whole.sample(5), parts.sample(5))
    logs = [read_lines(run.path / "log.jsonl") for run in (whole, parts)]
    for row in (row for rows in logs for row in rows):
        row.pop("images_per_s")
    assert len(logs[0]) == N
    assert logs[0] == logs[1]
    pictures = [(run.path / "samples" / f"step-{N:08d}.png").read_bytes() for run in (whole, parts)]
    assert pictures[0] == pictures[1]


def test_another_seed_gives_other_bits():
    words = {**CASES["mlp-gan"], "steps": 3}
    a, b = (ganzoo.train(**words, seed=seed, progress=False).sample(4) for seed in (0, 1))
    assert not torch.equal(a, b)


def test_the_globals_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ganzoo.train(**CASES["mlp-gan"], steps=3, progress=False)
    assert torch.equal(torch.rand(3), expected)


def test_a_grown_budget_equals_the_larger_plan():
    words = {**CASES["dcgan"], "seed": 1}
    words["set"] = {**words["set"], "lr_schedule.kind": "const"}  # another one would keep to the first plan
    whole = ganzoo.train(**words, steps=8, progress=False)
    grown = ganzoo.train(**words, steps=4, progress=False)
    grown = ganzoo.resume(grown.path, steps=8, progress=False)
    assert_same(*({**load_checkpoint(saved(r.path)[-1]), "meter": 0} for r in (whole, grown)))
    ganzoo.train(**words, steps=9, out="p", progress=False)
    saved(Path("p"))[-1].unlink()
    with pytest.raises(UsageError, match="may only grow"):
        ganzoo.resume("p", steps=5, progress=False)


def test_killed_before_the_first_checkpoint_starts_again_from_zero():
    from ganzoo.plan.plan import plan
    from ganzoo.plan.words import Words

    words = {**CASES["mlp-gan"], "steps": 4}
    whole = ganzoo.train(**words, progress=False)
    config, _ = plan(Words(**words))
    fresh = create(config, None)
    (fresh.path / "log.jsonl").write_text('{"step": 1, "d_loss": 1.0}\n{"step": 2, "d_lo')
    again = ganzoo.resume(fresh.path, progress=False)
    assert_same(*(load_checkpoint(saved(r.path)[-1]) for r in (whole, again)))
    assert (fresh.path / "log.jsonl").read_text().count("\n") == (whole.path / "log.jsonl").read_text().count(
        "\n"
    )


def test_kill_9_in_mid_run_loses_nothing(tmp_path):
    command = [
        sys.executable, "-m", "ganzoo", "run", "mlp-gan", "--dataset", "ring8", "--steps", "100000",
        "--seed", "3", "--checkpoint-every", "20", "--out", "killed", "--batch-size", "16",
        "--set", "model.width=8",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(saved(tmp_path / "killed")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    killed_at = step_of(saved(tmp_path / "killed")[-1])
    run = ganzoo.load("killed")
    assert killed_at >= 20
    from ganzoo.running import run as runs

    # Shorten the plan by hand: the schedules are constant, so the numbers do not depend on it.
    config = json.loads((run.path / "config.json").read_text())
    config["recipe"]["steps"] = killed_at + 30
    config["recipe"]["lr_schedule"]["end"] = config["recipe"]["lr_schedule"]["start"]
    (run.path / "config.json").write_text(json.dumps(config))
    for path in saved(run.path):  # the checkpoint was made with the schedule of the recipe
        state, meta = read_state(path)
        state["config"] = runs.load("killed").config.identity()
        write_state(path, state, Checkpoint.of(path, meta))
    resumed = ganzoo.resume("killed", progress=False)
    assert load_checkpoint(saved(resumed.path)[-1])["step"] == killed_at + 30
    steps = [json.loads(line)["step"] for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_and_ends_cleanly(number, tmp_path):
    command = [
        sys.executable, "-m", "ganzoo", "run", "mlp-gan", "--dataset", "ring8", "--steps", "1000000",
        "--out", "c", "--checkpoint-every", "1000000", "--batch-size", "16", "--set", "model.width=8",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "c" / "log.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "ganzoo resume c" in out
    # Beside the first picture, the run that goes on to the end has none there.
    assert {path.stem for path in (tmp_path / "c" / "samples").glob("*")} == {"step-00000000"}
    state = load_checkpoint(saved(tmp_path / "c")[-1])
    assert f"stopped at step {state['step']} of 1000000" in out


def test_changed_settings_are_refused_with_the_difference():
    run = ganzoo.train(**CASES["mlp-gan"], steps=3, progress=False)
    path = run.path / "config.json"
    config = json.loads(path.read_text())
    config["recipe"]["optimizer_g"]["lr"] = 0.5
    config["recipe"]["steps"] = 6
    path.write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"recipe\.optimizer_g\.lr: 0\.001 -> 0\.5\)"):
        ganzoo.resume(run.path, progress=False)


def conv_net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)


def test_moments_come_back_in_the_memory_format_of_their_parameters():
    """Fused Adam pairs by memory order: foreign strides would give wrong weights without an error."""
    cpu, settings = torch.device("cpu"), Optimizer(lr=0.1)
    net = conv_net()
    optimizer = make_optimizer(settings, net, cpu)
    gradients = [torch.randn(4, 3, 3, 3) for _ in range(2)]

    def step(net, optimizer, gradient):
        net.weight.grad = gradient.contiguous(memory_format=torch.channels_last)
        net.bias.grad = torch.ones(4)
        optimizer.step()

    step(net, optimizer, gradients[0])
    state = copy.deepcopy(moments_of(optimizer))
    for moments in state.values():  # what safetensors gives back
        for key in ("exp_avg", "exp_avg_sq"):
            moments[key] = moments[key].contiguous()
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    results = []
    for fused in (True, False):
        other = conv_net()
        other.load_state_dict(weights)
        restored = make_optimizer(settings, other, cpu)
        restored.param_groups[0]["fused"] = fused
        load_moments(restored, state)
        check_layout(restored)
        assert restored.param_groups[0]["fused"] == fused  # not the file's choice
        step(other, restored, gradients[1])
        results.append(other.weight.detach())
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-7)
    step(net, optimizer, gradients[1])
    assert torch.equal(results[0], net.weight)


def test_foreign_strides_are_caught_before_they_do_harm():
    net = conv_net()
    optimizer = make_optimizer(Optimizer(), net, torch.device("cpu"))
    net.weight.grad = torch.randn(4, 3, 3, 3)
    with pytest.raises(RuntimeError, match="would update it wrongly"):
        check_layout(optimizer)
