"""Memory: how much there is, what is said where it does not suffice, what becomes of it once it is freed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganzoo.errors import UsageError, WorkError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
# How torch and numpy say it, in errors of no type of their own.
SIGNS = re.compile(
    "can't allocate|unable to allocate|not enough memory|out of memory|overflow|array is too big"
)
AMOUNT = re.compile(r"allocate (\d[\d.]*) ?(bytes|[KMGTPE]i?B)", re.IGNORECASE)


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


def refuse_more_than_there_is() -> None:
    """Have the system refuse memory that the machine lacks, where it would grant it and later kill us for it.

    For processes that are ganzoo's own. Not beside a GPU, whose driver may map more than there is.
    """
    if sys.platform == "linux" and not Path("/dev/nvidiactl").exists() and not Path("/dev/kfd").exists():
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = machine_memory() + _swap()
        if all(limit == resource.RLIM_INFINITY or limit > most for limit in (soft, hard)):
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or a container's limit; 8 GiB if unknown."""
    memory = 8 * 2**30
    if sys.platform != "win32":
        with suppress(ValueError, OSError):
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such file, or "max"
        return memory


def _swap() -> int:
    try:
        found = re.search(r"SwapTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:  # a container without it
        return 0
    return int(found[1]) * 1024 if found else 0


def is_too_large(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, says that something was too large to be held or counted."""
    while error is not None:
        if isinstance(error, MemoryError | OverflowError):
            return True
        if not isinstance(error, UsageError | WorkError) and SIGNS.search(str(error).lower()):
            return True
        error = error.__cause__
    return False


def too_large(what: str, error: BaseException) -> WorkError:
    """A sentence on `what` was too large, with how much it wanted where the error says so."""
    amount = AMOUNT.search(str(error))
    wanted = "" if amount is None else f", {_readable(float(amount[1]), amount[2])} at once"
    return WorkError(f"{what} need more memory than there is{wanted}: ask for less, or for smaller ones")


def _readable(amount: float, unit: str) -> str:
    return f"{amount / 2**30:,.1f} GiB" if unit == "bytes" else f"{amount:g} {unit}"


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Where memory does not suffice in the block, raise a WorkError that says for `what`, several things."""
    try:
        yield
    except (UsageError, WorkError):
        raise
    except Exception as error:
        if is_too_large(error):
            raise too_large(what, error) from error
        raise
