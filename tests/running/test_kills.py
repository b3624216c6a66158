"""A run that is killed before any of its operations on files is completed by `resume`, as if nothing was."""

from __future__ import annotations

import hashlib
import json
import random
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from killing import contents, differences
from killing.operations import unseen

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
REALLY = 12  # kill points at which a process is really killed, to see that it leaves the copy of that point
TWICE = 24  # runs whose resumption is killed too


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
    resumed = server.go_on(folder, words)
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


def found(servers, act, whole: Whole, points: list[str]) -> str:
    """act(server, point) -> faults, for all points: a line for each point that has some."""
    results = zip(points, servers.each(act, points), strict=True)
    lines = [f"{whole.told(point)}: {'; '.join(faults)}" for point, faults in results if faults]
    return "\n".join([f"{len(lines)} of {len(points)} kill points lose something", *lines]) if lines else ""


def without_chance(found: dict[str, bytes]) -> dict[str, bytes]:
    """Contents without what is random: names of files that are being written, holders, lines cut off."""
    plain = {}
    for name, content in found.items():
        name = re.sub(r"\.[a-z0-9_]{8}\.part$", "", name)
        whole_lines = content[: content.rfind(b"\n") + 1]
        plain[name] = whole_lines if name.endswith(".jsonl") else b"" if name.endswith(".lock") else content
    return plain


def test_best_changes_at_checkpoints_and_between(whole):
    """Which the other tests rely on: they would not see a best checkpoint that is lost."""
    rows = [json.loads(line) for line in whole.contents["run/metrics.jsonl"].splitlines()]
    values = [next(iter(row["scores"].values())) for row in rows]  # the lower, the better
    best = [row["step"] for i, row in enumerate(rows) if values[i] < min(values[:i], default=9.0)]
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 9]
    assert {step % CHECKPOINTS == 0 for step in best} == {True, False}
    assert len(best) < len(rows)


def test_a_kill_before_any_operation_loses_nothing(servers, words, whole):
    states: dict[bytes, str] = {}  # equal ones have equal futures
    for point in whole.points:
        state = hashlib.sha256(repr(contents(whole.copies / point)).encode()).digest()
        states.setdefault(state, point)

    def act(server, point):
        return faults_of(server, whole.copies / point, words, whole)

    assert not (lines := found(servers, act, whole, list(states.values()))), lines


def test_a_killed_process_leaves_what_the_copies_show(servers, words, whole, tmp_path):
    def act(server, point):
        folder = tmp_path / point
        folder.mkdir()
        ended = server.ganzoo(folder, *words, kill=number(point), half=point.endswith("-half"))
        assert ended.killed, ended
        return differences(*(without_chance(contents(each)) for each in (whole.copies / point, folder)))

    points = random.Random(0).sample(whole.points, REALLY)
    assert not (lines := found(servers, act, whole, points)), lines


def test_a_kill_of_the_resumption_loses_nothing_either(servers, words, whole):
    chosen = random.Random(1)
    points = chosen.sample(whole.points, TWICE)
    when = {point: chosen.randrange(len(whole.operations) - number(point)) for point in points}

    def act(server, point):
        folder = whole.copies / point
        second = server.go_on(folder, words, kill=when[point], half=when[point] % 2 == 0)
        if not second.killed and second.status:
            return [str(second)]
        faults = faults_of(server, folder, words, whole)
        return [f"then {when[point]}, {' '.join(second.operations[-1])}", *faults] if faults else []

    assert not (lines := found(servers, act, whole, points)), lines
