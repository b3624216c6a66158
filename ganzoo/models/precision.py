"""What half precision has no room for is computed in single precision.

bfloat16 has float32's range and few digits. float16 has more of these, but ends at 65,504 and at 6e-8.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def in_full(x: Tensor) -> Tensor:
    """In single precision, where nets ran in less."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def in_range(x: Tensor) -> Tensor:
    """In single precision, where nets ran in float16."""
    return x.float() if x.dtype == torch.float16 else x


def full_range(device: torch.device) -> AbstractContextManager[None]:
    """Inside the block nets run in float32 where they would in float16.

    For what leaves its range: squares, and gradients that are differentiated again. These no scale of the
    loss reaches, as they are part of it.
    """
    kind = device.type
    half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
    return torch.autocast(kind, enabled=False) if half else nullcontext()
