"""All that a page shows of runs, gathered: what the template says, and what its script draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ganzoo.data.kinds import kind_of
from ganzoo.reports.curves import panels
from ganzoo.reports.pictures import MOST, Frame, frames
from ganzoo.reports.scores import ClassTable, Score, by_class, score_panels, scores
from ganzoo.reports.settings import all_settings, facts
from ganzoo.reports.subject import Subject
from ganzoo.training.stored import IN_THE_PLANE

PICTURES = 2_700_000  # bytes of all pictures of samples; base64 makes four thirds of it
NEAREST = 300_000
SHOWN = 6000  # points of all runs at one step
TILES = 6


@dataclass
class Look:
    """What is seen of one run: pictures at steps, or a cloud of points; and its nearest training images.

    Attributes:
        notes: why something is missing, in sentences.
    """

    run: Subject
    frames: list[Frame] = field(default_factory=list)
    cloud: Any = None
    nearest: Any = None
    nearest_notes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    classes: ClassTable | None = None
    copying: list[tuple[str, float]] = field(default_factory=list)

    @property
    def steps(self) -> list[int]:
        shown = self.frames if self.cloud is None else self.cloud.moments
        return [one.step for one in shown]

    @property
    def what(self) -> str:
        """What a picture shows, for those who do not see it."""
        return f"{kind_of(self.run.config)} by {self.run.config.model} of the same random numbers"

    def drawn(self) -> dict[str, Any]:
        """For the script; the last frame is in the page already."""
        pictures = [{"step": one.step, "uri": one.uri} for one in self.frames[:-1]]
        pictures += [{"step": one.step, "uri": ""} for one in self.frames[-1:]]
        return {
            "what": self.what,
            "frames": [] if self.cloud is not None else pictures,
            "cloud": None if self.cloud is None else self.cloud.as_json(),
        }


def view(runs: Sequence[Subject], nearest: bool) -> dict[str, Any]:
    """Everything that is shown of one run, or of several side by side.

    Args:
        nearest: look for the nearest training images too.
    """
    looks = [_look(run, len(runs), nearest) for run in runs]
    found = scores(runs)
    for i, look in enumerate(looks):
        copying = [(one.name, one.latest(i)) for one in found if one.metric == "memorization"]
        look.copying = [(name, last[1]) for name, last in copying if last is not None]
    logged, scored = panels(runs), score_panels(found, runs)
    steps = sorted({step for look in looks for step in look.steps})
    return {
        "title": title(runs),
        "looks": looks,
        "several": len(runs) > 1,
        "facts": facts(runs),
        "settings": all_settings(runs),
        "steps": steps,
        "panels": list(enumerate(logged)),
        "score_panels": list(enumerate(scored, len(logged))),
        "scores": found,
        "tiles": tiles(found) if len(runs) == 1 else [],
        "drawn": {
            "panels": [panel.as_json() for panel in [*logged, *scored]],
            "steps": steps,
            "looks": [look.drawn() for look in looks],
        },
    }


def title(runs: Sequence[Subject]) -> str:
    if len(runs) == 1:
        return f"{runs[0].config.model} on {runs[0].data}"
    same = {run.data for run in runs}
    return f"{len(runs)} runs" + (f" on {same.pop()}" if len(same) == 1 else "")


def tiles(found: Sequence[Score]) -> list[Score]:
    """What is worth to be seen first: each score once, as it was measured with most samples, then last."""
    best: dict[str, Score] = {}
    for one in found:
        other = best.get(one.name)
        if other is None or _weight(one) >= _weight(other):
            best[one.name] = one
    return list(best.values())[:TILES]


def _weight(one: Score) -> tuple[int, int]:
    n = one.protocol.get("n_fake", "0")
    return int(n) if n.isdecimal() else 0, max(one.courses[0])


def _look(run: Subject, several: int, nearest: bool) -> Look:
    look = Look(run, classes=by_class(run))
    if run.config.sample_shape == IN_THE_PLANE:
        _add_cloud(look, several)
    images = kind_of(run.config) == "images"
    most = 1 if look.cloud is not None else MOST  # for those who have no scripts
    look.frames, faults = frames(run.path, PICTURES // several, most)
    look.notes += faults
    if images and nearest:
        from ganzoo.reports.opened import nearest_of  # and torch with it

        opened = nearest_of(run, NEAREST // several)
        look.nearest, look.nearest_notes = opened.nearest, opened.notes
    return look


def _add_cloud(look: Look, several: int) -> None:
    from ganzoo.reports.clouds import POINTS, cloud, has_points  # and torch with it
    from ganzoo.reports.opened import points_of

    if has_points(look.run.path):
        opened = points_of(look.run)
        points = min(POINTS, SHOWN // several)
        look.cloud, faults = cloud(look.run.path, opened.real, opened.modes, points)
        look.notes += [*opened.notes, *faults]
