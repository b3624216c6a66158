"""Systems without what Unix has: simulated here, as every test runs on Linux."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from PIL import Image

from ganzoo.system import files, flocks, processes
from ganzoo.system.files import drop_orphans, flush, write_whole
from ganzoo.system.locks import AtWork, in_turn, in_use, only_one, unused

ROOT = Path(__file__).parents[2]
HIDDEN = """
import sys
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
import ganzoo, ganzoo.cli.main, ganzoo.system.files, ganzoo.system.memory, ganzoo.bench.machine
from pathlib import Path
from ganzoo.system.locks import in_turn, only_one
with only_one(Path("thing")), in_turn(Path("other"), "works"):
    pass
"""


def test_without_the_modules_of_unix_work_goes_on():
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("without locks") == 1  # neither flock nor those of Windows, and it says so


@pytest.fixture
def windows(monkeypatch):
    """Locks of bytes, and files that are in use while they are open."""
    fcntl = flocks.fcntl

    def locking(handle: int, how: int, count: int) -> None:
        assert (how, count, os.lseek(handle, 0, os.SEEK_CUR)) == (2, 1, flocks.FAR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error

    monkeypatch.setattr(flocks, "fcntl", None)
    monkeypatch.setattr(flocks, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=locking))
    monkeypatch.setattr(flocks, "OPEN_IS_A_MARK", True)
    monkeypatch.setattr(files, "OPEN_IS_A_MARK", True)


@pytest.mark.usefixtures("windows")
def test_a_lock_of_windows_keeps_the_second_out(capsys):
    with only_one(Path("thing")):
        with pytest.raises(AtWork, match=f"process {os.getpid()} on .*, since 20"):
            only_one(Path("thing"))
        lock = only_one(Path("other"))
    lock.release()
    with in_turn(Path("thing"), "works"):
        pass
    assert list(Path().iterdir()) == []
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("windows")
def test_what_is_written_is_closed_before_it_is_renamed(monkeypatch):
    """And what is flushed is open for writing."""
    before = handles()
    renamed, flags = [], []
    replace, opened = os.replace, os.open

    def closed_first(*paths):
        renamed.append(handles() == before)
        replace(*paths)

    def noted(path, how, *more):
        flags.append(how)
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return opened(path, how, *more)

    monkeypatch.setattr(os, "replace", closed_first)
    monkeypatch.setattr(os, "open", noted)
    write_whole(Path("thing"), b"content")
    flags.clear()
    flush(Path("thing"))
    flush(Path())
    assert renamed == [True]
    assert Path("thing").read_bytes() == b"content"
    assert [how & os.O_RDWR for how in flags] == [os.O_RDWR] * 2


@pytest.mark.usefixtures("windows")
def test_what_is_open_is_left_to_the_system(monkeypatch):
    Path("copy").touch()
    mark = in_use(Path("copy"))
    assert mark.real
    assert unused(Path("copy")).real
    mark.release()

    def refuse(path, **more):
        raise PermissionError(13, "The process cannot access the file")

    Path(".x.1.part").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        drop_orphans(Path())
    drop_orphans(Path())
    assert [path.name for path in Path().iterdir()] == ["copy"]


def test_a_process_is_asked_to_end_in_the_way_of_its_system(monkeypatch):
    asked = []
    process = types.SimpleNamespace(
        terminate=lambda: asked.append("terminate"), send_signal=asked.append, poll=lambda: None
    )
    processes.ask_to_end(process)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    processes.ask_to_end(process)
    assert asked == ["terminate", 1]
    assert [processes.named(number) for number in (9, 35, 99)] == ["SIGKILL", "signal 35", "signal 99"]


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_every_text_file_has_its_encoding():
    """Elsewhere the usual one is not UTF-8."""
    without = []
    for path in (ROOT / "ganzoo").rglob("*.py"):
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            words = {word.arg: word.value for word in call.keywords}
            texts = name in ("read_text", "write_text") or "text" in words
            built_in = name == "open" and isinstance(call.func, ast.Name)
            if (texts or built_in) and "encoding" not in words:
                without.append(f"{path.name}:{call.lineno}")
    assert without == []


@pytest.mark.slow
def test_where_open_files_cannot_be_renamed_a_run_goes_on_and_its_cache_too():
    for i in range(24):
        Path("pictures/a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (i, 0, 0)).save(f"pictures/a/{i}.png")
    pictures = "run dcgan --dataset folder:pictures --steps 2 --batch-size 8 --set model.width=4"
    commands = [
        "run mlp-gan --dataset ring8 --steps 20 --batch-size 16 --checkpoint-every 5 --eval-metric js",
        "resume --steps 30",
        "sample --out x.npz",
        "eval --metric js --samples 300",
        pictures,
        pictures,  # from the cache
        "cache clear --yes",
    ]
    script = Path(__file__).with_name("windows.py")
    words = [sys.executable, "-X", "warn_default_encoding", str(script), *commands]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.endswith(": 0")] == [
        f"{one}: 0" for one in commands
    ]
    assert list(Path("runs").rglob("*.part")) == list(Path("runs").rglob(".*")) == []
    assert len(list(Path("runs").glob("0001*/checkpoints/step-*"))) == 2  # as many as are kept
