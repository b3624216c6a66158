"""Which files of a run folder hold the weights to sample from: decided by its newest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganzoo.errors import UsageError, nearest
from ganzoo.models.base import GAN
from ganzoo.system.console import typed
from ganzoo.system.tensors import HASH, DamagedFile, read_meta
from ganzoo.training.checkpoint import (
    BEST,
    BEST_GENERATOR,
    FOLDER,
    GENERATOR,
    NAME,
    Best,
    fill_discriminator,
    load_generator,
    read_state,
    said_by,
    saved,
)
from ganzoo.training.keeper import NEXT
from ganzoo.training.older import BEST_STATE, BEST_WEIGHTS, is_older, pickled, read_pickled


@dataclass(frozen=True)
class Weights:
    """Where the averaged generator is, and the state of the same step, from which D is taken.

    Attributes:
        state: in the folder of checkpoints, with {} where the step goes, which the generator's file says.
        hashed: whether the files carry hashes.
        best: the hashes that they must carry, of what a checkpoint names as best.
    """

    generator: Path
    checkpoints: Path
    state: str
    hashed: bool = True
    best: Best | None = None

    def into(self, gan: GAN, discriminator: bool) -> int:
        """Fill a model's generator, and its D if it is asked for, and return their step; in eval mode.

        Raises:
            UsageError: a file is damaged, or does not fit.
        """
        meta = load_generator(self.generator, gan, self.hashed)
        step = int(meta["step"])
        if self.best and meta[HASH] != self.best.generator:
            raise _of_another(self.generator, step)
        if discriminator:
            path = self.checkpoints / self.state.format(step)
            if not path.exists():
                raise UsageError(f"{path} is not there: the trained discriminator is in the checkpoints")
            state, said = read_state(path) if self.hashed else (read_pickled(path), {})
            if self.best and said[HASH] != self.best.state:
                raise _of_another(path, step)
            fill_discriminator(state, gan, path)
        gan.progress(float(meta["t"]))
        gan.eval()
        return step


def _of_another(path: Path, step: int) -> UsageError:
    return UsageError(f"{path} is not what this run kept as its best, of step {step}: bring that file back")


def find_weights(folder: Path, which: str) -> Weights:
    """The weights of the "last" or of the "best" checkpoint. Raises UsageError if there are none."""
    if which not in ("last", "best"):
        raise UsageError(f"--checkpoint {which}: {nearest(which, ('last', 'best'))}")
    if is_older(folder):
        found = _older(folder, which)
    elif which == "best":
        best = next((said.best for said in map(said_by, reversed(saved(folder))) if said), None)
        checkpoints = folder / FOLDER
        found = None
        if best:
            kept = checkpoints / BEST_GENERATOR.format(best.step)
            found = Weights(kept, checkpoints, BEST, best=best)
    else:
        generator = _last(folder)
        found = Weights(generator, folder / FOLDER, NAME) if generator else None
    if found is not None:
        return found
    if which == "best":
        raise UsageError(f"{folder} has no best checkpoint: train it with --eval-every N")
    raise UsageError(f"{folder} has no weights yet: {typed('ganzoo', 'resume', folder)} goes on with it")


def _older(folder: Path, which: str) -> Weights | None:
    weights = folder / FOLDER / BEST_WEIGHTS if which == "best" else folder / GENERATOR
    state = BEST_STATE if which == "best" else pickled(folder)[-1].name
    return Weights(weights, folder / FOLDER, state, hashed=False) if weights.exists() else None


def _last(folder: Path) -> Path | None:
    """The file of the newest checkpoint's generator, which a process that died may have left unnamed."""
    there = [path for path in (folder / GENERATOR, folder / NEXT) if path.exists()]
    checkpoints = saved(folder)
    said = said_by(checkpoints[-1]) if checkpoints else None
    if not there or said is None:
        return there[0] if there else None
    hashes = {}
    for path in there:
        try:
            hashes[read_meta(path).get(HASH)] = path
        except DamagedFile as error:
            hashes[str(error)] = path
    if said.generator in hashes:
        return hashes[said.generator]
    if not _is_newer(there[0], said.step) and _is_whole(checkpoints[-1]):
        raise UsageError(
            f"{there[0]} does not hold this run's generator of step {said.step}, the newest checkpoint's: "
            f"{typed('ganzoo', 'resume', folder)} makes it again"
        )
    return there[0]


def _is_whole(checkpoint: Path) -> bool:
    try:
        read_state(checkpoint)
    except DamagedFile:
        return False
    return True


def _is_newer(weights: Path, step: int) -> bool:
    """Whether somebody has removed the checkpoint that weights belong to."""
    try:
        made = read_meta(weights).get("step")
    except DamagedFile:
        return False
    return isinstance(made, int) and made > step
