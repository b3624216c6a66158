"""One of two processes that hold a critic in shards: python fsdp_child.py RANK MEETING OUT"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import softplus

PENALTIES = ("none", "r1", "r1 of its own forward", "r1 alone")


def critic():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 1)).double()


def losses(penalty, d, real, fake):
    """What is minimised, in the backwards that it takes."""
    real = real.clone().requires_grad_()
    on_real = d(real)
    plain = softplus(-on_real).mean() + softplus(d(fake)).mean()
    if penalty == "none":
        return [plain]
    slope = torch.autograd.grad(on_real.sum(), real, create_graph=True)[0]
    r1 = slope.square().sum(1).mean()
    if penalty == "r1":
        return [plain + r1]
    return [r1] if penalty == "r1 alone" else [softplus(-d(real)).mean() + softplus(d(fake)).mean(), r1]


def difference(penalty, blocks, rank, mesh):
    """The largest difference to the gradients of the whole batch in one process; or what torch says."""
    torch.manual_seed(1)
    real, fake = (torch.randn(8, 4).double() for _ in range(2))
    whole, shards = critic(), critic()
    for loss in losses(penalty, whole, real, fake):
        loss.backward()
    for layer in shards if blocks else ():
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    fully_shard(shards, mesh=mesh)
    own = slice(4 * rank, 4 * rank + 4)
    try:
        for loss in losses(penalty, shards, real[own], fake[own]):
            loss.backward()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    pairs = zip(whole.parameters(), shards.parameters(), strict=True)
    return max(float((a.grad - b.grad.full_tensor()).abs().max()) for a, b in pairs if a.grad is not None)


def main():
    rank, meeting, out = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    found = {
        f"{penalty}, {'blocks' if blocks else 'whole'}": difference(penalty, blocks, rank, mesh)
        for penalty in PENALTIES
        for blocks in (False, True)
    }
    (out / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
