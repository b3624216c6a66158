"""One of several processes that train the same tiny runs: python ranks_child.py TASKS OUT"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from little import small, stabilized

from ganzoo.system import ranks
from ganzoo.training.trainer import Trainer


def trained(task):
    """The weights of both nets after some steps of a task, as this process has them."""
    torch.set_default_dtype(getattr(torch, task["dtype"]))
    make = stabilized if task["kind"] == "stabilizer" else small
    config, dataset = make(task["name"], **task["words"])
    trainer = Trainer(config, dataset)
    real, dtype = trainer.real, torch.get_default_dtype()

    def doubled(i):
        x, y = real(i)
        return x.to(dtype), y.to(dtype) if y is not None and y.is_floating_point() else y

    trainer.real = doubled
    trainer.fit()
    torch.set_default_dtype(torch.float32)
    nets = {"g": trainer.gan.net("g"), "d": trainer.gan.net("d"), "ema": trainer.ema.gan.net("g")}
    found = {f"{net}.{key}": value for net in nets for key, value in nets[net].state_dict().items()}
    return found, trainer.meter.read()


def main():
    tasks, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    torch.set_num_threads(1)
    ranks.join()
    for i, task in enumerate(tasks):
        torch.save(trained(task), out / f"{i}-{ranks.rank()}.pt")
    ranks.leave()


if __name__ == "__main__":
    main()
