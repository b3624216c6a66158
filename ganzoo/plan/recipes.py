"""The recipe that a run follows: the model's, with what was asked for in its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError, nearest
from ganzoo.models.base import kind_of_data
from ganzoo.models.recipe import Recipe
from ganzoo.plan.words import NONE, Words
from ganzoo.registry.options import as_float, as_int
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.open import settled

OPTIMIZERS = ("adam", "rmsprop", "sgd")
SCHEDULES = ("const", "linear", "cosine")


def recipe_for(
    words: Words, recipes: Mapping[str, Recipe], settings: Mapping[str, Any], dataset: Dataset
) -> Recipe:
    """The chosen one of `recipes`, changed by `settings` and words. Raises UsageError for what is wrong."""
    recipe = _set(_chosen(words, recipes, kind_of_data(dataset.sample_shape)), settings)
    lr_g, lr_d = words.lr_g or words.lr, words.lr_d or words.lr
    asked: dict[str, Any] = {
        "loss": words.loss,
        "batch_size": words.batch_size,
        "n_dis": words.n_dis,
        "optimizer_g": lr_g and dataclasses.replace(recipe.optimizer_g, lr=lr_g),
        "optimizer_d": lr_d and dataclasses.replace(recipe.optimizer_d, lr=lr_d),
        "steps": words.steps,
    }
    recipe = dataclasses.replace(recipe, **{key: value for key, value in asked.items() if value is not None})
    check_recipe(recipe)
    if words.epochs is not None:
        recipe = dataclasses.replace(recipe, steps=_steps_of(words.epochs, recipe, dataset))
    return dataclasses.replace(recipe, stabilizers=_stabilizers(words.stabilizers, recipe))


def _chosen(words: Words, recipes: Mapping[str, Recipe], kind: str) -> Recipe:
    recipe = recipes.get(f"{words.recipe}/{kind}") or recipes.get(words.recipe)
    if recipe is None:
        names = {name.partition("/")[0] for name in recipes}
        raise UsageError(
            f"{words.model} has no recipe {words.recipe!r} for {kind}: {nearest(words.recipe, names)}"
        )
    return recipe


def _set(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    for key, value in settings.items():
        field, _, part = key.partition(".")
        new = dataclasses.replace(getattr(recipe, field), **{part: value}) if part else value
        recipe = dataclasses.replace(recipe, **{field: new})
    return recipe


def _steps_of(epochs: float, recipe: Recipe, dataset: Dataset) -> int:
    if dataset.endless:
        raise UsageError(
            f"--epochs needs a dataset with an end, and {dataset.name} is drawn afresh: use --steps"
        )
    batches = max(1, len(dataset.train) // recipe.batch_size)
    return max(1, round(epochs * batches / recipe.n_dis))


def _stabilizers(asked: list[Spec], recipe: Recipe) -> list[Spec]:
    """The recipe's, replaced by name by what was asked for; each with all of its options."""
    kept = () if NONE in asked else recipe.stabilizers
    asked = [spec for spec in asked if spec != NONE]
    names = [spec.name for spec in asked]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"stabilizer {name!r} is given twice: give it once, with all its options")
    return [settled(spec) for spec in [*(spec for spec in kept if spec.name not in names), *asked]]


def check_recipe(recipe: Recipe) -> None:
    """Raise a UsageError for the first number or name in it that makes no sense."""
    for name in ("steps", "batch_size", "n_dis"):
        as_int(name, getattr(recipe, name), at_least=1)
    for name in ("optimizer_g", "optimizer_d"):
        settings = getattr(recipe, name)
        _check_kind(name, settings.kind, OPTIMIZERS)
        as_float(f"{name}.lr", settings.lr, above=0.0)
        if settings.eps < 0.0:
            raise UsageError(f"{name}.eps: expected a number of at least 0, got {settings.eps:g}")
        for part in ("beta1", "beta2", "momentum"):
            if not 0.0 <= getattr(settings, part) < 1.0:
                raise UsageError(
                    f"{name}.{part}: expected a number in [0, 1), got {getattr(settings, part):g}"
                )
    for name in ("lr_schedule", "penalty_schedule", "ema_schedule"):
        schedule = getattr(recipe, name)
        _check_kind(name, schedule.kind, SCHEDULES)
        as_float(f"{name}.until", schedule.until, above=0.0)
    if recipe.ema_halflife < 0 or recipe.ema_ramp <= 0:
        raise UsageError("ema_halflife must be at least 0 and ema_ramp above 0")


def _check_kind(name: str, kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        raise UsageError(f"{name}.kind={kind}: {nearest(kind, known)}")
