"""A run's history as curves."""

from __future__ import annotations

import io
import math

import numpy as np
from matplotlib.figure import Figure

from ganzoo.running.history import History

PANELS = {"losses": ("d_loss", "g_loss"), "what D says": ("d_real", "d_fake")}
ACROSS = 4  # panels
FEW = 20  # points, which are marked
LABELS = {"d_loss": "D", "g_loss": "G", "d_real": "of real", "d_fake": "of generated"}


class Curves(Figure):
    """A figure that a notebook shows, whichever backend it has."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def curves(history: History, title: str) -> Figure:
    """The losses, D's answers and each score, a panel for each, over steps."""
    panels = {name: [key for key in keys if key in history] for name, keys in PANELS.items()}
    shown = {name: keys for name, keys in panels.items() if keys} | {key: [key] for key in history.scores}
    across = min(ACROSS, max(1, len(shown)))
    down = max(1, math.ceil(len(shown) / across))
    figure = Curves(figsize=(4.0 * across, 3.2 * down), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    places = figure.subplots(down, across, squeeze=False).flatten()
    for unused in places[len(shown) :]:
        unused.remove()
    for axes, (name, keys) in zip(places, shown.items(), strict=False):
        for key in keys:
            there = np.isfinite(history[key])
            marker = "o" if there.sum() < FEW else None
            axes.plot(history["step"][there], history[key][there], label=LABELS.get(key, key), marker=marker)
        axes.set_title(name, fontsize="small")
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(keys) > 1:
            axes.legend(fontsize="small")
    return figure
