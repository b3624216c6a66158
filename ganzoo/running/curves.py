"""A run's history as curves."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from ganzoo.running.history import History

PANELS = {"losses": ("d_loss", "g_loss"), "what D says": ("d_real", "d_fake")}
FEW = 20  # points, which are marked
LABELS = {"d_loss": "D", "g_loss": "G", "d_real": "of real", "d_fake": "of generated"}


class Curves(Figure):
    """A figure that a notebook shows, whichever backend it has."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def curves(history: History, title: str) -> Figure:
    """The losses, D's answers and each score beside each other, over steps."""
    panels = {name: [key for key in keys if key in history] for name, keys in PANELS.items()}
    shown = {name: keys for name, keys in panels.items() if keys} | {key: [key] for key in history.scores}
    figure = Curves(figsize=(4.0 * max(1, len(shown)), 3.2), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    places = figure.subplots(1, max(1, len(shown)), squeeze=False)[0]
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
