"""Runs on other storage: copied as they go, gone on with elsewhere, whole at each moment."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import fsspec
import pytest

import ganzoo as zoo
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.stores import Store, check_address, is_address
from ganzoo.testing.training import flat, same
from ganzoo.training.checkpoint import load_checkpoint
from ganzoo.training.stored import saved, steps_done
from ganzoo.training.upload import Copy

WORDS = "run mlp-gan --dataset ring8 --batch-size 16 --set width=8 --checkpoint-every 5 --quiet"
ONE = "memory://runs/one"


@pytest.fixture(autouse=True)
def storage():
    """Of this process alone; empty."""
    found = fsspec.filesystem("memory")
    found.store.clear()
    found.pseudo_dirs[:] = [""]
    yield found
    found.store.clear()


def there(address: str = ONE) -> set[str]:
    return {*Store(address).sizes()}


def here(folder: str | Path) -> set[str]:
    paths = Path(folder).rglob("*")
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file() and path.name[0] != "."}


def failing(monkeypatch, *outcomes: bool):
    """Have sending a checkpoint fail, or not, in turn; the last outcome stays."""
    put, left = Store.put, list(outcomes)

    def once(self: Store, folder: Path, name: str) -> None:
        if name.startswith("checkpoints/") and (left.pop(0) if len(left) > 1 else left[0]):
            raise WorkError(f"cannot reach {self.address}: the network is down")
        put(self, folder, name)

    monkeypatch.setattr(Store, "put", once)


def test_addresses_and_paths():
    assert all(map(is_address, ["s3://b", "memory://x", "gs://b/c", "file:///tmp"]))
    assert not any(
        map(is_address, ["runs/1", "C://x", "C:\\x", "folder:x", "3", "", None, "://x", "a b://c"])
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s4://b/x", "there is no storage 's4': did you mean s3"),
        ("runs/x", "no address"),
        ("box://x", "needs a library that is missing"),
    ],
)
def test_what_nothing_reaches_is_a_sentence(address, said):
    with pytest.raises(UsageError, match=said):
        check_address(address)


def test_a_run_is_there_as_it_is_here(ganzoo):
    assert ganzoo(f"{WORDS} --steps 12 --out {ONE}").code == 0
    assert there() == here("runs/one")
    for name in there():
        assert fsspec.filesystem("memory").cat(f"/runs/one/{name}") == Path("runs/one", name).read_bytes()


class StopsAtTen(zoo.Callback):
    def after_step(self, trainer):
        if trainer.step == 10:
            trainer.stop.set()


def test_another_machine_goes_on_as_if_it_had_never_stopped(ganzoo):
    words = {"steps": 20, "batch_size": 16, "set": {"width": 8}, "checkpoint_every": 5, "progress": False}
    zoo.train("mlp-gan", dataset="ring8", out="whole", **words)
    zoo.train("mlp-gan", dataset="ring8", out=ONE, callbacks=[StopsAtTen()], **words)
    shutil.rmtree("runs")
    assert ganzoo(f"resume {ONE}").code == 0
    mine, whole = (flat(load_checkpoint(saved(Path(path))[-1])) for path in ("runs/one", "whole"))
    assert steps_done(Path("runs/one")) == 20
    assert [key for key in whole if not same(mine.get(key), whole[key])] == []
    assert there() == here("runs/one")


def test_every_command_takes_an_address(ganzoo):
    ganzoo(f"{WORDS} --steps 5 --out {ONE}")
    shutil.rmtree("runs")
    assert ganzoo(f"sample {ONE} -n 4").code == 0
    assert ganzoo(f"eval {ONE} --metric modes --samples 50").code == 0
    assert zoo.load(ONE).path == Path("runs/one")
    assert "not on this machine" in ganzoo(f"rm {ONE} --yes").sentence
    assert Path("runs/one/metrics.jsonl").exists()


def test_from_python():
    run = zoo.train("mlp-gan", dataset="ring8", steps=5, out=ONE, progress=False, set={"width": 8})
    assert run.path == Path("runs/one")
    assert there() == here(run.path)


def test_the_copy_here_is_taken_where_it_is_as_far_and_keeps_what_is_its_own(ganzoo):
    ganzoo(f"{WORDS} --steps 5 --out {ONE}")
    ganzoo(f"eval {ONE} --metric modes --samples 50")
    shutil.move("runs", "before")
    ganzoo(f"resume {ONE} --steps 10")  # on another machine
    shutil.rmtree("runs")
    shutil.move("before", "runs")
    assert steps_done(Path("runs/one")) == 5
    assert ganzoo(f"sample {ONE} -n 4").code == 0
    assert steps_done(Path("runs/one")) == 10
    assert len(Path("runs/one/metrics.jsonl").read_text().splitlines()) == 1
    assert ganzoo("resume runs/one --steps 12").code == 0


def test_taken_addresses_are_refused(ganzoo):
    ganzoo(f"{WORDS} --steps 5 --out {ONE}")
    assert f"{ONE} holds a run already" in ganzoo(f"{WORDS} --steps 5 --out {ONE}").sentence
    shutil.move("runs/one", "runs/other")
    Path("runs/one").mkdir()
    Path("runs/one/mine.txt").touch()
    assert "runs/one is in the way" in ganzoo(f"sample {ONE}").sentence
    assert "not empty" in ganzoo(f"{WORDS} --steps 5 --out memory://elsewhere/one").sentence
    assert "no run is at memory://runs/two" in ganzoo("resume memory://runs/two").sentence
    assert Path("runs/one/mine.txt").exists()


def test_a_folder_that_is_behind_does_not_go_on_beside_the_one_that_is_further(ganzoo):
    ganzoo(f"{WORDS} --steps 5 --out {ONE}")
    shutil.move("runs", "before")
    ganzoo(f"resume {ONE} --steps 10")
    shutil.rmtree("runs")
    shutil.move("before", "runs")
    before = there()
    assert "has done 10 steps, and that in runs/one 5" in ganzoo("resume runs/one --steps 20").sentence
    assert there() == before


def test_a_network_that_fails_for_a_while_costs_nothing(ganzoo, monkeypatch):
    failing(monkeypatch, True, False)
    result = ganzoo(f"{WORDS.replace(' --quiet', '')} --steps 40 --out {ONE}")
    assert result.code == 0
    assert "the network is down: the next checkpoint tries again" in result.err
    assert there() == here("runs/one")


def test_a_network_that_stays_away_leaves_the_run_whole_here(ganzoo, monkeypatch):
    with monkeypatch.context() as patch:
        failing(patch, True)
        result = ganzoo(f"{WORDS} --steps 10 --out {ONE}")
    assert result.code == 1
    assert "the run is whole in runs/one" in result.sentence
    assert steps_done(Path("runs/one")) == 10
    assert ganzoo("resume runs/one").out.startswith("nothing is left to do")
    assert there() == here("runs/one")


def test_nothing_is_trained_where_nothing_can_be_written(ganzoo, monkeypatch):
    def put(self: Store, folder: Path, name: str) -> None:
        raise WorkError(f"cannot reach {self.address}: access denied")

    monkeypatch.setattr(Store, "put", put)
    assert "access denied" in ganzoo(f"{WORDS} --steps 10 --out {ONE}").sentence
    assert steps_done(Path("runs/one")) == 0


@pytest.mark.parametrize("files", range(14))
def test_whenever_a_copy_is_cut_off_what_is_there_can_be_gone_on_with(ganzoo, monkeypatch, files):
    """After 5 steps all was copied; of what 10 steps made so many files went there."""
    ganzoo(f"{WORDS} --steps 5 --out {ONE}")
    shutil.copytree("runs/one", "runs/two")
    ganzoo("resume runs/two --steps 10 --callback none")
    shutil.move("runs/two", "two/one")
    put, left = Store.put, [files]

    def cut(self: Store, folder: Path, name: str) -> None:
        if not left[0]:
            raise WorkError("the machine is gone")
        left[0] -= 1
        put(self, folder, name)

    with monkeypatch.context() as patch, contextlib.suppress(WorkError):
        patch.setattr(Store, "put", cut)
        Copy(Path("two/one"), "memory://runs").bring_up_to_date()
    shutil.rmtree("runs")
    result = ganzoo(f"resume {ONE} --steps 15")
    assert result.code == 0, result.err
    assert steps_done(Path("runs/one")) == 15


def test_only_checkpoints_are_removed_there(ganzoo, storage):
    ganzoo(f"{WORDS} --steps 5 --out {ONE}")
    storage.pipe("/runs/one/notes.txt", b"mine")
    storage.pipe("/runs/one/checkpoints/notes.txt", b"mine")
    ganzoo("resume runs/one --steps 30")
    assert {"notes.txt", "checkpoints/notes.txt"} <= there()
    assert {name for name in there() if "step" in name and "checkpoints" in name} == {
        f"checkpoints/step-{step:08d}.safetensors" for step in (25, 30)
    }


def test_names_that_lead_out_of_the_folder_are_not_taken(storage):
    storage.store["/runs/one/../../evil"] = storage.store.__class__()  # as no honest storage has them
    with pytest.raises(WorkError, match="leads elsewhere"):
        Store(ONE).get(Path("here"), ["../../evil"])
    for name in ("/etc/passwd", "a\\b", "a/../../b"):
        with pytest.raises(WorkError, match="leads elsewhere"):
            Store(ONE).get(Path("here"), [name])
    assert not Path("here").exists()
