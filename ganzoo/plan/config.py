"""A run's settings, all of them, resolved: nothing in a run depends on a default that may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, get_type_hints

from ganzoo.models.recipe import Recipe
from ganzoo.registry.spec import Spec

# Of `Config.identity`: where the data lie, and by which name they are opened there.
PLACES = ("dataset", "origins.dataset ", "data_options.root", "data_options.offline")


@dataclass(frozen=True)
class Config:
    """What config.json holds. `recipe.steps` is the budget.

    Where the budget has grown, growth keeps to the plan that the run was begun with, `first_steps`: with a
    larger one a net would shrink and fade its layers in again. Schedules keep to the plan that they are made
    for, `schedule_steps`, and then stay as they are at its end, unless they were stretched.
    `provenance` (versions, command, device names) is recorded but does not define the run.
    """

    model: str
    dataset: str  # as reopened on resume: "mnist-5k" where mnist fell back to it, "folder:/absolute/path"
    seed: int
    recipe: Recipe
    recipe_name: str
    model_options: Mapping[str, Any]
    data_options: Mapping[str, Any]
    data_fingerprint: str
    sample_shape: tuple[int, ...]
    num_classes: int
    conditional: bool
    device: str
    precision: str
    threads: int
    checkpoint_every: int
    sample_every: int
    log_every: int
    origins: Mapping[str, Mapping[str, str]]  # member -> distribution and version
    provenance: Mapping[str, Any] = field(default_factory=dict)
    eval_every: int = 0  # 0: no evaluations during training
    eval_metrics: tuple[str, ...] = ()
    first_steps: int = 0  # 0: recipe.steps
    schedule_steps: int = 0  # 0: recipe.steps

    def as_json(self) -> dict[str, Any]:
        return {"format": 1, **plain(self)}

    def identity(self) -> dict[str, str]:
        """What may not change between a checkpoint and its resumption, by dotted name, as text.

        The budget may grow, how often to log, save and measure is free, and device and threads are the
        machine's; provenance is only a record.
        """
        free = (
            "recipe.steps",
            "recipe.conditional",  # which `conditional` says
            "first_steps",
            "schedule_steps",
            "checkpoint_every",
            "sample_every",
            "log_every",
            "provenance.",
            "eval_",
            "threads",
            "device",
        )
        return {key: value for key, value in flatten(plain(self)).items() if not key.startswith(free)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Config:
        """The inverse of `as_json`. Raises KeyError, TypeError, ValueError on anything else."""
        config: Config = _built(cls, {key: value for key, value in data.items() if key != "format"})
        return config


def plain(value: Any) -> Any:
    """Settings as what JSON knows: dataclasses as dicts, specifications as they are typed."""
    if isinstance(value, Spec):
        return str(value)
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def _built(kind: Any, value: Any) -> Any:
    """The inverse of `plain`, for a field of this type."""
    if isinstance(kind, type) and is_dataclass(kind):
        kinds = get_type_hints(kind)
        for each in fields(kind):
            if each.default is MISSING and each.default_factory is MISSING and each.name not in value:
                raise KeyError(each.name)
        return kind(**{key: _built(kinds.get(key), part) for key, part in value.items()})
    return tuple(value) if isinstance(value, list) else value


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings to one level with dotted names, the values as text."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = str(value)
    return flat
