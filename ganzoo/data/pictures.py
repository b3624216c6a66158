"""PNG pictures of samples: grids of images, points in the plane, histograms."""

from __future__ import annotations

import gc
import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.counted import Order
from ganzoo.system.console import plain
from ganzoo.system.files import write_whole

SHOWN = 2500  # points of a scatter plot


def picture(
    path: Path, samples: Tensor, real: Tensor | None = None, columns: int | None = None, title: str = ""
) -> None:
    """Draw samples in the data's own units: images as a grid, vectors [N, D] beside `real` [M, D]."""
    if samples.dim() == 4:
        write_whole(path, grid(samples, columns or math.ceil(math.sqrt(len(samples)))))
    else:
        with _no_figure_left():
            content = plot(samples, real, title)
        write_whole(path, content)


@contextmanager
def _no_figure_left() -> Iterator[None]:
    """Free the figures of the block: tangles of cycles, with canvases of 1.3 MB, which Python frees late.

    Kept from growing old they are found at once, while a look at all objects takes as long as the plot.
    """
    from matplotlib import figure  # which stays, and makes no figure old

    assert figure
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        gc.collect(0)


def grid(images: Tensor, columns: int) -> bytes:
    """uint8 [N, C, H, W] to a PNG, row by row; small images are shown at a multiple of their size."""
    from PIL import Image
    from torchvision.utils import make_grid

    tiled = make_grid(images, nrow=columns, padding=2, pad_value=128).permute(1, 2, 0).numpy()
    image = Image.fromarray(tiled)
    scale = max(1, round(64 / images.shape[-1]))
    file = io.BytesIO()
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def plot(samples: Tensor, real: Tensor | None, title: str) -> bytes:
    """float [N, D] beside the real data [M, D], if there are any: a histogram in 1-D, else two axes."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(5.2, 5.2), layout="constrained")).subplots()
    # At random, but always the same: rows may be sorted.
    shown = {
        label: x[Order(len(x)).indices(min(SHOWN, len(x)), 0, 0)]
        for label, x in (("real", real), ("generated", samples))
        if x is not None
    }
    if samples.shape[1] == 1:
        low, high = (float(bound) for bound in next(iter(shown.values())).aminmax())
        margin = 0.2 * (high - low) or 1.0
        bins = torch.linspace(low - margin, high + margin, 101).tolist()
        bars: dict[str, dict[str, Any]] = {
            "real": {"color": "0.75"},
            "generated": {"color": "C3", "histtype": "step"},
        }
        for label, points in shown.items():
            axes.hist(points[:, 0].numpy(), bins, density=True, label=label, **bars[label])
    else:
        dots: dict[str, dict[str, Any]] = {
            "real": {"s": 9, "color": "0.7"},
            "generated": {"s": 4, "color": "C3"},
        }
        for label, points in shown.items():
            x, y = points[:, :2].T.numpy()
            axes.scatter(x, y, label=label, linewidths=0, alpha=0.6, **dots[label])
        axes.set_aspect("equal", "datalim")
        if samples.shape[1] > 2:
            axes.set(xlabel=f"axis 1 of {samples.shape[1]}", ylabel="axis 2")
    axes.legend(loc="upper right")
    axes.set_title(plain(title), parse_math=False)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of characters that the font lacks
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
