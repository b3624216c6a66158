"""Where a result comes from: shown beside it, and free to differ between results that are compared."""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("ganzoo-torch", "torch", "torchvision", "numpy", "scipy", "torch-fidelity")


def provenance() -> dict[str, Any]:
    """Versions, commit, machine and command of this process."""
    versions = {name: metadata.version(name) for name in LIBRARIES}
    versions["python"] = platform.python_version()
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return {
        "versions": versions,
        "commit": commit(),
        "machine": platform.platform(),
        "command": [word.encode(errors="replace").decode() for word in words],  # paths may be any bytes
    }


@cache
def commit() -> str | None:
    """The commit of ganzoo's source, with "+" where it was changed since; None where it lies in no clone."""
    package = Path(__file__).parents[1]

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(package), *words], capture_output=True, text=True, encoding="utf-8", check=True
        )
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel"), "ganzoo").resolve() != package.resolve():
            return None  # installed inside somebody else's clone
        changed = git("status", "--porcelain", "--", str(package))
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
