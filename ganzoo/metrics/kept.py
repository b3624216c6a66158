"""Statistics of real data, kept on disk by the hash of what they were made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from ganzoo.errors import WorkError
from ganzoo.system.cache import keep_to_limit, limit, place, sweep, touch
from ganzoo.system.console import notice
from ganzoo.system.tensors import DamagedFile, read_tensors, write_tensors


def kept(key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The tensors under `key`; made, and kept for the next time, where they are not there yet.

    safetensors, so that nothing is ever unpickled; a file that is not what was written is made anew. Where
    the disk is full the evaluation goes on.
    """
    path = statistics_folder() / f"{key}.safetensors"
    sweep(path.parent)
    try:
        found, _ = read_tensors(path)
    except DamagedFile:  # or not there yet
        pass
    else:
        touch(path)
        return found
    limit()  # where it is wrong, nothing begins
    made = make()
    try:
        write_tensors(path, made, {})
    except WorkError as error:
        notice(f"statistics of the real data will be computed again next time: {error}")
    keep_to_limit(but=path)
    return made


def statistics_folder() -> Path:
    return place("statistics")
