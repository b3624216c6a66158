"""How much memory there is; and freed memory stays with the process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> None:
    """Have the C library use freed memory again, where it would hand it back to the system.

    What a training step holds is freed at its end; glibc returns it, and every page of it is a fault in the
    next step. For processes that are ganzoo's own; nothing happens where the C library is another one.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_MMAP_MAX, 0)


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or a container's limit; 8 GiB if unknown."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 8 * 2**30
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return memory


def out_of_memory(error: BaseException) -> bool:
    """Whether memory, the machine's or a device's, is what was missing; torch has no one type for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in str(error) or "not enough memory" in str(error)
    )
