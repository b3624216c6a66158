"""What the trained discriminator knows: telling real from generated, and features worth classifying with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from ganzoo.data.conditions import as_seen_by_nets
from ganzoo.errors import UsageError
from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context, Samples
from ganzoo.models.base import GAN
from ganzoo.models.sample import Logits, pack, scales

BATCH = 256
AT_MOST = 10_000
RIDGE = 1.0  # of the linear probe, per training sample, on features of unit variance


class DAccuracy(Metric):
    """How well the trained discriminator tells real samples from generated ones.

    The share of right answers on equally many of both, where D says "real" above the median of all its
    outputs: so it counts how D orders samples, and a critic's meaningless zero does not matter. 1/2 is
    chance, 1 tells them all; samples that D cannot tell are better, or D is worse. Beside it: training data
    against held-out data, above 1/2 where D has learnt its training data by heart (Karras et al. 2020, arXiv
    2006.06676, section 3).
    """

    needs = ("discriminator",)
    higher_is_better: ClassVar = {"d_accuracy": False}
    says: ClassVar = {"d_accuracy": "D tells them from real; 0.5 is chance"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"threshold": "median", "mode": "eval", "n": _balanced(context, context.real, context.fake)}

    def __call__(self, context: Context) -> Scores:
        return self._told_apart(context, context.real, context.fake)

    def on_real(self, context: Context) -> Scores:
        n = _balanced(context, context.real, context.fake)
        context.refuse_fewer(n, min(len(context.train), len(context.test)))
        return self._told_apart(context, context.train.some(n), context.test.some(n))

    def _told_apart(self, context: Context, first: Samples, second: Samples) -> Scores:
        n = _balanced(context, first, second)
        real, fake = (_outputs(context, samples.some(n)) for samples in (first, second))
        middle = torch.cat([real, fake]).quantile(0.5)
        ties = 0.5 * float((real == middle).sum() + (fake == middle).sum())
        right = float((real > middle).sum() + (fake < middle).sum())
        return {"d_accuracy": (right + ties) / (len(real) + len(fake))}


class DFeatures(Metric):
    """What a linear classifier makes of D's frozen features: accuracy on the test split.

    After Radford et al. 2016, arXiv 1511.06434, section 5.1: the trained discriminator is a feature
    extractor. A ridge classifier on the standardised inputs of D's last layer, fitted to the labels of the
    training split; 0 to 1, higher is better. Beside it: the same classifier on the pixels.

    Raises:
        UsageError: D gives no features, or judges several samples together.
    """

    needs = ("discriminator", "labels")
    higher_is_better: ClassVar = {"probe_accuracy": True}
    says: ClassVar = {"probe_accuracy": "linear classifier on D's features"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"classifier": "ridge", "alpha": RIDGE, "n_train": min(AT_MOST, len(context.train))}

    def __call__(self, context: Context) -> Scores:
        gan = _gan(context)
        if not hasattr(gan.discriminator, "features"):
            raise UsageError(
                f"d-features needs a discriminator with features(x, y), and {type(gan).__name__}'s has none"
            )
        if gan.pack > 1:
            raise UsageError(f"d-features needs a D that judges one sample, and this one packs {gan.pack}")
        return self._probe(context, lambda samples: _features(context, samples))

    def on_real(self, context: Context) -> Scores:
        return self._probe(context, lambda samples: samples.x.flatten(1).float())

    def _probe(self, context: Context, features: Any) -> Scores:
        train, test = context.train.some(AT_MOST), context.test.some(AT_MOST)
        assert train.y is not None
        assert test.y is not None
        return {"probe_accuracy": probe(features(train), train.y, features(test), test.y)}


def probe(x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor) -> float:
    """Accuracy on (x_test, y_test) of a ridge classifier fitted to features x [N, d] and labels y [N]."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=RIDGE * len(x)))
    model.fit(x.double().numpy(), y.numpy())
    return float(model.score(x_test.double().numpy(), y_test.numpy()))


def _gan(context: Context) -> GAN:
    assert context.gan is not None
    return context.gan


def _balanced(context: Context, first: Samples, second: Samples) -> int:
    """How many of either D is shown: equally many, in whole packs. Raises UsageError if there is none."""
    n, pack = min(len(first), len(second), AT_MOST), _gan(context).pack
    if n < pack:
        raise UsageError(
            f"d-accuracy needs at least {pack} samples of each kind, as D judges {pack} together"
        )
    return n - n % pack


@torch.no_grad()
def _outputs(context: Context, samples: Samples) -> Tensor:
    """D's logits, float64 [N / pack]; the mean over scales or maps where it gives several."""
    gan, outputs = _gan(context), []
    with _still(gan.discriminator):
        for x, y in _batches(context, samples, BATCH * gan.pack):
            logits: Logits = gan.discriminator(pack(gan.view(x), gan.pack), y)
            means = [part.reshape(len(part), -1).mean(1) for part in scales(logits)]
            outputs.append(torch.stack(means).mean(0).double().cpu())
    return torch.cat(outputs)


@torch.no_grad()
def _features(context: Context, samples: Samples) -> Tensor:
    gan, made = _gan(context), []
    features = cast(Callable[..., Tensor], gan.discriminator.features)
    with _still(gan.discriminator):
        for x, _ in _batches(context, samples, BATCH):
            # Without the label: it is what the probe should find out.
            made.append(features(gan.view(x), None).flatten(1).float().cpu())
    return torch.cat(made)


def _batches(context: Context, samples: Samples, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    gan = _gan(context)
    there = context.dataset.condition_shape or context.dataset.num_classes
    if gan.is_conditional and there and there != gan.condition:
        raise UsageError(
            f"D was trained on {gan.condition} classes, and {context.dataset.name} has {there}: it judges "
            "samples of its own classes alone"
        )
    device = next(gan.discriminator.parameters()).device
    for start in range(0, len(samples), size):
        rows = slice(start, start + size)
        y = None
        if samples.y is not None and gan.is_conditional:
            y = as_seen_by_nets(samples.y[rows].to(device))
        yield context.dataset.from_units(samples.x[rows]).to(device), y


@contextmanager
def _still(net: nn.Module) -> Iterator[None]:
    """In eval mode inside the block: in training, the net is used as it is between two steps."""
    was = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was)
