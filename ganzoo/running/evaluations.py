"""Scores during training, and the checkpoint that is best by the first of them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.conditions import Conditions
from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given
from ganzoo.models.base import GAN
from ganzoo.plan.config import Config
from ganzoo.plan.stopping import StopWhen, why_ended
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.lines import append_line
from ganzoo.training.rows import WHEN, measured
from ganzoo.training.sampling import draw
from ganzoo.training.trainer import Every, Trainer

SAMPLES = 1000  # cheap, and said in the protocol of each line
NO_LABELS = "none"
BY_SHARES = "by the shares of the reference split"
HELD_OUT = "conditions of the test split"


def scored_y(n: int, gan: GAN, evaluation: Evaluation, own: Conditions) -> Tensor | None:
    """y of n generated samples for scores: classes in turn would favour the rare ones.

    Classes by the shares of the reference split, values as the test split has them; where these are other
    data, with other conditions, by the run's `own`. None for an unconditional model.
    """
    there = evaluation.dataset.condition_shape or evaluation.dataset.num_classes
    if gan.is_conditional and there == gan.condition:
        own = evaluation.conditions
    return own.by_shares(n)


def told_of_y(gan: GAN) -> str:
    """How `scored_y` has chosen y, for a protocol."""
    return HELD_OUT if gan.condition_shape else BY_SHARES if gan.num_classes else NO_LABELS


def evaluation_of(config: Config, dataset: Dataset) -> Evaluation:
    """What a run is measured with. Raises UsageError if its metrics do not fit its data."""
    evaluation = Evaluation(
        config.eval_metrics,
        dataset,
        offline=bool(config.data_options.get("offline")),
        device=choose_device(config.device),
        given=Given(discriminator=True, labels=config.conditional),
    )
    _ = evaluation.first_score  # refused here, where there is none
    if config.stop_when:
        StopWhen.parse(config.stop_when).among(evaluation.score_names)
    return evaluation


class Evaluations(Every):
    """Scores every `--eval-every` steps and at the end, of `--eval-metric`: lines of metrics.jsonl.

    Of few samples; as many real ones are measured too, at the first evaluation. It finds the best step by the
    first score, and ends a run early where `--stop-when` or `--patience` say so.
    """

    uses: ClassVar = ("ganzoo run mlp-gan --dataset ring8 --eval-metric modes --callback NAME",)

    def begin(self, trainer: Trainer) -> None:
        self.every = trainer.config.eval_every
        self._evaluation = evaluation_of(trainer.config, trainer.dataset)
        self._n = max(SAMPLES, self._evaluation.least())

    def act(self, trainer: Trainer) -> None:
        gan = trainer.snapshot()
        n = self._n
        y = scored_y(n, gan, self._evaluation, trainer.conditions)
        x = trainer.dataset.to_units(draw(gan, n, trainer.config.seed, y=y))
        before = [row["scores"] for row in measured(trainer.folder)]
        try:
            # Beside the first alone: real data do not age.
            result = self._evaluation(x, y, gan, with_real=not before, progress=False)
        except (UsageError, WorkError) as error:  # scores are worth less than the run
            notice(f"step {trainer.step} was not measured: {error}")
            return
        made_by = {"generator": "averaged, eval mode", "labels": told_of_y(gan)}
        made_by["checkpoint"] = WHEN
        ended = self._why_ended([*before, result["scores"]], trainer.config)
        row = {
            "step": trainer.step,
            "scores": result["scores"],
            "real": result["real"],
            "protocol": {**result["protocol"], **made_by},
            "provenance": {"seed": trainer.config.seed, "seconds": result["seconds"]},
            "notes": result["notes"],
            **({"ended": ended} if ended else {}),
        }
        append_line(trainer.folder / "metrics.jsonl", row)
        for callback in trainer.callbacks:
            callback.after_scores(trainer, result["scores"])
        first, higher = self._evaluation.first_score, self._evaluation.first_is_higher
        value, values = result["scores"][first], [scores[first] for scores in before if first in scores]
        trainer.is_best = all(value > other if higher else value < other for other in values)
        trainer.ended = ended

    def _why_ended(self, scores: list[dict[str, float]], config: Config) -> str:
        when = StopWhen.parse(config.stop_when) if config.stop_when else None
        first, higher = self._evaluation.first_score, self._evaluation.first_is_higher
        return why_ended(scores, when, config.patience, first, higher)


def ended_at(folder: Path, step: int) -> str:
    """Why a run ended early at this step, or ""."""
    rows = [row for row in measured(folder) if row["step"] == step]
    return str(rows[-1].get("ended", "")) if rows else ""
