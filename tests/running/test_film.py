"""Films of a run: what is in them, how long each frame is shown, and what is refused."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import wavfile

import ganzoo as zoo
from ganzoo.data.films import HELD, LONGEST, write_film
from ganzoo.data.sounds import read_sound
from ganzoo.registry import DATASETS
from ganzoo.training.sampling import draw, tour

SMALL = {"batch_size": 8, "progress": False}
WIDTH = {"model.width": 4, "model.d_width": 4}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Small runs: of points, and of series."""
    folder = tmp_path_factory.mktemp("films")
    torch.set_num_threads(1)
    shown = ["pictures:n=9,every=2"]
    zoo.train("mlp-gan", "ring8", out=folder / "ring", steps=6, set=WIDTH, callback=shown, **SMALL)
    words = {"model.width": 4, "data.length": 64}
    zoo.train("wavegan", "waves", out=folder / "waves", steps=1, set=words, conditional=True, **SMALL)
    return folder


@pytest.mark.parametrize("ending", ["webp", "gif"])
def test_the_pictures_of_a_run_in_order_for_ever(place, ganzoo, ending):
    assert ganzoo(f"sample {place / 'ring'} --timelapse --out x.{ending}").out == f"x.{ending}\n"
    with Image.open(f"x.{ending}") as film:
        assert (film.n_frames, film.info["loop"]) == (4, 0)  # the first one before training
        times = []
        for i in range(4):
            film.seek(i)
            film.load()
            times.append(film.info["duration"])
            with Image.open(place / "ring" / "samples" / f"step-{2 * i:08d}.png") as picture:
                shown = np.asarray(film.convert("RGB"))[: picture.height, : picture.width]
                far = np.abs(shown.astype(int) - np.asarray(picture.convert("RGB"))).mean()
            assert far < 6  # they are not kept to the bit
        assert times == [LONGEST, LONGEST, LONGEST, LONGEST + HELD]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_mp4_by_ffmpeg():
    write_film(Path("x.mp4"), [Image.new("RGB", (31, 20), (i * 60, 0, 0)) for i in range(4)], 200, held=400)
    words = "ffprobe -v error -show_entries stream=width,height,pix_fmt,duration -of csv=p=0 x.mp4"
    assert subprocess.check_output(words.split(), text=True).split(",")[:3] == ["32", "20", "yuv420p"]


def test_without_ffmpeg_there_is_a_sentence(place, ganzoo, monkeypatch):
    monkeypatch.setattr("ganzoo.data.films.shutil.which", lambda name: None)
    result = ganzoo(f"sample {place / 'ring'} --timelapse --out x.mp4")
    assert result.code == 2
    assert "ffmpeg, which is not installed" in result.sentence
    assert not Path("x.mp4").exists()


def test_pictures_that_are_broken_or_of_other_sizes(place, ganzoo):
    shutil.copytree(place / "ring", "X")
    Path("X/samples/step-00000002.png").write_bytes(b"no picture")
    Image.new("L", (900, 40)).save("X/samples/step-00000004.png")
    Path("X/samples/step-other.png").write_bytes(b"")
    result = ganzoo("sample X --timelapse")
    assert (result.code, result.out) == (0, "X/samples/timelapse.webp\n")
    assert "left out of the film: X/samples/step-00000002.png" in result.err.replace("\n", " ")
    with Image.open("X/samples/timelapse.webp") as film:
        assert (film.n_frames, film.width) == (3, 720)
    shutil.rmtree("X/samples")
    assert "has no pictures of its samples" in ganzoo("sample X --timelapse --out x.gif").sentence


def test_a_walk_goes_round(place, ganzoo):
    gan = zoo.load(place / "ring").model
    made = list(tour(gan, 5, stops=3, between=4, seed=2))
    assert len(made) == 12
    assert all(torch.equal(a, b) for a, b in zip(made, tour(gan, 5, 3, 4, 2), strict=True))
    far = [float((a - b).norm()) for a, b in zip(made, [*made[1:], made[0]], strict=True)]
    assert far[-1] < 2 * max(far[:-1])  # the last is as near to the first as others are to theirs
    assert not torch.equal(made[0], draw(gan, 5, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.running.film.BETWEEN", 1)
        assert ganzoo(f"sample {place / 'ring'} --interpolate -n 7 --out walk.webp").code == 0
        assert ganzoo(f"sample {place / 'waves'} --interpolate --out walk.gif").code == 0
    for name in ("walk.webp", "walk.gif"):
        with Image.open(name) as film:
            assert (film.n_frames, film.info["loop"]) == (4, 0)


def test_vectors_as_a_table_and_back(place, ganzoo):
    assert ganzoo(f"sample {place / 'ring'} -n 20 --out x.csv").out == "x.csv\n"
    expected = zoo.load(place / "ring").sample(20).numpy()
    with Path("x.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["x0", "x1"]
    assert (np.array(rows, dtype=np.float32) == expected).all()
    data = DATASETS.get("csv")("x.csv")
    both = torch.cat([data.train.all()[0], data.test.all()[0]])
    assert {*map(tuple, both.tolist())} == {*map(tuple, expected.tolist())}
    assert "a row of numbers for each sample" in ganzoo(f"sample {place / 'waves'} --out x.csv").sentence


def test_series_as_sounds_and_back(place, ganzoo):
    result = ganzoo(f"sample {place / 'waves'} -n 10 --out s/x.wav")
    assert result.out.split() == [f"s/x-{i:02}.wav" for i in range(1, 11)]
    assert "16,000 values per second" in result.err
    expected = zoo.load(place / "waves").sample(10).numpy()
    for i, path in enumerate(sorted(Path("s").iterdir())):
        rate, sound, _ = read_sound(path)
        assert rate == wavfile.read(path)[0] == 16_000
        assert (sound == expected[i]).all()
    assert ganzoo(f"sample {place / 'waves'} --out one.wav").out == "one.wav\n"
