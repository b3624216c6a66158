"""Every model, killed at any time and resumed until it is done: no run is lost, no file is unreadable."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest
import safetensors
from killing import contents, differences
from little import OF_IMAGES
from PIL import Image

from ganzoo.registry import MODELS

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc"),
]

KILLS = 11  # of each model: more than 100 in all
PATIENCE = 4  # kills of one run, after which it may end
SMALL = {"width": 4, "max_width": 4, "d_width": 4, "z_dim": 14, "w_dim": 4, "depth": 1, "d_depth": 1}


def words_for(model: str, pictures: Path) -> list[str]:
    known = MODELS.options(model)
    small = [
        word for key, value in SMALL.items() if key in known for word in ("--set", f"model.{key}={value}")
    ]
    data = ["--dataset", f"folder:{pictures}", "--set", "data.size=8", "--batch-size", "4"]
    often = ["--steps", "12", "--checkpoint-every", "2", "--eval-every", "3", "--eval-metric", "d-accuracy"]
    return ["run", model, *data, *small, *often, "--out", "run"]


def readable(run: Path) -> None:
    """Every file that has its name opens; only a line under way may be cut off."""
    for path in run.rglob("[!.]*"):
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="pt") as file:
                assert [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            for line in path.read_text().split("\n")[:-1]:
                json.loads(line)


@pytest.mark.parametrize("model", OF_IMAGES)
def test_a_kill_at_any_time_loses_nothing(servers, model, pictures, tmp_path):
    words = words_for(model, pictures)
    chosen = random.Random(model)
    (tmp_path / "whole").mkdir()
    with servers.one() as server:
        whole = server.ganzoo(tmp_path / "whole", *words)
        assert whole.status == 0, whole
    expected = contents(tmp_path / "whole")

    def act(server, run):
        """Kill a run until it has had enough or is done before it is killed; how often it was."""
        folder = tmp_path / str(run)
        folder.mkdir()
        for kills in range(PATIENCE):
            ended = server.go_on(folder, words, after=whole.seconds * delays[run][kills])
            assert ended.killed or ended.status == 0, ended
            readable(folder)
            if not ended.killed:
                break
        else:
            kills = PATIENCE
        last = server.go_on(folder, words)
        assert last.status == 0, last
        assert not differences(expected, contents(folder))
        return kills

    done = runs = 0
    delays: dict[int, list[float]] = {}
    while done < KILLS:
        assert runs < 2 * KILLS
        some = range(runs, runs + 3)
        delays |= {run: [chosen.random() for _ in range(PATIENCE)] for run in some}
        done += sum(servers.each(act, some))
        runs += len(some)
