"""What a result was made with and on: versions, commit, processor, memory."""

from __future__ import annotations

import os
import platform
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganzoo.system.provenance import provenance


def versions() -> dict[str, str]:
    known: dict[str, Any] = provenance()["versions"]
    return {"ganzoo": known["ganzoo-torch"], "torch": known["torch"], "python": known["python"]}


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor(device: str) -> str:
    """The name of what computes, and of how many cores."""
    if device.startswith("cuda"):
        import torch

        from ganzoo.system.devices import choose_device

        return torch.cuda.get_device_name(choose_device(device))
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {cores()} cores"


def peak_mib() -> float:
    """The most memory that this process has had, MiB; 0 where the system does not say."""
    peak = 0.0
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak = used / (2**20 if sys.platform == "darwin" else 2**10)
    with suppress(OSError):  # on Linux that begins with what the parent had
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        peak = int(found[1]) / 1024 if found else peak
    return round(peak, 1)
