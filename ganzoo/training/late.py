"""Reading a number from the device one update late, so that nothing waits for it."""

from __future__ import annotations

import torch
from torch import Tensor


class LateScalar:
    """Holds one scalar on its way from the device; `get` gives the last one put, as a float."""

    def __init__(self) -> None:
        self._value: float | Tensor | None = None
        self._ready: torch.cuda.Event | None = None

    def put(self, value: Tensor) -> None:
        value = value.detach()
        if value.is_cuda:
            host = torch.empty((), dtype=value.dtype, pin_memory=True)
            self._value = host.copy_(value, non_blocking=True)
            self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._ready.record(torch.cuda.current_stream(value.device))
        else:
            self._value = value

    def get(self) -> float | None:
        if isinstance(self._value, Tensor):
            if self._ready is not None:
                self._ready.synchronize()  # an update ago: done by now
            self._value, self._ready = float(self._value), None
        return self._value

    def set(self, value: float | None) -> None:
        self._value, self._ready = value, None
