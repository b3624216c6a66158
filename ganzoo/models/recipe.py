"""A model's training settings as data: what it is trained with unless the user says otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ganzoo.registry.spec import Specs


@dataclass(frozen=True)
class Optimizer:
    """One net's optimizer. Adam: beta1, beta2, eps; RMSprop: beta2 (alpha), eps, momentum; SGD: momentum."""

    kind: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    eps: float = 1e-8
    momentum: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """A factor over the plan's time t in [0, 1]: from `start` to `end`, reached at t = `until` and kept."""

    kind: Literal["const", "linear", "cosine"] = "const"
    start: float = 1.0
    end: float = 1.0
    until: float = 1.0

    def at(self, t: float) -> float:
        if self.kind == "const":
            return self.start
        done = min(1.0, t / self.until)
        if self.kind == "cosine":
            done = 0.5 - 0.5 * math.cos(math.pi * done)
        return self.start + (self.end - self.start) * done


@dataclass(frozen=True)
class Recipe:
    """Everything that training needs besides the architecture, plus the architecture's options in `model`.

    `ema_halflife` is in images: the averaged generator forgets half of its past in so many (0: no averaging).
    It ramps up as min(ema_halflife, ema_ramp * images so far), so that a short run's average is not its
    random start (the ramp of Karras et al. 2020, arXiv 1912.04958).
    """

    loss: str = "non-saturating"
    stabilizers: Specs = Specs()  # as typed, "NAME" or "NAME:key=value,...", or as values, which they become
    optimizer_g: Optimizer = Optimizer()
    optimizer_d: Optimizer = Optimizer()
    n_dis: int = 1
    batch_size: int = 64
    steps: int = 10_000
    ema_halflife: float = 10_000.0
    ema_ramp: float = 0.05
    lr_schedule: Schedule = Schedule()
    penalty_schedule: Schedule = Schedule()
    ema_schedule: Schedule = Schedule()
    model: Mapping[str, Any] = field(default_factory=dict)
