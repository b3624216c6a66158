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
from ganzoo.registry import STABILIZERS


def recipe_for(words: Words, recipes: Mapping[str, Recipe], dataset: Dataset) -> Recipe:
    """The chosen one of `recipes`, changed by what was asked for. Raises UsageError for what is wrong."""
    kind = kind_of_data(dataset.sample_shape)
    chosen = recipes.get(f"{words.recipe}/{kind}") or recipes.get(words.recipe)
    if chosen is None:
        names = {name.partition("/")[0] for name in recipes}
        raise UsageError(
            f"{words.model} has no recipe {words.recipe!r} for {kind}: {nearest(words.recipe, names)}"
        )
    recipe = chosen.with_settings(words.settings["recipe"])
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
    if words.epochs is not None:
        if dataset.endless:
            raise UsageError(
                f"--epochs needs a dataset with an end, and {dataset.name} is drawn afresh: use --steps"
            )
        batches = max(1, len(dataset.train) // recipe.batch_size)
        recipe = dataclasses.replace(recipe, steps=max(1, round(words.epochs * batches / recipe.n_dis)))
    names = {spec.name for spec in words.stabilizers}
    kept = [spec for spec in recipe.stabilizers if spec.name not in names and NONE not in words.stabilizer]
    return dataclasses.replace(
        recipe, stabilizers=[STABILIZERS.settled(spec) for spec in [*kept, *words.stabilizers]]
    )
