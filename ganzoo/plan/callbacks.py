"""Who looks on while a run trains: in the words of `--callback`, and in the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ganzoo.errors import UsageError
from ganzoo.plan.config import Config
from ganzoo.registry import CALLBACKS, origins
from ganzoo.registry.spec import Spec

NONE = "none"  # --callback none: without those that nobody asked for, nor a run needs
EVERY = {"log": "log_every", "pictures": "sample_every"}  # settings that have no other word


def settled_callbacks(words: str | Iterable[str | Spec]) -> list[Spec]:
    """Words of `--callback`, each with all of its options, and `none`.

    Raises:
        UsageError: there is no such callback, or it refuses its options, or one is given twice.
        WorkError: one cannot be made.
    """
    given = [Spec.parse(word) for word in ([words] if isinstance(words, str) else words)]
    settled = [spec if spec == Spec(NONE) else CALLBACKS.settled(spec) for spec in given]
    names = [spec.name for spec in settled]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"callback {name!r} is given twice: give it once, with all its options")
    for spec in settled:
        if spec.name != NONE:
            CALLBACKS.make(spec.name, **spec.options)  # which opens nothing, and may refuse
    return settled


def with_callbacks(config: Config, asked: Iterable[Spec]) -> Config:
    """Settings with these callbacks too, in the place of any of the same name; `none` drops those before."""
    new = {spec.name: spec for spec in asked}
    before = () if NONE in new else config.callbacks
    callbacks = {spec.name: spec for spec in before} | new
    if "evaluations" in new and not config.eval_every:
        raise UsageError(
            "--callback evaluations: a run is measured where it began with --eval-metric NAME (ganzoo list "
            "metrics)"
        )
    every = {EVERY[name]: spec.options["every"] for name, spec in new.items() if name in EVERY}
    kept = {
        what: by
        for what, by in config.origins.items()
        if not what.startswith("callback ") or what.partition(" ")[2] in callbacks
    }
    return replace(
        config,
        callbacks=tuple(callbacks.values()),
        origins={**kept, **origins(("callback", name) for name in new if name != NONE)},
        **{key: value for key, value in every.items() if value is not None},
    )
