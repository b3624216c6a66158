"""A person's words for a run, checked as far as they can be without opening any data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ganzoo.data.open import know_dataset
from ganzoo.errors import UsageError
from ganzoo.models.recipe import Recipe
from ganzoo.plan.callbacks import settled_callbacks
from ganzoo.plan.config import PRECISIONS, Config
from ganzoo.plan.stopping import ON_NAN, StopWhen
from ganzoo.registry import DATASETS, LOSSES, METRICS, MODELS, STABILIZERS
from ganzoo.registry.kinds import as_float, as_int
from ganzoo.registry.options import sort_settings
from ganzoo.registry.spec import Ref, Spec, Specs, pair

AT_LEAST = {
    "steps": 1, "batch_size": 1, "n_dis": 1, "checkpoint_every": 1, "eval_every": 1, "patience": 1, "seed": 0,
}  # fmt: skip
ABOVE_ZERO = ("lr", "lr_g", "lr_d", "epochs")
NOT_TYPED = ("base", "given", "own_recipe")  # words that are objects
NONE = Spec("none")  # --stabilizer none: without those of the recipe


def _metrics(_: str, names: str | Iterable[str]) -> tuple[str, ...]:
    """Without `none`, which drops those of the run that words start from."""
    return tuple(name for name in ([names] if isinstance(names, str) else names) if name != str(NONE))


@dataclass(frozen=True)
class Words:
    """What was asked for, as on the command line of `ganzoo run`; None leaves it to the recipe or the budget.

    Attributes:
        base: settings whose recipe stands in the place of the one of that name, on data of the same kind.
        given: a `Dataset` that somebody has in Python, in the place of the one of that name.
        own_recipe: a `Recipe` in the place of the one of that name; members in it may be objects.

    Raises:
        UsageError: a number out of its range, a member or an option that there is not, a word of another
            form, or two that contradict each other.
    """

    model: str
    dataset: str
    steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    seed: int = 0
    device: str = "auto"
    recipe: str = "default"
    loss: str | None = None
    lr: float | None = None
    lr_g: float | None = None
    lr_d: float | None = None
    n_dis: int | None = None
    label_smoothing: float | None = None
    skip_d_below: float | None = None
    stabilizer: Specs = Specs()
    set: Iterable[str] | Mapping[str, Any] = ()
    conditional: bool | None = None
    precision: str = "fp32"
    compile: bool = False
    checkpoint_every: int | None = None
    eval_every: int | None = None
    eval_metric: Iterable[str] = ()
    on_nan: str = "stop"
    stop_when: str | None = None
    patience: int | None = None
    callback: Specs = Specs()
    data_root: str | None = None
    offline: bool = False
    base: Config | None = None
    given: Any = None
    own_recipe: Any = None

    def __post_init__(self) -> None:
        for name, least in AT_LEAST.items():
            self._settle(name, lambda label, value, least=least: as_int(label, value, at_least=least))
        for name in ABOVE_ZERO:
            self._settle(name, lambda label, value: as_float(label, value, above=0.0))
        self._settle("label_smoothing", as_float)
        if self.label_smoothing is not None and not 0.0 <= self.label_smoothing < 0.5:
            raise UsageError(
                f"--label-smoothing: expected a number in [0, 0.5), got {self.label_smoothing:g}"
            )
        self._settle("skip_d_below", as_float)
        if self.steps is not None and self.epochs is not None:
            raise UsageError("--steps and --epochs say the same thing twice: give one of them")
        self._settle("eval_metric", _metrics)
        if self.stop_when is not None:
            StopWhen.parse(self.stop_when)
        for name in ("eval_every", "stop_when", "patience"):
            if getattr(self, name) is not None and not self.eval_metric:
                raise UsageError(
                    f"--{name.replace('_', '-')}: say with --eval-metric NAME what to measure (ganzoo list "
                    f"metrics)"
                )
        if self.on_nan not in ON_NAN:
            raise UsageError(f"--on-nan must be {' or '.join(ON_NAN)}, got {self.on_nan!r}")
        if self.precision not in PRECISIONS:
            *some, last = PRECISIONS
            raise UsageError(f"--precision must be {', '.join(some)} or {last}, got {self.precision!r}")
        if self.own_recipe is not None:
            from ganzoo.plan.by_object import own_recipe  # which needs torch

            object.__setattr__(self, "own_recipe", own_recipe(self.own_recipe))
        self._know_members()
        _ = self.callbacks
        _ = self.settings  # sorted now, so that what nothing has is refused

    def _settle(self, name: str, settled: Any) -> None:
        """Put the checked value in the place of what was typed."""
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, settled(f"--{name.replace('_', '-')}", value))

    def _know_members(self) -> None:
        """Refuse names that there are not; whoever uses a member imports it, which takes seconds."""
        for name in self.eval_metric:
            METRICS.origin(name)
        MODELS.origin(self.model)
        if self.data is not None:
            know_dataset(str(self.data))
        if self.loss is not None:
            LOSSES.origin(Spec.parse(self.loss).name)
        names = [spec.name for spec in self.stabilizers]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"stabilizer {name!r} is given twice: give it once, with all its options")

    @cached_property
    def data(self) -> Ref | None:
        """`dataset`, taken apart; None where the data were given."""
        return Ref.parse(self.dataset) if self.given is None else None

    @cached_property
    def settings(self) -> dict[str, dict[str, Any]]:
        """`set` by what it reaches: options of the "model", of the "data", fields of the "recipe"."""
        typed = [self.set] if isinstance(self.set, str) else self.set
        pairs = typed.items() if isinstance(typed, Mapping) else [pair(one, "key=value") for one in typed]
        known = {
            "model": MODELS.options(self.model),
            "data": {} if self.data is None else DATASETS.options(self.data.name),
            "recipe": Recipe().settings(),
        }
        owners = {"model": self.model, "data": str(self.data or "the data"), "recipe": "a recipe"}
        return sort_settings(pairs, known, owners)

    @cached_property
    def stabilizers(self) -> list[Spec]:
        """All that were asked for, those with an option of their own too, each with all of its options."""
        own = {"label-smoothing": {"amount": self.label_smoothing}, "skip-d": {"below": self.skip_d_below}}
        asked = [Spec(name, given) for name, given in own.items() if None not in given.values()]
        return [STABILIZERS.settled(spec) for spec in [*self.stabilizer, *asked] if spec != NONE]

    @cached_property
    def callbacks(self) -> list[Spec]:
        """All that were asked for, each with all of its options, and `none`."""
        return settled_callbacks(self.callback)
