"""Objects in the place of words: classes of models, losses and optimizers, to the words that runs record."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Optimizer, Recipe, Schedule, optimizers
from ganzoo.registry import LOSSES, MODELS, STABILIZERS
from ganzoo.registry.named import name_of, spec_of
from ganzoo.registry.options import known_options
from ganzoo.registry.spec import Spec, pair
from ganzoo.stabilizers.base import Stabilizer

OWN_FIELDS = ("lr", "eps", "momentum")  # of torch.optim that `Optimizer` has by the same name

MAPPINGS = ("options", "parts")  # of `Optimizer`, which are settings of one word


def model_name(model: Any) -> str:
    """A model by name or by its class. Raises UsageError for anything else."""
    if isinstance(model, str):
        return model
    if isinstance(model, type) and issubclass(model, GAN):
        return name_of(MODELS, model)
    what = (
        "its class, and its options by set={...}" if isinstance(model, GAN) else "a name or a subclass of GAN"
    )
    raise UsageError(f"model: expected {what}, got {type(model).__name__}: ganzoo makes one for the data")


def loss_word(loss: Any) -> str | None:
    return None if loss is None else str(spec_of(LOSSES, loss, Loss))


def stabilizer_specs(given: Any) -> list[Spec]:
    """One or several, as names, classes or objects. Raises UsageError for anything else."""
    if isinstance(given, Mapping):
        raise UsageError(
            f'stabilizers: expected a list of names, "r1:gamma=50", of classes or of objects, got {given!r}'
        )
    alone = isinstance(given, str | Spec) or not isinstance(given, Iterable)
    return [spec_of(STABILIZERS, each, Stabilizer) for each in ([given] if alone else given)]


def own_recipe(recipe: Any) -> Recipe:
    """A recipe that somebody made, all of it in words and in numbers. Raises UsageError for anything else."""
    if not isinstance(recipe, Recipe):
        raise UsageError(
            f'recipe: expected "default", "paper" or an object of ganzoo.Recipe, got {recipe!r}; single '
            'settings are changed by set={"n_dis": 2}'
        )
    for name, kind in {"model": Mapping, "conditional": bool}.items():
        if not isinstance(getattr(recipe, name), kind):
            raise UsageError(
                f"recipe: {name} is {'a mapping of options' if kind is Mapping else 'true or false'}, got "
                f"{getattr(recipe, name)!r}"
            )
    for name in ("lr_schedule", "lr_schedule_d", "penalty_schedule", "ema_schedule"):
        schedule = getattr(recipe, name)
        if not isinstance(schedule, Schedule) and not (name == "lr_schedule_d" and schedule is None):
            raise UsageError(
                f'recipe: {name} is a ganzoo.Schedule, Schedule("linear", end=0), got {schedule!r}'
            )
    by_words = dataclasses.replace(
        recipe,
        loss=str(spec_of(LOSSES, recipe.loss, Loss)),
        stabilizers=stabilizer_specs(recipe.stabilizers),
        optimizer_g=_settled(recipe.optimizer_g),
        optimizer_d=_settled(recipe.optimizer_d),
    )
    typed = {
        key: value
        for key, value in by_words.settings().items()
        if recipe.lr_schedule_d is not None or not key.startswith("lr_schedule_d.")
    }
    return by_words.with_settings(known_options("recipe", Recipe().settings(), typed))


def settings(given: Any, optimizers: Mapping[str, Any]) -> dict[str, Any]:
    """`set` as a mapping, after what optimizers say that were given as such, by "g" and "d".

    Args:
        given: a mapping, which may have others in it, {"model": {"width": 8}}; or "key=value" or pairs of a
            key and a value, one or several.

    Raises:
        UsageError: it is none of these, or an optimizer is none.
    """
    if isinstance(given, Mapping):
        typed = _flat(given)
    elif isinstance(given, str) or not isinstance(given, Iterable):
        typed = dict([_pair(given)])
    else:
        typed = _flat(dict(map(_pair, given)))
    said = {
        f"recipe.optimizer_{net}.{key}": value
        for net, optimizer in optimizers.items()
        if optimizer is not None
        for key, value in _fields(optimizer).items()
    }
    return said | typed


def _pair(one: Any) -> tuple[str, Any]:
    if isinstance(one, str):
        return pair(one, "key=value")
    if isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[0], str):
        return one[0], one[1]
    raise UsageError(f'set: expected a mapping, {{"model.width": 32}}, or "key=value", got {one!r}')


def _flat(given: Mapping[Any, Any], scope: str = "") -> dict[str, Any]:
    """A mapping with others in it as one, by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        if not isinstance(key, str):
            raise UsageError(f"set: expected the names of settings as keys, got {key!r}")
        if not isinstance(value, Mapping):
            flat[scope + key] = value
        elif key.rpartition(".")[2] in MAPPINGS:
            flat[scope + key] = ",".join(f"{name}={one}" for name, one in value.items())
        else:
            flat |= _flat(value, f"{scope}{key}.")
    return flat


def _settled(optimizer: Any) -> Optimizer:
    return optimizer if isinstance(optimizer, Optimizer) else Optimizer(**_fields(optimizer))


def _fields(optimizer: Any) -> dict[str, Any]:
    """What an optimizer says of `Optimizer`'s fields: a name, a class of torch.optim, a partial of one."""
    if isinstance(optimizer, Optimizer):
        return dataclasses.asdict(optimizer)
    if isinstance(optimizer, str):
        return {"kind": optimizer}
    given: dict[str, Any] = {}
    if isinstance(optimizer, functools.partial) and not optimizer.args:
        optimizer, given = optimizer.func, dict(optimizer.keywords)
    kind = next((name for name, known in optimizers().items() if known is optimizer), None)
    if kind is None:
        raise UsageError(
            f"optimizer: expected a name, a class of torch.optim, functools.partial of one with keywords, or "
            f"ganzoo.Optimizer, got {optimizer!r}"
        )
    fields: dict[str, Any] = {"kind": kind}
    if "betas" in given:
        fields["beta1"], fields["beta2"] = given.pop("betas")
    if "alpha" in given and kind == "rmsprop":
        fields["beta2"] = given.pop("alpha")
    fields |= {name: given.pop(name) for name in OWN_FIELDS if name in given}
    if given:
        fields["options"] = ",".join(f"{key}={value}" for key, value in given.items())
    return fields
