"""Locks between processes: who has them, who waits, and what is left when one is killed."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ganzoo.system import locks
from ganzoo.system.locks import AtWork, in_turn, in_use, only_one, temporary, unused

HOLD = """
import os, sys, time
from pathlib import Path
from ganzoo.system.locks import in_use, only_one
lock = {how}(Path("thing"))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder():
    """holder("only_one"): a process that holds that of `thing`."""
    running = []

    def start(how: str, extra: str = "") -> subprocess.Popen:
        code = HOLD.format(how=how).replace("time.sleep", extra + "\ntime.sleep", 1)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def lock_files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*.lock"))


def test_the_second_is_told_who_is_at_work(holder):
    process = holder("only_one")
    assert lock_files() == [".thing.lock"]
    with pytest.raises(AtWork) as told:
        only_one(Path("thing"), "ganzoo bench", "wait for it, or name another")
    assert str(told.value) == (
        f"another ganzoo bench ({told.value.holder}) is at work in thing: wait for it, or name another"
    )
    assert told.value.holder.startswith(f"process {process.pid} on {os.uname().nodename}, since 20")


def test_a_killed_process_keeps_nothing(holder):
    process = holder("only_one")
    process.kill()
    process.wait()
    assert lock_files() == [".thing.lock"]
    with only_one(Path("thing")):
        assert f"process {os.getpid()} " in Path(".thing.lock").read_text()
    assert lock_files() == []


def test_a_child_that_outlives_it_keeps_nothing(holder):
    child = "pid = os.fork()\nprint(pid, flush=True) if pid else os.close(1)"
    process = holder("only_one", child)
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        os.kill(pid, 0)
        only_one(Path("thing")).release()
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_forked_child_leaves_the_lock_to_its_parent():
    lock = only_one(Path("thing"))
    pid = os.fork()
    if not pid:
        lock.release()
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(AtWork):
        only_one(Path("thing"))
    lock.release()
    assert lock_files() == []


def test_what_stands_in_the_file_locks_nothing(capsys):
    Path(".thing.lock").write_text(f"process {os.getpid()} on here, since ever")
    with in_turn(Path("thing"), "is not there"):
        pass
    assert capsys.readouterr().err == ""
    # Nor does it reach the terminal as it is.
    with Path(".thing.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"\x1b[2Jprocess\xff 1\r\n\x07 more" + b"x" * 999)
        file.flush()
        with pytest.raises(AtWork) as told:
            only_one(Path("thing"))
    assert told.value.holder == "[2Jprocess\ufffd 1"


def test_who_waits_says_for_what(holder, capsys):
    process = holder("only_one")
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {process.pid}"])
    with in_turn(Path("thing"), "decodes the same images"):
        pass
    killer.wait()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: waiting for another process (process {process.pid} on ")
    assert line.endswith(") that decodes the same images")


COUNT = """
import sys
import tempfile
from pathlib import Path
from ganzoo.system.locks import in_turn
for _ in range(100):
    with in_turn(Path("thing"), "counts"):
        number = int(Path("number").read_text())
        Path("number").write_text(str(number + 1))
"""


def test_one_at_a_time_also_while_the_file_comes_and_goes():
    Path("number").write_text("0")
    many = [subprocess.Popen([sys.executable, "-c", COUNT], stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait() for process in many] == [0] * 4
    assert Path("number").read_text() == "400"
    assert lock_files() == []


def test_names_of_one_folder_are_one_lock(tmp_path, monkeypatch):
    Path("folder").mkdir()
    Path("link").symlink_to("folder")
    with only_one(Path("folder")):
        monkeypatch.chdir("folder")
        for name in (".", "../link", str(tmp_path / "folder")):
            with pytest.raises(AtWork):
                only_one(Path(name))


def test_where_nothing_can_be_made_beside_it_lies_inside(monkeypatch):
    Path("theirs/ours").mkdir(parents=True)
    (Path("theirs") / ("x" * 254)).mkdir()
    with only_one(Path("theirs") / ("x" * 254)):
        assert lock_files() == [f"theirs/{'x' * 254}/.lock"]
    whole = os.open

    def refuse(path, *more):
        if str(path).endswith("theirs/.ours.lock"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return whole(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    with only_one(Path("theirs/ours")):
        assert lock_files() == ["theirs/ours/.lock"]
        with pytest.raises(AtWork):
            only_one(Path("theirs/ours"))
    with pytest.raises(OSError, match="No such file"):
        only_one(Path("nowhere/at-all"))


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_the_work_goes_on(monkeypatch, capsys, code, tmp_path):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks, "_said", set())
    monkeypatch.setattr(fcntl, "flock", flock)
    with only_one(Path("thing")), in_turn(Path("other"), "works"):
        pass
    note = f"note: {tmp_path} is on a file system without locks: start nothing twice there"
    assert capsys.readouterr().err.splitlines() == [note]
    assert lock_files() == []
    Path("copy").touch()
    assert in_use(Path("copy"))
    assert not unused(Path("copy")).real  # nobody knows


def test_a_folder_that_cannot_be_written_is_named(monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    Path("thing").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(PermissionError):
            only_one(Path("thing"))


def test_another_fault_of_the_lock_is_not_hidden(monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"):
        only_one(Path("thing"))


def test_what_is_in_use_is_not_unused(holder):
    Path("thing").touch()
    process = holder("in_use")
    mine = in_use(Path("thing"))
    assert mine
    assert unused(Path("thing")) is None
    mine.release()
    assert unused(Path("thing")) is None
    process.kill()
    process.wait()
    removing = unused(Path("thing"))
    assert removing
    assert in_use(Path("thing")) is None
    Path("thing").unlink()
    removing.release()
    assert in_use(Path("thing")) is unused(Path("thing")) is None


def test_a_file_that_is_being_written_is_in_use():
    with temporary(Path("made")) as (file, beside):
        assert file.write(b"half") == 4
        assert beside.name.startswith(".made.")
        assert unused(beside) is None
    assert not beside.exists()
    with temporary(Path("made")) as (_, beside):
        beside.replace("made")
    assert [path.name for path in Path().iterdir()] == ["made"]


def test_a_file_swept_before_it_was_claimed_is_made_again(monkeypatch):
    made = []
    whole = tempfile.mkstemp

    def swept(**words):
        made.append(whole(**words))
        if len(made) == 1:
            Path(made[0][1]).unlink()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkstemp", swept)
    with temporary(Path("made")) as (_, beside):
        assert beside.exists()
    assert len(made) == 2


def test_no_handle_is_left_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    Path("copy").touch()
    with only_one(Path("thing")), pytest.raises(AtWork):
        only_one(Path("thing"))
    in_use(Path("copy"))
    unused(Path("copy"))
    held = in_use(Path("copy"))
    assert unused(Path("copy")) is None
    held.release()
    with temporary(Path("gone")):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
