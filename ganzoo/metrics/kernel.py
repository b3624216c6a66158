"""Kernel Inception distance."""

from __future__ import annotations

from typing import Any, ClassVar

from ganzoo.extractors.identity import Identity
from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context
from ganzoo.metrics.standard import SCALE, standardized

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020  # torch-fidelity's default, so that the two agree


class KID(Metric):
    """Kernel Inception distance: squared maximum mean discrepancy of the features, without bias in n.

    Binkowski et al. 2018, arXiv 1801.01401, section 4: cubic polynomial kernel (x'y / d + 1)^3, mean over 100
    random subsets of 1000 samples (of all, where there are fewer); near 0 for equal distributions, where it
    may be slightly negative, lower is better. The standard deviation is over subsets of one set of samples.
    Computed by torch-fidelity. Vectors that are their own features are standardised by the reference first,
    as the kernel has a scale, which a network's features bring along.

    Raises:
        UsageError: fewer than 2 samples.
    """

    needs = ("features",)
    per_class = True
    higher_is_better: ClassVar = {"kid": False}
    says: ClassVar = {"kid": "like fid, and unbiased for few samples"}

    def protocol(self, context: Context) -> dict[str, Any]:
        scale = {"scale": SCALE} if isinstance(context.extractor, Identity) else {}
        size = context.pairs(SUBSET_SIZE)
        return {"subsets": SUBSETS, "subset_size": size, "kernel": "poly3", "seed": SEED, **scale}

    def __call__(self, context: Context) -> Scores:
        from torch_fidelity.metric_kid import kid_features_to_metric

        context.at_least(2, "kid")
        size = context.pairs(SUBSET_SIZE)
        if size < SUBSET_SIZE:
            context.note(f"kid: subsets of {size} instead of {SUBSET_SIZE}, as there are no more samples")
        fake, real = context.fake.features, context.real.features
        if isinstance(context.extractor, Identity):
            fake, real = standardized(context)
        made = kid_features_to_metric(
            fake,
            real,
            kid_subsets=SUBSETS,
            kid_subset_size=size,
            rng_seed=SEED,
            verbose=False,
        )
        return {
            "kid": made["kernel_inception_distance_mean"],
            "kid_std": made["kernel_inception_distance_std"],
        }
