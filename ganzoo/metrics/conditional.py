"""Conditional accuracy: does a classifier give back the class that was asked for?"""

from __future__ import annotations

from typing import Any, ClassVar

from ganzoo.errors import UsageError
from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context
from ganzoo.metrics.modes import classified


class ConditionalAccuracy(Metric):
    """The share of generated samples that a classifier takes for the class they were made as.

    From 0 to 1, higher is better; real data do not reach 1, as the classifier errs on them too, and a
    generator whose every sample is a caricature of its class may exceed them. Known as GAN-test accuracy
    (Shmelkov, Schmid & Alahari 2018, arXiv 1807.09499, section 3), with a classifier of real data.

    Raises:
        UsageError: the classifier tells other classes apart than the data have.
    """

    needs = ("labels", "generated labels", "logits")
    higher_is_better: ClassVar = {"conditional_accuracy": True}
    uses: ClassVar = ("ganzoo run dcgan --dataset mnist", "ganzoo eval --metric NAME")
    says: ClassVar = {"conditional_accuracy": "samples that show the class asked for"}
    per_class = True

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"n_fake": len(context.fake)}

    def __call__(self, context: Context) -> Scores:
        if not len(context.fake) or context.fake.y is None:
            raise UsageError("conditional-accuracy needs samples with labels, and there are none")
        right = classified(context, context.fake.logits, context.dataset.num_classes) == context.fake.y
        return {"conditional_accuracy": float(right.double().mean())}
