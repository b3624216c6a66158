"""Generators that come with ganzoo, by the names MODEL:DATASET. Looked at without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "pretrained"
ENDING = ".safetensors"


def names() -> list[str]:
    """All of them: "dcgan:mnist", ..."""
    return sorted(f"{path.parent.name}:{path.stem}" for path in FOLDER.glob(f"*/*{ENDING}"))


def file_of(name: str) -> Path | None:
    """The file of one of them; None for any other name."""
    model, _, dataset = name.partition(":")
    return FOLDER / model / f"{dataset}{ENDING}" if name in names() else None


def said_by(path: Path) -> dict[str, Any]:
    """What a file that ganzoo wrote says of itself, in the header that safetensors have.

    Raises:
        ValueError, KeyError: it is no such file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        said: dict[str, Any] = json.loads(json.loads(file.read(length))["__metadata__"]["ganzoo"])
    return said


def summary(name: str) -> str:
    """One line about one of them: what it makes, how large it is, and its first score."""
    path = file_of(name)
    assert path is not None
    said = said_by(path)
    about = said["generator"]
    shape = " x ".join(map(str, about["sample_shape"]))
    words = [f"{said['step']:,} steps", f"samples of {shape}", f"{path.stat().st_size / 1e6:.2g} MB"]
    for one in about["measured"][-1:]:
        score, value = next(iter(one["scores"].items()))
        words.append(f"{score} {value:.3g}")
    return ", ".join(words)
