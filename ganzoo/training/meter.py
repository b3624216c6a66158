"""Running sums of what a step measures, kept on the device until somebody asks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo.training.restoring import check_sums


class Meter:
    """Means since the last `read`; adding never waits for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any], device: torch.device | None = None) -> None:
        """Go on with sums that were saved, on a device. Raises ValueError if they are none of a meter."""
        check_sums(state["sums"], state["counts"])
        self._sums = {name: total.to(device or total.device) for name, total in state["sums"].items()}
        self._counts = dict(state["counts"])
