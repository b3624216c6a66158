"""Which models refuse a stabilizer: it is set up on a small one of each, as its default recipe has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch

from ganzoo.errors import UsageError
from ganzoo.losses import NonSaturating
from ganzoo.models.recipe import Recipe
from ganzoo.plan.assemble import build_trained
from ganzoo.registry import MODELS
from ganzoo.stabilizers.base import refuse_nonsense
from ganzoo.stabilizers.open import open_stabilizer

SIZES = ("width", "d_width", "depth", "d_depth", "z_dim")  # which decide nothing here


@dataclasses.dataclass(frozen=True)
class Small:
    """What a model is built from; the fields are those of `Built`."""

    model: str
    model_options: Mapping[str, Any]
    stabilizers: Sequence[str]
    sample_shape: tuple[int, ...]
    kind: str
    condition_shape: tuple[int, ...] = ()
    num_classes: int = 10
    conditional: bool = True
    seed: int = 0


FEW = 3
DATA: dict[str, tuple[tuple[int, ...], str, tuple[int, ...]]] = {  # as models are tried on, without a path
    "ring8": ((2,), "vectors", ()),
    "mnist": ((1, 28, 28), "images", ()),
    "waves": ((1, 64), "series", ()),
    "pairs": ((1, 32, 32), "images", (1, 32, 32)),
    "unpaired": ((1, 32, 32), "images", (1, 32, 32)),
}


@lru_cache
def refused_on(model: str, stabilizer: str) -> tuple[str, ...]:
    """The kinds of data on which a model refuses it, whatever the loss is, of those that it is tried on."""
    member, needed = MODELS.get(model), open_stabilizer(stabilizer).model_options()
    kinds = []
    for data in member.tried_on:
        shape, kind, condition = DATA[data.partition(":")[0]]
        recipe: Recipe = member.recipes.get(f"default/{kind}") or member.recipes["default"]
        options = {key: value for key, value in recipe.model.items() if key not in SIZES}
        options |= {"width": 4} if "width" in MODELS.options(model) else {}
        small = Small(model, {**options, **needed}, [stabilizer], shape, kind, condition)
        try:
            gan, stabilizers = build_trained(small, torch.device("cpu"))
            refuse_nonsense(gan, NonSaturating(), "non-saturating", stabilizers)
        except UsageError:
            kinds.append(kind)
    return tuple(kinds)


def told_of_models(stabilizer: str, models: Sequence[str]) -> list[str]:
    """A line of those that refuse it, or of the few that do not."""
    refused = {model: refused_on(model, stabilizer) for model in models}
    takes = [model for model, kinds in refused.items() if not kinds]
    if not takes or len(takes) > FEW:
        some = [
            f"[{model}](../models/{model}.md)"
            + (f" for {' and '.join(kinds)}" if len(kinds) < len(MODELS.get(model).tried_on) else "")
            for model, kinds in refused.items()
            if kinds
        ]
        return [f"- Refused with the default recipes of {', '.join(some)}."] if some else []
    some = [f"[{model}](../models/{model}.md)" for model in takes]
    return [f"- Of the default recipes it goes with {' and '.join(some)} alone."]
