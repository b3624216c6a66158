"""A run in Weights & Biases."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ganzoo.errors import UsageError, first_line, nearest
from ganzoo.training.loggers import id_in, keep_id, need
from ganzoo.training.trainer import Callback, Trainer

MODES = ("online", "offline", "disabled")


class Wandb(Callback):
    """All numbers of the log and all scores in Weights & Biases; a run that goes on goes on there too.

    pip install "ganzoo-torch[wandb]", and wandb login; offline, `wandb sync` sends them later.

    Args:
        project: in which the run is.
        mode: online, offline or disabled; none: what $WANDB_MODE says, or else online.
    """

    def __init__(self, project: str = "ganzoo", mode: str | None = None) -> None:
        if mode is not None and mode not in MODES:
            raise UsageError(f"wandb: mode {mode!r}: {nearest(mode, MODES)}")
        need("wandb", "wandb")
        self._project, self._mode = project, mode
        self._run: Any = None
        self._failed = True

    def begin(self, trainer: Trainer) -> None:
        import wandb  # slow, and nobody else needs it

        kept = id_in(trainer.folder, "wandb") or uuid.uuid4().hex[:16]
        try:
            self._run = wandb.init(
                project=self._project,
                name=trainer.folder.name,
                id=kept,
                resume="allow",
                dir=str(trainer.folder),
                config=trainer.config.identity(),
                mode=self._mode,
                # On stdout is the result of a command, and the bar needs stderr for itself.
                settings=wandb.Settings(console="off", silent=True),
            )
        except Exception as error:  # of many kinds, of which none is documented
            raise UsageError(
                f"the callback wandb cannot begin ({first_line(error)}): log in with wandb login, or give "
                "wandb:mode=offline"
            ) from error
        keep_id(trainer.folder, "wandb", kept)

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._log(trainer, {key: value for key, value in row.items() if key != "step"})

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._log(trainer, {f"score/{key}": value for key, value in scores.items()})

    def _log(self, trainer: Trainer, values: dict[str, float]) -> None:
        # It leaves out steps that it has; after a kill they come again, and are the same.
        self._run.log(values, step=trainer.step)

    def at_end(self, trainer: Trainer) -> None:
        self._failed = False

    def close(self) -> None:
        if self._run is not None:
            self._run.finish(exit_code=int(self._failed))
