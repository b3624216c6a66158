"""What a batch's samples have in common, where several processes hold parts of it.

Random numbers: all processes draw those of the whole batch from the same seed, and each takes its rows, so
that the numbers of a run do not depend on how many made it. BatchNorm: mean and variance are of all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ganzoo.errors import WorkError
from ganzoo.system import ranks

SIZED = (torch.rand, torch.randn, torch.randint)
LIKE = (torch.rand_like, torch.randn_like, torch.randint_like)
IN_PLACE = (
    Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_, Tensor.exponential_,
    Tensor.log_normal_, Tensor.cauchy_, Tensor.geometric_,
)  # fmt: skip


@contextmanager
def sharing(batch: int, pack: int = 1) -> Iterator[None]:
    """All processes make one step inside the block, as one process would.

    Args:
        batch: rows that each process is given at a time.
        pack: how many of them D judges together.
    """
    if ranks.all_of_them() == 1:
        yield
        return
    with ranks.working(), Shared(batch, pack):
        yield


GOES_ON, ENDS, FAILED = range(3)  # what a process says after a step


def agreed(ends: bool) -> bool:
    """Whether any process ends after this step, which all of them ask at once.

    Raises:
        Ended: another one cannot go on.
    """
    said = ranks.most(ENDS if ends else GOES_ON)
    if said == FAILED:
        raise Ended
    return said == ENDS


class Ended(WorkError):
    """Another process cannot go on, and has said why."""

    def __init__(self) -> None:
        super().__init__("another process of this run has failed, and says why")


@contextmanager
def telling_all() -> Iterator[None]:
    """Where this process fails inside the block, the others learn it as they ask whether to go on."""
    try:
        yield
    except BaseException:
        ranks.most(FAILED)
        raise


class Shared(TorchFunctionMode):
    """Draws with a row for each sample, for each packed one or for half the batch are the whole batch's.

    The dimension of that size is taken to be the batch's, the first one of them. Draws of any other size are
    the same in every process.
    """

    def __init__(self, batch: int, pack: int) -> None:
        super().__init__()
        self._rows = {batch, batch // pack, -(-batch // 2)} - {0}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in SIZED:
            return self._sized(func, args, kwargs)
        if func in LIKE:
            return self._of_all(lambda whole: func(whole, *args[1:], **kwargs), args[0])
        if func in IN_PLACE:
            drawn = self._of_all(lambda whole: func(whole, *args[1:], **kwargs), args[0])
            return drawn if drawn is args[0] else args[0].copy_(drawn)
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func is F.batch_norm:
            return batch_norm(*args, **kwargs)
        return func(*args, **kwargs)

    def _where(self, shape: tuple[int, ...]) -> int | None:
        """Which dimension is the batch."""
        return next((i for i, size in enumerate(shape) if size in self._rows), None)

    def _sized(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        before: tuple[Any, ...] = ()
        given = kwargs.pop("size", None)
        if func is torch.randint:
            bounds = [arg for arg in args if isinstance(arg, int)]
            before, args = tuple(bounds), args[len(bounds) :]
        if given is None:
            given = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        shape = tuple(given)
        where = self._where(shape)
        if where is None:
            drawn: Tensor = func(*before, shape, **kwargs)
            return drawn
        whole = (*shape[:where], shape[where] * ranks.count(), *shape[where + 1 :])
        return _mine(func(*before, whole, **kwargs), where, shape[where])

    def _of_all(self, draw: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        where = self._where(tuple(like.shape))
        if where is None:
            return draw(like)
        shape = (*like.shape[:where], like.shape[where] * ranks.count(), *like.shape[where + 1 :])
        whole = torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=_format(like))
        return _mine(draw(whole), where, like.shape[where])

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or not p:
            return x
        keep = torch.empty_like(x)
        keep = self._of_all(lambda whole: whole.bernoulli_(1.0 - p).div_(1.0 - p), keep)
        return x.mul_(keep) if inplace else x * keep


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As torch's, over the samples of all processes in training; x [N, C, ...]."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    whole = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    over = [dim for dim in range(x.dim()) if dim != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    mean = ranks.mean(whole.mean(over))
    var = ranks.mean((whole - mean.view(shape)).square().mean(over))
    scale = (var + eps).rsqrt() if weight is None else (var + eps).rsqrt() * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    if running_mean is not None and running_var is not None:
        n = x.numel() // x.shape[1] * ranks.count()
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (n / max(n - 1, 1))).to(running_var.dtype), momentum)
    return (whole * scale.view(shape) + shift.view(shape)).to(x.dtype)


def _mine(whole: Tensor, where: int, rows: int) -> Tensor:
    return whole.narrow(where, ranks.rank() * rows, rows)


def _format(x: Tensor) -> torch.memory_format:
    last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
