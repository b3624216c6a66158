"""A person's words for a run, checked as far as they can be without opening anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ganzoo.errors import UsageError
from ganzoo.registry import METRICS
from ganzoo.registry.options import as_float, as_int
from ganzoo.registry.spec import Spec, Specs, pair

AT_LEAST = {"steps": 1, "batch_size": 1, "n_dis": 1, "checkpoint_every": 1, "eval_every": 1, "seed": 0}
ABOVE_ZERO = ("lr", "lr_g", "lr_d", "epochs")
NONE = Spec("none")  # --stabilizer none: without those of the recipe


@dataclass(frozen=True)
class Words:
    """What was asked for, as on the command line of `ganzoo run`; None leaves it to the recipe.

    Raises:
        UsageError: a number out of its range, a word of another form, or two that contradict each other.
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
    conditional: bool = False
    precision: str = "fp32"
    checkpoint_every: int | None = None
    eval_every: int | None = None
    eval_metric: Iterable[str] = ()
    data_root: str | None = None
    offline: bool = False

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
        self._settle("eval_metric", lambda _, names: tuple(names))
        if self.eval_every is not None and not self.eval_metric:
            raise UsageError(
                "--eval-every: say with --eval-metric NAME what to measure (ganzoo list metrics)"
            )
        for name in self.eval_metric:
            METRICS.get(name)
        if self.precision not in ("fp32", "bf16"):
            raise UsageError(f"--precision must be fp32 or bf16, got {self.precision!r}")

    def _settle(self, name: str, settled: Any) -> None:
        """Put the checked value in the place of what was typed."""
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, settled(f"--{name.replace('_', '-')}", value))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """`set` by key."""
        if isinstance(self.set, Mapping):
            return dict(self.set)
        return dict(pair(setting, "key=value") for setting in self.set)

    @cached_property
    def stabilizers(self) -> list[Spec]:
        """All that were asked for, those with an option of their own too."""
        own = {
            "label-smoothing": {"amount": self.label_smoothing},
            "skip-d": {"below": self.skip_d_below},
        }
        asked = [Spec(name, given) for name, given in own.items() if None not in given.values()]
        return [*self.stabilizer, *asked]
