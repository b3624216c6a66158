"""A run of several processes: the first one has the run folder, and the others train what it says."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from ganzoo.errors import Gone
from ganzoo.plan.config import Config
from ganzoo.plan.shares import refuse_unshared
from ganzoo.running.places import open_data
from ganzoo.system import ranks
from ganzoo.system.console import notice, stderr
from ganzoo.training.callbacks import stops_cleanly
from ganzoo.training.shared import Ended
from ganzoo.training.trainer import Trainer

NOTHING: dict[str, Any] | None = None


def is_first() -> bool:
    """Whether this process does what was typed; it is False after it has followed the one that does.

    Raises:
        WorkError: the processes do not find each other, or the first one is gone.
    """
    if ranks.started_by_torchrun() == 1:
        return True
    ranks.join()
    atexit.register(ranks.leave)
    if not ranks.first():
        stderr.quiet = True
        _follow()
    return ranks.first()


def _follow() -> None:
    """Train along with the first process, as often as it begins, until it has no more to do."""
    with stops_cleanly() as stop:
        while (asked := ranks.told(NOTHING)) is not None:
            config = Config.from_json(asked["config"])
            torch.set_num_threads(min(config.threads, os.cpu_count() or 1))
            trainer = Trainer(config, open_data(config, Path(asked["folder"])), stop=stop)
            if asked["state"] is not None:
                trainer.load_state_dict(asked["state"])
            trainer.rollbacks += asked["again"]
            try:
                trainer.fit()
            except Ended:
                continue  # perhaps it begins anew


def lead(trainer: Trainer, state: dict[str, Any] | None, again: int) -> None:
    """Tell the others what is trained now, from which state.

    Raises:
        UsageError: the batch cannot be shared out, or a stabilizer needs all of it.
    """
    count = ranks.all_of_them()
    before = count if state is None else state.get("ranks", 1)
    if before != count:
        notice(
            f"step {trainer.step} was made by {_processes(before)}, and what follows is by "
            f"{_processes(count)}: sums are in another order, and the last bits of the numbers differ"
        )
    if count == 1:
        return
    refuse_unshared(trainer.config, trainer.stabilizers, trainer.gan.pack, count)
    folder = str(trainer.folder)
    ranks.told({"config": trainer.config.as_json(), "folder": folder, "state": state, "again": again})


@contextmanager
def leading() -> Iterator[None]:
    """In whatever way the block is left, the others are free then."""
    try:
        yield
    finally:
        with suppress(Gone):
            ranks.told(None)


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count != 1)}"
