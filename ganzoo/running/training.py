"""Training a run folder: one process at a time, from its newest whole checkpoint to the end of its plan."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import torch

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError, WorkError
from ganzoo.plan.compiling import refuse_uncompiled
from ganzoo.plan.config import Config
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry.blame import blaming
from ganzoo.running.budget import change_of_schedules, extended
from ganzoo.running.callbacks import open_callbacks
from ganzoo.running.evaluations import ended_at, evaluation_of
from ganzoo.running.places import keep_card
from ganzoo.running.together import lead, leading
from ganzoo.system import ranks
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.files import write_json
from ganzoo.system.locks import Lock, only_one
from ganzoo.training.callbacks import stops_cleanly
from ganzoo.training.checkpoint import GENERATOR, Diverged, steps_done
from ganzoo.training.compiled import refuse_without_compiler
from ganzoo.training.keeper import Keeper, holds, newest_whole, settle
from ganzoo.training.older import adopt
from ganzoo.training.origin import telling_where
from ganzoo.training.rehearsal import rehearse
from ganzoo.training.trainer import Callback, Trainer

MOST_ROLLBACKS = 5  # to one checkpoint


class Trainable(Protocol):
    """A run folder: its settings, those that config.json has, and its data."""

    path: Path
    config: Config
    recorded: Config

    @property
    def dataset(self) -> Dataset: ...


def plan_run(words: Words, metrics_of: str = "") -> tuple[Config, Dataset]:
    """`plan`, rehearsed; evaluations during the run that cannot be made are refused as well.

    Args:
        metrics_of: the run or the file that asks for the metrics, where that was not typed now.
    """
    config, dataset = plan(words)
    rehearse(config, dataset)
    if config.eval_every:
        try:
            evaluation_of(config, dataset)
        except UsageError as error:
            if not metrics_of:
                raise
            which = " --eval-metric ".join(config.eval_metrics)
            raise UsageError(
                f"{error}; --eval-metric {which} comes from {metrics_of}: "
                "--eval-metric none drops it, and --eval-metric NAME measures something else"
            ) from error
    return config, dataset


def extend(run: Trainable, steps: int | None, reschedule: bool = False) -> bool:
    """Give a run a larger budget if asked, which `train` records; whether anything is left to do then.

    Where nothing is, what a dead process left half done is finished.
    """
    with _alone(run.path):
        adopt(run.path)
        found = newest_whole(run.path, tell=False)
        done = found[1].step if found else 0
        run.config = extended(run.config, run.path, done, steps, reschedule)
        grown = run.config.recipe.steps > run.recorded.recipe.steps
        if found is None or (done < run.config.recipe.steps and (grown or not ended_at(run.path, done))):
            return True
        _record_changes(run, done)  # where its data are
        settle(run.path, found[1], run.config.checkpoint_every)
        return not holds(run.path / GENERATOR, found[1])


def train(run: Trainable, progress: bool, lookers: Sequence[Callback] = ()) -> tuple[int, str]:
    """Train from the newest whole checkpoint, or from the start, to the end of the plan.

    Args:
        progress: show how far it is.
        lookers: callbacks beside those that have names.

    Returns:
        How many steps are done, and why it ended early, or "": with fewer than planned somebody stopped it.

    Raises:
        UsageError: another process trains it; or its data, or a checkpoint, are not the run's.
        WorkError: training failed; the folder keeps the last good checkpoint.
    """
    match_threads(run.config)
    with _alone(run.path), stops_cleanly() as stop, leading():
        adopt(run.path)
        before, again = -1, 0
        while True:
            try:
                trainer = _attempt(run, again, stop, open_callbacks(run.config, progress, lookers))
                return trainer.step, trainer.ended
            except Diverged as error:
                if run.config.on_nan != "rollback":
                    raise
                step = steps_done(run.path)
                before, again = step, again + 1 if step == before else 1
                if again > MOST_ROLLBACKS:
                    raise WorkError(f"{error}; it did so after {MOST_ROLLBACKS} rollbacks too") from error
                notice(f"{error.where}: back to step {step}, with other random numbers, at half the rates")


def _attempt(run: Trainable, again: int, stop: threading.Event, callbacks: list[Callback]) -> Trainer:
    """Train from where the folder is; `again` times it was tried from there before."""
    config = run.config
    device = choose_device(config.device, run.path)
    if config.compile:
        refuse_without_compiler(device)
        if not run.recorded.compile:
            rehearse(config, run.dataset)
    trainer = Trainer(config, run.dataset, callbacks, stop)
    refuse_uncompiled(config, trainer.gan, ranks.all_of_them())
    trainer.folder = run.path
    found = newest_whole(run.path)
    if found:
        trainer.load_state_dict(found[0])
    trainer.rollbacks += again
    lead(trainer, found[0] if found else None, again)
    with blaming(), trainer.watched():
        keep_card(run.path, config, run.dataset)  # now, when nothing can be refused any more
        _record_changes(run, trainer.step)
        for keeper in (callback for callback in callbacks if isinstance(callback, Keeper)):
            keeper.go_on(found[1] if found else None)
        with telling_where(run.path, trainer):
            trainer.fit()
    return trainer


def _record_changes(run: Trainable, done: int) -> None:
    if run.config != run.recorded:
        change = change_of_schedules(run.recorded, run.config, done)
        if change:
            notice(change)
        if done and run.config.device != run.recorded.device:
            then, now = run.recorded.device, run.config.device
            notice(f"step {done} was done on {then}, and what follows is on {now}: the last bits differ")
        if done and run.config.compile != run.recorded.compile:
            now = "compiled" if run.config.compile else "as they are"
            notice(f"from step {done} on nets run {now}: the last bits differ")
        write_json(run.path / "config.json", run.config.as_json())
        run.recorded = run.config


def _alone(path: Path) -> AbstractContextManager[Lock]:
    """Keep other processes from training the same run."""
    try:
        return only_one(path, "ganzoo", "wait for it, or stop it with Ctrl-C")
    except OSError as error:
        raise WorkError(f"cannot write to {path}: {error.strerror or error}") from error


def match_threads(config: Config) -> None:
    """The bits of a run depend on the number of threads: take those it was planned with, if there are."""
    threads = min(config.threads, os.cpu_count() or 1)
    if config.device != "cpu" or torch.get_num_threads() == threads:
        return
    why = "so that the numbers stay the same"
    if threads < config.threads:
        why = "all that this machine has: the last bits of its numbers may differ"
    notice(
        f"this run was planned with {config.threads} threads and torch has {torch.get_num_threads()}: using "
        f"{threads}, {why}"
    )
    torch.set_num_threads(threads)
