"""PNG pictures of samples: grids of images, points in the plane, histograms."""

from __future__ import annotations

import gc
import io
import math
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.counted import Order
from ganzoo.system.files import write_whole

SHOWN = 2500  # points of a scatter plot


def picture(
    path: Path, samples: Tensor, dataset: Dataset, columns: int | None = None, title: str = ""
) -> None:
    """Draw samples in the data's own units: uint8 [N, C, H, W] as a grid, float [N, D] against the data."""
    if samples.dim() == 4:
        write_whole(path, grid(samples, columns or math.ceil(math.sqrt(len(samples)))))
    else:
        write_whole(path, plot(samples, dataset.test.all()[0], title))
        # A figure is a tangle of cycles that holds its canvas, 1.3 MB, and Python's own collector comes late.
        gc.collect()


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


def plot(samples: Tensor, real: Tensor, title: str) -> bytes:
    """float [N, D] beside the real data [M, D]: a histogram in 1-D, else the first two axes."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(5.2, 5.2), layout="constrained")).subplots()
    # At random, but always the same: rows may be sorted.
    real, samples = (x[Order(len(x)).indices(min(SHOWN, len(x)), 0, 0)] for x in (real, samples))
    if samples.shape[1] == 1:
        low, high = float(real.min()), float(real.max())
        bins = torch.linspace(low - 0.2 * (high - low), high + 0.2 * (high - low), 101).tolist()
        axes.hist(real[:, 0].numpy(), bins, density=True, color="0.75", label="real")
        axes.hist(samples[:, 0].numpy(), bins, density=True, histtype="step", color="C3", label="generated")
    else:
        for points, size, color, label in ((real, 9, "0.7", "real"), (samples, 4, "C3", "generated")):
            x, y = points[:, :2].T.numpy()
            axes.scatter(x, y, s=size, color=color, label=label, linewidths=0, alpha=0.6)
        axes.set_aspect("equal", "datalim")
        if samples.shape[1] > 2:
            axes.set(xlabel=f"axis 1 of {samples.shape[1]}", ylabel="axis 2")
    axes.legend(loc="upper right")
    axes.set_title(title)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
