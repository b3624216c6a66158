"""The pictures of rows of a table: their names, which seed they are of, and what they say of themselves."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ganzoo.bench.rows import Done
from ganzoo.system.console import number
from ganzoo.table.read import Group

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SAYS = "ganzoo"  # the name of the PNG's text


@dataclasses.dataclass(frozen=True)
class Shown:
    """A picture that exists, of one row: how many samples are on it, and of which run."""

    path: Path
    row: Done
    samples: int
    columns: str

    def caption(self, name: str) -> str:
        score, value = next(iter(self.row["scores"].items()))
        return (
            f"`{name}`, seed {self.row['seed']}, {self.row['steps']:,} steps, `{score}` {number(value)}: "
            f"{self.samples:,} samples{self.columns}, none of them chosen"
        )

    def alt(self, name: str) -> str:
        return f"{self.samples:,} samples of {name}, trained on {self.row['dataset']}"


def middle(group: Group) -> Done | None:
    """The seed in the middle by the suite's first score, and where that is equal by the next ones."""
    ranked = sorted(group.done, key=lambda row: [*row["scores"].values()])
    return ranked[len(ranked) // 2] if ranked else None


def picture_of(suite: str, group: Group, groups: Sequence[Group], images: Path = IMAGES) -> Path:
    """Where the picture of a row belongs; its dataset is in the name where the suite has several."""
    several = len({one.dataset for one in groups}) > 1
    words = [suite, *[Path(group.dataset).name] * several, group.name]
    return images / "results" / (re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words)).strip("-.") + ".png")


def shown(suite: str, group: Group, groups: Sequence[Group], images: Path = IMAGES) -> Shown | None:
    """The picture of a row, if there is one of a run that is in the results."""
    path = picture_of(suite, group, groups, images)
    if not path.exists():
        return None
    with Image.open(path) as image:
        says: dict[str, Any] = json.loads(image.info[SAYS])
    row = next((row for row in group.done if row["hash"] == says["hash"]), None)
    return Shown(path, row, says["samples"], says["columns"]) if row else None
