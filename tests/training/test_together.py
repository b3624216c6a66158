"""A run of several processes is the run of one: gradients, draws, norms and decisions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ranks_child
import torch
from little import BUILDS, small, stabilized
from torch.nn import functional as F

from ganzoo.errors import UsageError
from ganzoo.plan.assemble import build_trained
from ganzoo.plan.shares import refuse_unshared
from ganzoo.registry import STABILIZERS
from ganzoo.system import ranks
from ganzoo.training.shared import Shared, agreed, batch_norm, sharing, telling_all

HERE = Path(__file__).parent
ALONE = [name for name in STABILIZERS.names() if STABILIZERS.get(name).alone]
MODELS = [
    {"kind": "model", "name": name, "words": {"batch_size": 8, **({"vectors": True} if vectors else {})}}
    for name, vectors in BUILDS
]
OTHERS = [
    {"kind": "stabilizer", "name": name, "words": {"batch_size": 8}}
    for name in STABILIZERS.names()
    if name not in ALONE
]
LOSSES = [
    {"kind": "model", "name": "dcgan", "words": {"batch_size": 8, "loss": loss}}
    for loss in ("relativistic", "relativistic-average", "hinge")
]
CUT = [
    {"kind": "model", "name": "dcgan", "words": {"batch_size": 16, "set": {"accumulate": 2}}},
    {"kind": "model", "name": "stylegan2", "words": {"batch_size": 16, "set": {"accumulate": 2}}},
    {"kind": "model", "name": "mlp-gan", "words": {"batch_size": 8, "n_dis": 2, "conditional": True}},
    {"kind": "model", "name": "sngan", "words": {"batch_size": 8, "set": {"checkpoint_activations": True}}},
]
# Whose steps make more of the last bits in single precision, as another number of threads does too.
SOON = {"cyclegan": 0.2, "progan": 5e-3, "wgan-gp": 2e-3}
FEW = [MODELS[0], *(task for task in MODELS if task["name"] in ("dcgan", "pix2pix")), *CUT[:1], *CUT[-1:]]


def together(tasks, count, folder):
    """What each of `count` processes has after the tasks: a list for each task."""
    (folder / "tasks.json").write_text(json.dumps(tasks))
    meeting = folder / "meeting"
    child = [sys.executable, HERE / "ranks_child.py", folder / "tasks.json", folder, meeting]
    children = []
    for rank in range(count):
        env = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
        env["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *sys.path])
        children.append(subprocess.Popen(child, env=env))
    assert [one.wait(timeout=600) for one in children] == [0] * count
    return [[torch.load(folder / f"{i}-{rank}.pt") for rank in range(count)] for i in range(len(tasks))]


def check(task, all_ranks, nearly):
    """Every process has the same bits, and nearly those of one process that did it alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = ranks_child.trained(task)
    torch.set_num_threads(threads)
    first = all_ranks[0]
    for other in all_ranks[1:]:
        assert all(torch.equal(first["weights"][key], value) for key, value in other["weights"].items())
    # A bias before BatchNorm has no gradient but rounding, of which Adam makes steps, and BatchNorm a mean.
    untaught = alone["untaught"]
    for net in ("g", "d", "ema"):
        apart = size = 0.0
        for key, value in alone["weights"].items():
            of, _, name = key.partition(".")
            left_out = name in untaught or (untaught and name.endswith("running_mean"))
            if of == net and not left_out:
                apart += float((value - first["weights"][key]).double().square().sum())
                size += float(value.double().square().sum())
        far = (apart / size) ** 0.5
        assert far <= nearly, f"{task['name']}: {net} is {far:.2g} apart"
    assert first["read"] == pytest.approx(alone["read"], rel=10 * nearly, abs=10 * nearly), task["name"]


def checked(tasks, count, folder, steps, dtype, nearly):
    tasks = [{**task, "dtype": dtype, "words": {**task["words"], "steps": steps}} for task in tasks]
    faults = []
    for task, found in zip(tasks, together(tasks, count, folder), strict=True):
        try:
            check(task, found, max(nearly, SOON.get(task["name"], 0.0)) if dtype == "float32" else nearly)
        except AssertionError as error:
            faults.append(str(error).splitlines()[0])
    assert not faults, faults


def test_two_processes_make_the_run_of_one(tmp_path):
    checked(FEW, 2, tmp_path, 3, "float64", 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_every_member_is_the_same_however_many_processes_make_it(count, tmp_path):
    checked([*MODELS, *OTHERS, *LOSSES, *CUT], count, tmp_path, 5, "float64", 1e-9)


@pytest.mark.slow
def test_fifty_steps_in_single_precision_are_the_same_to_four_digits(tmp_path):
    checked(MODELS, 2, tmp_path, 50, "float32", 1e-4)


def test_one_process_pays_nothing_and_asks_nobody():
    x = torch.randn(4, 3, requires_grad=True)
    with sharing(4):
        assert ranks.count() == 1
        assert ranks.gathered(x) is ranks.mean(x) is ranks.part(x) is x
        assert torch.overrides._get_current_function_mode() is None
    assert ranks.told("word") == "word"
    assert ranks.most(3) == 3
    assert not agreed(False)
    assert agreed(True)
    with pytest.raises(KeyError), telling_all():
        raise KeyError


@pytest.fixture
def three(monkeypatch):
    """This process believes that it is the second of three."""
    monkeypatch.setattr(ranks, "_working", True)
    monkeypatch.setattr(ranks, "all_of_them", lambda: 3)
    monkeypatch.setattr(ranks, "rank", lambda: 1)


DRAWS = {
    "rand": lambda n: torch.rand(n, 5),
    "randn of a tuple": lambda n: torch.randn((n, 5)),
    "randn by name": lambda n: torch.randn(size=(n, 2, 1, 1)),
    "randint": lambda n: torch.randint(7, (n,)),
    "randint from": lambda n: torch.randint(2, 7, (n, 1)),
    "randn_like": lambda n: torch.randn_like(torch.empty(n, 3, 2, 2)),
    "of channels_last": lambda n: torch.randn_like(
        torch.empty(n, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    ),
    "in place": lambda n: torch.empty(n, 40).uniform_(),
    "normal_": lambda n: torch.empty(n, 40).normal_(1.0, 2.0),
    "bernoulli_": lambda n: torch.empty(n, 40).bernoulli_(0.3),
    "dropout": lambda n: F.dropout(torch.ones(n, 3, 4, 4), 0.4),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_process_draws_its_rows_of_what_one_process_draws(draw, three):
    torch.manual_seed(3)
    whole = draw(12)
    torch.manual_seed(3)
    with Shared(batch=4, pack=1):
        own = draw(4)
    assert torch.equal(own, whole[4:8])
    assert own.stride() == whole[4:8].stride() or own.shape[1] == 1


def test_draws_along_another_dimension_for_packs_and_for_nobody_in_particular(three):
    torch.manual_seed(3)
    whole, packed, common = torch.rand(7, 12), torch.rand(6), torch.rand(5)
    torch.manual_seed(3)
    with Shared(batch=4, pack=2):
        assert torch.equal(torch.rand(7, 4), whole[:, 4:8])
        assert torch.equal(torch.rand(2), packed[2:4])
        assert torch.equal(torch.rand(5), common)


def test_no_dropout_where_nothing_is_dropped(three):
    x = torch.ones(4, 3)
    with Shared(batch=4, pack=1):
        assert torch.equal(F.dropout(x, 0.5, training=False), x)
        assert torch.equal(F.dropout(x, 0.0), x)


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4), (6, 3, 4, 5)])
def test_batch_norm_is_torchs(shape):
    x = (torch.randn(shape, dtype=torch.float64) * 3 + 1).requires_grad_()
    weight, bias = (torch.randn(3, dtype=torch.float64).requires_grad_() for _ in range(2))
    ours, theirs = ([torch.zeros(3).double(), torch.ones(3).double()] for _ in range(2))
    slopes = []
    for norm, running in ((batch_norm, ours), (F.batch_norm, theirs)):
        y = norm(x, *running, weight, bias, True, 0.1, 1e-5)
        slopes.append([y, *torch.autograd.grad((y**3).sum(), (x, weight, bias))])
    torch.testing.assert_close(slopes[0], slopes[1])
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(batch_norm(x, *ours), F.batch_norm(x, *ours))


def test_a_batch_that_cannot_be_shared_out_is_refused():
    config, _ = small("dcgan", batch_size=8)
    refuse_unshared(config, [], 1, 4)
    refuse_unshared(config, [], 3, 1)
    with pytest.raises(UsageError, match=r"--batch-size 8 is that of all 3 processes together, .* use 9"):
        refuse_unshared(config, [], 1, 3)
    with pytest.raises(UsageError, match="not a multiple of 16: use 16"):
        refuse_unshared(config, [], 4, 4)


@pytest.mark.parametrize("name", ALONE)
def test_what_needs_the_whole_batch_is_refused_with_its_reason(name):
    config, _ = stabilized(name, batch_size=8)
    with pytest.raises(UsageError, match=f"{name} has to see the whole batch"):
        refuse_unshared(config, build_trained(config, torch.device("cpu"))[1], 1, 2)
