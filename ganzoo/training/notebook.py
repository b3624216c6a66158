"""How far a training is, in the cell of a notebook: a bar of text, what D says, and the newest picture."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ganzoo.system.notebook import PAUSE, Cell, bar_of
from ganzoo.training.callbacks import judgement
from ganzoo.training.trainer import Callback, Trainer


class Notebook(Callback):
    """A bar of text and the newest picture of samples in the cell that trains; needs no widgets.

    Outside of a notebook it shows nothing.
    """

    def __init__(self) -> None:
        self._judged = self._scores = ""
        self._cell = Cell()
        self._shown = 0.0
        self._image = ("", b"")  # its name, and what it is

    def after_step(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now - self._shown >= PAUSE or trainer.is_last:
            self._shown = now
            self._show(trainer)

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._judged = judgement(row, trainer.loss.probabilistic)

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._scores = "  ".join(f"{key} {value:.4g}" for key, value in scores.items())

    def at_end(self, trainer: Trainer) -> None:
        self._show(trainer)

    def _show(self, trainer: Trainer) -> None:
        rate = (trainer.step - trainer.started_at) / max(trainer.seconds, 1e-9)
        bar = bar_of(trainer.step, trainer.recipe.steps, rate, "steps")
        lines = [self._judged, self._scores, *(callback.line for callback in trainer.callbacks)]
        self._cell.show("\n".join([bar, *filter(None, lines)]), self._picture(trainer.folder))

    def _picture(self, folder: Path) -> bytes:
        newest = max(folder.glob("samples/step-*.png"), default=None)
        if newest is not None and newest.name != self._image[0]:
            self._image = (newest.name, newest.read_bytes())
        return self._image[1]
