"""The panel on a terminal, the lines elsewhere: what they say, in however few columns."""

from __future__ import annotations

import base64
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops

import ganzoo as library
from ganzoo import CALLBACKS, Callback, UsageError
from ganzoo.registry import LOSSES
from ganzoo.system.console import Terminal
from ganzoo.system.thumbnails import Thumbnail, as_sixel, way_of
from ganzoo.training.bar import in_words, judgement


def of(real, fake, d_loss=0.1234, g_loss=5.6789):
    return {"d_real": real, "d_fake": fake, "d_loss": d_loss, "g_loss": g_loss}


def test_a_probability_and_a_logit_are_told_apart():
    losses = "loss of D 0.123, of G 5.679"
    assert judgement(of(0.834, 0.1), True) == f"D(real) 0.83  D(fake) 0.10 (probabilities)  {losses}"
    assert judgement(of(-7.469, -9.0), False) == f"D(real) -7.47  D(fake) -9.00 (logits)  {losses}"


@pytest.mark.parametrize("size", [0.99999, -1.0, -99.999, -999.996, -1000.0, -1e5, -9.96e37, float("-inf")])
def test_it_fits_in_80_columns(size):
    assert len(judgement(of(size, size, size, size), False)) <= 80
    assert len(judgement(of(0.5, 0.99999, abs(size), size), True)) <= 80


def test_a_run_says_what_its_loss_makes_of_them(ganzoo):
    for loss in LOSSES.names():
        words = f"run mlp-gan --dataset ring8 --steps 1 --batch-size 8 --set width=8 --loss {loss}"
        unit = "(probabilities)" if LOSSES.get(loss).probabilistic else "(logits)"
        assert unit in ganzoo(words).err


@pytest.mark.parametrize(
    ("real", "fake", "said"),
    [
        (0.9, 0.24, "D tells 83% apart, G passes for real 24%"),
        (0.52, 0.48, "D does not tell them apart: G is as good as D can see"),
        (0.1, 0.9, "D takes generated samples for real (10% right)"),
    ],
)
def test_probabilities_in_words(real, fake, said):
    assert in_words(of(real, fake), True) == said


def test_logits_in_words():
    assert in_words(of(3.0, 1.0), False) == "D rates real samples 2.00 above generated ones"
    assert in_words(of(1.0, 1.5), False) == "D rates generated samples as high as real ones"
    assert len(in_words(of(9e37, -9e37), False)) <= 80


# ---- on a terminal

WORDS = {"model": "mlp-gan", "dataset": "ring8", "steps": 4, "batch_size": 8, "set": {"model.width": 4}}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Says(Callback):
    """Has a line that steers a terminal."""

    line = "seen: \x1b[31m"


@pytest.fixture
def on_terminal(monkeypatch):
    """What a run writes to a terminal of so many columns, in whole lines."""

    def run(columns: int, environ=(), encoding: str = "utf-8", callback=(), **words) -> str:
        raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        environ = {"TERM": "xterm-256color", **dict(environ)}
        shown = Terminal(
            soft_wrap=True, file=raw, force_terminal=True, width=columns, height=30, _environ=environ
        )
        monkeypatch.setattr("ganzoo.training.bar.stderr", shown)
        with CALLBACKS.lent("says", Says):
            library.train(**{**WORDS, **words}, callback=["says", *callback])
        raw.flush()
        return raw.buffer.getvalue().decode(encoding)

    return run


def last_panel(written: str) -> list[str]:
    return ESCAPES.sub("", re.split(r"\x1b\[2K", written)[-1]).splitlines()


@pytest.mark.parametrize("columns", [200, 88, 60, 43, 20, 8])
def test_a_panel_in_any_width(on_terminal, columns):
    lines = last_panel(on_terminal(columns))
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "mlp-gan"[: columns - 1] in text
    if columns >= 43:
        for said in ("mlp-gan on ring8", "step 4 of 4 (100%)", "steps/s", "D(real)", "seen: \\x1b[31m"):
            assert said in text


def test_without_colors_or_with_letters_alone(on_terminal):
    colored, plain = on_terminal(80), on_terminal(80, {"NO_COLOR": "1"})
    assert "\x1b[36m" in colored
    assert not re.search(r"\x1b\[3[0-9]", plain)
    assert "step 4 of 4" in on_terminal(80, encoding="ascii")


def test_a_dumb_terminal_has_lines(on_terminal):
    written = on_terminal(80, {"TERM": "dumb"})
    assert "4/4" in written
    assert not ESCAPES.search(written)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pty")
def test_ctrl_c_leaves_the_terminal_as_it_was():
    import pty

    ours, theirs = pty.openpty()
    words = "run mlp-gan --dataset ring8 --steps 100000 --batch-size 8 --set model.width=4 --out X"
    words += " --callback log:every=1"
    process = subprocess.Popen(
        [sys.executable, "-m", "ganzoo", *words.split()], stdin=theirs, stderr=theirs, stdout=theirs,
        env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written, sent = b"", False
    until = time.monotonic() + 100
    while time.monotonic() < until:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        written += part
        if not sent and b"D(real)" in written:
            sent = True
            process.send_signal(signal.SIGINT)
    assert process.wait(30) in (0, 130)
    os.close(ours)
    text = written.decode()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is there again
    assert "left" in text
    assert "D tells" in text or "D does not" in text or "D takes" in text
    assert (Path("X") / "generator.safetensors").exists()


# ---- thumbnails


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "sixel"),
        ({"TERM": "xterm-256color"}, "off"),
        ({"TERM": "xterm-kitty", "TMUX": "/x"}, "off"),
        ({"TERM": "xterm-kitty", "NO_COLOR": ""}, "off"),
        ({}, "off"),
    ],
)
def test_what_a_terminal_can(environment, way):
    assert way_of("auto", environment) == way
    assert way_of("off", environment) == "off"
    assert way_of("sixel", {}) == "sixel"


def test_a_wrong_way_is_a_sentence():
    with pytest.raises(UsageError, match="bar: thumbnail 'kity': did you mean kitty"):
        way_of("kity")


def picture(size=(120, 60)) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.paste((200, 10, 10), (0, 0, 30, 30))
    image.save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def printed(png: bytes, way: str) -> str:
    console = Terminal(file=io.StringIO(), force_terminal=True, width=80)
    console.print(Thumbnail(png, way))
    return console.file.getvalue()


def test_kitty_is_given_the_picture():
    written = printed(picture(), "kitty")
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", written)
    assert all(len(part) <= 4096 for _, part in parts)
    assert [keys.split(",")[-1] for keys, _ in parts] == ["m=1"] * (len(parts) - 1) + ["m=0"]
    assert "q=2" in parts[0][0]  # or it would answer, into what is typed
    with Image.open(io.BytesIO(base64.b64decode("".join(part for _, part in parts)))) as image:
        assert image.size == (324, 162)
        assert image.getpixel((20, 20)) == (200, 10, 10)


def sixels(text: str) -> Image.Image:
    """As a terminal reads them."""
    head, body = re.fullmatch(r'\x1bP0;1q"1;1;([0-9;]+?)(#.*)\x1b\\', text, re.S).groups()
    width, height = map(int, head.split(";"))
    image = Image.new("RGB", (width, height))
    palette, x, y, color = {}, 0, 0, 0
    for token in re.findall(r"#\d+(?:;[\d;]+)?|!\d+.|.", body, re.S):
        if token[0] == "#":
            color, *rest = map(int, token[1:].split(";"))
            if rest:
                palette[color] = tuple(round(part * 2.55) for part in rest[1:])
        elif token in "$-":
            x, y = 0, y + 6 * (token == "-")
        else:
            count = int(token[1:-1]) if token[0] == "!" else 1
            for k in (k for k in range(6) if (ord(token[-1]) - 63) >> k & 1):
                image.paste(palette[color], (x, y + k, x + count, y + k + 1))
            x += count
    return image


def test_sixels_are_the_picture():
    with Image.open(io.BytesIO(picture((50, 31)))) as opened:
        image = opened.convert("RGB")
    made, expected = sixels(as_sixel(image)), image.quantize(48).convert("RGB")
    assert made.size == image.size
    far = [high for _, high in ImageChops.difference(made, expected).getextrema()]
    assert max(far) <= 2  # colors are in hundredths
    assert "\x1bP" in printed(picture(), "sixel")


def test_new_pictures_are_above_the_panel(on_terminal):
    shown = ["bar:thumbnail=kitty", "pictures:every=2,n=4"]
    written = on_terminal(80, callback=shown)
    assert written.count("\x1b_Ga=T") == 2
    assert "\x1b_G" not in on_terminal(80, callback=["bar:thumbnail=off"], out="Y")
