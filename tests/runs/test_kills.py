"""A run that is killed before any of its operations on files is completed by `resume`, as if nothing was."""

from __future__ import annotations

import json
import random
import shutil
import sys
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
    " --set model.depth=1 --set model.d_depth=1 --eval-metric swd --lr 0.1",
    "growing": f"progan {PICTURES} --set model.width=2 --set model.max_width=4 --unconditional"
    " --eval-metric d-accuracy",
    "styled": f"stylegan2 {PICTURES} --set model.width=2 --set model.max_width=4 --set model.w_dim=4"
    " --set model.depth=1 --unconditional --eval-metric d-accuracy",
    "conditional": f"dcgan {PICTURES} --set model.width=2 --conditional --eval-metric d-accuracy",
}
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


@pytest.fixture
def whole(servers, words, tmp_path):
    """The run as nobody interrupts it: what it did to files; its contents are in `whole`."""
    (tmp_path / "whole").mkdir()
    with servers.one() as server:
        ended = server.ganzoo(tmp_path / "whole", *words)
    assert ended.status == 0, ended
    assert not unseen(tmp_path / "whole", ended.operations)
    return ended.operations


def faults_of(server, folder: Path, words: list[str], whole: dict[str, bytes]) -> list[str]:
    """What is wrong with a run that was killed, once it is looked at, resumed, and resumed again."""
    run, faults = folder / "run", []
    before = contents(folder)
    looked = server.ganzoo(folder, "sample", "run", "-n", "2", "--out", f"{folder}.npz")
    if looked.status and not (looked.status in (1, 2) and looked.sentence):
        faults.append(str(looked))
    if contents(folder) != before:
        faults.append(f"sample changed it: {differences(before, contents(folder))}")
    resumed = go_on(server, folder, words)
    if resumed.status:
        return [*faults, str(resumed)]
    after = contents(folder)
    faults += differences(whole, after)
    again = server.ganzoo(folder, "resume", "run")
    if again.status or "nothing is left to do" not in again.out:
        faults.append(str(again))
    if contents(folder) != after:
        faults.append(f"the second resume changed it: {differences(after, contents(folder))}")
    return faults


def go_on(server, folder: Path, words: list[str], **kill):
    """As a person would: resume the run, or start it once more if there is none yet."""
    started = (folder / "run" / "config.json").is_file()
    return server.ganzoo(folder, *(["resume", "run"] if started else words), **kill)


def wrong(servers, points, act) -> list[str]:
    """act(server, point) -> faults, for all points: a line for each point that has some."""
    found = zip(points, servers.each(act, points), strict=True)
    return [f"{point}: {'; '.join(faults)}" for point, faults in found if faults]


def told(faults: list[str], points: list, whole: list[list[str]]) -> str:
    return "\n".join([f"{len(faults)} of {len(points)} kill points lose something", *faults])


def test_best_changes_at_checkpoints_and_between(words, whole, tmp_path):
    """What the other tests rely on: else they would not see a best checkpoint that is lost."""
    rows = [json.loads(line) for line in (tmp_path / "whole/run/metrics.jsonl").read_text().splitlines()]
    values = [next(iter(row["scores"].values())) for row in rows]
    print(values)


def test_a_kill_before_any_operation_loses_nothing(servers, words, whole, tmp_path):
    expected = contents(tmp_path / "whole")
    points = [(k, half) for k, (name, *_) in enumerate(whole) for half in (False, True)[: 1 + (name == "write")]]

    def act(server, point):
        k, half = point
        folder = tmp_path / f"{k}{'-half' * half}"
        folder.mkdir()
        ended = server.ganzoo(folder, *words, kill=k, half=half)
        assert ended.killed, ended
        assert len(ended.operations) == k + 1
        faults = faults_of(server, folder, words, expected)
        if not faults:
            shutil.rmtree(folder)
        what = f"{'half of ' * half}{' '.join(ended.operations[-1])}"
        return [what, *faults] if faults else []

    faults = wrong(servers, points, act)
    assert not faults, told(faults, points, whole)


def test_a_kill_during_a_resumption_loses_nothing(servers, words, whole, tmp_path):
    expected = contents(tmp_path / "whole")
    chosen = random.Random(0)
    points = [(k, chosen.randrange(max(1, len(whole) - k))) for k in chosen.choices(range(len(whole)), k=TWICE)]

    def act(server, point):
        folder = tmp_path / f"{point[0]}-{point[1]}"
        folder.mkdir(exist_ok=True)
        first = server.ganzoo(folder, *words, kill=point[0])
        second = go_on(server, folder, words, kill=point[1])
        assert first.killed
        faults = faults_of(server, folder, words, expected) if second.killed or not second.status else [str(second)]
        what = " then ".join(" ".join((one.operations or [["nothing"]])[-1]) for one in (first, second))
        return [what, *faults] if faults else []

    faults = wrong(servers, points, act)
    assert not faults, told(faults, points, whole)
