"""Whether torch.compile can do anything for a run."""

from __future__ import annotations

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.plan.config import Config


def refuse_uncompiled(config: Config, gan: GAN, count: int) -> None:
    """Raise a UsageError where nets cannot be compiled as they are trained.

    Args:
        count: processes that make the run.
    """
    if not config.compile:
        return
    if type(gan).progress is not GAN.progress:
        raise UsageError(
            f"--compile: {config.model} grows, so that its nets would be compiled anew again and again: "
            f"leave it out"
        )
    if config.recipe.checkpoint_activations:
        raise UsageError(
            "--compile does not go with checkpoint_activations, as torch.compile decides itself what is "
            "computed again: leave one of them out"
        )
    if count > 1:
        raise UsageError(
            f"--compile is for one process, and there are {count}: what they say to each other within a net "
            f"cannot be compiled; leave it out (ganzoo resume --no-compile)"
        )
