"""Cells on other machines: what is sent, what comes back, and what is refused; Slurm without a scheduler."""

from __future__ import annotations

import io
import json
import sys
import tarfile

import pytest

from ganzoo.bench import on_slurm
from ganzoo.bench.cells import plan_cells
from ganzoo.bench.on_slurm import SlurmStarter
from ganzoo.bench.progress import Show
from ganzoo.bench.remote import Order, deliver, unpack
from ganzoo.bench.runner import Runner
from ganzoo.bench.source import Source
from ganzoo.bench.suite import read_suite
from ganzoo.bench.work import RESULT
from ganzoo.cli.main import main
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.files import write_json

SUITE = """
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
samples = 300
batch-size = 32
steps = 6
callback = "none"
seeds = 2
set = { "model.width" = 8 }
"""


@pytest.fixture
def cells(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return plan_cells(read_suite(path), 1)


def ordered(cell, folder):
    folder.mkdir()
    write_json(folder / "config.json", cell.config.as_json())
    return Order.of(folder, {"hash": cell.hash, "evaluation": dict(cell.evaluation), "alone": True}, 1)


def test_a_cell_whose_folder_is_seen_is_made_in_it(cells, tmp_path):
    found = deliver(ordered(cells[0], tmp_path / "run"))
    assert (found.status, found.archive) == (0, None), found.said
    assert json.loads((tmp_path / "run" / RESULT).read_text())["status"] == "done"


def test_one_that_is_not_comes_back_whole(cells, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    here = ordered(cells[0], tmp_path / "run")
    there = Order("/not/on/this/machine", here.task, here.threads, here.files)
    for _ in range(2):  # where it was already made, it is measured again
        found = deliver(there)
        assert found.status == 0, found.said
    assert found.archive is not None
    unpack(found.archive, tmp_path / "run")
    assert json.loads((tmp_path / "run" / RESULT).read_text())["hash"] == cells[0].hash
    assert (tmp_path / "run" / "generator.safetensors").exists()


def test_another_folder_of_that_name_is_not_taken_for_it(cells, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    order = ordered(cells[0], tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{}")
    assert deliver(order).archive is not None
    assert not (tmp_path / "run" / RESULT).exists()


def test_an_archive_writes_nowhere_else(tmp_path):
    link = tarfile.TarInfo("inside")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for member in (tarfile.TarInfo("../outside"), tarfile.TarInfo("/outside"), link):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.addfile(member)
        with pytest.raises(WorkError, match="no file of a run"):
            unpack(buffer.getvalue(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_slurms_job_array_makes_the_rows_of_this_machine(cells, tmp_path):
    found = []
    for kind in ("here", "there"):
        out = tmp_path / kind
        starter = SlurmStarter(out, {"timeout_min": 10}, kind="local") if kind == "there" else None
        runner = Runner("tiny", out, 2, Show(len(cells), 0, 2), starter)
        assert runner.run(Source(list(cells)))
        lines = [json.loads(line) for line in (out / "tiny.jsonl").read_text().splitlines()]
        found.append({line["hash"]: line["scores"] for line in lines if line["status"] == "done"})
    assert len(found[0]) == 2
    assert found[0] == found[1]


def test_a_job_is_queued_again_where_slurm_takes_it_back(cells, tmp_path):
    again = on_slurm.Cell(ordered(cells[0], tmp_path / "run")).checkpoint()
    assert again.function.order.task["hash"] == cells[0].hash


def test_options_that_nobody_knows_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--with: .*colour"):
        SlurmStarter(tmp_path, {"slurm_colour": "red"}, kind="local")


@pytest.mark.parametrize(("module", "launcher"), [("ray", "ray"), ("submitit", "slurm")])
def test_what_is_not_installed_is_said_with_what_installs_it(module, launcher, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(path), "--out", str(tmp_path / "out"), "--launcher", launcher])
    assert ended.value.code == 2
    assert f"pip install 'ganzoo-torch[{launcher}]'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "auto"], "--address is of a Ray cluster: add --launcher ray"),
        (["--with", "a=b"], "--with is for the jobs of Slurm: add --launcher slurm"),
        (["--launcher", "slurm", "--with", "ab"], "--with ab: expected KEY=VALUE"),
        (["--launcher", "rai"], "did you mean ray?"),
    ],
)
def test_words_that_make_no_sense_are_refused(words, said, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(path), "--out", str(tmp_path / "out"), *words])
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())
