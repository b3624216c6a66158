"""From a person's words to a run's settings: refused here, or not at all, before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from ganzoo.data.base import Dataset
from ganzoo.data.open import open_dataset
from ganzoo.errors import UsageError, nearest
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Recipe
from ganzoo.plan.assemble import build_loss, build_trained, model_options
from ganzoo.plan.config import Config
from ganzoo.plan.recipes import recipe_for
from ganzoo.plan.settings import sort_settings
from ganzoo.plan.words import NONE, Words
from ganzoo.registry import DATASETS, LOSSES, MODELS, OF_KIND, STABILIZERS
from ganzoo.registry.options import cast
from ganzoo.registry.spec import Ref, Spec
from ganzoo.stabilizers.base import couples_batch, refuse_nonsense
from ganzoo.stabilizers.open import open_stabilizer
from ganzoo.system.devices import choose_device
from ganzoo.system.provenance import provenance


def plan(words: Words) -> tuple[Config, Dataset]:
    """All settings of the run that was asked for, and its data.

    Raises:
        UsageError: anything that was asked for is wrong, or makes no sense together.
    """
    recipes, device = _imported(words), choose_device(words.device)
    settings = sort_settings(words)
    dataset = open_dataset(words.dataset, settings.data, words.data_root, words.offline)
    if words.conditional and not dataset.num_classes:
        raise UsageError(f"--conditional needs labels, and {dataset.name} has none")
    recipe = recipe_for(words, recipes, settings.recipe, dataset)
    options = _options(words.model, recipe, settings.model)
    config = _config(words, dataset, recipe, options, settings.data, device)
    gan = check(config, dataset)
    if "z_dim" in options:  # a model may choose it by the data
        config = dataclasses.replace(config, model_options={**options, "z_dim": gan.z_dim})
    return config, dataset


def _imported(words: Words) -> Mapping[str, Recipe]:
    """The recipes of the model; every member that is named is there, and can be imported."""
    recipes: Mapping[str, Recipe] = MODELS.get(words.model).recipes
    DATASETS.get(Ref.parse(words.dataset).name)
    if words.loss is not None:
        LOSSES.get(words.loss)
    for spec in words.stabilizer:
        if spec != NONE:
            STABILIZERS.get(spec.name)
    return recipes


def _options(model: str, recipe: Recipe, own: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the model: its defaults, and what the recipe, its stabilizers and `own` put in their place."""
    known = model_options(model)
    for key in recipe.model.keys() - known.keys():
        raise UsageError(f"a recipe of {model} sets the option {key}, which it lacks: {nearest(key, known)}")
    by_recipe = {key: cast(f"{model}: {key}", value, known[key]) for key, value in recipe.model.items()}
    by_stabilizers: dict[str, Any] = {}  # packing: how many samples D judges together
    for spec in recipe.stabilizers:
        for key, value in open_stabilizer(spec).model_options().items():
            if key not in known:
                raise UsageError(
                    f"{spec.name} needs a model with the option {key}, which {model} does not have"
                )
            by_stabilizers[key] = value
    return {**known, **by_recipe, **by_stabilizers, **own}


def _config(
    words: Words,
    dataset: Dataset,
    recipe: Recipe,
    options: Mapping[str, Any],
    data_options: Mapping[str, Any],
    device: torch.device,
) -> Config:
    asked, steps = Ref.parse(words.dataset), recipe.steps
    reopened = dataset.name  # which may be more exact than what was asked for
    if asked.path is not None:
        reopened = str(Ref(asked.name, str(Path(asked.path).expanduser().absolute())))
    places = {
        "root": str(Path(words.data_root).absolute()) if words.data_root else None,
        "offline": words.offline,
    }
    return Config(
        model=words.model,
        dataset=reopened,
        seed=words.seed,
        recipe=dataclasses.replace(recipe, model={}),
        recipe_name=words.recipe,
        model_options=options,
        data_options={**data_options, **places},
        data_fingerprint=dataset.fingerprint,
        sample_shape=dataset.sample_shape,
        num_classes=dataset.num_classes,
        conditional=words.conditional,
        device=str(device),
        precision=words.precision,
        threads=torch.get_num_threads(),
        checkpoint_every=words.checkpoint_every or min(1000, max(50, steps // 10)),
        sample_every=max(1, steps // 10),
        log_every=min(50, max(1, steps // 50)),
        eval_every=(words.eval_every or max(1, steps // 10)) if words.eval_metric else 0,
        eval_metrics=tuple(words.eval_metric),
        origins=_origins(words.model, recipe.loss, asked.name, recipe.stabilizers),
        provenance=provenance(),
    )


def _origins(model: str, loss: str, dataset: str, stabilizers: Iterable[Spec]) -> dict[str, dict[str, str]]:
    """The distribution and the version behind each member."""
    named = [("model", model), ("loss", loss), ("dataset", dataset)]
    named += [("stabilizer", spec.name) for spec in stabilizers]
    return {f"{kind} {name}": OF_KIND[kind].origin(name) for kind, name in named}


def check(config: Config, dataset: Dataset) -> GAN:
    """Refuse what cannot work together, on a model built for it, and return that model."""
    recipe = config.recipe
    loss = build_loss(recipe.loss)
    gan, stabilizers = build_trained(config, torch.device("cpu"))
    refuse_nonsense(gan, loss, recipe.loss, stabilizers)
    batch = recipe.batch_size
    if not dataset.endless and batch > len(dataset.train):
        raise UsageError(
            f"--batch-size {batch} is more than the {len(dataset.train)} training samples of {dataset.name}: "
            f"use --batch-size {len(dataset.train)} or less"
        )
    if batch % gan.pack:
        raise UsageError(f"--batch-size {batch} is not a multiple of model.pack={gan.pack}")
    normalizer = couples_batch(gan)
    if batch // gan.pack < 2 and normalizer:
        raise UsageError(f"--batch-size {batch} is too small for {normalizer}, which averages over a batch")
    return gan
