"""From a person's words to a run's settings: refused here, or not at all, before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import LIKE, kind_of, kind_of_shape
from ganzoo.data.open import given_name, lasting_name, lasting_path, open_dataset
from ganzoo.errors import UsageError, nearest
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Recipe
from ganzoo.plan.assemble import build_loss, build_trained
from ganzoo.plan.by_object import own_recipe
from ganzoo.plan.callbacks import with_callbacks
from ganzoo.plan.compiling import refuse_uncompiled
from ganzoo.plan.config import Config, usual_checkpoint_every, usual_eval_every
from ganzoo.plan.shares import refuse_unshared
from ganzoo.plan.words import NONE, Words
from ganzoo.registry import MODELS, STABILIZERS, origins
from ganzoo.registry.kinds import LARGEST, plainly
from ganzoo.registry.options import known_options
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.base import couples_batch, refuse_nonsense
from ganzoo.stabilizers.open import open_stabilizer
from ganzoo.system import ranks
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.provenance import provenance

OWN = "own"  # how a recipe is recorded that was given as one
MOST_CLASSES = 100  # that a recipe uses unasked: of many more, each has too few samples to learn from


def plan(words: Words) -> tuple[Config, Dataset]:
    """All settings of the run that was asked for, and its data.

    Raises:
        UsageError: anything that was asked for is wrong, or makes no sense together.
    """
    device = choose_device(words.device)
    dataset: Dataset = words.given
    if words.data is not None:
        dataset = open_dataset(words.data, words.settings["data"], words.data_root, words.offline)
    recipe = _recipe(words, MODELS.get(words.model).recipes, dataset)
    recipe = dataclasses.replace(recipe, conditional=_conditional(words, recipe, dataset))
    config = with_callbacks(_config(words, dataset, recipe, device), words.callbacks)
    config.check()
    gan = check(config, dataset)
    if "z_dim" in config.model_options:  # a model may choose it by the data
        options = {**config.model_options, "z_dim": gan.z_dim}
        config = dataclasses.replace(config, model_options=options)
    return config, dataset


def _recipe(words: Words, recipes: Mapping[str, Recipe], dataset: Dataset) -> Recipe:
    """The chosen one of `recipes`, changed by what was asked for. Raises UsageError for what is wrong."""
    kind, base = kind_of(dataset), words.base
    chosen: Recipe | None = words.own_recipe
    if base is not None and kind_of(base) != kind:
        notice(
            f"{dataset.name} has {kind}, and {base.dataset} {kind_of(base)}: the recipe is the model's own"
        )
        base = None
    if base is not None:
        chosen = base.recipe
    elif chosen is None:
        chosen = _of_kind(words.recipe, words.model, recipes, kind)
    asked = {
        "loss": words.loss,
        "batch_size": words.batch_size,
        "n_dis": words.n_dis,
        "optimizer_g.lr": words.lr_g or words.lr,
        "optimizer_d.lr": words.lr_d or words.lr,
        "steps": words.steps,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    recipe = chosen.with_settings({**words.settings["recipe"], **given})
    recipe.check()
    if words.epochs is not None:
        if dataset.endless:
            raise UsageError(
                f"--epochs needs a dataset with an end, and {dataset.name} is drawn afresh: use --steps"
            )
        batches = max(1, len(dataset.train) // recipe.batch_size)
        steps = words.epochs * batches / recipe.n_dis
        if steps > LARGEST:
            raise UsageError(f"--epochs {words.epochs:g} are too many: expected at most {LARGEST:,} steps")
        recipe = dataclasses.replace(recipe, steps=max(1, round(steps)))
    kept = [] if NONE in words.stabilizer else _kept(recipe, words)
    # As text, which is all that a resumed run has of them: options must come back from it.
    settled = [*map(STABILIZERS.settled, kept), *words.stabilizers]
    return dataclasses.replace(recipe, stabilizers=map(str, settled))


def _of_kind(name: str, model: str, recipes: Mapping[str, Recipe], kind: str) -> Recipe:
    """The recipe of that name for data of a kind. Raises UsageError where there is none."""
    fitting = (f"{name}/{kind}", name, f"{name}/{LIKE.get(kind, kind)}")
    chosen = next((recipes[each] for each in fitting if each in recipes), None)
    if chosen is None:
        names = {each.partition("/")[0] for each in recipes}
        raise UsageError(f"{model} has no recipe {name!r} for {kind}: {nearest(name, names)}")
    return own_recipe(chosen)


def _kept(recipe: Recipe, words: Words) -> list[Spec]:
    """The recipe's stabilizers that the user did not name, and that make sense beside those that he did."""
    asked = [spec.name for spec in words.stabilizers]
    kept = []
    for spec in recipe.stabilizers:
        against = [name for name in asked if _refuses(name, spec.name) or _refuses(spec.name, name)]
        if against:
            notice(f"{spec.name} of the recipe is left out, as it makes no sense together with {against[0]}")
        elif spec.name not in asked:
            kept.append(spec)
    return kept


def _refuses(name: str, other: str) -> bool:
    return other in STABILIZERS.get(name).refuses


def _conditional(words: Words, recipe: Recipe, dataset: Dataset) -> bool:
    """Whether the model learns the labels: as the user says, or else as the recipe does."""
    shape = dataset.condition_shape
    if words.conditional and not (dataset.num_classes or shape):
        raise UsageError(f"--conditional needs labels, and {dataset.name} has none")
    if words.conditional is None:
        given = kind_of_shape(shape) if shape else "classes"
        takes = recipe.conditional and given in MODELS.get(words.model).conditions
        return takes and (bool(shape) or 1 < dataset.num_classes <= MOST_CLASSES)
    return words.conditional


def _config(words: Words, dataset: Dataset, recipe: Recipe, device: torch.device) -> Config:
    steps = recipe.steps
    places = {
        "root": lasting_path(words.data_root) if words.data_root else None,
        "offline": words.offline,
    }
    members = [("model", words.model), ("loss", Spec.parse(recipe.loss).name)]
    if words.data is not None:
        members.append(("dataset", words.data.name))
    return Config(
        model=words.model,
        dataset=given_name(dataset) if words.data is None else lasting_name(words.data, dataset),
        seed=words.seed,
        recipe=dataclasses.replace(recipe, model={}),  # which is in model_options
        recipe_name=words.recipe if words.own_recipe is None else OWN,
        model_options=_model_options(words.model, recipe, words.settings["model"]),
        data_options={**{key: plainly(value) for key, value in words.settings["data"].items()}, **places},
        data_fingerprint=dataset.fingerprint,
        sample_shape=dataset.sample_shape,
        num_classes=dataset.num_classes,
        condition_shape=dataset.condition_shape,
        kind=dataset.kind,
        conditional=recipe.conditional,
        device=str(device),
        precision=words.precision,
        compile=words.compile,
        threads=torch.get_num_threads(),
        checkpoint_every=words.checkpoint_every or usual_checkpoint_every(steps),
        sample_every=max(1, steps // 10),
        log_every=min(50, max(1, steps // 50)),
        eval_every=(words.eval_every or usual_eval_every(steps)) if words.eval_metric else 0,
        eval_metrics=tuple(words.eval_metric),
        on_nan=words.on_nan,
        stop_when=words.stop_when or "",
        patience=words.patience or 0,
        origins=origins([*members, *(("stabilizer", spec.name) for spec in recipe.stabilizers)]),
        provenance=provenance(),
    )


def _model_options(model: str, recipe: Recipe, own: Mapping[str, Any]) -> dict[str, Any]:
    """The model's defaults, and what the recipe, its stabilizers and `own` put in their place."""
    by_stabilizers: dict[str, tuple[str, Any]] = {}  # packing: how many samples D judges together
    for spec in recipe.stabilizers:
        for key, value in open_stabilizer(spec).model_options().items():
            by_stabilizers[key] = spec.name, value
    known = MODELS.options(model)
    for key in recipe.model.keys() - known.keys():
        raise UsageError(f"a recipe of {model} sets the option {key}, which it lacks: {nearest(key, known)}")
    for key, (name, _) in by_stabilizers.items():
        if key not in known:
            raise UsageError(f"{name} needs a model with the option {key}, which {model} does not have")
    by_recipe = known_options(model, known, recipe.model)
    own = known_options(model, known, own)  # read from the source before, and known for certain now
    options = {**known, **by_recipe, **{key: value for key, (_, value) in by_stabilizers.items()}, **own}
    return {key: plainly(value) for key, value in options.items()}


def check(config: Config, dataset: Dataset) -> GAN:
    """Refuse what cannot work together, on a model built for it, and return that model."""
    recipe = config.recipe
    loss = build_loss(recipe.loss)
    gan, stabilizers = build_trained(config, torch.device("cpu"))
    refuse_nonsense(gan, loss, recipe.loss, stabilizers)
    for name in ("train", "test"):
        if not len(getattr(dataset, name)):
            raise UsageError(
                f"dataset {dataset.name!r} has no samples in its {name} split: it needs some in both"
            )
    batch, parts, normalizer = recipe.batch_size, recipe.accumulate, couples_batch(gan)
    if not dataset.endless and batch > len(dataset.train):
        there = len(dataset.train)
        least = gan.pack * parts * (2 if normalizer else 1)
        by = f", as {normalizer} averages over a batch" if normalizer and gan.pack * parts == 1 else ""
        raise UsageError(
            f"--batch-size {batch} is more than the {there} training sample{'s' * (there != 1)} of "
            f"{dataset.name}: "
            + (
                f"use --batch-size {there} or less"
                if there >= least
                else f"{config.model} needs {least} of them at least{by}"
            )
        )
    if batch % (gan.pack * parts):
        raise UsageError(
            f"--batch-size {batch} is not a multiple of model.pack={gan.pack}"
            + (f" times recipe.accumulate={parts}" if parts > 1 else "")
        )
    if batch // (gan.pack * parts) < 2 and normalizer:
        raise UsageError(f"--batch-size {batch} is too small for {normalizer}, which averages over a batch")
    refuse_unshared(config, stabilizers, gan.pack, ranks.all_of_them())
    refuse_uncompiled(config, gan, ranks.all_of_them())
    return gan
