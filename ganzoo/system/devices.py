"""The device that a word names."""

from __future__ import annotations

import torch

from ganzoo.errors import UsageError, nearest


def choose_device(name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    kind = name.partition(":")[0]
    if kind not in available:
        raise UsageError(f"--device {name} is not known: {nearest(name, ('auto', *available))}")
    if not available[kind]:
        raise UsageError(f"--device {name}: this machine, or this build of torch, has none; use --device cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name} is not known: expected a name like {kind} or {kind}:0") from None
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if (device.index or 0) >= count:
        raise UsageError(f"--device {name}: this machine has {kind}:0 to {kind}:{count - 1}")
    return device
