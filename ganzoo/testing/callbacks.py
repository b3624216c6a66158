"""What the contract wants of a callback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError, WorkError
from ganzoo.plan.callbacks import NONE, with_callbacks
from ganzoo.plan.config import Config
from ganzoo.registry import CALLBACKS
from ganzoo.registry.options import known_options
from ganzoo.registry.spec import Spec
from ganzoo.running.training import train
from ganzoo.testing.core import Subject, described, first, hooks, typed, want, where
from ganzoo.testing.training import LATE, flat, same, tiny
from ganzoo.training.checkpoint import load_checkpoint, saved
from ganzoo.training.trainer import Callback, Trainer

EARLY, HALF = 2, LATE // 2
# With nets that remember what they were shown: a callback that shows them more is found out.
RUNS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "vectors": (
        "mlp-gan",
        (4,),
        {
            "set": {"model.g_norm": True, "model.d_norm": "batch", "model.width": 8},
            "eval_metric": ["swd"],
            "eval_every": HALF,
        },
    ),
    "images": ("dcgan", (1, 8, 8), {"set": {"model.width": 4}}),
}
ENDS = "contract-ends"


@dataclass
class Folder:
    """A run folder, and what is trained there."""

    path: Path
    config: Config
    dataset: Dataset
    recorded: Config = field(init=False)

    def __post_init__(self) -> None:
        self.recorded = self.config


class Ends(Callback):
    """Ends a run half way, or early: asked for, by an error, or at once."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.step = HALF if how == "asked" else EARLY

    def after_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            if self.how == "error":
                raise WorkError("as a full disk would end it")
            if self.how == "at once":
                raise KeyboardInterrupt
            trainer.stop.set()


class Watch(Subject):
    """A callback, and the small runs at which it looks on.

    Attributes:
        plans: a run for each kind of data.
        plain, watched: its last checkpoint without and with the callback.
        errors: what `close` raised in runs with it.
        refused: what it says of those at which it does not look on.
    """

    base = Callback

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(CALLBACKS, name)
        given = known_options(f"callback {name}", CALLBACKS.options(name), options)
        spec = CALLBACKS.settled(Spec(name, given))
        CALLBACKS.make(name, **spec.options)
        self.plans: dict[str, tuple[Config, Dataset]] = {}
        self.plain: dict[str, dict[str, Any]] = {}
        self.watched: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        self.errors: list[Exception] = []
        for kind in RUNS:
            config, data = planned(kind)
            if name == "evaluations" and not config.eval_every:
                continue  # nothing is asked of it
            plan = with_callbacks(config, [spec]), data
            try:
                with _errors_of_close(self.member, self.errors):
                    self.watched[kind] = trained(*plan)
            except UsageError as error:
                self.refused.append(str(error))
            else:
                self.plain[kind] = plain(kind)
                self.plans[kind] = plan


def planned(kind: str) -> tuple[Config, Dataset]:
    model, shape, words = RUNS[kind]
    return tiny(model, shape, steps=LATE, callback=NONE, **words)


@lru_cache
def plain(kind: str) -> dict[str, Any]:
    """The last checkpoint of a run at which nobody looks on: the same for every callback."""
    return trained(*planned(kind))


def trained(config: Config, data: Dataset, *ends: str) -> dict[str, Any]:
    """The last checkpoint of a run that was ended in these ways, one after the other, and then went on."""
    with TemporaryDirectory() as folder, CALLBACKS.lent(ENDS, Ends):
        ended = [with_callbacks(config, [Spec(ENDS, {"how": how})]) for how in ends]
        for one in (*ended, config):
            train(Folder(Path(folder), one, data), progress=False)
        return flat(load_checkpoint(saved(Path(folder))[-1]))


def looks_on(subject: Watch) -> str:
    """It looks on at a run on vectors or on images, and refuses others with a UsageError."""
    want(subject.plans, "a run at which it looks on", "; ".join(subject.refused))
    return first(subject.refused, "refuses: ")


def harmless(subject: Watch) -> None:
    """A run is the same to the bit with and without it."""
    for kind, watched in subject.watched.items():
        _want_same(watched, subject.plain[kind], f"with it on {kind}")


def resumes(subject: Watch) -> None:
    """A run at which it looks on is stopped, goes on, and is the same to the bit again."""
    for kind, (config, data) in subject.plans.items():
        _want_same(trained(config, data, "asked"), subject.plain[kind], f"after a stop with it on {kind}")


def closes(subject: Watch) -> None:
    """`close` is quiet after a whole run, after an error, and where Ctrl-C twice ends a run at once."""
    for plan in list(subject.plans.values())[:1]:
        for how in ("error", "at once"):
            with suppress(WorkError, KeyboardInterrupt), _errors_of_close(subject.member, subject.errors):
                trained(*plan, how)
    want(not subject.errors, "close() to raise nothing", "".join(map(repr, subject.errors[:1])))


def _want_same(state: dict[str, Any], plain: dict[str, Any], how: str) -> None:
    unlike = [key for key in sorted({*state, *plain}) if not same(state.get(key), plain.get(key))]
    want(
        not unlike,
        "a run to be the same with and without it: that it changes no weights, modes or gradients, and draws "
        "by trainer.generate, or by generators of its own",
        f"{len(unlike)} numbers that differ {how}, the first being {', '.join(unlike[:3])}",
    )


@contextmanager
def _errors_of_close(member: type[Callback], errors: list[Exception]) -> Iterator[None]:
    """What `close` raises in the block."""
    usual = member.close
    if usual is Callback.close:
        yield
        return

    @wraps(usual)
    def close(self: Callback) -> None:
        try:
            usual(self)
        except Exception as error:
            errors.append(error)
            raise

    with patch.object(member, "close", close):
        yield


SUBJECT = Watch
CHECKS = (
    described, hooks, typed, looks_on, *where("plans", "it looks on at nothing", harmless, resumes), closes,
)  # fmt: skip
