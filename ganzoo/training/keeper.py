"""One commit point: what belongs to a step is written before, and valid once its checkpoint has its name.

A checkpoint names the weights to sample from and the best step until then, with their hashes. What a dead
process left beyond its last checkpoint is taken back (lines, pictures, files that no checkpoint names), and
comes again as the run goes on.
"""

from __future__ import annotations

from pathlib import Path

from ganzoo.data.card import DataCard
from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.files import drop_orphans, flush
from ganzoo.system.lines import cut_lines
from ganzoo.system.tensors import HASH, DamagedFile, read_tensors
from ganzoo.training.about import About, measured_at
from ganzoo.training.checkpoint import (
    BEST,
    BEST_GENERATOR,
    FOLDER,
    GENERATOR,
    NAME,
    Best,
    Checkpoint,
    State,
    read_state,
    refuse_nonfinite,
    said_by,
    save_generator,
    saved,
    step_of,
    write_state,
)
from ganzoo.training.rows import stepped
from ganzoo.training.stored import SAMPLES
from ganzoo.training.trainer import Callback, Trainer

KEEP = 2
NEXT = f".{GENERATOR}.next"  # the weights to sample from, until their checkpoint has its name
LINES = ("log.jsonl", "metrics.jsonl")


class Keeper(Callback):
    """Saves every `--checkpoint-every` steps and at the end: it makes what all others wrote until then valid.

    Attributes:
        best: the best step so far, kept with the next checkpoint.
    """

    def __init__(self) -> None:
        self.best: Best | None = None
        self._kept_at = -1
        self._published = False
        self._card: DataCard | None = None

    def begin(self, trainer: Trainer) -> None:
        self.folder, self.every = trainer.folder, trainer.config.checkpoint_every

    def go_on(self, checkpoint: Checkpoint | None) -> None:
        """Go on from a checkpoint, or from the start: what is newer in the folder is taken back."""
        settle(self.folder, checkpoint, self.every)
        if checkpoint is not None:
            self.best, self._kept_at = checkpoint.best, checkpoint.step
            self._published = holds(self.folder / GENERATOR, checkpoint)

    def after_step(self, trainer: Trainer) -> None:
        if trainer.is_best:
            self.keep_best(trainer)
        if trainer.step % self.every == 0 or trainer.is_last:
            self.commit(trainer)

    def at_end(self, trainer: Trainer) -> None:
        if self._kept_at != trainer.step or not self._published:  # or lost since then, or damaged
            self.commit(trainer)

    def commit(self, trainer: Trainer) -> None:
        """Make all that was done until this step valid."""
        state = trainer.state_dict()
        refuse_nonfinite(state, self.folder)
        for name in LINES:
            flush(self.folder / name)
        step = trainer.step
        try:
            generator = self._save_generator(self.folder / NEXT, trainer)
            checkpoint = Checkpoint(step, generator, self.best, trainer.is_last)
            write_state(self.folder / FOLDER / NAME.format(step), state, checkpoint)
        except BaseException:  # the disk is full, say
            (self.folder / NEXT).unlink(missing_ok=True)
            raise
        (self.folder / NEXT).replace(self.folder / GENERATOR)
        flush(self.folder)
        self._kept_at, self._published = step, True
        sweep(self.folder, self.every)

    def keep_best(self, trainer: Trainer) -> None:
        """Keep this step as the best so far, valid from the next checkpoint on."""
        state, step = trainer.state_dict(), trainer.step
        refuse_nonfinite(state, self.folder)
        folder = self.folder / FOLDER
        written = write_state(folder / BEST.format(step), state)
        generator = self._save_generator(folder / BEST_GENERATOR.format(step), trainer)
        self.best = Best(step, written, generator)

    def _save_generator(self, path: Path, trainer: Trainer) -> str:
        """The averaged generator of this step, in a file that needs nothing else; returns its hash."""
        if self._card is None:
            self._card = DataCard.of(trainer.dataset, trainer.config.conditional)
        measured = measured_at(self.folder, trainer.step, in_training=True)
        about = About.of(trainer.config, self._card, measured)
        meta = {"step": trainer.step, "t": trainer.growth}
        return save_generator(path, trainer.snapshot(), meta, about, self._card)


def newest_whole(folder: Path, tell: bool = True) -> tuple[State, Checkpoint] | None:
    """The newest checkpoint that is whole; None if there is none at all.

    Args:
        tell: say so where newer ones are damaged.

    Raises:
        UsageError: there are some, and none is whole.
    """
    damaged: list[str] = []
    for path in reversed(saved(folder)):
        try:
            state, meta = read_state(path)
            checkpoint = Checkpoint.of(path, meta)
        except DamagedFile as error:
            damaged.append(str(error))
            continue
        if damaged and tell:
            notice(f"{'; '.join(damaged)}: going on from step {checkpoint.step}")
        return state, checkpoint
    if damaged:
        raise UsageError(
            f"{'; '.join(damaged)}: bring back a whole one, or delete {folder / FOLDER} to train the run "
            f"again from the start"
        )
    return None


def settle(folder: Path, checkpoint: Checkpoint | None, every: int) -> None:
    """Take back what is newer than a checkpoint, and finish or remove what a dead process left half done."""
    step = checkpoint.step if checkpoint else 0
    for place in (folder, folder / FOLDER, folder / SAMPLES):
        drop_orphans(place)
    staged = folder / NEXT
    if checkpoint is not None and holds(staged, checkpoint):
        staged.replace(folder / GENERATOR)
    staged.unlink(missing_ok=True)
    for path in saved(folder):
        if step_of(path) > step:
            path.unlink()
    sweep(folder, every)
    for name in LINES:
        cut_lines(folder / name, lambda row: row["step"] <= step, stepped)
    for name in ("step-*.png", "step-*.npy"):
        for picture in (folder / SAMPLES).glob(name):
            if step_of(picture) > step:
                picture.unlink()


def holds(generator: Path, checkpoint: Checkpoint) -> bool:
    """Whether a file is whole, and has the weights to sample from that belong to a checkpoint."""
    try:
        return bool(read_tensors(generator)[1][HASH] == checkpoint.generator)
    except DamagedFile:
        return False


def sweep(folder: Path, every: int) -> None:
    """Remove the checkpoints but the last ones, and what was best once and is in none of them."""
    said = {path: said_by(path) for path in saved(folder)}
    regular = [path for path, one in said.items() if step_of(path) % every == 0 or (one and one.last)]
    # One that Ctrl-C added takes the place of none that would have been there anyway.
    kept = {*regular[-KEEP:], *list(said)[-1:]}
    best = {one.best.step for path, one in said.items() if path in kept and one and one.best}
    for path in said.keys() - kept:
        path.unlink()
    for path in (folder / FOLDER).glob("best-*.safetensors"):
        if step_of(path) not in best:
            path.unlink()
