"""`--set`, sorted by what it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.data.open import dataset_options
from ganzoo.errors import UsageError, nearest
from ganzoo.models.recipe import Recipe
from ganzoo.plan.assemble import model_options
from ganzoo.plan.config import plain
from ganzoo.plan.words import Words
from ganzoo.registry.options import cast

NOT_SET = ("model", "stabilizers")  # of a recipe: its lists, which have words of their own


@dataclass(frozen=True)
class Settings:
    """Options of the model and of the dataset, and fields of the recipe by dotted name."""

    model: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)


def sort_settings(words: Words) -> Settings:
    """model.width=64, data.size=64, recipe.n_dis=2, or a bare key. Raises UsageError if nothing has it."""
    known = {
        "model": model_options(words.model),
        "data": dataset_options(words.dataset),
        "recipe": _fields(Recipe()),
    }
    sorted_ = Settings()
    for key, value in words.settings.items():
        scope, option = _owner(key, known, words)
        getattr(sorted_, scope)[option] = cast(f"--set {key}", value, known[scope][option])
    return sorted_


def _owner(key: str, known: Mapping[str, Mapping[str, Any]], words: Words) -> tuple[str, str]:
    """Whose option a key is, and its name there."""
    scope, _, rest = key.partition(".")
    if scope in known and rest:
        if rest not in known[scope]:
            raise UsageError(f"--set {key}: no such option; {nearest(rest, known[scope])}")
        return scope, rest
    owners = [name for name, options in known.items() if key in options]
    if len(owners) > 1:
        raise UsageError(f"--set {key}: say which: {' or '.join(f'{owner}.{key}' for owner in owners)}")
    if owners:
        return owners[0], key
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


def _fields(recipe: Recipe) -> dict[str, Any]:
    """By dotted name."""
    flat: dict[str, Any] = {}
    for key, value in plain(recipe).items():
        if key not in NOT_SET:
            flat.update(
                {f"{key}.{part}": one for part, one in value.items()}
                if isinstance(value, dict)
                else {key: value}
            )
    return flat
