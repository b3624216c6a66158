"""Activations that are computed again in the backward, instead of being kept for it.

The nets' blocks keep what they are given, and nothing of what they compute; torch.utils.checkpoint does the
rest. What a forward changes or draws is as it was when a block is run again: buffers (BatchNorm's statistics,
the vectors of spectral norm), random numbers, and the function modes that were on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import lru_cache
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils.checkpoint import checkpoint

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN


def recompute(gan: GAN) -> None:
    """Have the blocks of all nets that are trained keep their inputs alone.

    Blocks are the parts of a list of modules, and runs of layers in the outermost `nn.Sequential`, about as
    many as each has layers. Weights, buffers and their names stay as they are.

    Raises:
        UsageError: the nets are not made of blocks.
    """
    found = 0
    for name in ("generator", "discriminator", *gan.with_g, *gan.with_d):
        found += _recompute(getattr(gan, name))
    if not found:
        raise UsageError(
            f"checkpoint_activations: the nets of {type(gan).__name__} have no blocks that could be computed "
            "again: leave it out"
        )


def _recompute(module: nn.Module, listed: bool = False) -> int:
    """How many modules keep less from now on, of this one and those in it."""
    if isinstance(module, _Recomputed):
        return 1
    if type(module).forward is nn.Sequential.forward and isinstance(module, nn.Sequential) and not listed:
        if len(_runs(module)) < 2:
            return sum(_recompute(child) for child in module)
        _swap(module, _Runs)
        return 1
    if listed and any(True for _ in module.children()) and _weighs(module):
        _swap(module, _Block)
        return 1
    within = isinstance(module, nn.ModuleList)
    return sum(_recompute(child, within) for child in module.children())


def _swap(module: nn.Module, way: Any) -> None:
    """Have a module run in another way; it stays one of its own class, as parametrizations do it too."""
    kind: Any = type(module)
    module.__class__ = _mixed(way, kind)


@lru_cache
def _mixed(way: Any, kind: Any) -> Any:
    return type(kind.__name__, (way, kind), {"__module__": kind.__module__})


def _weighs(module: nn.Module) -> bool:
    return any(p.dim() > 1 for p in module.parameters())


def _runs(layers: nn.Sequential) -> list[list[nn.Module]]:
    """Layers in runs, each beginning with one that has a weight: those that change their input do not."""
    runs: list[list[nn.Module]] = [[]]
    for layer in layers:
        if _weighs(layer) and any(map(_weighs, runs[-1])):
            runs.append([])
        runs[-1].append(layer)
    size = round(math.sqrt(len(runs)))
    return [[*chain(*runs[i : i + size])] for i in range(0, len(runs), size)]


class _Recomputed(nn.Module):
    """What the class of a module is mixed with."""


class _Block(_Recomputed):
    def forward(self, *inputs: Any, **named: Any) -> Any:
        return _kept_small([self], super().forward, *inputs, **named)


class _Runs(_Recomputed):
    def forward(self, x: Any) -> Any:
        *runs, last = _runs(self)  # type: ignore[arg-type]  # it is mixed with nn.Sequential
        for run in runs:
            x = _kept_small(run, lambda h, run=run: _through(run, h), x)
        return _through(last, x)  # which the backward begins with


def _through(layers: Sequence[nn.Module], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


_keeping = False  # whether everything is kept now


@contextmanager
def _keep() -> Iterator[None]:
    global _keeping
    before, _keeping = _keeping, True
    try:
        yield
    finally:
        _keeping = before


def keeping_all(wanted: bool = True) -> AbstractContextManager[None]:
    """Inside the block everything is kept: weights that are lent to a net are gone when it is run again."""
    return _keep() if wanted else nullcontext()


def _kept_small(
    modules: Sequence[nn.Module], function: Callable[..., Any], *inputs: Any, **named: Any
) -> Any:
    if _keeping or not torch.is_grad_enabled():
        return function(*inputs, **named)
    again = _Again(modules, [x for x in inputs if isinstance(x, Tensor)])
    return checkpoint(
        function, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), again), **named
    )


def _modes() -> list[Any]:
    return [*_get_current_function_mode_stack()]  # type: ignore[no-untyped-call]


class _Again:
    """As it was before a block was run; entered each time that it is run again, perhaps for two gradients."""

    def __init__(self, modules: Sequence[nn.Module], given: Sequence[Tensor]) -> None:
        self._name = type(modules[0]).__name__
        self._given = [(x, x._version) for x in given]
        self._modes = _modes()
        self._buffers = [
            (part, name, buffer.detach().clone())
            for module in modules
            for part in module.modules()
            for name, buffer in part._buffers.items()
            if buffer is not None and part.training
        ]
        self._now: list[Tensor | None] = []
        self._stack = ExitStack()

    def __enter__(self) -> None:
        # As newer versions of torch find out themselves.
        if any(x._version != version for x, version in self._given):
            raise UsageError(
                f"checkpoint_activations: what a {self._name} was given has been changed in place, and it "
                "cannot be run again: leave it out"
            )
        self._stack = ExitStack()
        on = _modes()
        for mode in self._modes:
            if not any(mode is one for one in on):
                self._stack.enter_context(mode)
        # Not by copying: those of now may be in somebody's graph.
        self._now = [part._buffers[name] for part, name, _ in self._buffers]
        for part, name, buffer in self._buffers:
            part._buffers[name] = buffer.clone()

    def __exit__(self, *error: object) -> None:
        for (part, name, _), buffer in zip(self._buffers, self._now, strict=True):
            part._buffers[name] = buffer
        self._stack.close()
