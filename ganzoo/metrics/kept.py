"""Statistics of real data, kept on disk by the hash of what they were made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from ganzoo.errors import WorkError
from ganzoo.system.console import notice
from ganzoo.system.files import cache_folder, write_whole


def kept(key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The tensors under `key`; made, and kept for the next time, where they are not there yet.

    safetensors, so that nothing is ever unpickled; a damaged file is made anew. Where the disk is full the
    evaluation goes on.
    """
    path = statistics_folder() / f"{key}.safetensors"
    try:
        found: Mapping[str, Tensor] = safetensors.torch.load_file(path)
        return found
    except (OSError, safetensors.SafetensorError):
        pass
    made = {name: value.contiguous() for name, value in make().items()}
    try:
        write_whole(path, safetensors.torch.save(made))
    except WorkError as error:
        notice(f"statistics of the real data will be computed again next time: {error}")
    return made


def statistics_folder() -> Path:
    return cache_folder() / "statistics"
