"""The runs that the diagnosis is set and checked by: healthy ones of every member, and ones made to fail."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.mnist import DIGITS, read_5k
from ganzoo.data.tensors import ImageSet, TensorSplit
from ganzoo.losses import NonSaturating
from ganzoo.registry import DATASETS, LOSSES, STABILIZERS
from ganzoo.stabilizers.base import Stabilizer


@dataclass(frozen=True)
class Case:
    """A run by the words it is asked for with, and what must be found in it; "" for nothing at all."""

    name: str
    words: dict[str, Any]
    finds: str = ""
    seeds: range = field(default_factory=lambda: range(10))


def _digits(model: str, steps: int = 500, **options: Any) -> dict[str, Any]:
    sizes = {f"model.{key}": value for key, value in options.pop("sizes", {}).items()}
    return {"model": model, "dataset": "mnist-5k", "steps": steps, "set": {**sizes, **options.pop("set", {})}, **options}


SMALL = {
    "mlp-gan": {"width": 128, "d_width": 128},
    "dcgan": {"width": 8},
    "lsgan": {"width": 8},
    "wgan": {"width": 8},
    "wgan-gp": {"width": 4},
    "sngan": {"width": 4},
    "r3gan": {"width": 8, "max_width": 16},
    "progan": {"width": 8, "max_width": 16},
    "msg-gan": {"width": 4, "max_width": 16},
    "stylegan2": {"width": 4, "max_width": 16, "z_dim": 32, "w_dim": 32},
}

HEALTHY = [
    *(Case(f"{model}-digits", _digits(model, sizes=sizes)) for model, sizes in SMALL.items()),
    *(
        Case(f"mlp-gan-{data}", {"model": "mlp-gan", "dataset": data, "steps": 2000})
        for data in ("ring8", "grid25", "gaussian-1d")
    ),
]

FEW = range(2)


def _failing(finds: str, name: str, model: str, dataset: str, steps: int, **words: Any) -> Case:
    sizes = {f"model.{key}": value for key, value in SMALL[model].items()} if "ring" not in dataset else {}
    if dataset in ("ring8", "grid25", "gaussian-1d"):
        sizes = {}
    given = {**sizes, **words.pop("set", {})}
    return Case(f"{finds}/{name}", {"model": model, "dataset": dataset, "steps": steps, "set": given, **words}, finds, FEW)


_SGD = {
    f"optimizer_{net}.{key}": value
    for net in "gd"
    for key, value in {"kind": "sgd", "lr": 0.2, "momentum": 0.9}.items()
}
_STUCK = {"ema_halflife": 1e9, "ema_ramp": 1000.0}

FAILING = [
    # G hardly learns, D learns fast.
    _failing("d-won", "dcgan", "dcgan", "mnist-5k", 500, stabilizer="none", lr_g=1e-6, lr_d=2e-3),
    _failing("d-won", "mlp-gan-n-dis", "mlp-gan", "mnist-5k", 300, n_dis=5, lr_g=1e-6),
    _failing("d-won", "lsgan", "lsgan", "mnist-5k", 500, lr_g=1e-6, lr_d=2e-3),
    _failing("d-won", "ring8-hinge", "mlp-gan", "ring8", 1500, loss="hinge", lr_g=1e-6),
    _failing("d-won", "r3gan-unpenalised", "r3gan", "mnist-5k", 400, stabilizer="none", lr_g=1e-6),
    _failing("d-won", "wgan-clipped-to-nothing", "wgan", "mnist-5k", 400, stabilizer="clip-weights:max=0.0001"),
    # G far faster than D, nothing that shows D a batch.
    _failing("collapse", "ring8-minimax", "mlp-gan", "ring8", 1500, loss="minimax", lr_g=2e-2, set={"model.d_norm": "none", "optimizer_g.beta1": 0.9, "optimizer_d.beta1": 0.9}),
    _failing("collapse", "grid25", "mlp-gan", "grid25", 1500, lr_g=2e-2, set={"model.d_norm": "none", "optimizer_g.beta1": 0.9}),
    _failing("collapse", "dcgan", "dcgan", "mnist-5k", 500, stabilizer="none", lr_g=5e-2, conditional=False),
    _failing("collapse", "dcgan-in-class", "dcgan", "mnist-5k", 500, stabilizer="none", lr_g=2e-2),
    _failing("collapse", "mlp-gan-digits", "mlp-gan", "mnist-5k", 500, lr_g=1e-2, conditional=False),
    # A game without friction.
    _failing("oscillation", "ring8-sgd", "mlp-gan", "ring8", 1500, set={**_SGD, "model.d_norm": "none"}),
    _failing("oscillation", "line-momentum", "mlp-gan", "gaussian-1d", 1500, lr=5e-3, set={"optimizer_g.beta1": 0.95, "optimizer_d.beta1": 0.95, "model.d_norm": "none"}),
    _failing("oscillation", "ring8-wasserstein", "mlp-gan", "ring8", 1500, loss="wasserstein", stabilizer="clip-weights:max=0.1", lr=1e-3, set={"optimizer_g.beta1": 0.95, "optimizer_d.beta1": 0.95, "model.d_norm": "none"}),
    _failing("oscillation", "grid25-momentum", "mlp-gan", "grid25", 1500, lr=3e-3, set={"optimizer_g.beta1": 0.95, "optimizer_d.beta1": 0.95, "model.d_norm": "none"}),
    # One update throws the ReLUs out of the data's reach.
    _failing("dead", "ring8-g", "mlp-gan", "ring8", 1500, lr_g=0.3),
    _failing("dead", "mlp-gan-digits-g", "mlp-gan", "mnist-5k", 300, lr_g=0.3, set={"model.g_norm": False}),
    _failing("dead", "sngan-d", "sngan", "mnist-5k", 300, lr_d=0.5),
    _failing("dead", "wgan-gp-d", "wgan-gp", "mnist-5k", 300, lr_d=0.5),
    # Numbers that are not finite, of every origin.
    _failing("diverged", "lr", "mlp-gan", "ring8", 500, lr=1e25),
    _failing("diverged", "sgd", "mlp-gan", "gaussian-1d", 500, set={**_SGD, "optimizer_d.lr": 1e4, "model.d_norm": "none"}, loss="least-squares"),
    _failing("diverged", "loss", "mlp-gan", "ring8", 500, loss="test-naive-loss", lr_d=0.02, lr_g=1e-6, set={"model.d_norm": "none"}),
    _failing("diverged", "penalty", "mlp-gan", "ring8", 500, stabilizer="test-nan-penalty"),
    _failing("diverged", "transform", "mlp-gan", "ring8", 500, stabilizer="test-nan-transform"),
    _failing("diverged", "data", "mlp-gan", "test-poisoned", 500),
    # The average of nearly nothing but the random start.
    _failing("average", "dcgan", "dcgan", "mnist-5k", 500, set=_STUCK),
    _failing("average", "ring8", "mlp-gan", "ring8", 1500, set=_STUCK),
    _failing("average", "mlp-gan-digits", "mlp-gan", "mnist-5k", 500, set=_STUCK),
    # Few digits, known by heart before long.
    _failing("memorizing", "dcgan-64", "dcgan", "test-64-digits", 800, stabilizer="none", conditional=False),
    _failing("memorizing", "mlp-gan-64", "mlp-gan", "test-64-digits", 1500, conditional=False),
    _failing("memorizing", "lsgan-64", "lsgan", "test-64-digits", 800, conditional=False),
    _failing("memorizing", "r3gan-64", "r3gan", "test-64-digits", 500, stabilizer="none", conditional=False),
]  # fmt: skip

AFTER = 220  # D's updates, or so: what is not finite begins then


class NaiveLoss(NonSaturating):
    """The formula as it stands in the paper, in single precision: log 0 where D is sure."""

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return -real.sigmoid().log().mean() - (1.0 - fake.sigmoid()).log().mean()


class _After(Stabilizer):
    @property
    def begun(self) -> bool:
        return self.step > AFTER


class NaNPenalty(_After):
    """A penalty that is no number after a while."""

    def d_penalty(self, critic: Any, real: Any, fake: Any, y: Any) -> Tensor:
        logits = critic(real, y)
        return (logits * 0.0).sqrt().sum() * math.nan if self.begun else 0.0 * logits.sum()


class NaNTransform(_After):
    """What D sees is infinite after a while."""

    def transform(self, sample: Any, y: Any) -> Any:
        return sample * math.inf if self.begun else sample


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


class FewDigits(ImageSet):
    """64 digits to train on, 1,000 held out."""

    def __init__(self) -> None:
        (x, y), test = read_5k()
        super().__init__("test-64-digits", (x[:64], y[:64]), test, DIGITS)


def add_members() -> None:
    """Make the members that are there to fail known by their names."""
    for registry, name, member in (
        (LOSSES, "test-naive-loss", NaiveLoss),
        (STABILIZERS, "test-nan-penalty", NaNPenalty),
        (STABILIZERS, "test-nan-transform", NaNTransform),
        (DATASETS, "test-poisoned", Poisoned),
        (DATASETS, "test-64-digits", FewDigits),
    ):
        if name not in registry.names():
            registry.add(name, member)
