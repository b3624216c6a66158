"""float16 loses small gradients: the loss is scaled up, and its gradients down before anybody sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.amp import GradScaler

from ganzoo.models.turn import Phase
from ganzoo.training.restoring import check_like

LEAST = 2.0**-14  # 30 halvings in a row: there the scale is not to blame
NETS: dict[Phase, str] = {"g": "generator", "d": "discriminator"}
KEPT = ("scale", "_growth_tracker")  # of a scaler's state; the rest is torch's settings


class LossScales:
    """The scale of G's loss and that of D's: each halves when its own gradients overflow, which costs a step.

    Without scaling it does nothing.
    """

    def __init__(self, device: torch.device | None = None, scaling: bool = False) -> None:
        kind = "cpu" if device is None else device.type
        self.scaling = scaling
        self._scalers = {phase: GradScaler(kind, enabled=scaling) for phase in NETS}

    def __getitem__(self, phase: Phase) -> GradScaler:
        return self._scalers[phase]

    def log(self) -> dict[str, float]:
        """The scales as columns of a log."""
        return {f"scale_{phase}": self[phase].get_scale() for phase in NETS if self.scaling}

    def lost(self) -> str:
        """The net whose gradients are not finite however small the scale; "" if there is none."""
        return next((net for phase, net in NETS.items() if self[phase].get_scale() < LEAST), "")

    def state_dict(self) -> dict[str, Any]:
        states = {phase: self[phase].state_dict() for phase in NETS if self.scaling}
        return {phase: {key: state[key] for key in KEPT} for phase, state in states.items()}

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Raises ValueError if it is not what `state_dict` gave."""
        own = self.state_dict()
        check_like("scales of the losses", kept, own)
        for phase in NETS if self.scaling else ():
            self[phase].load_state_dict(self[phase].state_dict() | {key: kept[phase][key] for key in KEPT})
