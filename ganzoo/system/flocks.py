"""The system's own locks on open files: flock's, or those of Windows, where there is nothing to share."""

from __future__ import annotations

import errno
import importlib
import os
import time
from typing import Any


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


fcntl, msvcrt = _module("fcntl"), _module("msvcrt")

IMPOSSIBLE = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
FAR = (
    2**30
)  # the byte that is locked where locks are of bytes, which nobody else may read then: none is there
TICK = 0.05  # seconds

# Windows neither removes nor renames a file that is open anywhere: that is a mark of its own.
OPEN_IS_A_MARK = msvcrt is not None


def lock(handle: int, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file; False where the system, or the file system, has no locks.

    Raises:
        BlockingIOError: another has it, and nobody shall `wait`.
        OSError: anything else is wrong.
    """
    if fcntl is not None:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in IMPOSSIBLE:
                raise
            return False
        return True
    return msvcrt is not None and _lock_byte(handle, wait)


def _lock_byte(handle: int, wait: bool) -> bool:
    while True:
        os.lseek(handle, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            return True
        except OSError as error:
            if not wait:
                raise BlockingIOError(errno.EAGAIN, "another process has the lock") from error
        time.sleep(TICK)
