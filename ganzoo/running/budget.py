"""A larger budget for a run, and what becomes of its schedules then, in a sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ganzoo.errors import UsageError
from ganzoo.models.recipe import Recipe
from ganzoo.plan.config import Config
from ganzoo.registry.kinds import as_int


def change_of_schedules(before: Config, after: Config, done: int) -> str:
    """What is worth saying where the budget of a run grows after `done` steps; "" if no schedule changes.

    Its schedules keep to the plan that they were made for, or are stretched over the new budget.
    """
    if (before.recipe.steps, before.schedule_steps) == (after.recipe.steps, after.schedule_steps):
        return ""
    recipe, steps, kept_to = after.recipe, after.recipe.steps, after.schedule_steps
    then = _changing(recipe, min(1.0, done / (before.schedule_steps or before.recipe.steps)))
    now, last = _changing(recipe, done / steps), _changing(recipe, 1.0)
    if not last:
        return ""
    if not kept_to:
        told = [f"{name} goes from {then[name]:.3g} to {now[name]:.3g}" for name in last]
        return f"the schedules are stretched over {steps} steps: at step {done} {', '.join(told)}"
    told = [f"{name} stays at {value:.3g}" for name, value in last.items()]
    idle = all(one.changes and one.at(1.0) == 0.0 for one in recipe.lr_schedules().values())
    return (
        f"the schedules keep to their plan of {kept_to} steps: from its end on {', '.join(told)}"
        f"{', so that nothing more is learnt' * idle}; --reschedule stretches them over {steps} steps"
    )


def _changing(recipe: Recipe, t: float) -> dict[str, float]:
    """The values at time t of all that a schedule changes, by name."""
    values = {}
    schedules = recipe.lr_schedules()
    if schedules["g"].changes or schedules["d"].changes:
        values["the learning rate of G"] = recipe.optimizer_g.lr * schedules["g"].at(t)
        values["that of D"] = recipe.optimizer_d.lr * schedules["d"].at(t)
    if recipe.penalty_schedule.changes and recipe.stabilizers:
        values["the factor on penalties"] = recipe.penalty_schedule.at(t)
    if recipe.ema_schedule.changes and recipe.ema_halflife > 0:
        values["the factor on the averaged generator's half-life"] = recipe.ema_schedule.at(t)
    return values


def extended(config: Config, run: Path, done: int, steps: int | None, reschedule: bool) -> Config:
    """The settings of a run after `done` steps with a larger budget, if asked for one.

    Schedules keep to the plan that they were made for, unless `reschedule` stretches them over the budget.

    Raises:
        UsageError: the budget would shrink, or there is nothing to stretch schedules over.
    """
    plan = config.recipe.steps
    steps = None if steps is None else as_int("--steps", steps, at_least=1)
    grows = steps is not None and steps > plan
    if steps is not None and done < plan and steps < plan:
        raise UsageError(f"--steps {steps}: the budget of {run} is {plan} steps, and may only grow")
    if reschedule and not grows and (done >= plan or config.schedule_steps in (0, plan)):
        raise UsageError(
            f"--reschedule stretches schedules over a larger budget, and that of {run} stays at {plan} "
            f"steps: say how many with --steps N, or leave --reschedule out"
        )
    if not grows and not reschedule:
        return config
    larger = dataclasses.replace(
        config,
        recipe=dataclasses.replace(config.recipe, steps=steps if steps and grows else plan),
        first_steps=config.first_steps or plan,
        schedule_steps=0 if reschedule else config.schedule_steps or plan,
    )
    larger.check()
    return larger
