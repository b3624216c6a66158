"""What the files of a run are called, and how far it is by their names: looked at without torch."""

from __future__ import annotations

from pathlib import Path

FOLDER = "checkpoints"
NAME = "step-{:08d}.safetensors"
BEST = "best-{:08d}.safetensors"
BEST_GENERATOR = "best-{:08d}.generator.safetensors"
GENERATOR = "generator.safetensors"
SAMPLES = "samples"
PICTURE = "step-{:08d}.png"
IN_THE_PLANE = (2,)  # the shape of vectors whose points are kept
POINTS = "step-{:08d}.npy"  # beside the picture: the points in it, in the data's own units


def saved(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted((folder / FOLDER).glob("step-*.safetensors"))


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint, of what was best, or of a picture; -1 where there is none."""
    number = path.name.partition("-")[2].partition(".")[0]
    return int(number) if number.isdecimal() else -1


def steps_done(folder: Path) -> int:
    """The step of a run's newest checkpoint; 0 before the first."""
    return max(map(step_of, saved(folder)), default=0)


def pickled(folder: Path) -> list[Path]:
    """The checkpoints that version 0.1 left in a run folder, oldest first."""
    return sorted((folder / FOLDER).glob("step-*.pt"))
