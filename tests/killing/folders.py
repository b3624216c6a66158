"""Run folders, compared file by file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# All that may differ between two runs of the same command: what depends on the time and the machine.
MAY_DIFFER = {
    "log.jsonl": ("images_per_s",),
    "metrics.jsonl": ("provenance.seconds",),
    "config.json": ("provenance",),
}


def contents(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, by relative path: hidden files too, and folders as b""."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): b"" if path.is_dir() else path.read_bytes() for path in paths}


def differences(whole: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """What differs between the contents of two run folders, in words."""
    lacking = [f"{name} is lacking" for name in whole if name not in other]
    foreign = [f"{name} is left over" for name in other if name not in whole]
    shared = [name for name in whole if name in other]
    return (
        lacking + foreign + [f"{name} differs{how}" for name in shared if (how := _how(name, whole, other))]
    )


def _how(name: str, whole: dict[str, bytes], other: dict[str, bytes]) -> str:
    one, two = whole[name], other[name]
    if one == two:
        return ""
    keys = MAY_DIFFER.get(name.rpartition("/")[2])
    if keys is None:
        return f" ({len(one)} and {len(two)} bytes)"
    rows, others = ([_without(row, keys) for row in _rows(name, text)] for text in (one, two))
    if rows == others:
        return ""
    steps = [[row.get("step") for row in each if isinstance(row, dict)] for each in (rows, others)]
    return f" (steps {steps[0]} and {steps[1]})" if steps[0] != steps[1] else " (other values)"


def _rows(name: str, text: bytes) -> list[Any]:
    parts = text.splitlines() if name.endswith("l") else [text]
    try:
        return [json.loads(part) for part in parts]
    except ValueError:
        return [text]


def _without(row: Any, keys: tuple[str, ...]) -> Any:
    for key in keys if isinstance(row, dict) else ():
        first, _, rest = key.partition(".")
        if rest and first in row:
            row = {**row, first: _without(row[first], (rest,))}
        else:
            row = {name: value for name, value in row.items() if name != first}
    return row
