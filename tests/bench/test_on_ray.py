"""A suite on a Ray cluster of two nodes: the table of the local pool, also where a node is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganzoo.bench import remote
from ganzoo.cli.main import main

pytest.importorskip("ray", reason="which this Python has not")
pytestmark = pytest.mark.slow

SUITE = """
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
samples = 300
batch-size = 32
steps = {steps}
checkpoint-every = 20
callback = "none"
seeds = 2
set = {{ "model.width" = 16 }}

[[cells]]
loss = ["hinge", "least-squares"]
"""
# Of each time.
ITS_OWN = ("finished", "train_seconds", "images_per_s", "eval_seconds", "peak_mib", "cpu_seconds")
ITS_OWN = (*ITS_OWN, "jobs", "alone", "run")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


def suite(folder: Path, steps: int) -> Path:
    path = folder / "tiny.toml"
    path.write_text(SUITE.format(steps=steps))
    return path


def bench(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *map(str, words)])
    return ended.value.code


def rows(results: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(line) for line in results.read_text().splitlines()]
    assert len({row["hash"] for row in found}) == len(found)  # each once
    return {row["hash"]: {key: row[key] for key in row if key not in ITS_OWN} for row in found}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    assert bench(suite(folder, 200), "--out", folder / "out", "--jobs", 2) == 0
    return rows(folder / "out" / "tiny.jsonl")


@pytest.mark.parametrize("shared", [True, False])
def test_a_grid_survives_the_loss_of_a_node(cluster, local, shared, tmp_path, monkeypatch):
    if not shared:  # as if the nodes did not see this disk
        monkeypatch.setenv("TMPDIR", str(tmp_path / "nodes"))
        (tmp_path / "nodes").mkdir()
        monkeypatch.setattr(remote.Order, "of", classmethod(elsewhere))
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    words = [suite(tmp_path, 200), "--out", tmp_path / "out", "--launcher", "ray"]
    words = [sys.executable, "-m", "ganzoo", "bench", *words, "--address", cluster.address]
    if not shared:
        assert bench(*words[4:]) == 0
    else:
        process = subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True)
        until(lambda: list((tmp_path / "out").glob("tiny/*/checkpoints/step-*")), process)
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    for node in nodes:
        cluster.remove_node(node)
    assert rows(tmp_path / "out" / "tiny.jsonl") == local


def elsewhere(cls, folder, task, threads):
    files = {name: (folder / name).read_bytes() for name in remote.SENT if (folder / name).exists()}
    return cls("/nowhere/to/be/found", task, threads, files)


def until(there, process, patience=120):
    deadline = time.monotonic() + patience
    while not there():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
