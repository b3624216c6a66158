"""From a person's words to a run's settings: refused here, or not at all, before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ganzoo.assemble import (
    build_loss,
    build_model,
    build_stabilizer,
    model_options,
    open_dataset,
    set_up,
)
from ganzoo.config import Config
from ganzoo.data.base import Dataset
from ganzoo.devices import choose_device
from ganzoo.errors import UsageError, nearest
from ganzoo.gan import GAN, kind_of_data
from ganzoo.metrics.evaluate import Evaluation
from ganzoo.options import as_float, as_int, cast, format_spec, parse_spec
from ganzoo.provenance import provenance
from ganzoo.recipe import Recipe
from ganzoo.registry import DATASETS, LOSSES, MODELS, STABILIZERS
from ganzoo.stabilizers.base import couples_batch, refuse_nonsense
from ganzoo.words import Words, check_numbers, sort_settings

NONE = "none"  # --stabilizer none: without those of the recipe


def plan(words: Words) -> tuple[Config, Dataset]:
    """All settings of the run that was asked for, and its data.

    Raises:
        UsageError: anything that was asked for is wrong, or makes no sense together.
    """
    check_numbers(words)
    member = MODELS.get(words.model)
    DATASETS.get(words.dataset.partition(":")[0])
    device = choose_device(words.device)
    if words.loss is not None:
        LOSSES.get(words.loss)
    for spec in words.stabilizer:
        if spec != NONE:
            STABILIZERS.get(parse_spec(spec)[0])

    given = sort_settings(words)
    dataset = open_dataset(words.dataset, given["data"], words.data_root, words.offline)
    if words.conditional and not dataset.num_classes:
        raise UsageError(f"--conditional needs labels, and {dataset.name} has none")
    recipe = _recipe(words, member.recipes, given["recipe"], dataset)
    options = {
        **model_options(words.model),
        **_typed(words.model, recipe.model),
        **_set_by_stabilizers(words.model, recipe),
        **given["model"],
    }
    steps = recipe.steps
    config = Config(
        model=words.model,
        dataset=_reopen_name(words.dataset, dataset),
        seed=words.seed,
        recipe=dataclasses.replace(recipe, model={}),
        recipe_name=words.recipe,
        model_options=options,
        data_options={**given["data"], **_places(words)},
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
        origins=_origins(words, recipe),
        provenance=provenance(),
    )
    gan = check(config, dataset)
    if config.eval_every:
        evaluation_of(config, dataset)
    if "z_dim" in options:  # a model may choose it by the data
        config = dataclasses.replace(config, model_options={**options, "z_dim": gan.z_dim})
    return config, dataset


def check(config: Config, dataset: Dataset) -> GAN:
    """Refuse what cannot work together, on a model built for it, and return that model."""
    recipe = config.recipe
    gan = build_model(config, torch.device("cpu"))
    loss = build_loss(recipe.loss)
    stabilizers = [build_stabilizer(spec)[0] for spec in recipe.stabilizers]
    set_up(gan, stabilizers, config)
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


def evaluation_of(config: Config, dataset: Dataset) -> Evaluation:
    """The evaluations during a run. Raises UsageError if its metrics do not fit its data."""
    evaluation = Evaluation(
        config.eval_metrics,
        dataset,
        offline=bool(config.data_options.get("offline")),
        device=torch.device(config.device),
        has_discriminator=True,
    )
    assert evaluation.first_score  # refused here, where there is none
    return evaluation


def _typed(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    known = model_options(model)
    for key in options.keys() - known.keys():
        raise UsageError(f"a recipe of {model} sets the option {key}, which it lacks: {nearest(key, known)}")
    return {key: cast(f"{model}: {key}", value, known[key]) for key, value in options.items()}


def _set_by_stabilizers(model: str, recipe: Recipe) -> dict[str, Any]:
    """The options that stabilizers set on the model (packing: how many samples D judges together)."""
    known, options = model_options(model), {}
    for spec in recipe.stabilizers:
        for key, value in build_stabilizer(spec)[0].model_options().items():
            if key not in known:
                name = parse_spec(spec)[0]
                raise UsageError(f"{name} needs a model with the option {key}, which {model} does not have")
            options[key] = value
    return options


def _recipe(
    words: Words, recipes: Mapping[str, Recipe], settings: dict[str, Any], dataset: Dataset
) -> Recipe:
    kind = kind_of_data(dataset.sample_shape)
    recipe = recipes.get(f"{words.recipe}/{kind}") or recipes.get(words.recipe)
    if recipe is None:
        names = {name.partition("/")[0] for name in recipes}
        raise UsageError(
            f"{words.model} has no recipe {words.recipe!r} for {kind}: {nearest(words.recipe, names)}"
        )
    for key, value in settings.items():
        field, _, part = key.partition(".")
        new = dataclasses.replace(getattr(recipe, field), **{part: value}) if part else value
        recipe = dataclasses.replace(recipe, **{field: new})
    lr_g, lr_d = words.lr_g or words.lr, words.lr_d or words.lr
    changes: dict[str, Any] = {
        "loss": words.loss,
        "batch_size": words.batch_size,
        "n_dis": words.n_dis,
        "optimizer_g": lr_g and dataclasses.replace(recipe.optimizer_g, lr=float(lr_g)),
        "optimizer_d": lr_d and dataclasses.replace(recipe.optimizer_d, lr=float(lr_d)),
        "steps": words.steps,
    }
    recipe = dataclasses.replace(
        recipe, **{key: value for key, value in changes.items() if value is not None}
    )
    _check_recipe(recipe)
    if words.epochs is not None:
        if dataset.endless:
            raise UsageError(
                f"--epochs needs a dataset with an end, and {dataset.name} is drawn afresh: use --steps"
            )
        batches = max(1, len(dataset.train) // recipe.batch_size)
        recipe = dataclasses.replace(recipe, steps=max(1, round(words.epochs * batches / recipe.n_dis)))
    return dataclasses.replace(recipe, stabilizers=_stabilizers(words, recipe))


def _check_recipe(recipe: Recipe) -> None:
    for name in ("steps", "batch_size", "n_dis"):
        as_int(name, getattr(recipe, name), at_least=1)
    for name in ("optimizer_g", "optimizer_d"):
        settings = getattr(recipe, name)
        if settings.kind not in ("adam", "rmsprop", "sgd"):
            raise UsageError(
                f"{name}.kind={settings.kind}: {nearest(settings.kind, ('adam', 'rmsprop', 'sgd'))}"
            )
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
        if schedule.kind not in ("const", "linear", "cosine"):
            raise UsageError(
                f"{name}.kind={schedule.kind}: {nearest(schedule.kind, ('const', 'linear', 'cosine'))}"
            )
        as_float(f"{name}.until", schedule.until, above=0.0)
    if recipe.ema_halflife < 0 or recipe.ema_ramp <= 0:
        raise UsageError("ema_halflife must be at least 0 and ema_ramp above 0")


def _stabilizers(words: Words, recipe: Recipe) -> tuple[str, ...]:
    """The recipe's, replaced by name by what was asked for; each with all of its options."""
    asked = list(words.stabilizer)
    if words.label_smoothing is not None:
        asked.append(f"label-smoothing:amount={words.label_smoothing}")
    if words.skip_d_below is not None:
        asked.append(f"skip-d:below={words.skip_d_below}")
    recipes_own = () if NONE in asked else recipe.stabilizers
    asked = [spec for spec in asked if spec != NONE]
    names = [parse_spec(spec)[0] for spec in asked]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"stabilizer {name!r} is given twice: give it once, with all its options")
    kept = [spec for spec in recipes_own if parse_spec(spec)[0] not in names]
    return tuple(format_spec(parse_spec(spec)[0], build_stabilizer(spec)[1]) for spec in kept + asked)


def _reopen_name(asked: str, dataset: Dataset) -> str:
    kind, colon, path = asked.partition(":")
    return f"{kind}:{Path(path).expanduser().absolute()}" if colon else dataset.name


def _places(words: Words) -> dict[str, Any]:
    return {
        "root": str(Path(words.data_root).absolute()) if words.data_root else None,
        "offline": words.offline,
    }


def _origins(words: Words, recipe: Recipe) -> dict[str, dict[str, str]]:
    members = {
        f"model {words.model}": MODELS.origin(words.model),
        f"loss {recipe.loss}": LOSSES.origin(recipe.loss),
    }
    kind = words.dataset.partition(":")[0]
    members[f"dataset {kind}"] = DATASETS.origin(kind)
    for spec in recipe.stabilizers:
        name = parse_spec(spec)[0]
        members[f"stabilizer {name}"] = STABILIZERS.origin(name)
    return members
