"""The table of a model's recipes, for its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.models.recipe import Optimizer, Recipe, Schedule

FIELDS = {
    "conditional": ("labels", "--conditional"),
    "loss": ("loss", "--loss"),
    "stabilizers": ("stabilizers", "--stabilizer"),
    "optimizer_g": ("optimizer of G", "--lr-g"),
    "optimizer_d": ("optimizer of D", "--lr-d"),
    "n_dis": ("updates of D per step", "--n-dis"),
    "batch_size": ("batch size", "--batch-size"),
    "steps": ("steps", "--steps"),
    "ema_halflife": ("half-life of the averaged G, in images", "--set ema_halflife"),
    "ema_ramp": ("that half-life at most, as a share of the images so far", "--set ema_ramp"),
    "lr_schedule": ("factor on the learning rates over the run", "--set lr_schedule.*"),
    "lr_schedule_d": ("that of D, where it is another", "--set lr_schedule_d.*"),
    "accumulate": ("parts of a batch, whose gradients are added up", "--set accumulate"),
    "penalty_schedule": ("factor on the penalties over the run", "--set penalty_schedule.*"),
    "ema_schedule": ("factor on that half-life over the run", "--set ema_schedule.*"),
}
RARE = (
    "conditional",
    "ema_ramp",
    "lr_schedule",
    "lr_schedule_d",
    "accumulate",
    "penalty_schedule",
    "ema_schedule",
)  # shown where some recipe sets them


def recipe_table(recipes: Mapping[str, Recipe], options: Mapping[str, Any]) -> str:
    """A line per setting and a column per recipe; `options` are the model's own, with their defaults."""
    plain = Recipe()
    fields = [
        field
        for field in FIELDS
        if field not in RARE or any(getattr(r, field) != getattr(plain, field) for r in recipes.values())
    ]
    own = [key for key in options if any(key in recipe.model for recipe in recipes.values())]
    lines = [
        "| setting | changed by | " + " | ".join(f"`{name}`" for name in recipes) + " |",
        "|---|---" + "|---" * len(recipes) + "|",
    ]
    for field in fields:
        name, typed = FIELDS[field]
        cells = [setting(field, getattr(recipe, field)) for recipe in recipes.values()]
        lines.append(f"| {name} | `{typed}` | " + " | ".join(cells) + " |")
    for key in own:
        cells = [setting(key, recipe.model.get(key, options[key])) for recipe in recipes.values()]
        lines.append(f"| `{key}` of the model | `--set model.{key}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def setting(key: str, value: Any) -> str:
    """One cell of a recipe's table."""
    if isinstance(value, Optimizer):
        extra = {"rmsprop": f"alpha {value.beta2:g}", "sgd": f"momentum {value.momentum:g}"}
        betas = f"betas {value.beta1:g} and {value.beta2:g}"
        said = [f"{value.kind}, lr {value.lr:g}, {extra.get(value.kind, betas)}", value.options]
        return ", ".join([*filter(None, said), *([f"rates of parts {value.parts}"] if value.parts else [])])
    if isinstance(value, Schedule):
        first = f", rising over the first {value.warmup:.0%}" if value.warmup else ""
        if value.kind == "const":
            return f"{value.start:g}{first}"
        jumps = f" in {value.steps} jumps" if value.kind == "step" else ""
        until = "" if value.until == 1.0 else f", reached after {value.until:.0%} of the run"
        return f"{value.kind}, {value.start:g} to {value.end:g}{jumps}{until}{first}"
    if isinstance(value, tuple):
        return ", ".join(f"`{spec}`" for spec in value) or "none"
    if key == "conditional":
        return "used, where the data have some" if value else "not used"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if not value and key in ("ema_halflife", "z_dim", "d_width"):
            return {"ema_halflife": "no average", "z_dim": "by the data", "d_width": "as G's"}[key]
        return f"{value:,.0f}" if value == round(value) else f"{value:g}"
    return f"`{value}`" if key == "loss" else str(value)
