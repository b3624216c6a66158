"""Scores during training, and the checkpoint that is best by the first of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.classes import class_shares, labels_by_shares
from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given
from ganzoo.models.base import GAN
from ganzoo.plan.config import Config
from ganzoo.runs.rows import metrics_row
from ganzoo.system.console import notice
from ganzoo.system.files import append_line, read_lines
from ganzoo.training.checkpoint import save_generator, save_state
from ganzoo.training.sampling import draw
from ganzoo.training.trainer import Every, Trainer

SAMPLES = 1000  # cheap, and said in the protocol of each line
WHEN = "during training"
NO_LABELS = "none"
BY_SHARES = "by the shares of the reference split"


def scored_labels(n: int, gan: GAN, evaluation: Evaluation, own: Dataset) -> Tensor | None:
    """Labels [n] of generated samples for scores: in turn, they would favour the rare classes.

    By the shares of the reference split, or of the run's `own` data where others have other classes; None for
    an unconditional model.
    """
    if not gan.num_classes:
        return None
    same = evaluation.dataset.num_classes == gan.num_classes
    return labels_by_shares(n, evaluation.shares if same else class_shares(own))


def evaluation_of(config: Config, dataset: Dataset) -> Evaluation:
    """What a run is measured with. Raises UsageError if its metrics do not fit its data."""
    evaluation = Evaluation(
        config.eval_metrics,
        dataset,
        offline=bool(config.data_options.get("offline")),
        device=torch.device(config.device),
        given=Given(discriminator=True, labels=config.conditional),
    )
    _ = evaluation.first_score  # refused here, where there is none
    return evaluation


class Evaluations(Every):
    """A line of metrics.jsonl every `every` steps and at the end, from few samples and without real data.

    Args:
        scores: filled with those of the last evaluation, for a progress bar to show.
    """

    def __init__(self, folder: Path, every: int, evaluation: Evaluation, scores: dict[str, float]) -> None:
        super().__init__(every)
        self.folder, self._evaluation, self._last = folder, evaluation, scores
        self._n = max(SAMPLES, evaluation.least())

    def act(self, trainer: Trainer) -> None:
        gan = trainer.snapshot()
        n = self._n
        y = scored_labels(n, gan, self._evaluation, trainer.dataset)
        x = trainer.dataset.to_units(draw(gan, n, trainer.config.seed, labels=y))
        try:
            result = self._evaluation(x, y, gan, with_real=False, progress=False)
        except (UsageError, WorkError) as error:  # scores are worth less than the run
            notice(f"step {trainer.step} was not measured: {error}")
            return
        made_by = {"generator": "averaged, eval mode", "labels": BY_SHARES if gan.num_classes else NO_LABELS}
        made_by["checkpoint"] = WHEN
        before = self._best()
        row = {
            "step": trainer.step,
            "scores": result["scores"],
            "real": {},
            "protocol": {**result["protocol"], **made_by},
            "provenance": {"seed": trainer.config.seed, "seconds": result["seconds"]},
            "notes": result["notes"],
        }
        append_line(self.folder / "metrics.jsonl", row)
        self._last.clear()
        self._last.update(result["scores"])
        value = result["scores"][self._evaluation.first_score]
        if before is None or (value > before if self._evaluation.first_is_higher else value < before):
            save_state(self.folder, "best.pt", trainer)
            meta = {"step": trainer.step, "t": trainer.growth}
            save_generator(self.folder / "checkpoints" / "best.safetensors", gan, meta)

    def _best(self) -> float | None:
        """The best value so far, from the record, so that a resumed run knows it too."""
        rows = [
            row
            for row in read_lines(self.folder / "metrics.jsonl", metrics_row)
            if row["protocol"].get("checkpoint") == WHEN
        ]
        values = [
            row["scores"][self._evaluation.first_score]
            for row in rows
            if self._evaluation.first_score in row["scores"]
        ]
        if not values:
            return None
        return float(max(values) if self._evaluation.first_is_higher else min(values))
