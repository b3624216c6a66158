"""One cell on another machine, as a launcher starts it there; its folder comes back where it must."""

from __future__ import annotations

import getpass
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.bench.work import RESULT
from ganzoo.errors import WorkError, first_line
from ganzoo.running.fetched import fetch_newer
from ganzoo.system.processes import APART, Polled, ask_to_end
from ganzoo.system.stores import Store, below, inside
from ganzoo.training.upload import Copy

LARGE = (".safetensors", ".png", ".npy")
SENT = ("config.json", "trial.json")  # with which a cell begins


@dataclass(frozen=True)
class Order:
    """A cell to be worked on.

    Attributes:
        folder: of the run, as whoever asks sees it.
        task: as `ganzoo.bench.work` takes it.
        files: what is in the folder, for a machine that does not see it.
    """

    folder: str
    task: dict[str, Any]
    threads: int
    files: dict[str, bytes]

    @classmethod
    def of(cls, folder: Path, task: dict[str, Any], threads: int) -> Order:
        files = {name: (folder / name).read_bytes() for name in SENT if (folder / name).exists()}
        return cls(str(folder.resolve()), task, threads, files)


@dataclass(frozen=True)
class Delivered:
    """How its process ended, what that said, and the run folder where it was made elsewhere (a tar)."""

    status: int
    said: bytes
    archive: bytes | None


class Afar(Polled):
    """A cell that a launcher has somewhere: what came of it is put into its run folder here."""

    def __init__(self, folder: Path, log: Path) -> None:
        super().__init__()
        self._folder, self._log = folder, log

    def received(self, found: Delivered) -> int:
        if found.archive is not None:
            unpack(found.archive, self._folder)
        self._log.write_bytes(found.said)
        return found.status

    def lost(self, error: Exception) -> int:
        """Nothing came, and why is said where its process would have said it."""
        self._log.write_text(f"{type(error).__name__}: {first_line(error)}\n", encoding="utf-8")
        return 1


def deliver(order: Order) -> Delivered:
    """Work on a cell here: in its folder if that is seen from here, else in one of this machine's.

    There it goes on from what an earlier attempt has left. Whoever cancels it has it save a checkpoint.
    """
    folder, shared = _place(order)
    words = [str(folder), json.dumps(order.task)]
    env = {**os.environ, "OMP_NUM_THREADS": str(order.threads)}
    # A GPU that a launcher has given to this task is in the environment.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "ganzoo.bench.work", *words],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **APART,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    # Its stdin stays open, whose end would tell it that we are gone.
    with process.stdin, process.stdout:
        try:
            said = process.stdout.read()
        except BaseException:  # it is cancelled
            ask_to_end(process)
            process.wait()
            raise
        process.wait()
    return Delivered(process.returncode, said, None if shared else _packed(folder, _copied(order, folder)))


def _place(order: Order) -> tuple[Path, bool]:
    there = Path(order.folder)
    try:
        shared = all((there / name).read_bytes() == content for name, content in order.files.items())
    except OSError:
        shared = False
    if shared:
        return there, True
    # Of this user alone: what lies in it is gone on with.
    home = Path(tempfile.gettempdir()) / f"ganzoo-cells-{getpass.getuser()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and home.stat().st_uid != os.getuid():
        raise WorkError(f"{home} is somebody else's: set TMPDIR to another folder")
    own = home / str(order.task["hash"]) / there.name
    own.mkdir(parents=True, exist_ok=True)
    (own / RESULT).unlink(missing_ok=True)
    for name, content in order.files.items():
        (own / name).write_bytes(content)
    if order.task.get("copies"):
        fetch_newer(Store(below(order.task["copies"], there.name)), own)
    return own, False


def _copied(order: Order, folder: Path) -> bool:
    """Whether the whole folder is at an address: then what is large need not pass through whoever asked."""
    if not order.task.get("copies"):
        return False
    try:
        Copy(folder, order.task["copies"]).bring_up_to_date()
    except WorkError:
        return False  # it comes back whole, and is sent from there
    return True


def _packed(folder: Path, small: bool = False) -> bytes:
    """The files of a run folder; `small` leaves out weights and pictures."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not (small and path.suffix in LARGE):
                archive.add(path, path.relative_to(folder))
    return buffer.getvalue()


def unpack(archive: bytes, folder: Path) -> None:
    """The files of a run folder that was made elsewhere; the result last, as it says that all is there.

    Raises:
        WorkError: a name in it leads out of the folder.
    """
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in sorted(opened.getmembers(), key=lambda member: member.name == RESULT):
            content = opened.extractfile(member) if member.isreg() else None
            if content is None or not inside(member.name):
                raise WorkError(f"{folder}: what came back has {member.name!r}, which is no file of a run")
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
