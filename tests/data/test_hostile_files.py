"""Arrays and images that strangers made: read rightly, or refused in one sentence before memory is taken."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganzoo.data import arrays, opening
from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import read_header, read_image
from ganzoo.data.vectors import Npy
from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.foreign import read_samples
from ganzoo.style.pictures import read_picture

MEBI = 2**20
TOY = SimpleNamespace(name="toy", sample_shape=(1, 8, 8), kind="")
X = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)


def npy(x: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, x, allow_pickle=True)
    return stream.getvalue()


def header(text: str, version: int = 1, length: int | None = None) -> bytes:
    """The beginning of a .npy file, with whatever it says."""
    length = len(text) if length is None else length
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", length)
        + text.encode()
    )


def says(shape: str = "(20, 1, 8, 8)", descr: str = "'|u1'", fortran: str = "False") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n")


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        with zipfile.ZipFile(stream, "w", method) as packed:
            for name, content in members:
                packed.writestr(name, content)
    return stream.getvalue()


def patched(content: bytes, local: int, central: int, new: bytes) -> bytes:
    """An archive of one member with a field changed in both of its records."""
    made = bytearray(content)
    made[local : local + len(new)] = new
    at = made.index(b"PK\1\2") + central
    made[at : at + len(new)] = new
    return bytes(made)


def samples(tmp_path: Path, content: bytes):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    return read_samples(path, TOY)


# ---- arrays


def test_every_way_of_laying_out_the_same_array(tmp_path):
    turned = np.asfortranarray(X.reshape(20, 8, 8, 1))
    whole = npy(X)
    v2 = whole[:6] + b"\2\0" + whole[8:10] + b"\0\0" + whole[10:]
    for content in (whole, v2, npy(turned), npy(np.asfortranarray(X))):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            x, y = samples(tmp_path, archive(("samples.npy", content), method=method))
            assert (x.numpy() == X).all()
            assert y is None
    for kind in ("<i8", ">i8", ">u2", "|i1"):
        labels = npy(np.arange(20).astype(kind))
        x, y = samples(tmp_path, archive(("labels.npy", labels), ("samples.npy", whole)))
        assert y.tolist() == list(range(20))
    rows = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    for i, one in enumerate((rows, np.asfortranarray(rows), rows.astype(">f4"), rows.astype(">f8"))):
        (tmp_path / f"{i}.npy").write_bytes(npy(one) + b"more" * (i % 2))  # numpy.save may append arrays
        assert Npy(tmp_path / f"{i}.npy").fingerprint == Npy(tmp_path / "0.npy").fingerprint


def test_only_what_is_asked_for_is_read(tmp_path):
    stranger = ("other.npy", b"no array at all")
    x, y = samples(tmp_path, archive(stranger, ("samples.npy", npy(X)), ("dir/", b"")))
    assert (x.numpy() == X).all()
    assert y is None


HUGE = "(3221225472, 1, 8, 8)"
HEADERS = {
    "more than there is": (
        says("(20000000, 1, 8, 8)"),
        r"promises \(20000000, 1, 8, 8\) of uint8, 1\.2 GiB|has the shape",
    ),
    "less than there is": (says("(19, 1, 8, 8)"), r"promises \(19, 1, 8, 8\)|"),
    "overflow": (says("(9223372036854775807, 2, 8, 8)"), "says the shape"),
    "beyond overflow": (says(f"({10**40}, 1, 8, 8)"), "says the shape"),
    "wraps to 0": (says("(4294967296, 4294967296, 8, 8)"), r"of shape \(4294967296|\(4294967296, 4294967296"),
    "negative": (says("(-20, 1, 8, 8)"), r"says the shape \(-20"),
    "twice negative": (says("(-20, -1, 8, 8)"), r"says the shape \(-20"),
    "no samples": (says("(0, 1, 8, 8)"), r"no samples|0 rows"),
    "no pixels": (says("(20, 1, 0, 8)"), r"no samples|has the shape"),
    "empty and endless": (says(f"(0, {2**47})"), r"no samples|0 rows"),
    "scalar": (says("()"), r"of shape \(\)|has the shape|promises"),
    "sixty-five dimensions": (says(f"({'1, ' * 65})"), r"of shape \(1, 1|has the shape"),
    "fractions": (says("(20.0, 1, 8, 8)"), "header is broken"),
    "truths": (says("(True, True)"), r"promises|of shape|1 row"),
    "no tuple": (says("20"), "header is broken"),
    "objects": (says(descr="'|O'"), "holds Python objects"),
    "a hidden object": (says(descr="[('a', '|O')]"), "holds Python objects"),
    "fields": (says(descr="[('a', '<f4'), ('b', '|u1')]"), "no plain numbers"),
    "arrays in it": (says(descr="('<f8', (1000000000,))"), "no plain numbers|header is broken"),
    "values of no size": (says("(10000000000000,)", descr="'<U0'"), "no plain numbers"),
    "raw": (says(descr="'|V8'"), r"holds void|type void"),
    "texts": (says(descr="'<U4'"), r"holds str|type str"),
    "times": (says(descr="'<M8[ns]'"), r"holds datetime64|type datetime64"),
    "complex": (says(descr="'<c8'"), r"holds complex64|type complex64"),
    "no type": (says(descr="'wrong'"), "header is broken"),
    "odd type": (says(descr="[1, 2]"), "header is broken"),
    "no dictionary": (header("[1, 2]"), "header is broken"),
    "code": (header("__import__('os').abort()"), "header is broken"),
    "deep": (header("(" * 5000), "header is broken"),
    "deeper": (header("-" * 9000 + "1"), "header is broken"),
    "odd keys": (header("{[]: 1}"), "header is broken"),
    "no text": (b"\x93NUMPY\1\0\4\0\xff\xfe\0\1", "header is broken"),
    "a long header": (header("{}", version=2, length=2**32 - 1), r"header has 4\.0 GiB"),
    "half a header": (header("{}", length=9000), "header is broken"),
    "version 3": (header("{}", version=3), r"version 3\.0"),
    "version 9": (header("{}", version=9), r"version 9\.0"),
    "nothing but magic": (b"\x93NUMPY", "does not begin|"),
    "nothing": (b"", "does not begin|is not a"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_not_true(tmp_path, name):
    content, sentence = HEADERS[name]
    (tmp_path / "x.npy").write_bytes(content + X.tobytes() * (name != "nothing"))
    if name == "less than there is":  # numpy.save may append arrays
        assert Npy(tmp_path / "x.npy").sample_shape == (1, 8, 8)
    else:
        with pytest.raises(UsageError, match=r"x\.npy .*(" + sentence + ")"):
            Npy(tmp_path / "x.npy")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        whole = archive(("samples.npy", content + X.tobytes()), method=method)
        with pytest.raises(UsageError, match=r"x\.npz .*(" + sentence + ")"):
            samples(tmp_path, whole)


PLAIN = archive(("samples.npy", npy(X)))
PACKED = archive(("samples.npy", npy(X)), method=zipfile.ZIP_DEFLATED)
ARCHIVES = {
    "encrypted": (patched(PLAIN, 6, 8, b"\1\0"), "samples.npy in it is encrypted"),
    "bzip2": (archive(("samples.npy", npy(X)), method=zipfile.ZIP_BZIP2), "packed in another way"),
    "lzma": (archive(("samples.npy", npy(X)), method=zipfile.ZIP_LZMA), "packed in another way"),
    "unknown": (patched(PLAIN, 8, 10, b"\x62\0"), "packed in another way"),
    "twice": (archive(("samples.npy", npy(X)), ("samples.npy", npy(X))), "two arrays called samples"),
    "twice, in two ways": (archive(("samples.npy", npy(X)), ("samples", npy(X))), "two arrays called sam"),
    "cut": (PLAIN[: len(PLAIN) // 2], "not a zip file"),
    "cut table": (PLAIN[:-30], "not a zip file"),
    "longer than it is": (patched(PLAIN, 22, 24, struct.pack("<I", 2**31)), "and 2.0 GiB follow"),
    "shorter than it is": (patched(PACKED, 22, 24, struct.pack("<I", 500)), "promises|Bad CRC-32"),
    "another content": (PLAIN.replace(X.tobytes(), X.tobytes()[::-1]), "Bad CRC-32"),
    "broken deflate": (PACKED[:60] + b"\xff" * 40 + PACKED[100:], "cannot be read as arrays"),
    "a table of gigabytes": (PLAIN[:-10] + struct.pack("<II", 2**31, 0) + PLAIN[-2:], "cannot be read as"),
    "no arrays": (archive(), r"has the arrays \(none\)"),
    "a thousand arrays": (archive(*((f"{i}.npy", b"") for i in range(1000))), r"arrays 0, 1, .*\.\.\.: "),
    "labels that are too many": (
        archive(("samples.npy", npy(X)), ("labels.npy", npy(np.zeros(21, int)))), r"whole numbers \(20,\)"
    ),
    "labels of objects": (
        archive(("samples.npy", npy(X)), ("labels.npy", npy(np.array([None] * 20)))), "holds Python objects"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_are_not_true(tmp_path, name):
    content, sentence = ARCHIVES[name]
    with pytest.raises(UsageError, match=r"x\.npz .*" + sentence):
        samples(tmp_path, content)


def test_a_table_of_contents_is_not_read_at_once(tmp_path):
    """Sparse files: 3 GiB that the end of the archive says to be its table of contents."""
    size = 3 * 2**30
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, size, 0, 0)
    with (tmp_path / "x.npz").open("wb") as file:
        file.write(b"PK\3\4")
        file.seek(size)
        file.write(end)
    with pytest.raises(UsageError, match=r"table of contents has 3\.0 GiB"):
        read_samples(tmp_path / "x.npz", TOY)


def test_arrays_that_are_larger_than_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "machine_memory", lambda: 4 * X.nbytes - 1)
    with pytest.raises(
        UsageError, match=r"x\.npz has \(20, 1, 8, 8\) of uint8, 1\.2 KiB, .* 5\.0 KiB of memory"
    ):
        samples(tmp_path, PLAIN)
    monkeypatch.setattr(arrays, "machine_memory", lambda: MEBI // 2)
    (tmp_path / "x.npy").write_bytes(npy(np.zeros((4000, 1), np.float32)))
    with pytest.raises(UsageError, match=r"x\.npy has \(4000, 1\) of float32, .* about 875\.0 KiB"):
        Npy(tmp_path / "x.npy")


# ---- images


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, bits: int, kind: int, *chunks: bytes) -> bytes:
    first = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + first + b"".join(chunks) + rows + chunk(b"IEND", b"")


def saved(kind: str, mode: str = "RGB", side: int = 16, **options) -> bytes:
    stream = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 256, (side, side, 4), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def put(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def tiff(width: int, height: int, *more: tuple[int, int]) -> bytes:
    """Of 8 bits and 3 channels, without most of its pixels."""
    tags = sorted({256: width, 257: height, 258: 8, 259: 1, 262: 2, 273: 8, 277: 3, 278: height, 279: 64,
                   **dict(more)}.items())  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(100)


def jpeg(width: int, height: int, **options) -> bytes:
    content = saved("JPEG", **options)
    at = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    return put(content, at + 5, struct.pack(">HH", height, width))


def webp(width: int, height: int) -> bytes:
    content = saved("WEBP", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    at = content.index(b"VP8X") + 12
    return put(content, at, (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


ZEROS = zlib.compress(bytes(100 * MEBI), 1)
BOMBS = {
    "deep.png": (png(13_344, 13_344, 16, 6), r"13,344 x 13,344 pixels, .* 1\.0 GiB is the most: scale"),
    "deep-grey.png": (png(13_344, 13_344, 16, 0), "scale it down first"),
    "palette.png": (png(13_300, 13_300, 8, 3, chunk(b"PLTE", bytes(6)), chunk(b"tRNS", b"\0")), "scale it"),
    "colour.png": (png(12_000, 12_000, 8, 2), "scale it down first"),
    "largest.png": (png(2**31 - 1, 2**31 - 1, 8, 0), "has 4,611,686,014,132,420,609 pixels"),
    "line.png": (png(170_000_000, 1, 8, 0), "scale it down first"),
    "huge.jpg": (jpeg(65_500, 65_500), r"has 4,290,250,000 pixels, and 178,956,970 are decoded at most"),
    "progressive.jpg": (jpeg(10_500, 10_500, progressive=True), "scale it down first"),
    "huge.gif": (put(saved("GIF", "P"), 6, b"\xff\xff\xff\xff"), "has 4,294,836,225 pixels"),
    "animated.webp": (webp(16_383, 16_383), "has 268,402,689 pixels|scale it down first"),
    "smaller.webp": (webp(8_000, 8_000), "scale it down first"),
    "huge.tif": (tiff(2**31 - 1, 2**31 - 1), "pixels"),
    "large.tif": (tiff(13_000, 13_000), "scale it down first"),
    "tiles.tif": (tiff(64, 64, (322, 60_000), (323, 60_000), (324, 8), (325, 64)), "scale it down"),
    "huge.ppm": (b"P6 100000 100000 255\n", "has 10,000,000,000 pixels"),
    "endless.ppm": (b"P6 " + b"9" * 5000 + b" 1 255\n", "Token too long"),
    "plain.ppm": (b"P3 3000 3000 65535\n1 2 3", "scale it down first"),
    "huge.bmp": (put(saved("BMP"), 18, struct.pack("<ii", 60_000, 60_000)), "has 3,600,000,000 pixels"),
    "text.png": (png(16, 16, 8, 0, chunk(b"zTXt", b"a\0\0" + ZEROS)), "too large"),
    "profile.png": (png(16, 16, 8, 0, chunk(b"iCCP", b"a\0\0" + ZEROS)), "too large"),
    "program.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "is not an? "),
    "icon.ico": (saved("ICO"), "is not an? "),
}  # fmt: skip
PROBE = """
import json, sys
from pathlib import Path
from ganzoo.data.images import read_image
from ganzoo.errors import UsageError
from ganzoo.metrics.foreign import read_samples
from ganzoo.style.pictures import read_picture
from types import SimpleNamespace

def most():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024

def tried(read, path):
    before = most()
    try:
        read(path)
        said = ""
    except UsageError as error:
        said = str(error)
    return said, most() - before

toy = SimpleNamespace(name="toy", sample_shape=(1, 8, 8), kind="")
small = Path(sys.argv[1], "small.png")
ways = {".npz": lambda path: read_samples(path, toy)}
tried(lambda path: (read_image(path, 8, 3), read_picture(path, 8)), small)
print(json.dumps({
    path.name: [tried(ways.get(path.suffix, lambda p: read_image(p, 8, 3)), path),
                tried(ways.get(path.suffix, lambda p: read_picture(p, 8)), path)]
    for path in sorted(small.parent.iterdir())
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_bombs_take_no_memory(tmp_path):
    """In a process of its own, whose peak of memory is seen: MiB that it grew by with each."""
    lies = ("samples.npy", says("(52428800, 1, 8, 8)") + bytes(1))
    large = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = large.compress(says("(4194304, 1, 8, 8)")) + b"".join(
        large.compress(bytes(16 * MEBI)) for _ in range(16)
    )
    bombs = {**BOMBS, "lies.npz": (archive(lies), "promises"),
             "claims.npz": (patched(archive(lies, method=8), 22, 24, b"\0\0\0\x70"), "promises"),
             "unpacks.npz": (by_hand(packed + large.flush(), len(says("(4194304, 1, 8, 8)")) + 256 * MEBI),
                             "unpack to 256.0 MiB, which is beyond belief")}  # fmt: skip
    for name, (content, _) in bombs.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "small.png").write_bytes(saved("PNG"))
    command = [sys.executable, "-W", "error", "-c", PROBE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for name, tries in json.loads(done.stdout).items():
        for said, grew in tries:
            if name != "small.png":
                assert (said == "") == (bombs[name][1] == "")
                assert_matches(bombs[name][1], said, name)
            assert grew < 100, (name, said, grew)


def assert_matches(pattern: str, said: str, name: str) -> None:
    with pytest.raises(UsageError, match=pattern):
        raise UsageError(said)
    assert not said or name in said
    assert "\n" not in said


def by_hand(packed: bytes, size: int) -> bytes:
    """An archive of one member, samples.npy, deflated: `packed`, which says to be `size` bytes."""
    name = b"samples.npy"
    fields = struct.pack("<HHHIIIHH", 8, 0, 33, 0, len(packed), size, len(name), 0)
    local = b"PK\3\4" + struct.pack("<HH", 20, 0) + fields + name + packed
    central = b"PK\1\2" + struct.pack("<HHH", 20, 20, 0) + fields + bytes(14) + name
    return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def test_photographs_are_no_bombs(tmp_path):
    """50 megapixels: of their headers alone, as to decode them takes seconds."""
    for name, content in {
        "a.png": png(8_700, 5_800, 8, 2),
        "alpha.png": png(8_700, 5_800, 8, 6),
        "a.jpg": jpeg(8_700, 5_800),
        "progressive.jpg": jpeg(8_700, 5_800, progressive=True, subsampling=0),
        "a.tif": tiff(8_700, 5_800),
        "108.jpg": jpeg(12_000, 9_000),
        "deep.png": png(7_000, 6_000, 16, 2),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert read_header(tmp_path / name).size[0] >= 7_000


def test_threads_share_the_memory(monkeypatch):
    """No more is taken at once than there is, and who asks for more than that waits for no one."""
    room, lock, held, most = opening._Room(100), threading.Lock(), [0], [0]

    def work(amount: int) -> None:
        for _ in range(20):
            with room.taken(amount):
                with lock:
                    held[0] += min(amount, 100)
                    most[0] = max(most[0], held[0])
                with lock:
                    held[0] -= min(amount, 100)

    threads = [threading.Thread(target=work, args=(amount,)) for amount in (10, 30, 60, 70, 100, 150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert most[0] <= 100


def test_decoding_takes_its_share(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(saved("PNG"))
    taken = []
    plain = opening._room.taken
    monkeypatch.setattr(opening._room, "taken", lambda amount: taken.append(amount) or plain(amount))
    read_image(tmp_path / "a.png", 8, 3)
    assert len(taken) == 1
    assert taken[0] >= 16 * 16 * 4
    monkeypatch.setattr(opening, "MEMORY", taken[0] - 1)
    for read in (lambda path: read_image(path, 8, 3), read_header, lambda path: read_picture(path, 8)):
        with pytest.raises(UsageError, match=r"16 x 16 pixels, .* scale it down first"):
            read(tmp_path / "a.png")


def test_jpeg_2000_within_a_wrapping_that_lies(tmp_path):
    content = saved("JPEG2000")
    at = content.index(opening.SIZ) + len(opening.SIZ) + 4
    for changed in (
        put(content, at, struct.pack(">II", 60_000, 60_000)),
        put(content, at + 16, struct.pack(">II", 0, 16)),
        content + opening.SIZ,
        content.replace(opening.SIZ, b"\xff\x4f\xff\x52"),
    ):
        (tmp_path / "a.jp2").write_bytes(changed)
        with pytest.raises(UsageError, match=r"a\.jp2 (cannot be decoded|is not an image)"):
            read_image(tmp_path / "a.jp2", 8, 3)
    large = Image.new("L", (256, 256))
    large.save(tmp_path / "tiles.j2k", tile_size=(2, 2), num_resolutions=1)
    with pytest.raises(UsageError, match=r"1 channels in 16,384 tiles"):
        read_image(tmp_path / "tiles.j2k", 8, 1)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_the_largest_images_stay_within_the_memory(tmp_path):
    """Each as large as is decoded, two at a time: together they take no more than one may."""
    for name, mode, side in (("l.png", "L", 13_300), ("rgb.png", "RGB", 10_900), ("rgba.png", "RGBA", 7_900)):
        Image.new(mode, (side, side), 99).save(tmp_path / name, compress_level=1)
    code = f"""
from pathlib import Path
from ganzoo.data.images import each, read_image
most = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
before = most()
each(lambda path: read_image(path, 64, 3), sorted(Path({str(tmp_path)!r}).iterdir()) * 2, "")
print(most() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 400 < int(done.stdout) < 1100


# ---- damage at random


def deep_png() -> bytes:
    rows = b"".join(b"\0" + bytes(range(i, i + 96)) for i in range(16))
    first = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", first)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def deep_tiff(**options) -> bytes:
    stream = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 60_000, (16, 16), dtype=np.uint16)
    Image.fromarray(values).save(stream, "TIFF", **options)
    return stream.getvalue()


def picture(path: Path) -> None:
    made = read_image(path, 8, 3)
    assert (made.dtype, made.shape) == (np.uint8, (3, 8, 8))
    read_picture(path, 8)


FRAMES = {"save_all": True, "append_images": [Image.new("RGB", (16, 16), "red")]}
SEEDS = {
    "plain.npz": PLAIN,
    "packed.npz": archive(("samples.npy", npy(X)), ("labels.npy", npy(np.arange(20))), method=8),
    "a.npy": npy(np.random.default_rng(0).normal(size=(20, 3))),
    "a.png": saved("PNG"),
    "palette.png": saved("PNG", "P", transparency=3),
    "deep.png": deep_png(),
    "a.tif": saved("TIFF"),
    "lzw.tif": saved("TIFF", "RGBA", compression="tiff_lzw"),
    "deep.tif": deep_tiff(),
    "deep-packed.tif": deep_tiff(compression="tiff_deflate"),
    "a.jpg": saved("JPEG"),
    "progressive.jpg": saved("JPEG", progressive=True),
    "a.gif": saved("GIF", **FRAMES),
    "a.webp": saved("WEBP", **FRAMES),
    "a.bmp": saved("BMP"),
    "a.ppm": saved("PPM"),
    "plain.ppm": b"P3\n16 16 65535\n" + b" ".join(b"%d" % (i * 80) for i in range(768)),
    "a.jp2": saved("JPEG2000"),
}
READERS = {".npz": lambda path: read_samples(path, TOY), ".npy": Npy}


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Bytes changed, cut off, moved, repeated or taken out, seldom several of these."""
    made = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at, length = draw.randrange(len(made) + 1), draw.choice((1, 1, 2, 4, 16, 100))
        way = draw.randrange(6)
        if way < 2:  # most of all in the first bytes, where the headers are
            at = draw.randrange(min(len(made), 120)) if way else at
            made[at : at + 1] = bytes([draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))])
        elif way == 2:
            made = made[:at] if draw.random() < 0.5 else made
        elif way == 3:
            start = draw.randrange(len(made) + 1)
            made[at : at + length] = made[start : start + length]
        elif way == 4:
            made[at:at] = draw.randbytes(length)
        else:
            del made[at : at + length]
        made = made or bytearray(b"x")
    return bytes(made)


def assert_all_end_well(name: str, count: int, folder: Path, seed: int = 0) -> None:
    """Every damaged copy is read, or refused in one sentence that names it."""
    draw = random.Random(f"{name} {seed}")
    read = READERS.get(Path(name).suffix, picture)
    path = folder / name
    path.write_bytes(SEEDS[name])
    read(path)
    ends = {True: 0, False: 0}
    for _ in range(count):
        content = damaged(SEEDS[name], draw)
        path.write_bytes(content)
        try:
            read(path)
            ends[True] += 1
        except (UsageError, WorkError) as error:
            said = str(error)
            ends[False] += 1
            if name not in said or "\n" in said.strip():
                pytest.fail(f"not a sentence about {name}: {said!r}")
        except BaseException:
            (folder / f"failed-{name}").write_bytes(content)
            raise
    assert ends[False] > count / 20, ends


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files(tmp_path, name):
    assert_all_end_well(name, 200, tmp_path)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEEDS)
def test_many_damaged_files(tmp_path, name):
    assert_all_end_well(name, 5_000, tmp_path, seed=1)


def test_a_damaged_image_among_others(tmp_path):
    """A whole folder is refused, and kept is the copy of the others, and which one is broken."""
    root = tmp_path / "images"
    root.mkdir()
    for name in ("a.png", "a.jpg", "a.gif"):
        (root / name).write_bytes(SEEDS[name])
    assert len(ImageFolder(root, size=8).train) == 2
    (root / "b.png").write_bytes(SEEDS["a.png"][:200])
    with pytest.raises(UsageError, match=r"b\.png"):
        ImageFolder(root, size=8)
    assert len(list((tmp_path / "cache" / "ganzoo" / "folders").iterdir())) == 2
