"""What was run: the settings of one run, or what differs between those of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ganzoo.plan.config import flatten
from ganzoo.reports.subject import Subject
from ganzoo.system.console import number

LEFT_OUT = ("format", "provenance.", "origins.")
NONE = "none"


@dataclass(frozen=True)
class Setting:
    """One, of each run; `differs` where it is not the same in all."""

    name: str
    values: list[str]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def facts(runs: Sequence[Subject]) -> list[Setting]:
    """What a person asks first."""
    rows = [_facts(run) for run in runs]
    return [Setting(name, [row[name] for row in rows]) for name in rows[0]]


def _facts(run: Subject) -> dict[str, str]:
    config, recipe = run.config, run.config.recipe
    versions = config.provenance.get("versions")
    images = next((int(row["images"]) for row in reversed(run.log) if "images" in row), 0)
    seconds = datetime.fromtimestamp(run.row.trained).astimezone()
    shape = " x ".join(map(str, config.sample_shape))
    return {
        "model": config.model,
        "data": f"{run.data} ({shape})",
        "made for": _made_for(run),
        "recipe": config.recipe_name,
        "loss": recipe.loss,
        "stabilizers": ", ".join(map(str, recipe.stabilizers)) or NONE,
        "optimizer of G": _optimizer(recipe.optimizer_g.kind, recipe.optimizer_g.lr),
        "optimizer of D": _optimizer(recipe.optimizer_d.kind, recipe.optimizer_d.lr),
        "updates of D per step": str(recipe.n_dis),
        "batch": f"{recipe.batch_size:,}",
        "steps": f"{run.step:,} of {recipe.steps:,}",
        "real samples seen": f"{images:,}",
        "seed": str(config.seed),
        "status": run.row.status,
        "last trained": seconds.strftime("%Y-%m-%d %H:%M"),
        "device": f"{config.device}, {config.precision}, {config.threads} threads",
        "machine": str(config.provenance.get("machine", "unknown")),
        "commit": str(config.provenance.get("commit") or "none"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items())
        if isinstance(versions, dict)
        else "unknown",
    }


def _made_for(run: Subject) -> str:
    if not run.config.conditional:
        return "nothing: unconditional"
    if run.config.condition_shape:
        return f"values of shape {' x '.join(map(str, run.config.condition_shape))}"
    return f"{run.config.num_classes:,} classes"


def _optimizer(kind: str, rate: float) -> str:
    return f"{kind}, learning rate {number(rate)}"


def all_settings(runs: Sequence[Subject]) -> list[Setting]:
    """Everything that config.json has, by dotted name, but for versions and machines."""
    flat = [
        {
            key: value
            for key, value in flatten(_listed(run.config.as_json())).items()
            if not key.startswith(LEFT_OUT)
        }
        for run in runs
    ]
    names = dict.fromkeys(name for one in flat for name in one)
    return [Setting(name, [one.get(name, NONE) for one in flat]) for name in names]


def _listed(value: Any) -> Any:
    """Lists as text, with commas."""
    if isinstance(value, Mapping):
        return {key: _listed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or NONE
    return NONE if value is None or value == "" else value
