"""Checkpoints: everything needed to go on bit for bit, checked before it is believed, never unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.card import DataCard
from ganzoo.errors import UsageError, WorkError
from ganzoo.models.base import GAN
from ganzoo.system.tensors import DamagedFile, pack, read_meta, read_tensors, unpack, write_tensors
from ganzoo.training.about import KEY, About, split_units, units
from ganzoo.training.restoring import fill
from ganzoo.training.stored import BEST as BEST
from ganzoo.training.stored import BEST_GENERATOR as BEST_GENERATOR
from ganzoo.training.stored import FOLDER as FOLDER
from ganzoo.training.stored import GENERATOR as GENERATOR
from ganzoo.training.stored import NAME as NAME
from ganzoo.training.stored import saved as saved
from ganzoo.training.stored import step_of as step_of
from ganzoo.training.stored import steps_done as steps_done

FORMAT = 2  # 1 was of version 0.1, see older.py
State = dict[str, Any]


@dataclass(frozen=True)
class Best:
    """The step that was best so far, and the hashes of what was kept of it."""

    step: int
    state: str
    generator: str

    def __post_init__(self) -> None:
        _step(self.step)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file says besides the state: it alone decides what is valid in a run folder.

    Attributes:
        step: steps done.
        generator: hash of the generator.safetensors that belongs to it.
        best: the best until then; its files carry its step in their names.
        last: whether the run ended there.
    """

    step: int
    generator: str
    best: Best | None = None
    last: bool = False

    @classmethod
    def of(cls, path: Path, meta: Mapping[str, Any]) -> Checkpoint:
        """From the metadata of a file. Raises DamagedFile if they are not those of a checkpoint."""
        step, generator, best = meta.get("step"), meta.get("generator"), meta.get("best")
        try:
            kept = None if best is None else Best(**best)
            return cls(_step(step), str(generator), kept, meta.get("last") is True)
        except TypeError:
            raise DamagedFile(f"{path} is not a checkpoint of ganzoo") from None


def _step(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("no step")
    return value


def write_state(path: Path, state: State, checkpoint: Checkpoint | None = None) -> str:
    """Write all that the rest of a run depends on; returns its hash.

    Raises:
        WorkError: it cannot be written.
    """
    tensors, plain = pack(state)
    said = {} if checkpoint is None else asdict(checkpoint)
    return write_tensors(path, tensors, {"format": FORMAT, **said, "state": plain})


def read_state(path: Path) -> tuple[State, dict[str, Any]]:
    """The state in a checkpoint file, and its metadata. Raises DamagedFile if it is not whole."""
    tensors, meta = read_tensors(path)
    try:
        state = unpack(tensors, meta.pop("state"))
        if not isinstance(state, dict):
            raise TypeError("it holds no state")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DamagedFile(f"{path} is not a checkpoint of ganzoo") from error
    return state, meta


def load_checkpoint(path: Path) -> State:
    """The state in a checkpoint file. Raises DamagedFile if it is not whole, or something else."""
    return read_state(path)[0]


def said_by(path: Path) -> Checkpoint | None:
    """What a checkpoint says, its content not looked at; None where it is damaged, which `resume` tells."""
    try:
        return Checkpoint.of(path, read_meta(path))
    except DamagedFile:
        return None


def refuse_nonfinite(state: State, folder: Path) -> None:
    for net in ("generator", "discriminator"):
        if not all(bool(torch.isfinite(value).all()) for value in state[net].values()):
            raise diverged(folder, f"weights of the {net}", state["step"])


class Diverged(WorkError):
    """Numbers of the training are not finite any more; `where` is which of them, and at which step."""

    where = ""


def diverged(folder: Path, what: str, step: int) -> Diverged:
    """The sentence for a run whose numbers are gone."""
    last = saved(folder)
    kept = f"{last[-1]} is the last good checkpoint" if last else "there was no checkpoint yet"
    where = f"{what} not finite at step {step}"
    error = Diverged(
        f"training diverged: {where}; {kept}; try a lower --lr, --stabilizer clip-grad-norm, another --loss, "
        f"or --on-nan rollback ({folder})"
    )
    error.where = where
    return error


def save_generator(
    path: Path,
    gan: GAN,
    meta: dict[str, Any],
    about: About | None = None,
    card: DataCard | None = None,
    half: bool = False,
) -> str:
    """The weights of a generator, with its step and its time; returns their hash.

    Args:
        about, card: what it takes to draw from the file alone.
        half: keep single precision as half.
    """
    weights = gan.net("g").state_dict()
    if half:
        weights = {name: w.half() if w.dtype == torch.float32 else w for name, w in weights.items()}
    tensors = {**weights, **({} if card is None else units(card))}
    return write_tensors(path, tensors, {**meta, **({} if about is None else {KEY: about.as_json()})})


def load_generator(path: Path, gan: GAN, hashed: bool = True) -> dict[str, Any]:
    """Fill G, and what goes with it, from a file; returns its metadata. Raises UsageError if it is unfit."""
    tensors, meta = read_tensors(path, hashed)
    weights, _ = split_units(tensors)
    fill_generator(weights, gan, path)
    time_of(meta, path)
    return meta


def fill_generator(weights: Mapping[str, Tensor], gan: GAN, path: Path) -> None:
    """Fill G, and what goes with it, with weights of a file; of half precision too, as some are shipped.

    Raises:
        UsageError: they do not fit.
    """
    single = {name: w.float() if w.dtype == torch.float16 else w for name, w in weights.items()}
    _fill(gan.net("g"), single, f"{path} does not hold this run's generator")


def time_of(meta: Mapping[str, Any], path: Path) -> tuple[int, float]:
    """The step and the time, in [0, 1] of the plan, of a generator's file. Raises DamagedFile without."""
    step: Any = meta.get("step", 0)
    t: Any = meta.get("t")
    if type(t) not in (int, float) or type(step) is not int or not 0 <= float(t) <= 1:
        raise DamagedFile(f"{path} does not hold this run's generator: it says no step and no time")
    return step, float(t)


def fill_discriminator(state: State, gan: GAN, path: Path) -> None:
    """Fill D, and what goes with it, from the state in a file. Raises UsageError if it does not fit."""
    _fill(gan.net("d"), state.get("discriminator"), f"{path} does not hold this run's discriminator")


def _fill(net: torch.nn.Module, weights: Any, otherwise: str) -> None:
    try:
        fill(net, weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{otherwise}: {' '.join(str(error).split())[:200]}") from error
