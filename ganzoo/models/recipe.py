"""A model's training settings as data: what it is trained with unless the user says otherwise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ganzoo.errors import UsageError, nearest
from ganzoo.registry.options import as_float, as_int
from ganzoo.registry.spec import Specs

OptimizerKind = Literal["adam", "rmsprop", "sgd"]
ScheduleKind = Literal["const", "linear", "cosine"]
MOST_STEPS = 10**9


@dataclass(frozen=True)
class Optimizer:
    """One net's optimizer. Adam: beta1, beta2, eps; RMSprop: beta2 (alpha), eps, momentum; SGD: momentum."""

    kind: OptimizerKind = "adam"
    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    eps: float = 1e-8
    momentum: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """A factor over the plan's time t in [0, 1]: from `start` to `end`, reached at t = `until` and kept."""

    kind: ScheduleKind = "const"
    start: float = 1.0
    end: float = 1.0
    until: float = 1.0

    @property
    def changes(self) -> bool:
        return self.kind != "const" and self.start != self.end

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

    `conditional`: labels are used where the data have some (of few enough classes, see `plan`), unless the
    user says otherwise.
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
    conditional: bool = False

    def check(self) -> None:
        """Raise a UsageError for the first number or name in it that makes no sense."""
        for name, most in (("steps", MOST_STEPS), ("batch_size", 2**20), ("n_dis", 10_000)):
            as_int(name, getattr(self, name), at_least=1, at_most=most)
        for name in ("optimizer_g", "optimizer_d"):
            settings = getattr(self, name)
            _check_kind(name, settings.kind, get_args(OptimizerKind))
            as_float(f"{name}.lr", settings.lr, above=0.0)
            _at_least_zero(f"{name}.eps", settings.eps)
            for part in ("beta1", "beta2", "momentum"):
                value = as_float(f"{name}.{part}", getattr(settings, part))
                if not 0.0 <= value < 1.0:
                    raise UsageError(f"{name}.{part}: expected a number in [0, 1), got {value:g}")
        for name in ("lr_schedule", "penalty_schedule", "ema_schedule"):
            schedule = getattr(self, name)
            _check_kind(name, schedule.kind, get_args(ScheduleKind))
            as_float(f"{name}.until", schedule.until, above=0.0)
            for part in ("start", "end"):
                _at_least_zero(f"{name}.{part}", getattr(schedule, part))
        if not self.lr_schedule.changes and self.lr_schedule.start == 0.0:
            raise UsageError("lr_schedule is 0 from start to end, so that nothing would be learnt")
        _at_least_zero("ema_halflife", self.ema_halflife)
        as_float("ema_ramp", self.ema_ramp, above=0.0)

    def settings(self) -> dict[str, Any]:
        """What `--set recipe.KEY` reaches: single values by dotted name."""
        flat: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if dataclasses.is_dataclass(value):
                flat |= {f"{each.name}.{key}": part for key, part in vars(value).items()}
            elif each.name not in ("model", "stabilizers", "conditional"):
                flat[each.name] = value
        return flat

    def with_settings(self, given: Mapping[str, Any]) -> Recipe:
        """The same with other values, by dotted name."""
        recipe = self
        for key, value in given.items():
            name, _, part = key.partition(".")
            new = dataclasses.replace(getattr(recipe, name), **{part: value}) if part else value
            recipe = dataclasses.replace(recipe, **{name: new})
        return recipe


def _at_least_zero(name: str, value: float) -> None:
    if as_float(name, value) < 0.0:
        raise UsageError(f"{name}: expected a number of at least 0, got {value:g}")


def _check_kind(name: str, kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        raise UsageError(f"{name}.kind={kind}: {nearest(kind, known)}")
