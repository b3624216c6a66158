"""Objects in the place of words: classes of models, losses and optimizers, to the words that runs record."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Optimizer, optimizers
from ganzoo.registry import LOSSES, MODELS, STABILIZERS
from ganzoo.registry.named import name_of, spec_of
from ganzoo.registry.spec import Spec, pair
from ganzoo.stabilizers.base import Stabilizer

OWN_FIELDS = ("lr", "eps", "momentum")  # of torch.optim that `Optimizer` has by the same name


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
    """One or several, as names, classes or objects."""
    several = [given] if isinstance(given, str | Spec | Stabilizer | type) else given
    return [spec_of(STABILIZERS, each, Stabilizer) for each in several]


def settings(given: str | Iterable[str] | Mapping[str, Any], optimizers: Mapping[str, Any]) -> dict[str, Any]:
    """`set` as a mapping, after what optimizers say that were given as such, by "g" and "d"."""
    if isinstance(given, Mapping):
        typed = dict(given)
    else:
        typed = dict(pair(one, "key=value") for one in ([given] if isinstance(given, str) else given))
    said = {
        f"recipe.optimizer_{net}.{key}": value
        for net, optimizer in optimizers.items()
        if optimizer is not None
        for key, value in _fields(optimizer).items()
    }
    return said | typed


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
