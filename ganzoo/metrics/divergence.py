"""Kullback-Leibler and Jensen-Shannon divergence between generated and real samples, in nats."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.classes import labels_by_shares
from ganzoo.data.kinds import has_pixels
from ganzoo.metrics.base import Metric, Need, Scores
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.densities import AT_MOST, HasDensity, K, LogDensities, log_densities

HALF = 0.5  # added to each count (Krichevsky & Trofimov 1981), so that an empty class costs a finite amount
DRAWS = 200  # of a perfect generator's labels


class _Divergence(Metric):
    def of_labels(self, q: Tensor, p: Tensor) -> Scores:
        """The scores of two distributions over classes, [C] each."""
        raise NotImplementedError

    def of_densities(self, logs: LogDensities) -> Scores:
        raise NotImplementedError

    def needs_for(self, dataset: Dataset) -> tuple[Need, ...]:
        return ("logits",) if _by_labels(dataset) else ()

    def scores_for(self, dataset: Dataset) -> tuple[str, ...]:
        return tuple(k for k in self.higher_is_better if k.startswith("label_") == _by_labels(dataset))

    def protocol(self, context: Context) -> dict[str, Any]:
        of = {"of": "generated || real"}
        if _by_labels(context.dataset):
            return {**of, "estimator": "label counts of the classifier + 1/2", "real": "expected by chance"}
        below = {"k": str(K), "below 0": "0"}
        if isinstance(context.dataset, HasDensity):
            return {**of, "estimator": "k nearest neighbours against the exact density", **below}
        estimator = {
            "estimator": "k nearest neighbours in equal numbers of both sets",
            "n": context.pairs(AT_MOST),
        }
        return {**of, **estimator, **below}

    def __call__(self, context: Context) -> Scores:
        if not _by_labels(context.dataset):
            return self.of_densities(log_densities(context))
        return self.of_labels(*(_shares(_counts(samples)) for samples in (context.fake, context.real)))

    def on_real(self, context: Context) -> Scores:
        if not _by_labels(context.dataset):
            # However few held-out samples there are: the two sides of equal distributions are biased alike.
            return self.of_densities(log_densities(context.of_held_out(), enough=False))
        counts = _counts(context.real)
        shares = (counts / counts.sum()).numpy()
        n = len(context.fake)
        draws = np.random.default_rng(0).multinomial(n, shares, size=DRAWS)
        if context.apportioned:
            draws = torch.bincount(labels_by_shares(n, counts), minlength=len(counts))[None].numpy()
        scores = [self.of_labels(_shares(torch.from_numpy(row)), _shares(counts)) for row in draws]
        return {key: sum(score[key] for score in scores) / len(scores) for key in scores[0]}


class KL(_Divergence):
    """Kullback-Leibler divergence KL(generated || real), in nats: what a mode-dropping generator keeps low.

    0 and up, lower is better. Images (`label_kl`): between the label counts that the extractor's classifier
    gives; beside it, what as many draws from the real labels would score on average. Vectors (`kl`): the mean
    over generated samples of log q - log p, where the generator's density q is estimated by the distance to
    the 3rd nearest neighbour (Wang, Kulkarni & Verdu 2009; Perez-Cruz 2008), and the data's p too, from as
    many samples, or is exact where the dataset knows it. Samples far from all data make it very large. It is
    too low where one distribution reaches far beyond the other; what noise estimates below 0 counts as 0.

    Raises:
        UsageError: vectors of which neighbours tell no density: more columns than the samples bear (3 x 5^D
            of each kind, up to 10,000), data on a curve or surface, or of few distinct values; or generated
            samples that are copies of real ones, which would score far below 0.
    """

    higher_is_better: ClassVar = {"kl": False, "label_kl": False}
    says: ClassVar = {"kl": "KL(generated || real), nats", "label_kl": "KL of the classifier's labels, nats"}

    def of_labels(self, q: Tensor, p: Tensor) -> Scores:
        return {"label_kl": max(float((q * (q / p).log()).sum()), 0.0)}

    def of_densities(self, logs: LogDensities) -> Scores:
        return {"kl": max(float((logs.q_at_q - logs.p_at_q).mean()), 0.0)}


class JS(_Divergence):
    """Jensen-Shannon divergence of generated and real samples, in nats, and its square root, a distance.

    Lin 1991: the mean of KL(q || m) and KL(p || m) with m = (p + q) / 2; from 0 to ln 2 = 0.693, lower is
    better. Estimated as `kl` is, from the labels of images (`label_js`) or the neighbours of vectors (`js`),
    whose first-order bias from the noise of the distances is taken out, and the result kept within the
    bounds.

    Raises:
        UsageError: vectors that `kl` refuses.
    """

    higher_is_better: ClassVar = {
        "js": False, "js_distance": False, "label_js": False, "label_js_distance": False,
    }  # fmt: skip
    says: ClassVar = {
        "js": "Jensen-Shannon divergence, at most 0.69",
        "js_distance": "its square root",
        "label_js": "Jensen-Shannon divergence of labels, at most 0.69",
        "label_js_distance": "its square root",
    }

    def of_labels(self, q: Tensor, p: Tensor) -> Scores:
        middle = (p + q) / 2
        js = max(float((q * (q / middle).log()).sum() + (p * (p / middle).log()).sum()) / 2, 0.0)
        return {"label_js": js, "label_js_distance": math.sqrt(js)}

    def of_densities(self, logs: LogDensities) -> Scores:
        js = jensen_shannon(logs)
        return {"js": js, "js_distance": math.sqrt(js)}


def _by_labels(dataset: Dataset) -> bool:
    return has_pixels(dataset)


def _counts(samples: Samples) -> Tensor:
    """How many samples the classifier gives each label, [C]."""
    return torch.bincount(samples.logits.argmax(1), minlength=samples.logits.shape[1]).double()


def _shares(counts: Tensor) -> Tensor:
    counts = counts.double() + HALF
    return counts / counts.sum()


def jensen_shannon(logs: LogDensities) -> float:
    """Jensen-Shannon divergence from log densities, between 0 and ln 2."""
    total = 0.0
    for ratio in (logs.p_at_q - logs.q_at_q, logs.q_at_p - logs.p_at_p):
        # E ln(1 + e^(r + noise)) exceeds ln(1 + e^r) by half the noise's variance times the curvature.
        curvature = ratio.sigmoid() * (1.0 - ratio.sigmoid())
        value = math.log(2.0) - torch.nn.functional.softplus(ratio) + logs.noise / 2 * curvature
        total += float(value.mean()) / 2
    return min(max(total, 0.0), math.log(2.0))
