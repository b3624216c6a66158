"""Sounds in .wav files as series."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import files
import numpy as np
import pytest
import torch
from scipy.io import wavfile

from ganzoo.data.kinds import kind_of
from ganzoo.data.sounds import read_sound
from ganzoo.data.wav import Wav
from ganzoo.errors import UsageError


def write(name: str, x: np.ndarray, rate: int = 8000) -> None:
    path = Path("sounds", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, x)


def two(x: np.ndarray, y: np.ndarray | None = None, rate: int = 8000) -> None:
    write("0.wav", x)
    write("1.wav", x[::-1] if y is None else y, rate)


def sounds_of(data) -> list[torch.Tensor]:
    return [*data.train.all()[0], *data.test.all()[0]]


def test_sub_folders_are_classes(capsys):
    files.sounds()
    Path("sounds", "README.md").touch()
    Path("sounds", ".hidden").mkdir()
    shutil.copy(Path("sounds", "a", "0.wav"), Path("sounds", ".hidden"))
    data = Wav("sounds")
    assert (kind_of(data), data.sample_shape, data.class_names) == ("series", (1, 32), ("a", "b"))
    assert (len(data.train), len(data.test), data.train.all()[0].dtype) == (54, 6, torch.float32)
    said = capsys.readouterr().err
    assert "60 series of shape (1, 32), of 2 classes (a, b); 6 to test, a tenth of them, by hash" in said
    assert "60 of the files are longer than 32 values, of which the middle is taken" in said
    assert "left out, as they are no .wav files: 1 .md" in said


def test_links_systems_and_numbers_are_as_in_folders_of_images(capsys, tmp_path):
    """Linked classes count, none goes round in a circle, folders of systems are none, and 2 is before 10."""
    for name in ("1", "2", "10"):
        for i in range(3):
            write(f"{name}/{i}.wav", files.sound(i, 64).astype(np.float32))
    elsewhere = tmp_path / "elsewhere"
    shutil.move(Path("sounds", "10"), elsewhere)
    Path("sounds", "10").symlink_to(elsewhere, target_is_directory=True)
    Path("sounds", "1", "round").symlink_to(Path("sounds").resolve(), target_is_directory=True)
    shutil.copytree(Path("sounds", "2"), Path("sounds", "@eaDir"))
    data = Wav("sounds")
    assert (data.class_names, len(sounds_of(data))) == (("1", "2", "10"), 9)
    said = capsys.readouterr().err
    assert "links to folders that lie elsewhere were followed: 10 -> " in said
    assert "left out, as links that lead round in a circle: 1/round" in said
    assert "left out, as hidden or a system's own: 1 folder (@eaDir)" in said


@pytest.mark.parametrize(
    ("dtype", "scale", "middle"), [("u1", 127, 128), ("<i2", 2**15, 0), ("<i4", 2**31, 0), ("<f4", 1, 0)]
)
def test_every_usual_way_to_write_numbers(dtype, scale, middle):
    x = files.sound(3, 100)
    write("a.wav", (x * scale + middle).round(7 if dtype == "<f4" else 0).astype(dtype))
    rate, made, _ = read_sound(Path("sounds", "a.wav"))
    assert (rate, made.dtype, made.shape) == (8000, np.float32, (1, 100))
    assert np.abs(made[0] - x).max() < (0.01 if dtype == "u1" else 1e-4)


def test_three_bytes_a_value():
    x = files.sound(3, 100)
    write("a.wav", (x * 2**15).astype("<i2"))
    content = bytearray(Path("sounds", "a.wav").read_bytes())
    wide = b"".join(int(v * 2**23).to_bytes(3, "little", signed=True) for v in x)
    content[44:] = wide
    content[4:8], content[28:32] = (36 + 300).to_bytes(4, "little"), (24000).to_bytes(4, "little")
    content[32:36], content[40:44] = bytes([3, 0, 24, 0]), (300).to_bytes(4, "little")
    Path("sounds", "a.wav").write_bytes(content)
    assert np.abs(read_sound(Path("sounds", "a.wav"))[1][0] - x).max() < 1e-5


def test_the_middle_is_taken_and_silence_added(capsys):
    x = np.linspace(0.1, 0.9, 40).astype(np.float32)
    two(x, x[:20])
    long, short = sorted(sounds_of(Wav("sounds", length=30)), key=lambda sound: float(sound[0, -1]))[::-1]
    assert np.allclose(long[0], x[5:35])
    assert np.allclose(short[0], [*x[:20], *[0] * 10])
    said = capsys.readouterr().err
    assert "1 of the files are shorter than 30 values, and go on with silence" in said


def test_channels():
    both = np.stack([files.sound(1, 64), files.sound(2, 64)], axis=1).astype(np.float32)
    two(both)
    assert Wav("sounds").sample_shape == (2, 64)
    assert torch.allclose(
        sounds_of(Wav("sounds", channels=1))[0].abs().max(), torch.tensor(both.mean(1)).abs().max()
    )
    two(both, both[:, 0].copy())
    assert Wav("sounds").sample_shape == (1, 64)
    assert Wav("sounds", channels=2).sample_shape == (2, 64)


def test_rates():
    two(files.sound(1, 400).astype(np.float32), files.sound(2, 200).astype(np.float32), rate=4000)
    with pytest.raises(UsageError, match=r"1.wav with 4,000 .*0.wav with 8,000: .*data.rate=4000"):
        Wav("sounds")
    half = Wav("sounds", rate=4000, length=200)
    want = files.sound(1, 400)[::2]
    errors = [np.abs(sound[0, 20:-20].numpy() - want[20:-20]).max() for sound in sounds_of(half)]
    assert min(errors) < 0.01


@pytest.mark.parametrize("rate", [8000, 4000, 11025])
def test_the_middle_is_what_it_is_in_the_whole(rate):
    write("a.wav", (files.sound(1, 4001) * 2**15).astype("<i2"))
    _, whole, length = read_sound(Path("sounds", "a.wav"), rate)
    _, part, same = read_sound(Path("sounds", "a.wav"), rate, most=300)
    assert (whole.shape[1], same, part.shape) == (length, length, (1, 300))
    start = (length - 300) // 2
    near = [np.abs(part - whole[:, start + by : start + by + 300]).max() for by in (-2, -1, 0, 1, 2)]
    assert min(near) < (1e-6 if rate == 8000 else 0.02)


def test_folders_of_splits(capsys):
    for name in ("train", "test"):
        files.sounds(f"sounds/{name}")
    data = Wav("sounds")
    assert (len(data.train), len(data.test), data.class_names) == (60, 60, ("a", "b"))
    assert "60 to test, in a split of their own" in capsys.readouterr().err


def test_all_broken_files_in_one_sentence():
    files.sounds()
    whole = Path("sounds", "a", "0.wav").read_bytes()
    broken = {"x0": b"", "x1": b"hello" * 20, "x2": whole[:60], "x3": whole[:30], "x4": b"RIFF"}
    for name, content in broken.items():
        Path("sounds", "a", f"{name}.wav").write_bytes(content)
    with pytest.raises(UsageError) as refused:
        Wav("sounds")
    said = str(refused.value)
    assert said.startswith("5 of the 65 files in sounds cannot be read as sounds (a/x0.wav: ")
    assert "a/x2.wav: it is cut off after 60 of" in said
    assert said.endswith("; and 2 more): repair them, or move them out of the folder")


def test_a_program_that_did_not_know_how_much_would_come():
    write("a.wav", (files.sound(1, 100) * 2**15).astype("<i2"))
    content = bytearray(Path("sounds", "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    Path("sounds", "a.wav").write_bytes(content)
    assert read_sound(Path("sounds", "a.wav"))[1].shape == (1, 100)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_files_give_a_sound_or_an_error_of_their_own(seed):
    write("a.wav", (files.sound(1, 100) * 2**15).astype("<i2"))
    random, content = np.random.default_rng(seed), bytearray(Path("sounds", "a.wav").read_bytes())
    for at in random.integers(0, 48, 4):
        content[at] = random.integers(0, 256)
    write("b.wav", np.zeros(64, np.int16))
    Path("sounds", "a.wav").write_bytes(content)
    with contextlib.suppress(UsageError):
        assert Wav("sounds", length=16, rate=8000).train.all()[0].isfinite().all()


@pytest.mark.parametrize(
    ("options", "piece"),
    [({"length": 3}, "data.length"), ({"rate": -1}, "data.rate"), ({"channels": 3}, "data.channels")],
)
def test_options_out_of_range(options, piece):
    files.sounds()
    with pytest.raises(UsageError, match=piece):
        Wav("sounds", **options)


def test_folders_that_cannot_be_used():
    for where, piece in (
        ("nowhere", "not there"),
        ("one", "1 .wav file"),
        ("mixed", "sub-folders and others"),
    ):
        if where == "one":
            write("../one/a.wav", np.zeros(40, np.float32))
        if where == "mixed":
            for name in ("a.wav", "b/b.wav", "b/c.wav"):
                write(f"../mixed/{name}", np.zeros(40, np.float32))
        with pytest.raises(UsageError, match=piece):
            Wav(where)


def test_wavegan_trains_on_them(ganzoo):
    files.sounds()
    words = "run wavegan --dataset wav:sounds --steps 2 --batch-size 8 --set model.width=4"
    assert ganzoo(words).code == 0
    assert ganzoo("resume --steps 3").code == 0
