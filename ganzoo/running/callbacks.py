"""Who looks on while a run trains, by name: the zoo's own and those of plugins, in the order of calls."""

from __future__ import annotations

from ganzoo.plan.callbacks import NONE
from ganzoo.plan.config import Config
from ganzoo.registry import CALLBACKS
from ganzoo.registry.spec import Spec
from ganzoo.training.trainer import Callback

# What others write comes before the checkpoint, which makes it valid.
FIRST = ("diagnosis", "log", "evaluations", "pictures")
LAST = ("checkpoints", "bar")
NEEDED = ("log", "checkpoints")


def open_callbacks(config: Config, progress: bool) -> list[Callback]:
    """Those of a run; nothing of them has begun.

    Raises:
        UsageError: one is gone, or refuses its options.
        WorkError: one fails when it is made.
    """
    asked = {spec.name: spec for spec in config.callbacks}
    own = {
        **dict.fromkeys(NEEDED, True),
        **dict.fromkeys(("diagnosis", "pictures"), NONE not in asked),
        "evaluations": config.eval_every > 0,
        "bar": progress,
    }
    others = [name for name in asked if name not in (*FIRST, *LAST, NONE)]
    names = [name for name in (*FIRST, *others, *LAST) if name in asked or own[name]]
    settled = [CALLBACKS.settled(asked.get(name, Spec(name))) for name in names]
    return [CALLBACKS.make(spec.name, **spec.options) for spec in settled]
