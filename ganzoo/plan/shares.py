"""Whether several processes can share a run's batches among them."""

from __future__ import annotations

from ganzoo.errors import UsageError
from ganzoo.plan.config import Config
from ganzoo.stabilizers.base import Stabilizer


def refuse_unshared(config: Config, stabilizers: list[Stabilizer], pack: int, count: int) -> None:
    """Raise a UsageError for what several processes cannot do together."""
    if count == 1:
        return
    recipe = config.recipe
    least = count * recipe.accumulate * pack
    near = max(1, round(recipe.batch_size / least)) * least
    if recipe.batch_size % least:
        raise UsageError(
            f"--batch-size {recipe.batch_size} is that of all {count} processes together, and not a "
            f"multiple of {least}: use {near}, or another number of processes"
        )
    for stabilizer in stabilizers:
        if stabilizer.alone:
            raise UsageError(
                f"{stabilizer.name} has to see the whole batch, of which each of {count} processes has a "
                f"part: leave it out, or train with one process"
            )
