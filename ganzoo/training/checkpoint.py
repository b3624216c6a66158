"""Checkpoints: everything needed to go on bit for bit, written whole or not at all, never unpickled."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ganzoo.errors import UsageError, WorkError
from ganzoo.models.base import GAN
from ganzoo.system.files import write_whole
from ganzoo.training.trainer import Every, Trainer

KEEP = 2
NAME = "step-{:08d}.pt"


class Checkpoints(Every):
    """Saves every `every` steps and at the end: the state to go on from, and the weights to sample from."""

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__(every)
        self.folder = folder

    def act(self, trainer: Trainer) -> None:
        save_state(self.folder, NAME.format(trainer.step), trainer)
        weights = self.folder / "generator.safetensors"
        save_generator(weights, trainer.snapshot(), {"step": trainer.step, "t": trainer.growth})
        for old in saved(self.folder)[:-KEEP]:
            old.unlink()


def save_state(folder: Path, name: str, trainer: Trainer) -> None:
    """Write all that the rest of a run depends on. Raises WorkError if its weights are not finite."""
    state = trainer.state_dict()
    refuse_nonfinite(state, folder)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(folder / "checkpoints" / name, buffer.getvalue())


def saved(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((folder / "checkpoints").glob("step-*.pt"))


def refuse_nonfinite(state: dict[str, Any], folder: Path) -> None:
    for net in ("generator", "discriminator"):
        if not all(bool(torch.isfinite(value).all()) for value in state[net].values()):
            raise diverged(folder, f"weights of the {net}", state["step"])


class Diverged(WorkError):
    """The numbers of a run are not finite any more."""


def diverged(folder: Path, what: str, step: int) -> Diverged:
    """The sentence for a run whose numbers are gone."""
    last = saved(folder)
    kept = f"{last[-1]} is the last good checkpoint" if last else "there was no checkpoint yet"
    return Diverged(
        f"training diverged: {what} not finite at step {step}; {kept}; try a lower --lr, "
        f"--stabilizer clip-grad-norm, or another --loss ({folder})"
    )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state in a checkpoint file. Raises UsageError if it is damaged or something else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # truncated, foreign, or holding code: torch raises a different type for each
        raise UsageError(
            f"{path} is not a whole checkpoint ({type(error).__name__}): delete it to go on from "
            "the one before"
        ) from error
    if not isinstance(state, dict) or "step" not in state or "generator" not in state:
        raise UsageError(f"{path} is not a checkpoint of ganzoo: delete it to go on from the one before")
    return state


def load_discriminator(path: Path, gan: GAN) -> None:
    """Fill `gan.discriminator` from a checkpoint. Raises UsageError if there is none, or it does not fit."""
    if not path.exists():
        raise UsageError(f"{path} is not there: the trained discriminator is in the checkpoints")
    try:
        gan.discriminator.load_state_dict(load_checkpoint(path)["discriminator"])
    except (KeyError, RuntimeError) as error:
        raise UsageError(
            f"{path} does not hold this run's discriminator: {str(error).splitlines()[0]}"
        ) from error


def save_generator(path: Path, gan: GAN, meta: dict[str, Any]) -> None:
    """The weights of a generator as safetensors, with one metadata key: more would make the bytes vary."""
    weights = {name: value.detach().cpu().contiguous() for name, value in gan.generator.state_dict().items()}
    write_whole(path, safetensors.torch.save(weights, metadata={"ganzoo": json.dumps(meta)}))


def load_generator(path: Path, gan: GAN) -> dict[str, Any]:
    """Fill `gan.generator` from a file, and return its metadata. Raises UsageError if it does not fit."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            weights: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            meta: dict[str, Any] = json.loads((file.metadata() or {})["ganzoo"])
        gan.generator.load_state_dict(weights)
    except (safetensors.SafetensorError, KeyError, RuntimeError) as error:
        raise UsageError(
            f"{path} does not hold this run's generator: {str(error).splitlines()[0]}"
        ) from error
    return meta
