"""What Windows lacks and refuses: python -X warn_default_encoding windows.py COMMAND..., each without ganzoo.

No fcntl, resource, pread and the like; a file that is open can be neither removed nor renamed, and no folder
opened; what is flushed must be open for writing; a text file that ganzoo opens needs its encoding.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any

fcntl = importlib.import_module("fcntl")
# They look at the system as they are imported: for them it is Linux.
OTHERS = (
    "click", "matplotlib.pyplot", "PIL.Image", "platformdirs", "rich.console", "rich.progress",
    "safetensors.torch", "scipy.spatial", "sklearn.linear_model", "torch", "torch_fidelity", "torchvision",
)  # fmt: skip
MODULES = ("fcntl", "resource", "termios", "pwd", "grp")
FUNCTIONS = (
    "pread", "pwrite", "sysconf", "sched_getaffinity", "posix_fallocate", "fork", "getuid", "geteuid",
    "register_at_fork",
)  # fmt: skip


def pretend() -> None:
    """From here on."""
    for name in OTHERS:
        importlib.import_module(name)
    modules: dict[str, Any] = sys.modules
    modules |= dict.fromkeys(MODULES)
    modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=locking)
    for name in FUNCTIONS:
        delattr(os, name)
    for name in ("unlink", "remove", "rename", "replace"):
        setattr(os, name, unless_open(getattr(os, name)))
    os.open, os.fsync = opening(os.open), flushing(os.fsync)
    warnings.filterwarnings("error", category=EncodingWarning, module="ganzoo")
    sys.platform = "win32"


def locking(handle: int, how: int, count: int) -> None:
    """As Windows locks: bytes from where the file is at."""
    assert (how, count, os.lseek(handle, 0, os.SEEK_CUR)) == (2, 1, 2**30)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PermissionError(13, "Permission denied") from error


def is_open(path: Any) -> bool:
    """By this process; or something in it is, also as a mapped file."""
    name = os.path.realpath(path)
    handles = [os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir()]
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = [line.split(maxsplit=5)[5] for line in maps if len(line.split()) > 5]
    return any(one == name or one.startswith(f"{name}/") for one in [*handles, *mapped])


def unless_open(act: Any) -> Any:
    def checked(*paths: Any, **more: Any) -> None:
        for path in paths:
            if os.path.lexists(path) and is_open(path):
                raise PermissionError(13, "The process cannot access the file", str(path))
        act(*paths, **more)

    return checked


def opening(act: Any) -> Any:
    def opened(path: Any, flags: int, *more: Any, **words: Any) -> int:
        if Path(path).is_dir() and not flags & os.O_DIRECTORY:
            raise PermissionError(13, "Permission denied", str(path))
        return act(path, flags, *more, **words)

    return opened


def flushing(act: Any) -> Any:
    def flushed(handle: int) -> None:
        if not fcntl.fcntl(handle, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR):
            raise OSError(9, "Bad file descriptor")
        act(handle)

    return flushed


if __name__ == "__main__":
    pretend()
    from ganzoo.cli.main import main

    for command in sys.argv[1:]:
        try:
            main(command.split())
        except SystemExit as end:
            print(f"{command}: {end.code or 0}", flush=True)
