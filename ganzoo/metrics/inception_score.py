"""Inception score."""

from __future__ import annotations

from typing import Any, ClassVar

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context

SPLITS = 10
SHUFFLE_SEED = 2020  # torch-fidelity's default, so that the two agree


class InceptionScore(Metric):
    """Inception score: how sure a classifier is of each sample, and how many classes it sees in all.

    Salimans et al. 2016, arXiv 1606.03498, section 4: exp(mean over x of KL(p(y|x) || p(y))), natural
    logarithm; from 1 to the number of the classifier's classes, higher is better. Mean and standard
    deviation are over 10 splits of one set of samples: the deviation is no error bar over seeds. Computed by
    torch-fidelity.

    Raises:
        UsageError: fewer than 10 samples.
    """

    needs = ("logits",)
    higher_is_better: ClassVar = {"is": True}
    uses: ClassVar = ("ganzoo run dcgan --dataset mnist", "ganzoo eval --metric NAME")
    says: ClassVar = {"is": "sure of each sample, varied in all"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"splits": SPLITS, "shuffle_seed": SHUFFLE_SEED}

    def __call__(self, context: Context) -> Scores:
        from torch_fidelity.metric_isc import isc_features_to_metric

        context.at_least(SPLITS, "is")
        made = isc_features_to_metric(context.fake.logits, SPLITS, True, SHUFFLE_SEED)
        return {"is": made["inception_score_mean"], "is_std": made["inception_score_std"]}
