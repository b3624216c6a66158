"""The table `[search]` of a suite: which settings to try, how many times, and in which ranges."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from ganzoo.bench.words import EVALUATION, EXPECTED, MOST_CELLS, OPTIONS, fits
from ganzoo.errors import UsageError, nearest
from ganzoo.registry.kinds import LARGEST
from ganzoo.registry.spec import Spec
from ganzoo.system.console import number

Value = bool | int | float | str
BOUNDS = ("low", "high", "log", "step")
PRUNERS = ("median", "none")
STARTUP = 10
FARTHEST = 2**31  # from 0
CLOSE, TINY = 1e-12, 1e-290  # of two ends, between which there is nothing to search
MOST_STEPS = 100_000  # in a range with a step
DIGITS = 4  # of a number that is tried, as a person types it
OF_STABILIZER = "stabilizer."
# Trials that differ in these cannot be compared, or do not differ in what they learn.
NOT_SEARCHED = (
    "model", "dataset", "steps", "epochs", "device", "set", "callback", "data-root", "offline",
    "checkpoint-every", "on-nan", "eval-every", "eval-metric", "stop-when", "patience", *EVALUATION,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Range:
    """What one setting may be: numbers from `low` to `high`, or one of the `choices`.

    Attributes:
        whole: whole numbers alone.
        log: drawn by their logarithm, so that 0.001 to 0.01 is as likely as 0.01 to 0.1.
        step: the distance between two of them.
    """

    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    step: float | None = None

    def ends(self) -> tuple[Value, ...]:
        """All choices, or the first and the last number."""
        return self.choices or (self.low, self.high)

    def holds(self, value: Value) -> bool:
        """Whether it is one of the values that may be tried."""
        if self.choices:
            return any(value == one and type(value) is type(one) for one in self.choices)
        is_number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return is_number and self.low <= float(value) <= self.high

    @property
    def count(self) -> int:
        """How many steps there are."""
        return round((self.high - self.low) / self.step) if self.step else 0

    def after(self, steps: int) -> Value:
        """The number that is so many steps from the first."""
        value = self.low + steps * (self.step or 0)
        return value if self.whole else min(round(value, 12), self.high)

    def steps_to(self, value: Value) -> int:
        return round((float(value) - self.low) / self.step) if self.step else 0

    def settled(self, value: Value) -> Value:
        """A number that was drawn, with no more digits than make a difference."""
        if self.choices or self.whole:
            return value
        scale = abs(float(value)) if self.log else self.high - self.low
        digits = DIGITS - 1 - math.floor(math.log10(scale)) if scale else DIGITS
        return min(max(round(float(value), digits), self.low), self.high)

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices))
        how = [name for name, said in (("whole", self.whole), ("log", self.log)) if said]
        how += [f"step {self.step:g}"] if self.step else []
        return f"{self.low:g} to {self.high:g}" + (f" ({', '.join(how)})" if how else "")


@dataclasses.dataclass(frozen=True)
class Search:
    """How many trials, over which ranges.

    Attributes:
        pruner: how a trial that falls behind is found out: "median" or "none".
        startup: so many trials are drawn at random, and as many have to be done before one is stopped.
        warmup: no trial is stopped before this step; a quarter of the steps where nobody says.
    """

    ranges: Mapping[str, Range]
    trials: int
    pruner: str = "median"
    startup: int = STARTUP
    warmup: int | None = None
    seed: int = 0

    def fitted(self, words: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The words that all trials share, with what they are compared by while they run.

        Raises:
            UsageError: there is nothing to compare them by, or a word of them is searched as well.
        """
        for name in self.ranges:
            if name in words or name in words.get("set", {}):
                raise UsageError(f"{where}: {name} is both set and searched: remove one of them")
        metrics = words.get("metric")
        if not metrics:
            raise UsageError(f"{where}: a search needs a metric: the first score of it is what is improved")
        if self.pruner == "none":
            return dict(words)
        while_running = words.get("eval-metric") or metrics[:1]
        if while_running[0] != metrics[0]:
            raise UsageError(
                f"{where}: eval-metric: expected {metrics[0]} as the first, as trials are compared by the "
                f"first metric, got {while_running[0]}"
            )
        return {**words, "eval-metric": while_running}


def with_values(training: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """The words of `ganzoo run` with these settings in them, by the names of their ranges."""
    words = {**training, "set": dict(training.get("set", {}))}
    stabilizers = {spec.name: spec for spec in map(Spec.parse, training.get("stabilizer", ()))}
    for name, value in values.items():
        if name.startswith(OF_STABILIZER):
            _, member, option = name.split(".", 2)
            options = stabilizers.get(member, Spec(member)).options
            stabilizers[member] = Spec(member, {**options, option: value})
        elif name == "stabilizer":
            spec = Spec.parse(str(value))
            stabilizers[spec.name] = spec
        elif name in OPTIONS:
            words[name] = value
        else:
            words["set"][name] = value
    if stabilizers:
        words["stabilizer"] = [str(spec) for spec in stabilizers.values()]
    return words


def shown(values: Mapping[str, Value]) -> str:
    """Settings in a few words: lr=0.0003, model.width=32."""
    return ", ".join(
        f"{name.removeprefix(OF_STABILIZER)}={number(value) if isinstance(value, float) else value}"
        for name, value in values.items()
    )


def read_search(table: Any, where: str) -> Search:
    """The table `[search]`.

    Raises:
        UsageError: a word of it is wrong.
    """
    if not isinstance(table, dict):
        raise UsageError(f"{where}: search: expected a table, [search], got {table!r}")
    known = [field.name for field in dataclasses.fields(Search)]
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: search has no {key!r}; {nearest(key, known)}")
    for key in ("trials", "ranges"):
        if key not in table:
            raise UsageError(f"{where}: search does not say its {key}")
    numbers = {
        "trials": (1, MOST_CELLS),
        "startup": (1, MOST_CELLS),
        "warmup": (0, LARGEST),
        "seed": (0, LARGEST),
    }
    for key, (least, most) in numbers.items():
        value = table.get(key, least)
        if type(value) is not int or not least <= value <= most:
            raise UsageError(
                f"{where}: search.{key}: expected a whole number from {least} to {most:,}, got {value!r}"
            )
    pruner = table.get("pruner", "median")
    if pruner not in PRUNERS:
        raise UsageError(f"{where}: search.pruner: expected {' or '.join(PRUNERS)}, got {pruner!r}")
    if not isinstance(table["ranges"], dict) or not table["ranges"]:
        raise UsageError(
            f"{where}: search.ranges: expected a table such as lr = {{low = 1e-5, high = 1e-2}}, "
            f"got {table['ranges']!r}"
        )
    ranges = {name: _range(name, value, where) for name, value in _flat(table["ranges"])}
    return Search(**{**table, "ranges": ranges})


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names with dots, whether they were quoted or are tables in tables."""
    for name, value in table.items():
        if isinstance(value, dict) and value and not {"low", "high"} & value.keys() and before.count(".") < 9:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _range(name: str, value: Any, where: str) -> Range:
    at = f"{where}: search.ranges: {name}"
    if name in NOT_SEARCHED:
        raise UsageError(f"{at} is the same in all trials, which are compared: set it outside of [search]")
    if name.startswith(OF_STABILIZER) and name.count(".") < 2:
        raise UsageError(f"{at}: expected stabilizer.NAME.OPTION, as in stabilizer.r1.gamma")
    kind = OPTIONS.get(name)
    if isinstance(value, list):
        return _choices(at, value, str if kind is list else kind)
    if not isinstance(value, dict):
        raise UsageError(f"{at}: expected a list of choices or {{low = ..., high = ...}}, got {value!r}")
    if kind not in (None, int, float):
        raise UsageError(f"{at} is no number: expected a list of choices")
    return _numbers(at, value, kind)


def _choices(at: str, values: list[Any], kind: type | None) -> Range:
    for one in values:
        if not isinstance(one, Value) or (kind is not None and not fits(one, kind)):
            expected = "texts or numbers" if kind is None else EXPECTED[kind]
            raise UsageError(f"{at}: expected {expected} to choose from, got {one!r}")
        if isinstance(one, float) and not math.isfinite(one):
            raise UsageError(f"{at}: expected finite numbers, got {one}")
    if len({str(one) for one in values}) < max(len(values), 2):
        raise UsageError(f"{at}: expected two different choices or more, got {values!r}")
    return Range(choices=tuple(values))


def _numbers(at: str, value: Mapping[str, Any], kind: type | None) -> Range:
    for key in value:
        if key not in BOUNDS:
            raise UsageError(f"{at} has no {key!r}; {nearest(key, BOUNDS)}")
    for key in ("low", "high"):
        if key not in value:
            raise UsageError(f"{at} does not say its {key}")
    for key in ("low", "high", "step"):
        number = value.get(key, 1)
        if not fits(number, kind or float) or not abs(number) <= FARTHEST:
            expected = f"{EXPECTED[kind or float]} of at most {FARTHEST:,}"
            raise UsageError(f"{at}.{key}: expected {expected}, got {number!r}")
    if not isinstance(value.get("log", False), bool):
        raise UsageError(f"{at}.log: expected true or false, got {value['log']!r}")
    low, high, step, log = value["low"], value["high"], value.get("step"), value.get("log", False)
    if not high - low > max(abs(low), abs(high)) * CLOSE or not high - low > TINY:
        raise UsageError(f"{at}: expected low below high, got {low} and {high}")
    if log and not low > 0:
        raise UsageError(f"{at}: a logarithm needs a low above 0, got {low}")
    if step is not None and (log or not (high - low) / MOST_STEPS <= step <= high - low):
        what = "none with log = true" if log else f"{(high - low) / MOST_STEPS:g} to {high - low:g}"
        raise UsageError(f"{at}.step: expected {what}, got {step}")
    whole = kind is not float and all(isinstance(one, int) for one in (low, high, step or 0))
    if step is not None:  # the last one that it comes to
        high = low + math.floor((high - low) / step + 1e-9) * step
    return Range(low=low, high=high, whole=whole, log=log, step=step)
