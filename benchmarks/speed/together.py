"""Training steps that several processes of this machine make together, with one thread each.

    python -m speed.together RANK COUNT MEETING MODEL BATCH

`steps` is for the first of them, which starts the others; these make steps for as long as the first one does.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import distributed as dist

from ganzoo.errors import Gone
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.training.shared import sharing
from ganzoo.training.trainer import Trainer

STEPS = 10


def joined(rank: int, count: int, meeting: str, model: str, batch: int) -> Callable[[], None]:
    """Some steps of this process; `batch` is that of each."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    trainer = Trainer(*plan(Words(model, "mnist-5k", batch_size=batch * count, device="cpu")))
    trainer.gan.train()

    def work() -> None:
        for _ in range(STEPS):
            with sharing(trainer.share, trainer.gan.pack):
                trainer.one_step()

    return work


def steps(model: str, count: int, batch: int = 64) -> Callable[[], None]:
    """Some steps of `count` processes, of which this one is the first."""
    meeting = str(Path(tempfile.mkdtemp()) / "meeting")
    for rank in range(1, count):
        words = [str(word) for word in (rank, count, meeting, model, batch)]
        other = subprocess.Popen([sys.executable, "-m", "speed.together", *words])
        atexit.register(other.kill)
    return joined(0, count, meeting, model, batch)


def main(words: list[str]) -> None:
    rank, count, meeting, model, batch = words
    work = joined(int(rank), int(count), meeting, model, int(batch))
    try:
        while True:
            work()
    except Gone:
        return


if __name__ == "__main__":
    main(sys.argv[1:])
