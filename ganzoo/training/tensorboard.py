"""Event files for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganzoo.training.loggers import need
from ganzoo.training.trainer import Callback, Trainer

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(Callback):
    """All numbers of the log and all scores as event files for TensorBoard, in the run's folder.

    pip install "ganzoo-torch[tensorboard]", and look on with: tensorboard --logdir runs
    """

    def __init__(self) -> None:
        need("tensorboard", "tensorboard")
        self._writer: SummaryWriter | None = None

    def begin(self, trainer: Trainer) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow, and nobody else needs it

        # Readers leave out what a dead process wrote of later steps, which come again.
        self._writer = SummaryWriter(str(trainer.folder / "tensorboard"), purge_step=trainer.step + 1)

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._write(trainer, {key: value for key, value in row.items() if key != "step"})

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._write(trainer, {f"score/{key}": value for key, value in scores.items()})

    def _write(self, trainer: Trainer, values: Mapping[str, float]) -> None:
        assert self._writer is not None
        for key, value in values.items():
            self._writer.add_scalar(key, value, trainer.step)
        self._writer.flush()  # it is valid from the next checkpoint on, so it must be there then

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
