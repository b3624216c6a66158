"""A model's training settings as data: what it is trained with unless the user says otherwise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from ganzoo.errors import UsageError, nearest
from ganzoo.registry.kinds import as_float, as_int
from ganzoo.registry.spec import Spec, Specs

if TYPE_CHECKING:
    from torch import optim

ScheduleKind = Literal["const", "linear", "cosine", "exponential", "step"]
USUAL = ("adam", "adamw", "sgd", "rmsprop")  # which torch need not be asked for
UNFIT = {
    "lbfgs": "asks for the loss again and again",
    "sparseadam": "is for sparse gradients",
    "rprop": "keeps step sizes of its own, which no learning rate reaches",
}
MOST_STEPS = 10**9
MOST = {"steps": MOST_STEPS, "batch_size": 2**20, "n_dis": 10_000, "accumulate": 2**20}


@dataclass(frozen=True)
class Optimizer:
    """The optimizer of G or of D, with what goes with it.

    What an optimizer has no use for is left out: beta1, beta2 and eps are Adam's and those of its kin, beta2
    is RMSprop's alpha as well, momentum is SGD's and RMSprop's.

    Args:
        kind: a class of torch.optim, in lower case: adam, adamw, sgd, rmsprop, nadam, radam, adafactor, ...
        options: what else that class takes, as typed, "weight_decay=0.01,amsgrad=true", or by name.
        parts: learning rates of parts of a net, as factors by the beginning of a parameter's name, as typed,
            "mapping=0.01", or by name; the longest that fits counts, and 0 leaves a part as it starts.
    """

    kind: str = "adam"
    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    eps: float = 1e-8
    momentum: float = 0.0
    options: str = ""
    parts: str = ""

    def __post_init__(self) -> None:
        for name in ("options", "parts"):
            given = getattr(self, name)
            if isinstance(given, Mapping):
                object.__setattr__(self, name, ",".join(f"{key}={value}" for key, value in given.items()))

    def given(self, name: str) -> dict[str, str]:
        """`options` or `parts`, taken apart."""
        return dict(Spec.parse(f"{name}:{getattr(self, name)}").options)


@dataclass(frozen=True)
class Schedule:
    """A factor over the plan's time t in [0, 1]: from `start` to `end`, reached at t = `until` and kept.

    Args:
        kind: const, linear, cosine, exponential (by equal ratios), or step.
        steps: of kind step: in so many jumps of equal ratio, evenly until `until`.
        warmup: share of the plan in which it first rises from 0, on a straight line, in [0, 1).
    """

    kind: ScheduleKind = "const"
    start: float = 1.0
    end: float = 1.0
    until: float = 1.0
    steps: int = 1
    warmup: float = 0.0

    @property
    def changes(self) -> bool:
        return self.warmup > 0.0 or (self.kind != "const" and self.start != self.end)

    def at(self, t: float) -> float:
        value = self._after_warmup(t)
        return value * min(1.0, t / self.warmup) if self.warmup else value

    def _after_warmup(self, t: float) -> float:
        if self.kind == "const":
            return self.start
        done = min(1.0, t / self.until)
        if self.kind == "step":
            done = math.floor(round(done * self.steps, 9)) / self.steps  # 0.29 * 100 is a little under 29
        if self.kind in ("step", "exponential"):
            return self.start * math.pow(self.end / self.start, done)
        if self.kind == "cosine":
            done = 0.5 - 0.5 * math.cos(math.pi * done)
        return self.start + (self.end - self.start) * done

    def check(self, name: str) -> None:
        _check_kind(name, self.kind, get_args(ScheduleKind))
        as_float(f"{name}.until", self.until, above=0.0)
        as_int(f"{name}.steps", self.steps, at_least=1, at_most=MOST_STEPS)
        for part in ("start", "end", "warmup"):
            _at_least_zero(f"{name}.{part}", getattr(self, part))
        if self.warmup >= 1.0:
            raise UsageError(f"{name}.warmup: expected a share of the plan in [0, 1), got {self.warmup:g}")
        if self.kind in ("step", "exponential") and not self.start * self.end > 0.0:
            raise UsageError(f"{name}.kind={self.kind} goes by ratios: expected start and end above 0")


@dataclass(frozen=True)
class Recipe:
    """Everything that training needs besides the architecture, plus the architecture's options in `model`.

    `ema_halflife` is in images: the averaged generator forgets half of its past in so many (0: no averaging).
    It ramps up as min(ema_halflife, ema_ramp * images so far), so that a short run's average is not its
    random start (the ramp of Karras et al. 2020, arXiv 1912.04958).

    `lr_schedule` is that of both nets, unless D has an `lr_schedule_d` of its own. `accumulate` cuts each
    batch into so many parts, whose gradients are added up before a step: for batches that memory does not
    hold. `checkpoint_activations` has the nets' blocks compute in the backward, once more, what they would
    keep for it: the same numbers in less memory, and more time.

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
    lr_schedule_d: Schedule | None = None
    penalty_schedule: Schedule = Schedule()
    ema_schedule: Schedule = Schedule()
    model: Mapping[str, Any] = field(default_factory=dict)
    conditional: bool = False
    accumulate: int = 1
    checkpoint_activations: bool = False

    def lr_schedules(self) -> dict[str, Schedule]:
        """Of G and of D."""
        return {"g": self.lr_schedule, "d": self.lr_schedule_d or self.lr_schedule}

    def check(self) -> None:
        """Raise a UsageError for the first number or name in it that makes no sense."""
        for name, most in MOST.items():
            as_int(name, getattr(self, name), at_least=1, at_most=most)
        for name in ("optimizer_g", "optimizer_d"):
            settings = getattr(self, name)
            check_optimizer(name, settings.kind)
            as_float(f"{name}.lr", settings.lr, above=0.0)
            _at_least_zero(f"{name}.eps", settings.eps)
            for part in ("beta1", "beta2", "momentum"):
                value = as_float(f"{name}.{part}", getattr(settings, part))
                if not 0.0 <= value < 1.0:
                    raise UsageError(f"{name}.{part}: expected a number in [0, 1), got {value:g}")
            settings.given("options")
            for part, factor in settings.given("parts").items():
                _at_least_zero(f"{name}.parts: {part}", as_float(f"{name}.parts: {part}", factor))
        for name in ("lr_schedule", "lr_schedule_d", "penalty_schedule", "ema_schedule"):
            schedule = getattr(self, name)
            if schedule is not None:
                schedule.check(name)
        for name in ("lr_schedule", "lr_schedule_d"):
            schedule = getattr(self, name)
            if schedule is not None and schedule.start == schedule.at(0.5) == schedule.at(1.0) == 0.0:
                raise UsageError(f"{name} is 0 from start to end, so that nothing would be learnt")
        if not isinstance(self.checkpoint_activations, bool):
            raise UsageError(
                f"checkpoint_activations: expected true or false, got {self.checkpoint_activations!r}"
            )
        _at_least_zero("ema_halflife", self.ema_halflife)
        as_float("ema_ramp", self.ema_ramp, above=0.0)

    def settings(self) -> dict[str, Any]:
        """What `--set recipe.KEY` reaches: single values by dotted name."""
        flat: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if each.name == "lr_schedule_d":
                value = self.lr_schedules()["d"]
            if dataclasses.is_dataclass(value):
                flat |= {f"{each.name}.{key}": part for key, part in vars(value).items()}
            elif each.name not in ("model", "stabilizers", "conditional"):
                flat[each.name] = value
        return flat

    def with_settings(self, given: Mapping[str, Any]) -> Recipe:
        """The same with other values, by dotted name."""
        recipe = self
        # What D's own schedule leaves open is that of both, as it is in the end.
        for key, value in sorted(given.items(), key=lambda item: item[0].startswith("lr_schedule_d.")):
            name, _, part = key.partition(".")
            whole: Any = recipe.lr_schedules()["d"] if name == "lr_schedule_d" else getattr(recipe, name)
            new: Any = dataclasses.replace(whole, **{part: value}) if part else value
            recipe = dataclasses.replace(recipe, **{name: new})
        return recipe


@lru_cache(maxsize=1)
def optimizers() -> dict[str, type[optim.Optimizer]]:
    """The classes of torch.optim by their names in lower case."""
    from torch import optim  # which reading settings and recipes needs not

    base = optim.Optimizer
    return {
        name.lower(): kind
        for name, kind in vars(optim).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }


def check_optimizer(name: str, kind: str) -> str:
    """The name of a class of torch.optim, in lower case. Raises UsageError if there is none that will do."""
    kind = kind.lower()
    if kind not in USUAL and kind not in optimizers():
        raise UsageError(f"{name}.kind={kind}: {nearest(kind, optimizers())}")
    if kind in UNFIT:
        raise UsageError(f"{name}.kind={kind} {UNFIT[kind]}: use adam, adamw, sgd or rmsprop")
    return kind


def _at_least_zero(name: str, value: float) -> None:
    if as_float(name, value) < 0.0:
        raise UsageError(f"{name}: expected a number of at least 0, got {value:g}")


def _check_kind(name: str, kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        raise UsageError(f"{name}.kind={kind}: {nearest(kind, known)}")
