"""The classifier two-sample test: can a fresh classifier tell generated samples from real ones?"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError
from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context
from ganzoo.metrics.standard import SCALE, standardized

AT_MOST = 2_000  # samples of each kind: the cost grows with the square
COPIES = 0.1  # the share of samples that may be copies of real rows
FOLDS = 5
WIDTHS = (1, 10, 100, 1000)  # inverse ones, of the kernel's parts: from whole clouds to what is in a mode
ERRORS = 4.0  # standard errors below 1/2, which are no chance


class ClassifierTwoSample(Metric):
    """Classifier two-sample test: the accuracy of a classifier that learns to tell generated from real.

    Lopez-Paz & Oquab 2017, arXiv 1610.06545: 1/2 where they cannot be told apart, 1 where all can, lower is
    better. On the features in standard deviations of the reference, equal numbers of either kind, at most
    2,000; each sample is judged by a support vector machine that has not seen it (5 folds), whose kernel is
    the mean of four Gaussians, exp(-w |x - y|^2 / d) with w = 1, 10, 100, 1000. Nothing in it is random but
    the folds, which are always the same.

    `c2st_std` is the standard error by chance, (a (1 - a) / n)^(1/2) with n samples of either kind; the
    answers are 2n, but those of one fold hang together. By chance the accuracy is below 1/2 as often as
    above it. Far below it are copies: where one of two equal samples has been seen, the other is taken for
    its like.

    Raises:
        UsageError: fewer than 10 samples, or an accuracy more than 4 standard errors below 1/2.
    """

    needs = ("features",)
    higher_is_better: ClassVar = {"c2st": False}
    says: ClassVar = {"c2st": "a classifier tells them from real; 0.5 is chance"}

    def protocol(self, context: Context) -> dict[str, Any]:
        classifier = f"SVM, mean of Gaussian kernels {', '.join(map(str, WIDTHS))}"
        return {"n": context.pairs(AT_MOST), "classifier": classifier, "folds": FOLDS, "scale": SCALE}

    def __call__(self, context: Context) -> Scores:
        context.at_least(2 * FOLDS, "c2st")
        copies, twins = copied(context.fake.features, context.real.features)
        if copies > COPIES + 2 * twins:
            raise UsageError(
                f"{100 * copies:.0f} % of these samples are copies of rows of {context.dataset.name}, which "
                "no classifier that has not seen these rows can tell: see memorization"
            )
        fake, real = standardized(context, context.pairs(AT_MOST))
        accuracy = told_apart(fake.numpy(), real.numpy())
        error = math.sqrt(accuracy * (1 - accuracy) / len(fake))
        if accuracy < 0.5 - ERRORS * math.sqrt(0.25 / len(fake)):
            raise UsageError(
                f"c2st is {accuracy:.2f}, and chance is 0.5: these samples are so near to real ones that a "
                "classifier takes each for its twin, as copies are: see memorization"
            )
        return {"c2st": accuracy, "c2st_std": error}


def copied(fake: Tensor, real: Tensor) -> tuple[float, float]:
    """The share of rows of [N, d] that are rows of [M, d], and of rows of [M, d] that are like another."""
    rows = [row.tobytes() for row in real.numpy()]
    known = set(rows)
    return sum(row.tobytes() in known for row in fake.numpy()) / len(fake), 1.0 - len(known) / len(rows)


def told_apart(fake: Array, real: Array) -> float:
    """The share of right answers about [N, d] and [N, d], each from a classifier of the other folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.svm import SVC

    kind = np.repeat([0, 1], [len(fake), len(real)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    answers = cross_val_predict(SVC(kernel="precomputed"), gram(np.concatenate([fake, real])), kind, cv=folds)
    return float((answers == kind).mean())


def gram(x: Array) -> Array:
    """The kernel between all of [N, d]: [N, N]."""
    from sklearn.metrics.pairwise import euclidean_distances

    squared = euclidean_distances(x, squared=True) / x.shape[1]
    return np.asarray(sum(np.exp(-width * squared) for width in WIDTHS) / len(WIDTHS))
