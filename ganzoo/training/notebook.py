"""How far a training is, in the cell of a notebook: a bar of text, what D says, and the newest picture."""

from __future__ import annotations

import time
from pathlib import Path

from ganzoo.system.notebook import PAUSE, Cell, bar_of
from ganzoo.training.bar import Watching
from ganzoo.training.trainer import Trainer


class Notebook(Watching):
    """A bar of text and the newest picture of samples in the cell that trains; needs no widgets.

    Outside of a notebook it shows nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cell = Cell()
        self._shown = 0.0
        self._image = ("", b"")  # its name, and what it is

    def after_step(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now - self._shown >= PAUSE or trainer.is_last:
            self._shown = now
            self._show(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self._show(trainer)

    def _show(self, trainer: Trainer) -> None:
        rate = (trainer.step - trainer.started_at) / max(trainer.seconds, 1e-9)
        bar = bar_of(trainer.step, trainer.recipe.steps, rate, "steps")
        self._cell.show("\n".join([bar, *self.lines(trainer)]), self._picture(trainer.folder))

    def _picture(self, folder: Path) -> bytes:
        newest = max(folder.glob("samples/step-*.png"), default=None)
        if newest is not None and newest.name != self._image[0]:
            self._image = (newest.name, newest.read_bytes())
        return self._image[1]
