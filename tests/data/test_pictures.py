"""What a picture of samples says, and that all pictures of a run have one frame and one size."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from ganzoo.data import plots, sheets
from ganzoo.data.captions import Words, by_class, class_name, titled
from ganzoo.data.mixtures import Grid25, Ring8
from ganzoo.data.pictures import at_once, drawn, rows_of_pairs
from ganzoo.data.plots import curves, frames_of, plot
from ganzoo.data.sheets import NARROWEST, grid, sheet

NAMES = ("cat", "dog", "owl")


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


@pytest.fixture
def written(monkeypatch):
    """The texts that are drawn on sheets."""
    texts: list[str] = []
    draw = sheets.ImageDraw.ImageDraw.text

    def watched(self, xy, text, *words, **more):
        texts.append(text)
        return draw(self, xy, text, *words, **more)

    monkeypatch.setattr(sheets.ImageDraw.ImageDraw, "text", watched)
    return texts


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, as they were when they were saved."""
    made: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: made.append(self) or save(self, *a, **k))
    return made


def images(n: int = 7, channels: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (n, channels, 16, 16), dtype=torch.uint8)


def test_titles_name_model_data_and_step():
    assert titled("dcgan", "mnist", 2000) == "dcgan on mnist, step 2,000"
    assert titled("dcgan", "folder:/home/me/my pictures/", 1) == "dcgan on folder:my pictures, step 1"
    assert titled("x", "given:0123") == "x on data from Python"


def test_classes_in_turn_are_headings_and_others_are_on_each():
    words, columns = by_class(Words("t"), torch.arange(20) % 3, NAMES)
    assert (columns, words.columns, words.each) == (9, NAMES * 3, ())
    words, columns = by_class(Words(), torch.tensor([2, 0, 0]), NAMES)
    assert (columns, words.each) == (None, ("owl", "cat", "cat"))
    words, columns = by_class(Words(says="8 samples"), torch.tensor([1, 1]), NAMES)
    assert (columns, words.says) == (None, "8 samples, class dog")
    many = by_class(Words(), torch.arange(40) % 20, ())[0]
    assert many.each[:21] == (*map(str, range(20)), "0")
    assert by_class(Words(), None, ())[1] is None
    assert by_class(Words(), torch.zeros(4, 3, 8, 8), ())[1] is None
    assert [at_once("images", k) for k in (0, 1, 2, 3, 10, 1000)] == [64, 64, 64, 63, 60, 64]


def test_a_name_that_cannot_be_drawn_is_its_number():
    assert class_name(("caf\u00e9", "\u732b", "\x1b[31m"), 0) == "caf\u00e9"
    assert class_name(("caf\u00e9", "\u732b", "\x1b[31m"), 1) == "1"
    assert "\x1b" not in class_name(("caf\u00e9", "\u732b", "\x1b[31m"), 2)
    assert class_name((), 4) == "4"


def test_a_sheet_says_what_it_is_and_shows_the_very_pixels(written):
    made = opened(grid(images(), 4, Words("a\nb", "seven", columns=("x", "y"), each=("p", "q"))))
    assert {"a\\nb", "seven", "x", "y", "p", "q"} <= {*written}
    x = images()
    bare = np.asarray(opened(grid(x, 4)))
    page = np.asarray(opened(grid(x, 4, Words("title"))))
    scaled = np.asarray(opened(grid(x[:1], 1)))[8:-8, 8:-8]
    for whole in (bare, page):  # each is there, pixel for pixel
        windows = np.lib.stride_tricks.sliding_window_view(whole[..., 0], scaled.shape[:2])
        assert (windows[..., ::8, ::8] == scaled[::8, ::8, 0]).all((2, 3)).any()
    assert made.width >= NARROWEST
    assert (page[0, 0] == 255).all()
    assert (bare[0, 0] == 128).all()


def test_pictures_of_a_run_are_of_one_size_whatever_the_step():
    sizes = {opened(grid(images(), 4, Words(titled("m" * 90, "mnist", 10**k), "s"))).size for k in range(7)}
    assert len(sizes) == 1
    real = Ring8().test.all()[0]
    data, words = Ring8(), Words(titled("m", "d", 1000))
    pictures = [opened(plot(real[:90] * far, real, words, data.modes)) for far in (0.1, 1, 50)]
    assert len({picture.size for picture in pictures}) == 1


def test_rows_are_marked_and_the_last_ones_may_be_shorter(written):
    rows = rows_of_pairs(images(11), images(11, channels=3))
    assert [len(row) for row in rows] == [8, 8, 3, 3]
    picture = opened(sheet(rows, Words("t", rows=("generated", "training"))))
    assert written.count("generated") == written.count("training") == 2
    assert (np.asarray(picture)[-30:-15, -30:-15] == 255).all()  # nothing is shown where nothing is


def test_conditions_that_are_images_are_above_their_samples(written):
    drawn(images(3, channels=3), words=Words("t"), made_of=images(3))
    assert {"input", "output"} <= {*written}


@pytest.mark.parametrize("shape", [(2, 3, 5, 8, 8), (2, 2, 9, 9), (1, 1, 1, 1), (3, 4, 8, 8)])
def test_any_pixels_can_be_drawn(shape):
    for words in (None, Words("t", "s", columns=NAMES)):
        assert opened(drawn(torch.zeros(shape, dtype=torch.uint8), words=words)).size > (4, 4)


# ---- vectors


@pytest.mark.parametrize("data", [Ring8, Grid25])
def test_the_frame_is_that_of_the_data_and_not_of_the_samples(data, figures):
    real = data().test.all()[0]
    for samples in (real[:9] * 0.01, real[:9] * 100):
        plot(samples, real, Words("t"), data().modes)
    limits = [(figure.axes[0].get_xlim(), figure.axes[0].get_ylim()) for figure in figures]
    assert limits[0] == limits[1]
    (low, high), _ = limits[0]
    assert low < float(data().modes.centers.min()) < float(data().modes.centers.max()) < high
    assert limits[0][1][1] - limits[0][1][0] == pytest.approx(high - low)


def test_outliers_do_not_make_the_frame_and_a_constant_has_one():
    real = torch.cat([torch.randn(4000, 2), torch.tensor([[1e9, 0.0]])])
    assert max(abs(bound) for pair in frames_of(real) for bound in pair) < 10
    assert frames_of(torch.full((5, 2), 3.0))[0] == pytest.approx((1.05, 4.95))
    (a, b), (c, d) = frames_of(torch.randn(900, 2) * torch.tensor([1.0, 1000.0]))
    assert d - c > 100 * (b - a)  # of other units, each axis has its own


def test_modes_that_are_missed_are_counted_and_marked(figures):
    data = Ring8()
    x, y = data.test.all()
    plot(x[y < 5], x, Words("t", "some"), data.modes)
    figure = figures[0]
    assert "some, 5 of 8 modes found" in figure.get_suptitle()
    assert {"real", "generated", "missed"} == {text.get_text() for text in figure.axes[0].get_legend().texts}
    plot(x * 9, x, Words("t"), data.modes)
    assert "0 of 8 modes found, 100% outside of the frame" in figures[1].get_suptitle()


@pytest.mark.parametrize(("dim", "panels"), [(1, 1), (2, 1), (3, 9), (4, 16), (30, 16)])
def test_of_more_than_two_axes_there_is_a_matrix(dim, panels, figures):
    plot(torch.randn(50, dim), torch.randn(60, dim), Words("t"))
    plot(torch.randn(50, dim), None)
    assert [len(figure.axes) for figure in figures] == [panels, panels]


def test_walks_are_lines(figures):
    for dim in (1, 2, 5):
        plot(torch.randn(6, dim), torch.randn(60, dim), Words("t"), walks=torch.randn(3, 40, dim))
    for figure in figures:
        (lines, *_) = [
            one for axes in figure.axes for one in axes.collections if isinstance(one, LineCollection)
        ]
        assert [len(segment) for segment in lines.get_segments()] == [40] * 3


def test_curves_are_on_one_scale_with_headings(monkeypatch):
    texts, segments = [], []
    monkeypatch.setattr(Axes, "text", lambda self, x, y, s, **k: texts.append(s))
    monkeypatch.setattr(
        plots, "_png", lambda figure: segments.append(figure.axes[0].collections[-1].get_segments()) or b""
    )
    curves(torch.ones(4, 1, 8), 2, Words("t", columns=("sine", "square")), bounds=(-1.0, 1.0))
    curves(torch.zeros(4, 1, 8), 2, Words("t"), bounds=(-1.0, 1.0))
    assert texts == ["sine", "square"]
    assert segments[0][0][0, 1] == 1.0
    assert segments[1][0][0, 1] == 0.5


def test_a_film_of_series_has_one_scale():
    a, b = (drawn(torch.full((2, 1, 8), v), real=torch.tensor([[[-1.0, 1.0]]])) for v in (0.2, 0.9))
    assert opened(a).size == opened(b).size
    assert a != b
