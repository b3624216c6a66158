"""Runs on other storage: each has a copy under runs/ here, brought up to date when it is asked for."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ganzoo.errors import UsageError, WorkError
from ganzoo.system.bars import transfer
from ganzoo.system.locks import only_one
from ganzoo.system.stores import Store
from ganzoo.training.stored import steps_done
from ganzoo.training.upload import CONFIG, SOURCE, newest

METRICS = "metrics.jsonl"


def fetched(address: str, runs: Path) -> Path:
    """The folder here of the run at an address: fetched where there is none, or one that is not as far.

    Raises:
        UsageError: no run is there; or a folder of that name is another run's.
        WorkError: the storage cannot be reached.
    """
    store = Store(address)
    folder = runs / store.name
    if folder.exists() and source_of(folder) != store.address:
        raise UsageError(f"{folder} is in the way: it is not a copy of {address}; move or rename it")
    if not fetch_newer(store, folder):
        raise UsageError(f"no run is at {address}: there is no {CONFIG}")
    return folder


def fetch_newer(store: Store, folder: Path) -> bool:
    """Have a folder here be as far as the run there, if there is one: whether there is.

    Raises:
        WorkError: the storage cannot be reached, or the disk is full; the folder is as it was.
    """
    there = store.sizes()
    if CONFIG not in there:
        return False
    if (folder / CONFIG).exists() and steps_done(folder) >= newest(there):
        return True
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise WorkError(f"cannot write to {folder.parent}: {error.strerror or error}") from error
    try:
        _fetch(store, there, part)
        (part / SOURCE).write_text(f"{store.address}\n", encoding="utf-8")
        if folder.exists():
            with only_one(folder, "ganzoo", "wait for it, or stop it with Ctrl-C"):
                _lay_over(part, folder)
        else:
            part.chmod(0o755)
            part.replace(folder)
    except OSError as error:
        raise WorkError(f"cannot write to {folder.parent}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return True


def _lay_over(part: Path, folder: Path) -> None:
    """Have a folder go on as the newer one; what was made of it here alone, pictures and scores, stays."""
    scores = part / METRICS
    mine, theirs = (
        each.read_bytes().splitlines() if each.exists() else [] for each in (folder / METRICS, scores)
    )
    if mine:
        scores.write_bytes(b"".join(line + b"\n" for line in dict.fromkeys([*theirs, *mine])))
    for path in sorted(part.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def source_of(folder: Path) -> str:
    """The address that a folder here is a copy of, or is copied to; "" where there is none."""
    try:
        return (folder / SOURCE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _fetch(store: Store, there: dict[str, int], folder: Path) -> None:
    done = 0
    with transfer(f"fetching {store.address}", 0, sum(there.values())) as told:

        def each(name: str) -> None:
            nonlocal done
            done += there[name]
            told(done)

        store.get(folder, there, each)
