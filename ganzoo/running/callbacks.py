"""Who looks on while a run trains, by name: the zoo's own and those of plugins, in the order of calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from ganzoo.errors import UsageError
from ganzoo.plan.callbacks import NONE
from ganzoo.plan.config import Config
from ganzoo.registry import CALLBACKS
from ganzoo.registry.blame import know
from ganzoo.registry.spec import Spec
from ganzoo.system.console import notice
from ganzoo.system.notebook import in_notebook
from ganzoo.training.trainer import Callback

# What others write comes before the checkpoint, which makes it valid.
FIRST = ("diagnosis", "log", "evaluations", "pictures")
LAST = ("checkpoints", "upload", "bar", "notebook")
NEEDED = ("log", "checkpoints")


def sorted_out(given: Iterable[Any]) -> tuple[list[str | Spec], list[Callback]]:
    """Words of `--callback`, and objects that look on themselves. Raises UsageError for anything else."""
    named: list[str | Spec] = []
    lookers: list[Callback] = []
    for one in given:
        if isinstance(one, str | Spec):
            named.append(one)
        elif isinstance(one, Callback):
            know(type(one), f"callback {type(one).__name__}")
            _tell_of_misspelt(type(one))
            lookers.append(one)
        else:
            raise UsageError(f"callbacks: expected a name, or an object of a ganzoo.Callback, got {one!r}")
    return named, lookers


def _tell_of_misspelt(kind: type[Callback]) -> None:
    """Say which methods have nearly the name of a hook: nobody calls them."""
    hooks = [name for name in dir(Callback) if not name.startswith("_")]
    for name in set(dir(kind)).difference(dir(Callback)):
        near = [] if name.startswith("_") else get_close_matches(name, hooks, n=1, cutoff=0.85)
        if near:
            notice(f"callback {kind.__name__}: nobody calls {name}; did you mean {near[0]}?")


def open_callbacks(config: Config, progress: bool, lookers: Sequence[Callback] = ()) -> list[Callback]:
    """Those of a run; nothing of them has begun.

    Args:
        lookers: objects, which look on after those that have names.

    Raises:
        UsageError: one is gone, or refuses its options.
        WorkError: one fails when it is made.
    """
    asked = {spec.name: spec for spec in config.callbacks}
    in_cell = in_notebook()
    if in_cell and "bar" in asked:  # a terminal's
        del asked["bar"]
        asked.setdefault("notebook", Spec("notebook"))
    own = {
        **dict.fromkeys(NEEDED, True),
        **dict.fromkeys(("diagnosis", "pictures"), NONE not in asked),
        "evaluations": config.eval_every > 0,
        "bar": progress and not in_cell,
        "notebook": progress and in_cell,
    }
    others = [name for name in asked if name not in (*FIRST, *LAST, NONE)]
    names = [name for name in (*FIRST, *others, *LAST) if name in asked or own.get(name)]
    settled = [CALLBACKS.settled(asked.get(name, Spec(name))) for name in names]
    made: list[Callback] = [CALLBACKS.make(spec.name, **spec.options) for spec in settled]
    first = next(i for i, name in enumerate(names) if name in LAST)
    return [*made[:first], *lookers, *made[first:]]
