"""PNG pictures of samples: sheets of images, points in one frame, curves, with words around them."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Modes
from ganzoo.data.captions import MOST_COLUMNS, USUAL_COLUMNS, Words, columns_of
from ganzoo.data.plots import SHOWN, curves, plot
from ganzoo.data.sheets import sheet
from ganzoo.system.files import write_whole

FRAMES = 16  # of a video
AT_ONCE = {"images": 64, "series": 36, "video": 8}
"""How many samples of a kind make a picture; of all others, so many points."""


def at_once(kind: str, classes: int = 0) -> int:
    """How many samples of a kind make a picture, in whole rows where each of a few classes has columns."""
    n = AT_ONCE.get(kind, SHOWN)
    whole = columns_of(classes) if 1 < classes <= MOST_COLUMNS and kind in AT_ONCE else 1
    return n - n % whole if whole <= n else n


def picture(
    path: Path,
    samples: Tensor,
    real: Tensor | None = None,
    columns: int | None = None,
    words: Words | None = None,
    made_of: Tensor | None = None,
    modes: Modes | None = None,
    walks: Tensor | None = None,
    rows: Sequence[Tensor] = (),
) -> None:
    """Draw samples in the data's own units.

    Images are a sheet, videos [N, C, T, H, W] rows of frames, series [N, C, L] curves; vectors [N, D] are
    points beside `real` [M, D], and so is anything else, by its first numbers.

    Args:
        real: the real data, whose frame is that of points and the scale of series.
        made_of: the y of each sample; where both are images it is shown above its sample.
        modes, walks: as for `plot`.
        rows: of images, in the place of samples.
    """
    write_whole(path, drawn(samples, real, columns, words, made_of, modes, walks, rows))


def drawn(
    samples: Tensor,
    real: Tensor | None = None,
    columns: int | None = None,
    words: Words | None = None,
    made_of: Tensor | None = None,
    modes: Modes | None = None,
    walks: Tensor | None = None,
    rows: Sequence[Tensor] = (),
) -> bytes:
    """The same as a PNG."""
    columns = columns or math.ceil(math.sqrt(len(samples)))
    if samples.dtype == torch.uint8 and samples.dim() in (4, 5):
        if samples.dim() == 5:
            rows, words = frames(samples), _of_videos(words)
        elif made_of is not None and made_of.dim() == 4 and not rows:
            rows = rows_of_pairs(made_of, samples)
            words = words and replace(words, rows=("input", "output"), columns=(), each=())
        return sheet(rows or torch.split(samples, columns), words)
    with _no_figure_left():
        if samples.dim() == 3:
            low, high = (samples if real is None else real).float().aminmax()
            return curves(samples, columns, words, (float(low), float(high)))
        flat = None if real is None else real.flatten(1)
        return plot(samples.flatten(1), flat, words, modes, walks)


def _of_videos(words: Words | None) -> Words | None:
    """With what each sample is beside its row."""
    if words is None:
        return None
    names = words.each or words.columns
    return replace(words.saying("time from left to right"), rows=names, columns=(), each=())


def frames(videos: Tensor) -> list[Tensor]:
    """uint8 [N, C, T, H, W] to images, a row for each video."""
    step = -(-videos.shape[2] // FRAMES)
    return list(videos[:, :, ::step].transpose(1, 2))


def rows_of_pairs(upper: Tensor, lower: Tensor, columns: int | None = None) -> list[Tensor]:
    """Images in rows, each row above that of their partners.

    The upper ones are brought to the size and the channels of the lower ones.
    """
    if upper.shape[2:] != lower.shape[2:]:
        upper = torch.nn.functional.interpolate(upper, lower.shape[2:])
    channels = max(upper.shape[1], lower.shape[1])
    upper, lower = (x.expand(-1, channels, -1, -1) if x.shape[1] == 1 else x for x in (upper, lower))
    columns = columns or min(len(upper), USUAL_COLUMNS)
    pairs = zip(torch.split(upper, columns), torch.split(lower, columns), strict=True)
    return [row for pair in pairs for row in pair]


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
