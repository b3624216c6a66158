"""A person's words for a run, and what can be checked of them without opening any data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo.assemble import FILLED_IN, model_options
from ganzoo.errors import UsageError, nearest
from ganzoo.options import as_float, as_int, cast, options_of
from ganzoo.recipe import Recipe
from ganzoo.registry import DATASETS, METRICS


@dataclasses.dataclass(frozen=True)
class Words:
    """What was asked for, as on the command line of `ganzoo run`; None leaves it to the recipe."""

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
    stabilizer: Iterable[str] = ()
    set: Iterable[str] | Mapping[str, Any] = ()
    conditional: bool = False
    precision: str = "fp32"
    checkpoint_every: int | None = None
    eval_every: int | None = None
    eval_metric: Iterable[str] = ()
    data_root: str | None = None
    offline: bool = False


def check_numbers(words: Words) -> None:
    for label, value, least in (
        ("--steps", words.steps, 1),
        ("--batch-size", words.batch_size, 1),
        ("--n-dis", words.n_dis, 1),
        ("--checkpoint-every", words.checkpoint_every, 1),
        ("--eval-every", words.eval_every, 1),
        ("--seed", words.seed, 0),
    ):
        if value is not None:
            as_int(label, value, at_least=least)
    rates = {"--lr": words.lr, "--lr-g": words.lr_g, "--lr-d": words.lr_d, "--epochs": words.epochs}
    for label, rate in rates.items():
        if rate is not None:
            as_float(label, rate, above=0.0)
    if (
        words.label_smoothing is not None
        and not 0.0 <= as_float("--label-smoothing", words.label_smoothing) < 0.5
    ):
        raise UsageError(f"--label-smoothing: expected a number in [0, 0.5), got {words.label_smoothing:g}")
    if words.skip_d_below is not None:
        as_float("--skip-d-below", words.skip_d_below)
    if words.steps is not None and words.epochs is not None:
        raise UsageError("--steps and --epochs say the same thing twice: give one of them")
    if words.eval_every is not None and not words.eval_metric:
        raise UsageError("--eval-every: say with --eval-metric NAME what to measure (ganzoo list metrics)")
    for name in words.eval_metric:
        METRICS.get(name)
    if words.precision not in ("fp32", "bf16"):
        raise UsageError(f"--precision must be fp32 or bf16, got {words.precision!r}")


def sort_settings(words: Words) -> dict[str, dict[str, Any]]:
    """`--set` by what it reaches: model.width=64, data.size=64, recipe.n_dis=2, or a bare key."""
    pairs = words.set.items() if isinstance(words.set, Mapping) else (_pair(text) for text in words.set)
    known = {
        "model": model_options(words.model),
        "data": options_of(DATASETS.get(words.dataset.partition(":")[0]), FILLED_IN),
        "recipe": _flat(Recipe()),
    }
    given: dict[str, dict[str, Any]] = {scope: {} for scope in known}
    for key, value in pairs:
        scope, _, rest = key.partition(".")
        if scope in known and rest:
            if rest not in known[scope]:
                raise UsageError(f"--set {key}: no such option; {nearest(rest, known[scope])}")
            owners = [scope]
        else:
            rest = key
            owners = [name for name, options in known.items() if key in options]
        if len(owners) > 1:
            raise UsageError(f"--set {key}: say which: {' or '.join(f'{owner}.{key}' for owner in owners)}")
        if not owners:
            every = [f"{name}.{option}" for name, options in known.items() for option in options]
            parts = [option for option in every if option.endswith(f".{key}")]  # lr: optimizer_g.lr, ...
            near = (
                f"did you mean {' or '.join(parts)}?"
                if parts
                else nearest(key, [*every, *(option for options in known.values() for option in options)])
            )
            raise UsageError(
                f"--set {key}: no such option of {words.model}, of {words.dataset} or of a recipe; {near}"
            )
        given[owners[0]][rest] = cast(f"--set {key}", value, known[owners[0]][rest])
    return given


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text}: expected key=value")
    return key.strip(), value.strip()


def _flat(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields by dotted name, without the ones that are lists."""
    flat: dict[str, Any] = {}
    for key, value in dataclasses.asdict(recipe).items():
        if key in ("model", "stabilizers"):
            continue
        flat.update({f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value})
    return flat
