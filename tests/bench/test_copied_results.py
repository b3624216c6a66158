"""`ganzoo bench --out ADDRESS`: results and runs on other storage, from which another machine goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from ganzoo import Callback, train
from ganzoo.bench.copied import Copied
from ganzoo.bench.remote import Order, _place, deliver, unpack
from ganzoo.bench.results import read_results
from ganzoo.bench.starting import Starter
from ganzoo.errors import WorkError
from ganzoo.system.processes import Polled
from ganzoo.system.stores import Store
from ganzoo.training.stored import steps_done

SUITE = """
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
samples = 100
steps = 20
batch-size = 16
checkpoint-every = 5
callback = "none"
seeds = 2
set = { "model.width" = 8 }
[[cells]]
"""


class StopsAtTen(Callback):
    def after_step(self, trainer):
        if trainer.step == 10:
            trainer.stop.set()


@pytest.fixture
def address() -> str:
    """On this disk, as the processes of cells see no memory://."""
    Path("tiny.toml").write_text(SUITE)
    return f"file://{Path.cwd().as_posix()}/there"


def scores(folder: str | Path) -> dict:
    return {key: row["scores"] for key, row in read_results(Path(folder, "tiny.jsonl")).items()}


def test_results_and_runs_are_there_and_no_other_machine_does_them_again(ganzoo, address):
    assert ganzoo(f"bench tiny.toml --out {address}").code == 0
    assert ganzoo("bench tiny.toml --out local").code == 0
    assert scores("there") == scores("results/there") == scores("local")
    for run in Path("results/there/tiny").iterdir():
        assert {path.name for path in run.glob("checkpoints/*")} == {
            path.name for path in Path("there/tiny", run.name).glob("checkpoints/*")
        }
    shutil.rmtree("results")
    again = ganzoo(f"bench tiny.toml --out {address}")
    assert "2 cells, 2 done" in again.err
    assert "began" not in again.err
    assert ganzoo("table results/there").code == 0


def test_a_cell_goes_on_on_another_machine_from_where_it_was_copied(address, monkeypatch):
    """Killed with whatever worked on it, at once and whole."""
    words = [sys.executable, "-m", "ganzoo", "bench", "tiny.toml", "--steps", "4000", "--out", address]
    bench = subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(Path("there").glob("tiny/*/checkpoints/step-*")) and time.monotonic() < until:
        time.sleep(0.05)
    bench.send_signal(signal.SIGKILL)
    bench.wait()
    before = -1
    while before != (before := sum(path.stat().st_mtime_ns for path in Path("there").rglob("*.jsonl"))):
        time.sleep(5.0)  # until its cell has seen that it is gone
    (begun,) = [run for run in Path("there/tiny").absolute().iterdir() if steps_done(run)]
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    before = steps_done(begun)
    copied = Copied(address, "tiny")
    copied.here.mkdir(parents=True)
    copied.fetch_results()
    here = copied.here / "tiny" / begun.name
    copied.fetch_run(here)
    assert steps_done(here) >= before > 0
    assert list(Path("results/there/tiny").iterdir()) == [here]


def test_storage_that_fails_costs_no_result(ganzoo, address, monkeypatch):
    def put(self: Store, folder: Path, name: str) -> None:
        raise WorkError(f"cannot reach {self.address}: the network is down")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", put)
        result = ganzoo(f"bench tiny.toml --out {address}")
    assert result.code == 1
    assert "the network is down" in result.sentence
    assert [row["status"] for row in read_results(Path("results/there/tiny.jsonl")).values()] == ["done"] * 2
    assert ganzoo(f"bench tiny.toml --out {address}").code == 0
    assert scores("there") == scores("results/there")


def test_a_node_that_sees_no_folder_goes_on_from_the_copy(address, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(Path.cwd()))
    monkeypatch.setattr(tempfile, "tempdir", None)
    words = {"steps": 20, "batch_size": 16, "set": {"width": 8}, "checkpoint_every": 5, "progress": False}
    run = train("mlp-gan", dataset="ring8", out=f"{address}/tiny/cell", callbacks=[StopsAtTen()], **words)
    order = Order.of(run.path, {"hash": "abc", "copies": f"{address}/tiny"}, 1)
    shutil.rmtree("runs")
    place, shared = _place(order)
    assert not shared
    assert place.is_relative_to(Path.cwd())
    assert steps_done(place) == 10


def test_weights_go_to_the_storage_and_not_through_whoever_asked(ganzoo, address, monkeypatch):
    """Each cell on a machine that sees no folder of ours."""

    class Elsewhere(Polled):
        title = "a machine"

        def __init__(self, folder: Path, task: dict) -> None:
            super().__init__()
            order = Order.of(folder, task, 1)
            shutil.move(folder, "away")
            self.delivered, self.folder = deliver(order), folder
            shutil.move("away", folder)

        def status(self) -> int:
            unpack(self.delivered.archive, self.folder)
            return self.delivered.status

        send_signal = terminate = kill = lambda self, *signals: None

    monkeypatch.setenv("TMPDIR", str(Path.cwd()))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(Starter, "start", lambda self, folder, task, *more: Elsewhere(folder, task))
    assert ganzoo(f"bench tiny.toml --out {address}").code == 0
    assert len(scores("there")) == 2
    assert not list(Path("results").rglob("*.safetensors"))
    assert len(list(Path("there").rglob("*/step-00000020.safetensors"))) == 2
    assert len(list(Path("there").rglob("metrics.jsonl"))) == 2


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("moto") is None or find_spec("s3fs") is None, reason="a server of S3 is not there"
)
def test_against_a_server_of_s3(monkeypatch):
    """Whole processes, as s3fs keeps threads and connections of its own."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {
            "AWS_ACCESS_KEY_ID": "mine",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for key, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            monkeypatch.setenv(key, value)
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="lab")
        Path("tiny.toml").write_text(SUITE)

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            done = subprocess.run(
                [sys.executable, "-m", "ganzoo", *words],
                env=os.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            assert "Traceback" not in done.stderr, done.stderr
            return done

        new = ("run", "mlp-gan", "--dataset", "ring8", "--steps", "10", "--checkpoint-every", "5", "--out")
        assert run(*new, "s3://lab/runs/one").returncode == 0
        assert "holds a run already" in run(*new, "s3://lab/runs/one").stderr
        assert "cannot reach s3://nobody/two" in run(*new, "s3://nobody/two").stderr
        shutil.rmtree("runs")
        assert run("resume", "s3://lab/runs/one", "--steps", "15").returncode == 0
        assert steps_done(Path("runs/one")) == 15
        assert run("bench", "tiny.toml", "--out", "s3://lab/results").returncode == 0
        shutil.rmtree("results")
        assert "2 cells, 2 done" in run("bench", "tiny.toml", "--out", "s3://lab/results").stderr
    finally:
        server.stop()
