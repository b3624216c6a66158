"""A run that is killed before any of its operations on files is completed by `resume`, as if nothing was."""

from __future__ import annotations

import json
import hashlib
import random
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from killing import Servers, contents, differences
from killing.operations import unseen
from PIL import Image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc"),
]

STEPS, CHECKPOINTS, EVALUATIONS = 9, 3, 2  # so that some evaluations are at a checkpoint, and some between
OFTEN = f"--steps {STEPS} --checkpoint-every {CHECKPOINTS} --eval-every {EVALUATIONS}"
PICTURES = "--batch-size 4 --dataset folder:{pictures} --set data.size=8 --set model.z_dim=4"
CASES = {
    "perceptron": "mlp-gan --dataset ring8 --batch-size 8 --set model.width=4 --set model.d_width=4"
    " --set model.depth=1 --set model.d_depth=1 --eval-metric swd --lr 0.1 --seed 4",
    "growing": f"progan {PICTURES} --set model.width=2 --set model.max_width=4 --unconditional"
    " --eval-metric d-accuracy --seed 0",
    "styled": f"stylegan2 {PICTURES} --set model.width=2 --set model.max_width=4 --set model.w_dim=4"
    " --set model.depth=1 --unconditional --eval-metric d-accuracy --seed 5",
    "conditional": f"dcgan {PICTURES} --set model.width=2 --conditional --eval-metric d-accuracy"
    " --lr-g 0.02 --lr-d 0.0005 --seed 1",
}
REALLY = 25  # kill points at which a process is really killed, to see that it leaves the copy of that point
TWICE = 40  # runs whose resumption is killed too


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """32 pictures of 8 x 8 pixels in two classes, one of them darker."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 128, (2, 16, 8, 8), dtype=np.uint8)
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir()
        for i, one in enumerate(pixels[label]):
            Image.fromarray(one + np.uint8(128 * label)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(params=CASES)
def words(request, pictures):
    """Those of a run whose pictures, checkpoints, evaluations and best checkpoints interlock."""
    return ["run", *CASES[request.param].format(pictures=pictures).split(), *OFTEN.split(), "--out", "run"]


@dataclass
class Whole:
    """A run that nobody interrupts.

    Attributes:
        contents: of its folder.
        operations: what it did to files.
        copies: a folder with one of the whole working folder before each operation: what a kill leaves.
    """

    contents: dict[str, bytes]
    operations: list[list[str]]
    copies: Path

    @property
    def points(self) -> list[str]:
        """The names of the copies, in order: the number of an operation, -half in mid write."""
        return sorted((path.name for path in self.copies.iterdir()), key=lambda name: (number(name), name))

    def told(self, point: str) -> str:
        return f"{point}, {' '.join(self.operations[number(point)])}"


def number(point: str) -> int:
    return int(point.removesuffix("-half"))


@pytest.fixture
def whole(servers, words, tmp_path):
    folder, copies = tmp_path / "whole", tmp_path / "copies"
    folder.mkdir()
    copies.mkdir()
    with servers.one() as server:
        ended = server.ganzoo(folder, *words, copies=copies)
    assert ended.status == 0, ended
    assert not unseen(folder, ended.operations)
    return Whole(contents(folder), ended.operations, copies)


def faults_of(server, folder: Path, words: list[str], whole: Whole) -> list[str]:
    """What is wrong with a run that was killed, once it is looked at, resumed, and resumed again."""
    faults = []
    before = contents(folder)
    looked = server.ganzoo(folder, "sample", "run", "-n", "2", "--out", f"{folder}.npz")
    if looked.status and not (looked.status in (1, 2) and looked.sentence):
        faults.append(str(looked))
    if contents(folder) != before:
        faults.append(f"sample changes it: {differences(before, contents(folder))}")
    resumed = go_on(server, folder, words)
    if resumed.status:
        return [*faults, str(resumed)]
    after = contents(folder)
    faults += differences(whole.contents, after)
    again = server.ganzoo(folder, "resume", "run")
    if again.status or "nothing is left to do" not in again.out:
        faults.append(str(again))
    if contents(folder) != after:
        faults.append(f"the second resume changes it: {differences(after, contents(folder))}")
    return faults


def go_on(server, folder: Path, words: list[str], **kill):
    """As a person would: resume the run, or start it once more if there is none yet."""
    started = (folder / "run" / "config.json").is_file()
    return server.ganzoo(folder, *(["resume", "run"] if started else words), **kill)


def found(servers, act, points: list[str]) -> str:
    """act(server, point) -> faults, for all points: a line for each point that has some."""
    lines = [
        f"{point}: {'; '.join(faults)}"
        for point, faults in zip(points, servers.each(act, points), strict=True)
        if faults
    ]
    return "\n".join([f"{len(lines)} of {len(points)} kill points lose something", *lines]) if lines else ""


def without_chance(names: dict[str, bytes]) -> dict[str, bytes]:
    """Contents by names in which nothing is random: those of files that are being written are."""
    return {re.sub(r"\.[a-z0-9_]{8}(\.part)?$", "", name): content for name, content in names.items()}


def test_best_changes_at_checkpoints_and_between(whole):
    """Which the other tests rely on: they would not see a best checkpoint that is lost."""
    rows = [json.loads(line) for line in whole.contents["run/metrics.jsonl"].splitlines()]
    values = [next(iter(row["scores"].values())) for row in rows]  # the lower, the better
    best = [
        row["step"]
        for row, i in zip(rows, range(len(rows)), strict=True)
        if values[i] < min([9e9, *values[:i]])
    ]
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 9]
    assert {step % CHECKPOINTS == 0 for step in best} == {True, False}
    assert len(best) < len(rows)


def test_a_kill_before_any_operation_loses_nothing(servers, words, whole):
    states: dict[tuple, str] = {}  # equal ones have equal futures
    for point in whole.points:
        state = hashlib.sha256(repr(contents(whole.copies / point)).encode()).digest()
        states.setdefault(state, point)

    def act(server, point):
        return faults_of(server, whole.copies / point, words, whole)

    assert not (lines := found(servers, act, list(states.values()))), lines


def test_a_killed_process_leaves_what_the_copies_show(servers, words, whole, tmp_path):
    def act(server, point):
        folder = tmp_path / point
        folder.mkdir()
        ended = server.ganzoo(folder, *words, kill=number(point), half=point.endswith("-half"))
        assert ended.killed, ended
        return differences(*(without_chance(contents(each)) for each in (whole.copies / point, folder)))

    points = random.Random(0).sample(whole.points, REALLY)
    assert not (lines := found(servers, act, points)), lines


def test_a_kill_of_the_resumption_loses_nothing_either(servers, words, whole):
    chosen = random.Random(1)

    def act(server, point):
        folder = whole.copies / point
        second = go_on(
            server,
            folder,
            words,
            kill=chosen.randrange(len(whole.operations) - number(point)),
            half=chosen.random() < 0.3,
        )
        if not second.killed and second.status:
            return [str(second)]
        faults = faults_of(server, folder, words, whole)
        return [f"then {len(second.operations)}, {second.operations[-1]}", *faults] if faults else []

    assert not (lines := found(servers, act, chosen.sample(whole.points, TWICE))), lines
