"""Where a result comes from: shown beside it, and free to differ between results that are compared."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("ganzoo-torch", "torch", "torchvision", "numpy", "scipy", "torch-fidelity")


def provenance() -> dict[str, Any]:
    """Versions, machine and command of this process."""
    versions = {name: metadata.version(name) for name in LIBRARIES}
    versions["python"] = platform.python_version()
    return {
        "versions": versions,
        "machine": platform.platform(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }
