"""Dead units: those whose value never changes, whatever a net is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

STILL = 1e-6  # of the largest value in the layer: a change below that is rounding


class Units:
    """What reaches each layer with a weight while a net is run: the smallest and largest value per unit.

    A unit is a channel of the input of such a layer, so that it does not matter whether the activation before
    is a module or a function. Inputs of the net itself (black corners of digits, say) do not count.
    """

    def __init__(self) -> None:
        self._ranges: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._given: set[int] = set()

    @contextmanager
    def watched(self, net: nn.Module) -> Iterator[None]:
        """Look at all that `net` computes inside the block."""
        handles = [net.register_forward_pre_hook(self._begin)]
        handles += [part.register_forward_pre_hook(self._look) for part in net.modules() if _weighs(part)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def dead(self) -> float | None:
        """The share of dead units in the layer that has most of them; None where nothing was seen."""
        shares = [
            (high - low <= STILL * torch.maximum(high.abs(), low.abs()).max()).float().mean()
            for low, high in self._ranges.values()
        ]
        return float(torch.stack(shares).max()) if shares else None

    def _begin(self, net: nn.Module, inputs: tuple[Any, ...]) -> None:
        first = inputs[0] if inputs else ()
        parts = first if isinstance(first, tuple) else (first,)
        self._given = {part.data_ptr() for part in parts if isinstance(part, Tensor)}
        self._first = True

    def _look(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0] if inputs else None
        first, self._first = self._first, False
        if first or not isinstance(x, Tensor) or not x.is_floating_point() or x.dim() < 2:
            return
        if x.data_ptr() in self._given:
            return
        low, high = torch.aminmax(x.detach().transpose(0, 1).flatten(1), dim=1)
        if layer in self._ranges:
            before = self._ranges[layer]
            low, high = torch.minimum(low, before[0]), torch.maximum(high, before[1])
        self._ranges[layer] = low, high


def _weighs(part: nn.Module) -> bool:
    """Whether a layer mixes its inputs: it has a matrix or kernels of its own, and looks nothing up."""
    if isinstance(part, nn.Embedding):
        return False
    own = list(part.parameters(recurse=False))
    parametrized = part._modules.get("parametrizations")
    if parametrized is not None:
        own += list(parametrized.parameters())
    return any(weight.dim() >= 2 for weight in own)
