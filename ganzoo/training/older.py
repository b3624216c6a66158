"""Run folders of version 0.1, whose checkpoints are pickled: torch's restricted unpickler reads them once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.tensors import DamagedFile, read_tensors, write_tensors
from ganzoo.training.checkpoint import (
    BEST,
    BEST_GENERATOR,
    FOLDER,
    GENERATOR,
    NAME,
    Best,
    Checkpoint,
    State,
    saved,
    write_state,
)
from ganzoo.training.stored import pickled as pickled

BEST_STATE, BEST_WEIGHTS = "best.pt", "best.safetensors"


def is_older(folder: Path) -> bool:
    """Whether a run folder has checkpoints of version 0.1 alone."""
    return not saved(folder) and bool(pickled(folder))


def read_pickled(path: Path) -> State:
    """The state in such a checkpoint, as it is kept now. Raises DamagedFile if it is not whole."""
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        for net in ("optimizer_g", "optimizer_d"):
            state[net] = state[net]["state"]  # what else it has is in the recipe
    except Exception as error:  # truncated, foreign, or holding code: torch raises a different type for each
        raise DamagedFile(
            f"{path} is not a whole checkpoint of version 0.1 ({type(error).__name__}): delete it to go on "
            f"from the one before"
        ) from error
    converted: State = {**state, "rollbacks": 0}
    return converted


def adopt(folder: Path) -> None:
    """Write what version 0.1 left in a run folder as it is kept now; nothing of it is pickled after that.

    Raises:
        UsageError: it is damaged; nothing was changed.
    """
    if is_older(folder):
        path = pickled(folder)[-1]
        state = read_pickled(path)
        if type(state.get("step")) is not int:
            raise UsageError(f"{path} is not a checkpoint of ganzoo: delete it to go on from the one before")
        notice(f"the checkpoints of {folder} are of version 0.1: they are written anew, as safetensors")
        best = _adopt_best(folder / FOLDER)
        generator = _hashed(folder / GENERATOR, folder / GENERATOR)  # of another step: it is made again
        checkpoint = Checkpoint(state["step"], generator, best)
        write_state(folder / FOLDER / NAME.format(state["step"]), state, checkpoint)
    if saved(folder):
        for old in [*pickled(folder), *((folder / FOLDER / name) for name in (BEST_STATE, BEST_WEIGHTS))]:
            old.unlink(missing_ok=True)


def _adopt_best(folder: Path) -> Best | None:
    weights, state = folder / BEST_WEIGHTS, folder / BEST_STATE
    if not weights.exists() or not state.exists():
        return None
    step = int(read_tensors(weights, hashed=False)[1]["step"])
    generator = _hashed(weights, folder / BEST_GENERATOR.format(step))
    return Best(step, write_state(folder / BEST.format(step), read_pickled(state)), generator)


def _hashed(old: Path, new: Path) -> str:
    """The same weights in a file that carries a hash; "" where there are none, which are made again then."""
    if not old.exists():
        return ""
    weights, meta = read_tensors(old, hashed=False)
    return write_tensors(new, weights, {key: meta[key] for key in ("step", "t")})
