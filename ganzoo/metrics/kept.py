"""Statistics of real data, kept on disk by the hash of what they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from ganzoo.data.tensors import fingerprint
from ganzoo.errors import WorkError
from ganzoo.system.cache import keep_to_limit, limit, place, sweep, touch
from ganzoo.system.console import notice
from ganzoo.system.files import write_whole

SUM = "sum"  # of the tensors, in the header of their file


def kept(key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The tensors under `key`; made, and kept for the next time, where they are not there yet.

    safetensors, so that nothing is ever unpickled; a file that is not what was written is made anew. Where
    the disk is full the evaluation goes on.
    """
    path = statistics_folder() / f"{key}.safetensors"
    sweep(path.parent)
    found = _read(path)
    if found is not None:
        touch(path)
        return found
    limit()  # where it is wrong, nothing begins
    made = {name: value.contiguous() for name, value in make().items()}
    try:
        write_whole(path, safetensors.torch.save(made, {SUM: _sum(made)}))
    except WorkError as error:
        notice(f"statistics of the real data will be computed again next time: {error}")
    keep_to_limit(but=path)
    return made


def _read(path: Path) -> Mapping[str, Tensor] | None:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return found if (file.metadata() or {}).get(SUM) == _sum(found) else None
    except Exception:  # not there, or damaged: safetensors and torch raise a different type for each way
        return None


def _sum(tensors: Mapping[str, Tensor]) -> str:
    text = "".join(f"{name!r} {fingerprint(tensors[name])};" for name in sorted(tensors))
    return hashlib.sha256(text.encode()).hexdigest()


def statistics_folder() -> Path:
    return place("statistics")
