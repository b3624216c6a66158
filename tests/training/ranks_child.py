"""One of several processes that train the same tiny runs: python ranks_child.py TASKS OUT MEETING"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from little import small, stabilized
from torch import distributed as dist

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
    weights = {f"{net}.{key}": value for net in nets for key, value in nets[net].state_dict().items()}
    untaught = [key for net in ("g", "d") for key in rounding(nets[net])]
    return {"weights": weights, "untaught": untaught, "read": trainer.meter.read()}


def rounding(net):
    """The parameters whose gradient is nothing but rounding: biases that a norm takes away."""
    largest = {key: float(w.grad.abs().max()) for key, w in net.named_parameters() if w.grad is not None}
    digits = 1e-12 if torch.finfo(next(net.parameters()).dtype).eps < 1e-10 else 1e-5
    return [key for key, value in largest.items() if value < digits * max(largest.values())]


def main():
    tasks, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    torch.set_num_threads(1)
    count, rank = (int(os.environ[name]) for name in ("WORLD_SIZE", "RANK"))
    # By a file, so that no port is needed.
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=count)
    for i, task in enumerate(tasks):
        torch.save(trained(task), out / f"{i}-{ranks.rank()}.pt")
    ranks.leave()


if __name__ == "__main__":
    main()
