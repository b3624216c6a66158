"""Images of more than 8 bits: every bit counts, and one white level holds for a folder."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import read_image
from ganzoo.errors import UsageError
from ganzoo.metrics.foreign import read_samples
from ganzoo.style.pictures import read_picture

SIDE = 8


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Not in tmp_path, which is the folder of images here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def values(top: int, channels: int = 1, seed: int = 0, dtype=np.uint16) -> np.ndarray:
    """[8, 8] or [8, 8, channels] from 0 to `top`, both of which are among them."""
    drawn = np.random.default_rng(seed).integers(0, top + 1, (SIDE, SIDE, channels))
    drawn[0, 0], drawn[0, 1] = top, 0
    return (drawn[..., 0] if channels == 1 else drawn).astype(dtype)


def png(path: Path, x: np.ndarray, *chunks: tuple[bytes, bytes]) -> None:
    """16 bits, of 1 to 4 channels, as the specification has it."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if x.ndim == 2 else x.shape[2]]
    header = struct.pack(">IIBBBBB", x.shape[1], x.shape[0], 16, kind, 0, 0, 0)
    content = x.reshape(len(x), x.shape[1], -1).astype(">u2").view(np.uint8)
    less = np.diff(content, axis=1, prepend=np.uint8(0))  # the filter "sub"
    rows = b"".join(b"\1" + row.tobytes() for row in less)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in parts
        )
    )


def tiff(
    path: Path,
    x: np.ndarray,
    order: str = "<",
    packed: bool = False,
    planar: bool = False,
    photometric: int | None = None,
    bits: int = 16,
) -> None:
    """Whole numbers without a sign, one strip or one per channel."""
    x = x[..., None] if x.ndim == 2 else x
    count = x.shape[2]
    content = x.astype(f"{order}u2")
    strips = [content[..., i].tobytes() for i in range(count)] if planar else [content.tobytes()]
    if bits == 12:
        pairs = x.reshape(-1, 2).astype(int)
        three = [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
        strips = [np.stack(three, axis=1).astype(np.uint8).tobytes()]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    if photometric is None:
        photometric = 1 if count == 1 else 2
    tags = [
        (256, "I", [x.shape[1]]), (257, "I", [x.shape[0]]), (258, "H", [bits] * count),
        (259, "H", [8 if packed else 1]), (262, "H", [photometric]), (273, "I", [0] * len(strips)),
        (277, "H", [count]), (278, "I", [x.shape[0]]), (279, "I", [len(strip) for strip in strips]),
        (284, "H", [2 if planar else 1]), *([(338, "H", [2])] if count == 4 and photometric == 2 else []),
    ]  # fmt: skip
    after = 8 + 2 + 12 * len(tags) + 4
    starts = after + np.cumsum([0, *map(len, strips)])
    extra_at = int(starts[-1])
    tags = [(tag, kind, starts[:-1].tolist() if tag == 273 else data) for tag, kind, data in tags]
    entries, extra = b"", b""
    for tag, kind, data in tags:
        body = struct.pack(f"{order}{len(data)}{kind}", *data)
        if len(body) > 4:
            extra, body = extra + body, struct.pack(f"{order}I", extra_at + len(extra))
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(data)) + body.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    path.write_bytes(head + entries + b"\0" * 4 + b"".join(strips) + extra)


def netpbm(path: Path, x: np.ndarray, maxval: int = 65535, plain: bool = False) -> None:
    kind = (2 if plain else 5) + (x.ndim == 3)
    body = b"# words\n" + " ".join(map(str, x.ravel())).encode() if plain else x.astype(">u2").tobytes()
    path.write_bytes(b"P%d\n# by a test\n%d %d\n%d\n" % (kind, x.shape[1], x.shape[0], maxval) + body)


def jpeg2000(path: Path, x: np.ndarray, bits: int = 16) -> None:
    """Lossless; Pillow writes 16 bits alone, so that a smaller number of bits is put in afterwards."""
    shift = 2**15 - 2 ** (bits - 1)  # values are coded as distances from the middle
    file = io.BytesIO()
    Image.fromarray((x.astype(int) + shift).astype(np.uint16)).save(file, "JPEG2000", no_jp2=True)
    content = bytearray(file.getvalue())
    content[content.index(b"\xff\x4f\xff\x51") + 42] = bits - 1
    path.write_bytes(content)


def pillow(path: Path, x: np.ndarray) -> None:
    Image.fromarray(x).save(path)


WAYS = {
    "grey.png": (1, png),
    "colour.png": (3, png),
    "little.tif": (1, tiff),
    "big.tif": (1, lambda path, x: tiff(path, x, ">")),
    "int.tif": (1, lambda path, x: pillow(path, x.astype(np.int32))),
    "colour-little.tif": (3, tiff),
    "colour-big.tif": (3, lambda path, x: tiff(path, x, ">")),
    "colour-packed.tif": (3, lambda path, x: tiff(path, x, packed=True)),
    "colour-packed-big.tif": (3, lambda path, x: tiff(path, x, ">", packed=True)),
    "grey.pgm": (1, netpbm),
    "plain.pgm": (1, lambda path, x: netpbm(path, x, plain=True)),
    "colour.ppm": (3, netpbm),
    "plain.ppm": (3, lambda path, x: netpbm(path, x, plain=True)),
    "grey.j2k": (1, jpeg2000),
}


def scaled(x: np.ndarray, white: float) -> np.ndarray:
    """uint8 [C, H, W]."""
    made = np.rint(x.astype(np.float64) * 255 / white).clip(0, 255).astype(np.uint8)
    return made[None] if x.ndim == 2 else made.transpose(2, 0, 1)


def all_of(data: ImageFolder) -> dict[bytes, int]:
    rows = torch.cat([data.train.all()[0], data.test.all()[0]]).numpy()
    return {row.tobytes(): i for i, row in enumerate(rows)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("top", "white"), [(200, 255), (256, 1023), (4095, 4095), (4096, 16383), (16384, 65535), (65535, 65535)]
)
def test_one_white_level_per_folder_is_found(tmp_path, capsys, way, top, white):
    channels, write = WAYS[way]
    images = [values(top, channels), *(values(top // i, channels, i) for i in (2, 3, 40))]
    (tmp_path / "in").mkdir()
    for i, image in enumerate(images):
        write(tmp_path / "in" / f"{i}-{way}", image)
    data = ImageFolder(tmp_path / "in", size=SIDE)
    assert data.sample_shape == (channels, SIDE, SIDE)
    assert set(all_of(data)) == {scaled(image, white).tobytes() for image in images}
    said = f"16-bit images with values up to {top:,}: {white} is taken as white (data.white)"
    assert said in capsys.readouterr().err
    ImageFolder(tmp_path / "in", size=SIDE)  # from the cache
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tops", "white"), [((0.5, 0.9), 1), ((1.0, 0.2), 1), ((0.5, 200.0), 255), ((0.5, 300.5), 1023)]
)
def test_fractions(tmp_path, capsys, tops, white):
    images = [values(1000, seed=i) / 1000 * top for i, top in enumerate(tops)]
    for i, image in enumerate(images):
        pillow(tmp_path / f"{i}.tif", image.astype(np.float32))
    data = ImageFolder(tmp_path, size=SIDE)
    assert set(all_of(data)) == {scaled(image.astype(np.float32), white).tobytes() for image in images}
    assert (
        f"floating-point images with values up to {max(tops):g}: {white} is taken" in capsys.readouterr().err
    )


def test_values_of_more_than_16_bits(tmp_path, capsys):
    image = values(200_000, dtype=np.int32)
    pillow(tmp_path / "a.tif", image)
    pillow(tmp_path / "b.tif", image // 2)
    data = ImageFolder(tmp_path, size=SIDE)
    assert set(all_of(data)) == {scaled(x, 2**18 - 1).tobytes() for x in (image, image // 2)}
    assert "32-bit images with values up to 200,000: 262143 is taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "channels", "write"),
    [
        ("a.pgm", 1, lambda path, x: netpbm(path, x, 4095)),
        ("plain.pgm", 1, lambda path, x: netpbm(path, x, 4095, plain=True)),
        ("a.ppm", 3, lambda path, x: netpbm(path, x, 4095)),
        ("plain.ppm", 3, lambda path, x: netpbm(path, x, 4095, plain=True)),
        ("a.j2k", 1, lambda path, x: jpeg2000(path, x, 12)),
        ("a.tif", 1, lambda path, x: tiff(path, x, bits=12)),
    ],
)
def test_files_that_say_themselves_what_is_white(tmp_path, capsys, name, channels, write):
    images = [values(900, channels, seed) for seed in range(2)]
    for i, image in enumerate(images):
        write(tmp_path / f"{i}-{name}", image)
    data = ImageFolder(tmp_path, size=SIDE)
    assert set(all_of(data)) == {scaled(image, 4095).tobytes() for image in images}
    assert "taken as white" not in capsys.readouterr().err
    given = ImageFolder(tmp_path, size=SIDE, white=1000)
    assert set(all_of(given)) == {scaled(image, 1000).tobytes() for image in images}


def test_white_that_was_given(tmp_path, capsys):
    images = [values(3000), values(500, seed=1)]
    for i, image in enumerate(images):
        png(tmp_path / f"{i}.png", image)
    found = ImageFolder(tmp_path, size=SIDE)
    assert found.white == 4095
    for white in (2500.0, 65535.0, 3000.5):  # of the first, what is above is white too
        data = ImageFolder(tmp_path, size=SIDE, white=white)
        assert set(all_of(data)) == {scaled(image, white).tobytes() for image in images}
        assert (data.white, data.fingerprint == found.fingerprint) == (white, False)
        assert f"values up to 3,000: {white:g} is taken as white (data.white)" in capsys.readouterr().err
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"data\.white: expected 0 \(find\) or the value"):
            ImageFolder(tmp_path, white=wrong)


def test_white_means_nothing_to_8_bits(tmp_path, capsys):
    for i in range(2):
        pillow(tmp_path / f"{i}.png", values(255, seed=i, dtype=np.uint8))
    data = ImageFolder(tmp_path, size=SIDE, white=4095)
    assert data.fingerprint == ImageFolder(tmp_path, size=SIDE).fingerprint
    assert "data.white=4095 changes nothing" in capsys.readouterr().err


def test_16_bits_beside_8(tmp_path):
    deep, plain = values(4095, 3), values(255, 3, dtype=np.uint8)
    png(tmp_path / "a.png", deep)
    pillow(tmp_path / "b.png", plain)
    data = ImageFolder(tmp_path, size=SIDE)
    assert set(all_of(data)) == {scaled(deep, 4095).tobytes(), scaled(plain, 255).tobytes()}


@pytest.mark.parametrize("way", ["png", "tif"])
@pytest.mark.parametrize("top", [4095, 65535])
def test_alpha_is_composited_on_white(tmp_path, way, top):
    write = png if way == "png" else tiff
    images = [values(top, 4, seed) for seed in range(2)]
    for i, image in enumerate(images):
        write(tmp_path / f"{i}.{way}", image)
    data = ImageFolder(tmp_path, size=SIDE)
    rows = torch.cat([data.train.all()[0], data.test.all()[0]]).numpy().astype(float)
    for image in images:
        alpha = image[..., 3:] / top
        exact = (255 * (image[..., :3] / top * alpha + 1 - alpha)).transpose(2, 0, 1)
        assert np.abs(rows - exact).reshape(2, -1).max(axis=1).min() < 1.6


def test_grey_with_alpha_is_grey(tmp_path):
    images = [values(4095, 2, seed) for seed in range(2)]
    for i, image in enumerate(images):
        png(tmp_path / f"{i}.png", image)
    data = ImageFolder(tmp_path)
    assert data.sample_shape[0] == 1
    pixels = read_image(tmp_path / "0.png", SIDE, 1).astype(float)
    grey, alpha = np.moveaxis(images[0] / 4095, 2, 0)
    assert np.abs(pixels[0] - 255 * (grey * alpha + 1 - alpha)).max() < 1.6


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour(tmp_path, channels):
    image = values(4095, channels)
    clear = np.atleast_1d(image[2, 3])
    png(tmp_path / "a.png", image, (b"tRNS", b"".join(struct.pack(">H", v) for v in clear)))
    expected = scaled(image, 4095).transpose(1, 2, 0).copy()
    expected[(image.reshape(SIDE, SIDE, -1) == clear).all(axis=2)] = 255
    assert (read_image(tmp_path / "a.png", SIDE, channels) == expected.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, channels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = values(65535, channels)
    png(tmp_path / "a.png", image, (b"eXIf", exif.tobytes()[6:]))
    plain = Image.fromarray(
        scaled(image, 65535)[0] if channels == 1 else scaled(image, 65535).transpose(1, 2, 0)
    )
    plain.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain)).reshape(SIDE, SIDE, channels).transpose(2, 0, 1)
    assert (read_image(tmp_path / "a.png", SIDE, channels) == expected).all()


def bmp_565(path: Path) -> None:
    """16 bits per pixel are no 16 bits per colour."""
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 70, 0, 0, 66) + header + masks + b"\xff\xff\x00\xf8")


def test_few_bits_are_left_to_pillow(tmp_path, capsys):
    bmp_565(tmp_path / "a.bmp")
    bmp_565(tmp_path / "b.bmp")
    assert ImageFolder(tmp_path, size=4).train.all()[0].max() == 255
    assert "taken as white" not in capsys.readouterr().err


# ---- what cannot be used


def fill(folder: Path, write, image: np.ndarray, name: str = "b.tif") -> None:
    png(folder / "a.png", values(4095, image.ndim if image.ndim == 3 else 1))
    write(folder / name, image)


@pytest.mark.parametrize(
    ("write", "image", "sentence"),
    [
        (pillow, np.full((SIDE, SIDE), -3, np.int32), r"b\.tif has negative pixels, down to -3"),
        (pillow, np.full((SIDE, SIDE), -0.5, np.float32), r"b\.tif has negative pixels, down to -0\.5"),
        (pillow, np.full((SIDE, SIDE), np.nan, np.float32), r"b\.tif has pixels that are not finite"),
        (pillow, np.full((SIDE, SIDE), np.inf, np.float32), r"b\.tif has pixels that are not finite"),
        (
            pillow,
            np.full((SIDE, SIDE), 0.5, np.float32),
            r"b\.tif has values from 0 to 1, and .*a\.png whole",
        ),
        (lambda *a: tiff(*a, photometric=0), values(4095), r"b\.tif cannot be decoded \(0 is white in it"),
        (
            lambda *a: tiff(*a, photometric=5),
            values(4095, 4),
            r"b\.tif cannot .* CMYK;16L, cannot .*: save it as PNG",
        ),
        (lambda *a: tiff(*a, planar=True), values(4095, 3), r"b\.tif cannot be decoded .*: save it as PNG"),
        (lambda *a: tiff(*a, packed=True, planar=True), values(4095, 3), r"b\.tif cannot .*: save it as PNG"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, write, image, sentence):
    fill(tmp_path, write, image)
    with pytest.raises(UsageError, match=sentence):
        ImageFolder(tmp_path, size=SIDE)


@pytest.mark.parametrize(
    ("channels", "name"), [(3, "b.png"), (1, "b.png"), (3, "b.ppm"), (1, "b.pgm"), (3, "b.tif")]
)
def test_files_that_end_too_soon(tmp_path, channels, name):
    write = {"png": png, "tif": tiff}.get(name[2:], netpbm)
    fill(tmp_path, write, values(4095, channels), name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2] if name != "b.tif" else content[:200])
    with pytest.raises(UsageError, match=rf"{name} (cannot be decoded|is not an image)"):
        ImageFolder(tmp_path, size=SIDE)


@pytest.mark.parametrize("deep", [False, True])
def test_a_dark_folder_is_said_to_be_dark(tmp_path, capsys, deep):
    for i in range(2):
        image = values(1, seed=i, dtype=np.uint16 if deep else np.uint8)
        png(tmp_path / f"{i}.png", image) if deep else pillow(tmp_path / f"{i}.png", image)
    ImageFolder(tmp_path, size=SIDE)
    assert "their brightest pixel is 1, where 255 is white" in capsys.readouterr().err


# ---- elsewhere


def test_generated_images(tmp_path, capsys):
    real, made = tmp_path / "real", tmp_path / "made"
    real.mkdir(), made.mkdir()
    images = [values(1000, seed=i) for i in range(3)]
    for i, image in enumerate(images):
        pillow(real / f"{i}.png", scaled(image, 4095)[0])
        png(made / f"{i}.png", image)
    x, _ = read_samples(made, ImageFolder(real, size=SIDE))
    assert (x.numpy() == np.stack([scaled(image, 1023) for image in images])).all()
    assert f"{made}: 16-bit images with values up to 1,000: 1023 is taken" in capsys.readouterr().err
    # Where the real images have more than 8 bits too, these are of the same kind.
    for i in range(3):
        png(real / f"{i}.png", values(4095, seed=9 + i))
    x, _ = read_samples(made, ImageFolder(real, size=SIDE))
    assert (x.numpy() == np.stack([scaled(image, 4095) for image in images])).all()
    png(made / "0.png", values(65535))
    x, _ = read_samples(made, ImageFolder(real, size=SIDE))
    assert (x[1].numpy() == scaled(images[1], 65535)).all()


def test_one_picture(tmp_path, capsys):
    image = values(4095, 3)
    png(tmp_path / "a.png", image)
    assert (read_picture(tmp_path / "a.png", 64).numpy() == scaled(image, 4095)).all()
    assert "a.png: 16-bit images with values up to 4,095: 4095 is taken" in capsys.readouterr().err
