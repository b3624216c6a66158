"""The runs that the diagnosis is set and checked by: healthy ones of every member, and ones made to fail."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from benchmarks.diagnosis.data import OWN, data_of, healthy_case
from ganzoo.data import mnist
from ganzoo.data.base import Dataset
from ganzoo.data.tensors import ImageSet, TensorSplit
from ganzoo.losses import NonSaturating
from ganzoo.models.turn import Turn
from ganzoo.registry import DATASETS, LOSSES, STABILIZERS
from ganzoo.stabilizers.base import Stabilizer


@dataclass(frozen=True)
class Case:
    """A run by the words it is asked for with, and what must be found in it; "" for nothing at all."""

    name: str
    words: dict[str, Any]
    finds: str = ""
    seeds: range = field(default_factory=lambda: range(10))


def _digits(model: str, **words: Any) -> dict[str, Any]:
    """Default recipes on digits, or the member's own data, with less of everything: widths, batch, steps."""
    sizes = {f"model.{key}": value for key, value in SMALL[model].items()}
    given = {**sizes, **words.pop("set", {})}
    return {"model": model, "dataset": data_of(model), "steps": 300, "batch_size": 16, "set": given, **words}


def _vectors(dataset: str, **words: Any) -> dict[str, Any]:
    return {"model": "mlp-gan", "dataset": dataset, "steps": 1200, "batch_size": 64, **words}


SMALL = {
    "mlp-gan": {"width": 64, "d_width": 64},
    "dcgan": {"width": 8},
    "lsgan": {"width": 8},
    "wgan": {"width": 8},
    "wgan-gp": {"width": 4},
    "sngan": {"width": 4},
    "r3gan": {"width": 8, "max_width": 16},
    "progan": {"width": 8, "max_width": 16},
    "msg-gan": {"width": 4, "max_width": 16},
    "acgan": {"width": 8},
    "infogan": {"width": 8},
    "bigan": {"width": 8},
    "sagan": {"width": 8, "max_width": 16},
    "biggan": {"width": 4, "max_width": 16, "embed": 8},
    "stylegan2": {"width": 4, "max_width": 16, "z_dim": 32, "w_dim": 32},
    "wavegan": {"width": 8},
    "pix2pix": {"width": 6},
    "cyclegan": {"width": 6, "blocks": 1},
}

MIXTURES = ("ring8", "grid25", "gaussian-1d")

HEALTHY = [
    *(Case(healthy_case(model), _digits(model)) for model in SMALL),
    *(Case(f"mlp-gan-{data}", _vectors(data)) for data in MIXTURES),
    *(
        Case(f"whole-mlp-gan-{data}", _vectors(data, steps=8000, batch_size=256), seeds=range(1))
        for data in MIXTURES
    ),
]

# Small nets, no normalisation in D, and a learning rate that stays as it is.
BARE = {
    "model.d_norm": "none", "model.width": 32, "model.d_width": 32, "model.depth": 2, "model.d_depth": 2,
    "lr_schedule.kind": "const",
}  # fmt: skip
SGD = {
    f"optimizer_{net}.{key}": value
    for net in "gd"
    for key, value in {"kind": "sgd", "lr": 0.05, "momentum": 0.9}.items()
}
MOMENTUM = {"optimizer_g.beta1": 0.9, "optimizer_d.beta1": 0.9}
SLOW_D = {"steps": 800, "stabilizer": "none", "lr_g": 2e-3, "lr_d": 1e-6}
CRITIC = {"loss": "wasserstein", "stabilizer": "clip-weights:max=0.1"}
STUCK = {"ema_halflife": 1e9, "ema_ramp": 1000.0}
FOUR = {"dataset": "test-4-digits", "conditional": False}

FAILING = [
    Case(f"{finds}/{name}", words, finds, range(2))
    for finds, runs in {
        # G hardly learns, D learns fast.
        "d-won": {
            "dcgan": _digits("dcgan", stabilizer="none", lr_g=1e-6, lr_d=2e-3),
            "mlp-gan": _digits("mlp-gan", n_dis=5, lr_g=1e-6),
            "lsgan": _digits("lsgan", lr_g=1e-6, lr_d=2e-3),
            "ring8-hinge": _vectors("ring8", loss="hinge", lr_g=1e-6),
            "ring8-relativistic": _vectors("ring8", loss="relativistic", lr_g=1e-6, set=BARE),
            "ring8-pairs": _vectors("ring8", loss="relativistic-average", lr_g=1e-6, set=BARE),
        },
        # G far faster than D: it runs to where D's answer is best, whatever z is.
        "collapse": {
            "ring8-hinge": _vectors("ring8", loss="hinge", lr=1e-2, set={**BARE, **MOMENTUM}),
            "dcgan-in-class": _digits("dcgan", **SLOW_D),
            "lsgan-in-class": _digits("lsgan", **SLOW_D),
            "mlp-gan-in-class": _digits(
                "mlp-gan", **SLOW_D, set={"model.g_norm": False, "model.dropout": 0.0}
            ),
        },
        # A game without friction.
        "oscillation": {
            "ring8-fast-g": _vectors("ring8", lr_g=5e-3, lr_d=5e-4, set={**BARE, **MOMENTUM}),
            "grid25-fast-g": _vectors("grid25", lr_g=5e-3, lr_d=5e-4, set={**BARE, **MOMENTUM}),
            "ring8-critic": _vectors("ring8", **CRITIC, set={**BARE, **SGD}),
        },
        # The first updates throw the ReLUs out of the data's reach.
        "dead": {
            "ring8-g": _vectors("ring8", steps=600, lr_g=0.3, set=BARE),
            "mlp-gan-g": _digits("mlp-gan", steps=600, lr_g=0.3, set={"model.g_norm": False}),
            "sngan-d": _digits("sngan", lr_d=0.5),
            "wgan-gp-d": _digits("wgan-gp", steps=600, lr_d=0.5),
        },
        # Numbers that are not finite, of every origin.
        "diverged": {
            "lr": _vectors("ring8", steps=500, lr=1e25),
            "sgd": _vectors("gaussian-1d", loss="least-squares", set={**BARE, **SGD, "optimizer_d.lr": 1e4}),
            "loss": _vectors("ring8", steps=500, loss="test-naive-loss", lr_d=1.0, set=BARE),
            "penalty": _vectors("ring8", steps=500, stabilizer="test-nan-penalty"),
            "transform": _vectors("ring8", steps=500, stabilizer="test-nan-transform"),
            "data": _vectors("test-poisoned", steps=500),
        },
        # The average of nearly nothing but the random start.
        "average": {
            "ring8": _vectors("ring8", steps=600, set={**BARE, **STUCK}),
            "dcgan": _digits("dcgan", set=STUCK),
            "mlp-gan": _digits("mlp-gan", steps=800, set=STUCK),
        },
        # Few samples, which D knows by heart before long.
        "overfitting": {
            "vectors": _vectors("test-16-vectors", steps=4000),
            "dcgan-four": _digits("dcgan", steps=600, stabilizer="none", **FOUR),
            "lsgan-four": _digits("lsgan", steps=600, stabilizer="none", **FOUR),
        },
        # And which G copies.
        "memorizing": {
            "vectors": _vectors("test-16-vectors", steps=4000),
            "four": _digits("mlp-gan", steps=1500, **FOUR),
            "dcgan-four": _digits("dcgan", steps=1500, **FOUR),
        },
    }.items()
    for name, words in runs.items()
]

AFTER = 220  # D's updates, or so: what is not finite begins then


class NaiveLoss(NonSaturating):
    """The formula as it stands in the paper, in single precision: log 0 where D is sure."""

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return -real.sigmoid().log().mean() - (1.0 - fake.sigmoid()).log().mean()


class NaNPenalty(Stabilizer):
    """A penalty that is no number after a while."""

    def d_penalty(self, turn: Turn) -> Tensor:
        logits = turn.critic(turn.real, turn.y)
        return (logits * 0.0).sqrt().sum() * math.nan if turn.step > AFTER else 0.0 * logits.sum()


class NaNTransform(Stabilizer):
    """What D sees is infinite after a while."""

    def transform(self, sample: Any, turn: Turn) -> Any:
        return sample * math.inf if turn.step > AFTER else sample


class PoisonedSplit(TensorSplit):
    def batch(self, n: int, step: int, seed: int) -> Any:
        x, y = super().batch(n, step, seed)
        return (x * math.nan if step == AFTER else x), y

    def to(self, device: torch.device) -> PoisonedSplit:
        return PoisonedSplit(self._x, self._y, self._seen, device)


class Poisoned(Dataset):
    """Vectors, one batch of which is poisoned."""

    name = "test-poisoned"
    sample_shape = (2,)
    fingerprint = "poisoned"

    def __init__(self) -> None:
        x = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
        self.train, self.test = PoisonedSplit(x[1000:], None), TensorSplit(x[:1000], None)


class FourDigits(ImageSet):
    """Four digits to train on, over and over, and 1,000 held out."""

    def __init__(self) -> None:
        (x, y), test = mnist.read_5k()
        rows = torch.arange(64) % 4  # so that a batch is no larger than the split
        super().__init__("test-4-digits", (x[rows], y[rows]), test, mnist.DIGITS)


class FewVectors(Dataset):
    """16 points in the plane to train on, over and over, and 1,000 held out."""

    name = "test-16-vectors"
    sample_shape = (2,)
    fingerprint = "few"

    def __init__(self) -> None:
        x = torch.randn(1016, 2, generator=torch.Generator().manual_seed(0))
        self.train, self.test = TensorSplit(x[:16].repeat(64, 1), None), TensorSplit(x[16:], None)


def add_members() -> None:
    """Make the members that are there to fail known by their names."""
    for registry, name, member in (
        (LOSSES, "test-naive-loss", NaiveLoss),
        (STABILIZERS, "test-nan-penalty", NaNPenalty),
        (STABILIZERS, "test-nan-transform", NaNTransform),
        (DATASETS, "test-poisoned", Poisoned),
        (DATASETS, "test-4-digits", FourDigits),
        (DATASETS, "test-16-vectors", FewVectors),
        *((DATASETS, data.name, data) for data in OWN.values()),
    ):
        if name not in registry.names():
            registry.add(name, member)
