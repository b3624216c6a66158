"""Freed memory stays with the process."""

from __future__ import annotations

import sys

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
