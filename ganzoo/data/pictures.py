"""PNG pictures of samples: grids of images, points in the plane, histograms, curves."""

from __future__ import annotations

import gc
import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.data.counted import Order
from ganzoo.system.console import plain
from ganzoo.system.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 2500  # points of a scatter plot
FRAMES = 16  # of a video
AT_ONCE = {"images": 64, "series": 36, "video": 8}
"""How many samples of a kind make a picture; of all others, so many points."""


def picture(
    path: Path,
    samples: Tensor,
    real: Tensor | None = None,
    columns: int | None = None,
    title: str = "",
    made_of: Tensor | None = None,
) -> None:
    """Draw samples in the data's own units.

    Images are a grid, videos [N, C, T, H, W] rows of frames, series [N, C, L] curves; vectors [N, D] are
    points beside `real` [M, D], and so is anything else, by its first numbers.

    Args:
        made_of: the y of each sample; where both are images it is shown above its sample.
    """
    if samples.dtype == torch.uint8 and samples.dim() in (4, 5):
        if samples.dim() == 5:
            samples, columns = frames(samples)
        elif made_of is not None and made_of.dim() == 4:
            samples, columns = rows_of_pairs(made_of, samples)
        content = grid(samples, columns or math.ceil(math.sqrt(len(samples))))
    else:
        with _no_figure_left():
            if samples.dim() == 3:
                content = curves(samples, columns or math.ceil(math.sqrt(len(samples))), title)
            else:
                content = plot(samples.flatten(1), None if real is None else real.flatten(1), title)
    write_whole(path, content)


def frames(videos: Tensor) -> tuple[Tensor, int]:
    """uint8 [N, C, T, H, W] to images, a row for each video; with the number of columns."""
    step = -(-videos.shape[2] // FRAMES)
    rows = videos[:, :, ::step].transpose(1, 2)
    return rows.flatten(0, 1), rows.shape[1]


def rows_of_pairs(upper: Tensor, lower: Tensor) -> tuple[Tensor, int]:
    """Images in rows, each row above that of their partners; with the number of columns.

    The upper ones are brought to the size and the channels of the lower ones.
    """
    if upper.shape[2:] != lower.shape[2:]:
        upper = torch.nn.functional.interpolate(upper, lower.shape[2:])
    channels = max(upper.shape[1], lower.shape[1])
    upper, lower = (x.expand(-1, channels, -1, -1) if x.shape[1] == 1 else x for x in (upper, lower))
    columns = min(len(upper), 8)
    rows = []
    for above, below in zip(torch.split(upper, columns), torch.split(lower, columns), strict=True):
        gap = above.new_full((columns - len(above), *above.shape[1:]), 128)
        rows += [above, gap, below, gap]
    return torch.cat(rows), columns


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


def curves(series: Tensor, columns: int, title: str) -> bytes:
    """float [N, C, L]: a small plot for each, all on one scale, with a line for each channel."""
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    n, channels, length = series.shape
    rows = -(-n // columns)
    axes = (figure := Figure(figsize=(7.0, max(1.6, 7.0 * rows / columns)), layout="constrained")).subplots()
    low, high = (float(bound) for bound in series.float().aminmax())
    y = (series.float() - low) / ((high - low) or 1.0)
    x = torch.linspace(0.0, 1.0, length).expand(n, length)
    place = torch.arange(n)
    x = x + 1.15 * (place % columns)[:, None]
    y = y - 1.25 * (place // columns)[:, None, None]
    for channel in range(channels):
        lines = torch.stack([x, y[:, channel]], dim=2).numpy()
        axes.add_collection(LineCollection(list(lines), colors=f"C{channel % 10}", linewidths=0.8))
    axes.autoscale()
    axes.set_axis_off()
    axes.set_title(plain(title), parse_math=False)
    return _png(figure)


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
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of characters that the font lacks
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
