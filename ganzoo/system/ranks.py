"""A run of several processes, each with a share of every batch, started by torchrun.

`working()` is what they do together: inside it `gathered`, `mean` and `part` go through all of them, and each
process has to call them in the same order. Outside, and where there is one process, they do nothing.

What is differentiated is the sum of what all processes compute, so that the mean of their gradients is that
of the whole batch; every function here can be differentiated again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd import Function

from ganzoo.errors import Gone, WorkError, first_line

PATIENCE = timedelta(days=7)  # one measures and the others wait; one that is dead is noticed at once
Value = TypeVar("Value")
_working = False


def started_by_torchrun() -> int:
    """How many processes torchrun has started; 1 without it."""
    count = os.environ.get("WORLD_SIZE", "")
    return int(count) if count.isdecimal() and "RANK" in os.environ else 1


def join() -> None:
    """Meet the other processes, if there are any. On a machine with GPUs each process takes its own.

    Raises:
        WorkError: they cannot be reached.
    """
    if started_by_torchrun() == 1 or dist.is_initialized():
        return
    kinds = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        kinds = "cpu:gloo,cuda:nccl"
    try:
        dist.init_process_group(kinds, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise WorkError(f"the processes of this run do not find each other: {first_line(error)}") from error


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def first() -> bool:
    """Whether this process is the one that writes and talks."""
    return rank() == 0


def all_of_them() -> int:
    """How many processes have met."""
    return dist.get_world_size() if dist.is_initialized() else 1


def count() -> int:
    """How many processes share the batch of now."""
    return all_of_them() if _working else 1


@contextmanager
def working() -> Iterator[None]:
    """All processes compute the same step inside the block, each on its share.

    Raises:
        Gone: one of them is.
    """
    global _working
    before, _working = _working, True
    try:
        with _noticing():
            yield
    finally:
        _working = before


@contextmanager
def _noticing() -> Iterator[None]:
    """Say in a sentence that another process is gone, which torch says in several ways."""
    try:
        yield
    except RuntimeError as error:
        if all_of_them() > 1 and any(word in str(error) for word in ("Connection", "gloo", "NCCL", "peer")):
            raise Gone from error
        raise


def told(value: Value) -> Value:
    """What the first process says, which all of them call for."""
    if all_of_them() == 1:
        return value
    box: list[Any] = [value]
    with _noticing():
        dist.broadcast_object_list(box, src=0)
    found: Value = box[0]
    return found


def most(value: int) -> int:
    """The largest of what all processes say."""
    if all_of_them() == 1:
        return value
    said = torch.tensor(value)
    with _noticing():
        dist.all_reduce(said, dist.ReduceOp.MAX)
    return int(said)


def part(x: Any) -> Any:
    """This process's rows of what all have in common, [N, ...] -> [N / count, ...]; None is None."""
    if count() == 1 or x is None:
        return x
    rows = len(x) // count()
    return x[rank() * rows : (rank() + 1) * rows]


def gathered(x: Tensor) -> Tensor:
    """The rows of all processes, [n, ...] -> [n count, ...], in their order."""
    if count() == 1:
        return x
    rows: Tensor = _Gathered.apply(x)
    return rows


def mean(x: Tensor) -> Tensor:
    """The mean of what each process has."""
    if count() == 1:
        return x
    average: Tensor = _Mean.apply(x)
    return average


@torch.no_grad()
def average(tensors: Iterable[Tensor], bucket: int = 1 << 22) -> None:
    """Replace each tensor by its mean over all processes, so many numbers at a time."""
    waiting: list[Tensor] = []
    size = 0
    for tensor in tensors:
        waiting.append(tensor)
        size += tensor.numel()
        if size >= bucket:
            _average(waiting)
            waiting, size = [], 0
    if waiting:
        _average(waiting)


def _average(tensors: list[Tensor]) -> None:
    flat = torch.cat([_in_memory(tensor) for tensor in tensors])
    dist.all_reduce(flat)
    flat /= all_of_them()
    for tensor, mean_of in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        _in_memory(tensor).copy_(mean_of)


def _in_memory(x: Tensor) -> Tensor:
    """The numbers of a dense tensor in the order in which they lie, as a view [numel]."""
    return x.as_strided((x.numel(),), (1,)) if x.dim() and x.numel() else x.reshape(-1)


def _total(x: Tensor) -> Tensor:
    """The sum over all processes."""
    total = x.contiguous().clone()
    dist.all_reduce(total)
    return total


class _Gathered(Function):
    """Its adjoint is `_Scattered`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(all_of_them())]
        dist.all_gather(rows, x.contiguous())
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        rows: Tensor = _Scattered.apply(slopes[0])
        return rows


class _Scattered(Function):
    """The sum over all processes, and of that this one's rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = _total(x)
        rows = len(total) // all_of_them()
        return total[rank() * rows : (rank() + 1) * rows].clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        rows: Tensor = _Gathered.apply(slopes[0])
        return rows


class _Mean(Function):
    """It is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _total(x) / all_of_them()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        average: Tensor = _Mean.apply(slopes[0])
        return average
