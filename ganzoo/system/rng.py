"""Randomness is counted, not remembered: every draw is seeded by (seed, purpose, step).

So a resumed run, a data position and a redrawn picture are exact without storing any generator's state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def counted_seed(seed: int, purpose: str, step: int = 0) -> int:
    """A 63-bit seed for one purpose at one step; different arguments give unrelated streams."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_default(device: torch.device, seed: int) -> None:
    """Seed torch's default generator of the CPU and of `device`."""
    # Not torch.manual_seed: on a machine without CUDA it formats a stack trace at every call.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):  # which need not be the current one
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def counted(device: torch.device, seed: int, purpose: str, step: int = 0) -> Iterator[None]:
    """Seed the default generators inside the block, and give them back as they were."""
    with kept(device):
        seed_default(device, counted_seed(seed, purpose, step))
        yield


@contextmanager
def kept(device: torch.device) -> Iterator[None]:
    """Give the default generators of the CPU and of `device` back as they were."""
    devices = [device] if device.type != "cpu" else []
    with torch.random.fork_rng(devices, device_type=device.type if devices else "cuda"):
        yield
