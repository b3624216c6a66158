"""`ganzoo stylize`: its losses, what it paints, and what it refuses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.cli.main import main
from ganzoo.data.fetch import Unavailable
from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors.cnn import SHIPPED
from ganzoo.style import vgg
from ganzoo.style.features import Features
from ganzoo.style.networks import open_features
from ganzoo.style.pictures import read_picture
from ganzoo.style.transfer import gram, stylize, total_variation

CONV_SHAPES = [  # VGG-19 up to conv5_1, as torchvision numbers and shapes it
    (0, 64, 3), (2, 64, 64), (5, 128, 64), (7, 128, 128), (10, 256, 128), (12, 256, 256), (14, 256, 256),
    (16, 256, 256), (19, 512, 256), (21, 512, 512), (23, 512, 512), (25, 512, 512), (28, 512, 512),
]  # fmt: skip


@pytest.fixture(scope="module")
def random():
    return open_features("random")


@pytest.fixture
def ganzoo(capsys):
    def run(words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(words.split())
        return end.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def pictures(tmp_path):
    """a.png, a smooth one of 40 x 24, and b.png, a striped one of 32 x 32."""
    Image.fromarray(smooth().permute(1, 2, 0).numpy()).save("a.png")
    Image.fromarray(striped().permute(1, 2, 0).numpy()).save("b.png")


def smooth(height: int = 24, width: int = 40) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return (torch.stack([x, y, 1 - x]) * 255).to(torch.uint8)


def striped(size: int = 32) -> torch.Tensor:
    x = torch.zeros(3, size, size, dtype=torch.uint8)
    x[0, :, ::4], x[1, ::8] = 255, 200
    return x


def style_error(features: Features, made: torch.Tensor, style: torch.Tensor) -> float:
    grams = [[gram(layer) for layer in features(x[None] / 255)[1]] for x in (made, style)]
    return sum(float((a - b).norm() / b.norm()) for a, b in zip(*grams, strict=True)) / len(grams[0])


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).abs().mean())


def vgg_state(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for i, after, before in CONV_SHAPES:
        weight = torch.randn(after, before, 3, 3, generator=generator) * (2 / (9 * before)) ** 0.5
        state |= {f"features.{i}.weight": weight, f"features.{i}.bias": torch.zeros(after)}
    return state


def test_gram_is_that_of_einsum():
    x = torch.randn(1, 5, 3, 7)
    torch.testing.assert_close(gram(x), torch.einsum("bihw,bjhw->ij", x, x) / 21)


def test_total_variation_in_closed_form():
    ramp = torch.arange(5.0).expand(1, 2, 4, 5)
    assert total_variation(ramp).item() == pytest.approx(4 * 4 * 2 / ramp.numel())
    assert total_variation(2 * ramp + 3).item() == pytest.approx(4 * total_variation(ramp).item())
    assert total_variation(torch.full((1, 3, 1, 1), 0.5)).item() == 0


def test_style_comes_closer_with_every_budget(random):
    errors = [style_error(random, smooth(), striped())]
    for steps in (5, 40):
        errors.append(style_error(random, stylize(smooth(), striped(), random, steps=steps), striped()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.3 * errors[0]


def test_the_content_stays_where_nothing_pulls(random):
    for features in (random, open_features("mnist-cnn-v1")):
        made = stylize(smooth(), striped(), features, steps=5, style_weight=0, tv_weight=0)
        assert torch.equal(made, smooth())


def test_noise_approaches_the_content(random):
    kept = {"style_weight": 0, "tv_weight": 0, "start": "noise"}
    early, late = (stylize(smooth(), striped(), random, steps=steps, **kept) for steps in (1, 100))
    assert distance(early, smooth()) > 50
    assert distance(late, smooth()) < 30  # without total variation, grain that the filters cannot see stays


def test_total_variation_smooths(random):
    rough, flat = (
        stylize(smooth(), striped(), random, steps=30, tv_weight=weight) / 255 for weight in (0, 50.0)
    )
    assert total_variation(flat[None]) < 0.5 * total_variation(rough[None])


def test_the_same_seed_makes_the_same_picture(random):
    first, again, other = (
        stylize(smooth(), striped(), random, steps=5, start="noise", seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert open_features("random").weights_hash == random.weights_hash


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (3, 5), (33, 17)])
def test_any_shape(random, shape):
    for features in (random, open_features("mnist-cnn-v1")):
        assert stylize(smooth(*shape), striped(9), features, steps=2).shape == (3, *shape)


def test_a_grey_network_paints_the_luminance_and_keeps_the_colours():
    content = (smooth() // 2 + 64).to(torch.uint8)  # far from black and white, where colours are cut off
    made = stylize(content, striped(), open_features("mnist-cnn-v1"), steps=3, style_weight=0.1).float()
    change = made - content.float()
    assert change.abs().max() > 1
    inside = ((made > 0) & (made < 255)).all(dim=0)
    assert (change.amax(dim=0) - change.amin(dim=0))[inside].max() <= 1  # the same for red, green and blue


def test_flat_pictures_and_absurd_weights(random):
    black = torch.zeros(3, 16, 16, dtype=torch.uint8)
    assert stylize(black, black, random, steps=3).shape == (3, 16, 16)
    with pytest.raises(WorkError, match="smaller weights"):
        stylize(smooth(), striped(), random, steps=3, style_weight=1e300)


def test_vgg19_from_a_file(tmp_path, capsys):
    file = tmp_path / "vgg.pth"
    torch.save({**vgg_state(), "classifier.0.bias": torch.zeros(3)}, file)
    features = open_features(weights=file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (features.name, features.weights_hash) == ("vgg19", digest)
    assert f"(sha256 {digest[:16]}) are not the file" in capsys.readouterr().err
    content, styles = features(torch.rand(1, 3, 32, 48))
    assert content.shape == (1, 512, 4, 6)
    shapes = [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)]
    assert [tuple(x.shape[1:]) for x in styles] == shapes
    assert all((x >= 0).all() for x in [content, *styles])
    made = stylize(smooth(), striped(), features, steps=3)
    assert style_error(features, made, striped()) < style_error(features, smooth(), striped())


def test_vgg19_is_torchvisions_but_for_the_pooling(tmp_path):
    from torchvision.models import vgg19

    torch.save(vgg_state(), tmp_path / "vgg.pth")
    features = open_features("vgg19", tmp_path / "vgg.pth")
    with torch.device("meta"):
        theirs = vgg19(weights=None, init_weights=False).features[:30]
    kinds = [type(layer).__name__.replace("MaxPool", "AvgPool") for layer in theirs]
    assert [type(layer).__name__ for layer in features.net] == kinds
    x = torch.rand(1, 3, 8, 8)
    normal = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    state = vgg_state()
    first = torch.conv2d(normal, state["features.0.weight"], padding=1).relu()
    torch.testing.assert_close(features(x)[1][0], first)


def test_vgg19_is_found_whole_in_either_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(vgg, "PUBLISHED", hashlib.sha256(b"weights").hexdigest()[:8])
    name = vgg.URL.rpartition("/")[2]
    for folder in ("torch/hub/checkpoints", "ganzoo/weights"):
        file = tmp_path / "cache" / folder / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"weights")
        assert vgg.find(offline=True) == file
        file.write_bytes(b"height")
        with pytest.raises(Unavailable, match="--offline"):
            vgg.find(offline=True)


def test_a_download_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("ganzoo.data.weights.host_answers", lambda url: True)
    foreign = tmp_path / "login.html"
    foreign.write_text("please log in")
    monkeypatch.setattr(vgg, "URL", foreign.as_uri())
    with pytest.raises(Unavailable, match=r"the download from file:.* failed \(its sha256 begins with"):
        vgg.find(offline=False)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_pictures_of_all_kinds(tmp_path):
    grey = np.linspace(0, 255, 600, dtype=np.uint8).reshape(20, 30)
    Image.fromarray(grey).save("grey.png")
    x = read_picture(Path("grey.png"), 256)
    assert x.shape == (3, 20, 30)
    assert all(np.array_equal(plane, grey) for plane in x.numpy())
    Image.new("RGBA", (8, 4), (255, 0, 0, 0)).save("clear.png")
    assert read_picture(Path("clear.png"), 256).min() == 255
    turned = Image.new("RGB", (30, 20))
    turned.getexif()[0x0112] = 6
    turned.save("turned.jpg", exif=turned.getexif())
    assert read_picture(Path("turned.jpg"), 256).shape == (3, 30, 20)
    Image.new("L", (1000, 3)).save("line.png")
    assert read_picture(Path("line.png"), 50).shape == (3, 1, 50)


def test_from_the_command_line(ganzoo, pictures):
    code, out, err = ganzoo("stylize a.png b.png -o made.png --steps 3 --size 20 --offline --device cpu")
    assert (code, out) == (0, "made.png\n"), err
    assert len(err.splitlines()) == 1
    assert "VGG-19 cannot be had" in err
    assert "random filters" in err
    assert read_picture(Path("made.png"), 256).shape == (3, 12, 20)
    words = "--steps 3 --size 20 --device cpu --extractor"
    assert ganzoo(f"stylize a.png b.png -o again.png {words} random") == (0, "again.png\n", "")
    assert Path("again.png").read_bytes() == Path("made.png").read_bytes()
    assert ganzoo(f"stylize a.png b.png -o m.JPG {words} mnist-cnn-v1")[0] == 0
    assert Path("m.JPG").read_bytes().startswith(b"\xff\xd8\xff")
    assert ganzoo(f"stylize a.png b.png -o c.png {words} cnn --extractor-weights {SHIPPED}")[0] == 0


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        ("a.png b.png", "-o"),
        ("gone.png b.png -o o.png", "gone.png is not there"),
        (". b.png -o o.png", ". is a folder"),
        ("a.png broken.png -o o.png", "broken.png is not a picture"),
        ("a.png b.png -o o.gif", "ends in .png or .jpg"),
        ("a.png b.png -o nowhere/o.png", "there is no folder nowhere"),
        ("a.png b.png -o ./b.png", "is one of the two pictures"),
        ("a.png b.png -o o.png --steps 0", "--steps 0"),
        ("a.png b.png -o o.png --size 0", "--size"),
        ("a.png b.png -o o.png --style-weight -1", "--style-weight -1"),
        ("a.png b.png -o o.png --tv-weight nan", "--tv-weight nan"),
        ("a.png b.png -o o.png --content-weight inf", "--content-weight inf"),
        ("a.png b.png -o o.png --start middle", "--start"),
        ("a.png b.png -o o.png --seed -1", "--seed"),
        ("a.png b.png -o o.png --device gpu", "--device gpu"),
        ("a.png b.png -o o.png --extractor vgg", "did you mean vgg19?"),
        ("a.png b.png -o o.png --extractor inception", "cannot be painted with"),
        ("a.png b.png -o o.png --extractor cnn:gone", "cnn:gone is not installed"),
        ("a.png b.png -o o.png --extractor vgg19 --offline", "--extractor-weights PATH"),
        ("a.png b.png -o o.png --extractor random --extractor-weights a.png", "random has none"),
        ("a.png b.png -o o.png --extractor-weights a.png", "(sha256 "),
        ("a.png b.png -o o.png --extractor-weights other.pth", "(KeyError): name another file"),
        ("a.png b.png -o o.png --extractor-weights gone.pth", "gone.pth cannot be read"),
    ],
)
def test_what_is_refused(ganzoo, pictures, words, piece):
    Path("broken.png").write_bytes(Path("a.png").read_bytes()[:60])
    torch.save({"other": torch.zeros(1)}, "other.pth")
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    code, out, err = ganzoo(f"stylize {words}")
    assert (code, out) == (2, ""), err
    assert len(err.splitlines()) == 1
    assert piece in err
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


def test_what_the_function_refuses(random):
    for wrong in (smooth().float(), smooth()[:1], smooth()[None], smooth()[:, :0]):
        with pytest.raises(UsageError, match="uint8"):
            stylize(smooth(), wrong, random)
    with pytest.raises(UsageError, match="--start"):
        stylize(smooth(), striped(), random, start="middle")
