"""Images mirrored at random, and images that are no squares."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import read_image, size_of
from ganzoo.data.pairs import Pairs
from ganzoo.data.streams import StreamSplit
from ganzoo.data.unpaired import Unpaired
from ganzoo.errors import UsageError
from ganzoo.system.cache import place

STREAMED = {"memory_gb": 1e-9}


def fill(folder: str, n: int = 20, height: int = 8, width: int = 8) -> Path:
    """n different images; red grows to the right, so that a mirrored one is known."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.linspace(0, 200, width)
        pixels[..., 1:] = 5 + 3 * i
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


def turned(x: torch.Tensor) -> list[bool]:
    """Which of images [N, C, H, W] are mirrored."""
    return (x[:, 0, 0, 0] > x[:, 0, 0, -1]).tolist()


# ---- mirrored


@pytest.mark.parametrize("workers", [0, 1])
def test_each_has_an_even_chance_and_a_stream_gives_the_same(workers):
    fill("in/a")
    fill("in/b")
    plain, memory = ImageFolder("in", size=8), ImageFolder("in", size=8, mirror=True)
    stream = ImageFolder("in", size=8, mirror=True, workers=workers, **STREAMED)
    assert isinstance(stream.train._split, StreamSplit)
    seen = []
    for step in range(20):
        (x, y), (same, same_y), (bare, bare_y) = (
            data.train.batch(10, step, 3) for data in (memory, stream, plain)
        )
        assert torch.equal(x, same)
        assert torch.equal(y, same_y)
        assert torch.equal(y, bare_y)
        for i, flip in enumerate(turned(x)):
            assert torch.equal(x[i], bare[i].flip(-1) if flip else bare[i])
        seen.append(turned(x))
    assert 60 < sum(map(sum, seen)) < 140
    assert len({tuple(flips) for flips in seen}) > 15
    again = ImageFolder("in", size=8, mirror=True).train
    assert torch.equal(again.batch(10, 7, 3)[0], memory.train.batch(10, 7, 3)[0])  # from any step on
    assert turned(again.batch(10, 7, 4)[0]) != seen[7]


def test_only_what_is_trained_on_is_mirrored():
    fill("in")
    plain, data = ImageFolder("in", size=8), ImageFolder("in", size=8, mirror=True)
    assert (data.fingerprint, len(data.train)) == (plain.fingerprint, len(plain.train))
    assert torch.equal(data.train.all()[0], plain.train.all()[0])
    assert torch.equal(data.test.batch(2, 0, 0)[0], plain.test.batch(2, 0, 0)[0])
    assert len(list(place("folders").iterdir())) == 1
    moved = data.train.to(torch.device("cpu"))
    assert torch.equal(moved.batch(9, 2, 1)[0], data.train.batch(9, 2, 1)[0])


def test_a_pair_is_mirrored_together():
    fill("in/A")
    fill("in/B")
    data = Pairs("in", size=8, mirror=True)
    flips = []
    for step in range(10):
        x, y = data.train.batch(6, step, 0)
        assert turned(x) == turned(y)
        flips += turned(x)
    assert 10 < sum(flips) < 50


def test_those_without_partners_each_by_itself():
    fill("A")
    fill("B")
    x, y = Unpaired("A,B", size=8, mirror=True).train.batch(18, 0, 0)
    assert turned(x) != turned(y)
    assert 0 < sum(turned(x)) < 18
    assert 0 < sum(turned(y)) < 18


def test_a_run_with_mirrors_resumes_exactly(ganzoo):
    fill("in")
    words = "run mlp-gan --dataset folder:in --set data.mirror=true --set data.size=8 --batch-size 4"
    small = "--set width=8 --set d_width=8"
    assert ganzoo(f"{words} {small} --steps 4 --out whole").code == 0
    assert ganzoo(f"{words} {small} --steps 2 --out half").code == 0
    assert ganzoo("resume half --steps 4").code == 0
    assert ganzoo(f"{words.replace('true', 'false')} {small} --steps 4 --out plain").code == 0
    made = [Path(name, "generator.safetensors").read_bytes() for name in ("whole", "half", "plain")]
    assert made[0] == made[1] != made[2]
    assert json.loads(Path("half/config.json").read_text())["data_options"]["mirror"] is True


# ---- rectangles


@pytest.mark.parametrize(
    ("said", "size"),
    [(0, (0, 0)), (64, (64, 64)), ("64", (64, 64)), ("48x64", (48, 64)), ("48X64", (48, 64)),
     (" 9 x 4", (9, 4)), ("48\u00d764", (48, 64)), ("64x64", (64, 64)), ("0", (0, 0))],
)  # fmt: skip
def test_sizes(said, size):
    assert size_of(said) == size


@pytest.mark.parametrize(
    "said", [3, -1, 16_385, "3x8", "8x3", "x8", "8x", "8x8x8", "8.5", "a", "", "0x8", "-8x8", "9" * 30, "1e3"]
)
def test_no_sizes(said):
    with pytest.raises(UsageError, match=r"data\.size: expected 0 \(choose\), .* HEIGHTxWIDTH such as 48x64"):
        size_of(said)


def test_height_is_first(capsys):
    fill("in", height=24, width=32)
    data = ImageFolder("in", size="12x16")
    assert data.sample_shape == (3, 12, 16)
    assert "12 x 16 (height x width), RGB" in capsys.readouterr().err
    stream = ImageFolder("in", size="12x16", **STREAMED)
    assert torch.equal(stream.train.batch(4, 1, 0)[0], data.train.batch(4, 1, 0)[0])
    assert ImageFolder("in", size="16x16").fingerprint == ImageFolder("in", size=16).fingerprint
    assert len(list(place("folders").iterdir())) == 2


def test_the_middle_of_these_proportions_is_cut_out():
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40, 1] = 255
    Image.fromarray(pixels).save("a.png")
    made = read_image(Path("a.png"), (20, 20), 3)
    assert (made[1] == 255).all()
    made = read_image(Path("a.png"), (20, 40), 3)
    assert (made.shape, (made[1, :, 10:30] == 255).all(), made[1, :, :10].max()) == ((3, 20, 40), True, 0)
    assert read_image(Path("a.png"), (20, 10), 3).shape == (3, 20, 10)


def test_pairs_of_rectangles():
    root = Path("in")
    root.mkdir()
    for i in range(6):
        pixels = np.full((12, 32), 9 * i, np.uint8)
        pixels[:, 16:] += 100
        Image.fromarray(pixels).save(root / f"{i}.png")
    data = Pairs("in", size="6x8")
    assert (data.sample_shape, data.condition_shape) == ((1, 6, 8), (1, 6, 8))
    x, y = data.train.all()
    assert (x.float().mean((1, 2, 3)) - y.float().mean((1, 2, 3)) == 100).all()
    for size in ("8x6", 8):
        with pytest.raises(UsageError, match=r"32 x 12: expected two pictures side by side"):
            Pairs("in", size=size)
    fill("A", 6, 12, 16)
    fill("B", 6, 24, 32)
    assert Unpaired("A,B", size="6x8").condition_shape == (3, 6, 8)


def test_a_run_on_rectangles(ganzoo):
    fill("in", height=12, width=16)
    words = "--dataset folder:in --set data.size=12x16 --batch-size 4 --steps 2"
    result = ganzoo(f"run mlp-gan {words} --set width=8 --set d_width=8 --out made")
    assert result.code == 0, result.err
    assert ganzoo("sample made -n 4 --out x.npz").code == 0
    assert np.load("x.npz")["samples"].shape == (4, 3, 12, 16)
    assert ganzoo("sample made -n 4 --out x.png").code == 0
    assert ganzoo("resume made --steps 3").code == 0
    sentence = ganzoo(f"run dcgan {words}").sentence
    assert "dcgan cannot build 12 x 16 px: it makes square images" in sentence
    assert "(--set data.size=12)" in sentence
    assert "data.size" in ganzoo("run mlp-gan --dataset folder:in --set data.size=big").sentence
