"""What callbacks share that send numbers to a program of others: its package, and the run's id there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ganzoo.errors import UsageError
from ganzoo.system.files import read_regular, write_whole

LONGEST_ID = 200


def need(callback: str, package: str) -> None:
    """Raises UsageError, which says what to install, where a package is not there."""
    try:
        found = find_spec(package) is not None
    except ValueError:  # it is imported, by something that left no spec
        found = True
    if not found:
        raise UsageError(
            f"the callback {callback} needs a package that is not installed: pip install "
            f'"ganzoo-torch[{callback}]"'
        )


def id_in(folder: Path, logger: str) -> str:
    """Under which id a run goes on with a logger; "" where it has none yet."""
    path = _place(folder, logger)
    if not path.exists():
        return ""
    kept = (
        read_regular(path, f"the id of this run in {logger}", LONGEST_ID).decode("ascii", "replace").strip()
    )
    if not kept or not kept.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{path} is no id of a run in {logger}: remove it, and the run begins anew there")
    return kept


def keep_id(folder: Path, logger: str, kept: str) -> None:
    write_whole(_place(folder, logger), f"{kept}\n".encode())


def _place(folder: Path, logger: str) -> Path:
    return folder / f"{logger}-id.txt"
