"""One's own images and vectors: every usual kind of file, every usual mistake."""

import os
import pickle
import resource
import shutil
import time

import numpy as np
import platformdirs
import pytest
import torch
from files import counting
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from ganzoo.data import copies, marks
from ganzoo.data import images as images_module
from ganzoo.data import rows as rows_module
from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import read_image
from ganzoo.data.streams import StreamSplit
from ganzoo.data.tensors import TensorSplit
from ganzoo.data.vectors import Npy
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.memory import machine_memory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "cache" / "folders"


def fill(root, n: int = 10, size: int = 8, mode: str = "RGB"):
    """n different images directly in `root`."""
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(str(root)))
    for i in range(n):
        shape = (size, size) if mode == "L" else (size, size, 3)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(root / f"{i:03d}.png")
    return root


# ---- decoding one image

GREEN = (0, 200, 0)
HALF_RED = (255, 0, 0, 128)  # on white: 255, 127, 127


def palette(transparent: bool) -> tuple[Image.Image, dict]:
    image = Image.new("P", (9, 9), 1)
    image.putpalette([10, 20, 30, *GREEN] + [0] * 750)
    return image, {"transparency": 1} if transparent else {}


@pytest.mark.parametrize(
    ("name", "image", "options", "color"),
    [
        ("a.png", Image.new("RGB", (9, 12), GREEN), {}, GREEN),
        ("a.bmp", Image.new("RGB", (9, 12), GREEN), {}, GREEN),
        ("a.tiff", Image.new("RGB", (9, 12), GREEN), {}, GREEN),
        ("a.jpg", Image.new("RGB", (9, 12), GREEN), {}, GREEN),
        ("a.webp", Image.new("RGB", (9, 12), GREEN), {"lossless": True}, GREEN),
        ("cmyk.jpg", Image.new("RGB", (9, 12), GREEN).convert("CMYK"), {}, GREEN),
        ("a.gif", *palette(False), GREEN),
        ("palette.png", *palette(False), GREEN),
        ("palette-clear.png", *palette(True), (255, 255, 255)),
        ("rgba.png", Image.new("RGBA", (9, 9), HALF_RED), {}, (255, 127, 127)),
        ("la.png", Image.new("LA", (9, 9), (0, 128)), {}, (127, 127, 127)),
        ("grey.png", Image.new("L", (9, 9), 77), {}, (77, 77, 77)),
        ("clear-grey.png", Image.new("L", (9, 9), 77), {"transparency": 77}, (255, 255, 255)),
        ("bit.png", Image.new("1", (9, 9), 1), {}, (255, 255, 255)),
        ("deep.png", Image.fromarray(np.full((9, 9), 100 * 257, np.uint16)), {}, (100, 100, 100)),
        ("deep.tif", Image.fromarray(np.full((9, 9), 100 * 257, np.uint16)), {}, (100, 100, 100)),
        ("int.tif", Image.fromarray(np.full((9, 9), 100 * 257, np.int32)), {}, (100, 100, 100)),
        ("unit.tif", Image.fromarray(np.full((9, 9), 0.2, np.float32)), {}, (51, 51, 51)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_usual_kind_of_image(tmp_path, name, image, options, color):
    image.save(tmp_path / name, **options)
    for channels, expected in (
        (3, color),
        (1, (round(0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]),)),
    ):
        pixels = read_image(tmp_path / name, 4, channels)
        assert (pixels.dtype, pixels.shape) == (np.uint8, (channels, 4, 4))
        off = np.abs(pixels.astype(int) - np.array(expected)[:, None, None]).max()
        assert off <= (3 if name.endswith(".jpg") else 1)


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:, 8:] = 255  # the right half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter: right becomes bottom
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    turned = read_image(tmp_path / "a.png", 16, 1)[0]
    assert (turned[:8] == 0).all()
    assert (turned[8:] == 255).all()


def test_the_centre_is_cut_out(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, :20, 0] = wide[:, 20:40, 1] = wide[:, 40:, 2] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    for name in ("wide.png", "tall.png"):
        pixels = read_image(tmp_path / name, 10, 3)
        image = Image.open(tmp_path / name)
        whole = np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))
        cut = whole[:, 10:20] if name == "wide.png" else whole[10:20]
        assert np.abs(pixels.transpose(1, 2, 0).astype(int) - cut).max() <= 1
        assert (pixels[1, 1:-1, 1:-1] > 250).all()  # green alone, but for the seam
        assert (pixels[[0, 2], 1:-1, 1:-1] < 5).all()


# ---- a folder of them


def test_sub_folders_are_classes(tmp_path):
    root = tmp_path / "pets"
    fill(root / "dog", 12)
    fill(root / "cat" / "2024" / "may", 9)
    (root / ".hidden").mkdir()
    for name in (".hidden/x.txt", "Thumbs.db", "cat/desktop.ini", "dog/.DS_Store"):
        (root / name).write_bytes(b"no image")
    data = ImageFolder(root, size=8)
    assert data.name == f"folder:{root}"
    assert (data.class_names, data.num_classes) == (("cat", "dog"), 2)
    assert data.sample_shape == (3, 8, 8)
    (x, y), (x_test, y_test) = data.train.all(), data.test.all()
    assert (len(x), len(x_test)) == (len(data.train), len(data.test)) == (19, 2)
    expected = {
        read_image(path, 8, 3).tobytes(): label
        for label, name in enumerate(data.class_names)
        for path in (root / name).rglob("*.png")
    }
    found = zip([*x, *x_test], [*y.tolist(), *y_test.tolist()], strict=True)
    assert {image.numpy().tobytes(): label for image, label in found} == expected


def test_images_directly_in_the_folder_have_no_labels(tmp_path):
    data = ImageFolder(fill(tmp_path / "flat", 20))
    assert (data.num_classes, data.class_names) == (0, ())
    assert data.train.all()[1] is None
    assert data.train.batch(4, 0, 0)[1] is None
    assert (len(data.train), len(data.test)) == (18, 2)
    assert isinstance(data.train, TensorSplit)


def test_a_class_may_be_a_link(tmp_path):
    fill(tmp_path / "elsewhere", 3)
    fill(tmp_path / "in" / "a", 3)
    (tmp_path / "in" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "a" / "round").symlink_to(tmp_path / "in")
    data = ImageFolder(tmp_path / "in")
    assert data.class_names == ("a", "b")
    assert len(data.train) + len(data.test) == 6


def test_size_and_channels_are_chosen_from_the_images(tmp_path):
    assert ImageFolder(fill(tmp_path / "large", 3, 70)).sample_shape == (3, 64, 64)
    assert ImageFolder(fill(tmp_path / "small", 3, 63)).sample_shape == (3, 32, 32)
    grey = fill(tmp_path / "grey", 3, 64, "L")
    Image.new("1", (64, 64), 1).save(grey / "bit.png")
    Image.new("LA", (64, 64), 1).save(grey / "la.png")
    Image.fromarray(np.full((64, 64), 9, np.uint16)).save(grey / "deep.png")
    assert ImageFolder(grey).sample_shape == (1, 64, 64)
    assert ImageFolder(grey, size=16, channels=3).sample_shape == (3, 16, 16)
    Image.new("RGB", (64, 64)).save(grey / "z-color.png")
    assert ImageFolder(grey, size=4).sample_shape == (3, 4, 4)


def test_the_order_of_names_does_not_change_the_split(tmp_path):
    root = fill(tmp_path / "a", 30)
    before = ImageFolder(root)
    for i, path in enumerate(sorted(root.iterdir())):
        path.rename(root / f"{97 * (i + 1) % 31:03d}-new.png")
    after = ImageFolder(root)
    for split in ("train", "test"):
        old, new = (getattr(data, split).all()[0].flatten(1).tolist() for data in (before, after))
        assert sorted(old) == sorted(new)


def words(tmp_path, case: str):
    """A folder with one mistake."""
    root = tmp_path / "wrong"
    if case == "missing":
        return root
    if case == "file":
        root.write_bytes(b"")
        return root
    root.mkdir()
    if case == "empty":
        (root / ".keep").touch()
    elif case == "one":
        fill(root, 1)
    elif case == "mixed":
        fill(root, 2)
        fill(root / "b", 2)
    else:
        fill(root, 4, 40)
        if case == "truncated":
            content = (root / "002.png").read_bytes()
            (root / "002.png").write_bytes(content[: len(content) // 2])
        elif case == "hollow":
            (root / "hollow.jpg").touch()
    return root


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("missing", r"wrong is not there: expected a folder"),
        ("file", r"wrong is a file: expected a folder"),
        ("empty", r"wrong has no images: at least 2"),
        ("one", r"wrong has 1 image: at least 2"),
        ("mixed", r"directly in it \(000\.png\) and in sub-folders"),
        ("truncated", r"002\.png cannot be decoded \(.*truncated.*\): repair it, or move it"),
        ("hollow", r"hollow\.jpg is empty: repair it, or move it out of the folder, or leave out"),
    ],
)
@pytest.mark.parametrize("size", [0, 8])  # with and without a look at the headers
def test_mistakes_are_named_and_leave_nothing_half_done_behind(tmp_path, cache, case, sentence, size):
    with pytest.raises(UsageError, match=sentence):
        ImageFolder(words(tmp_path, case), size=size, channels=3 if size else 0)
    kept = {"x.npy"} if case in ("truncated", "hollow") else set()  # of the others
    assert {path.name for path in cache.glob("*/*.npy")} - {"y.npy"} == kept
    assert not list(cache.glob(".*"))


@pytest.mark.parametrize(
    "options",
    [
        {"size": 3},
        {"size": -1},
        {"size": "8y8"},
        {"size": "3x8"},
        {"channels": 2},
        {"memory_gb": -1.0},
        {"workers": -1},
        {"broken": "keep"},
    ],
)
def test_senseless_options_are_named(tmp_path, options):
    with pytest.raises(UsageError, match=rf"data\.{next(iter(options))}: expected"):
        ImageFolder(fill(tmp_path / "a", 3), **options)


# ---- the cache


def test_a_folder_is_decoded_once(tmp_path, monkeypatch, cache):
    root = fill(tmp_path / "a", 10)
    decoded = counting(monkeypatch)
    first = ImageFolder(root)
    assert len(decoded) == 10
    again = ImageFolder(root)
    assert len(decoded) == 10
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.train.batch(4, 2, 0)[0], first.train.batch(4, 2, 0)[0])
    assert ImageFolder(root, size=16).sample_shape == (3, 16, 16)
    assert len(decoded) == 20
    status = (root / "003.png").stat()
    os.utime(root / "003.png", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    ImageFolder(root)
    assert len(decoded) == 30
    assert len(list(cache.iterdir())) == 3


def test_the_fingerprint_is_of_the_content(tmp_path):
    here, copy = fill(tmp_path / "here", 5), tmp_path / "a-longer-name"
    copy.mkdir()
    for path in here.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert ImageFolder(here).fingerprint == ImageFolder(copy).fingerprint
    assert ImageFolder(fill(copy, 5)).fingerprint != ImageFolder(here).fingerprint


def overwrite(path):
    """Other pixels in the same file, of the same size and with the same time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def ppm(root):
    """Images in a format in which every byte is a pixel."""
    root.mkdir()
    for i in range(4):
        (root / f"{i}.pgm").write_bytes(b"P5 4 4 255\n" + bytes(range(i, i + 16)))
    return root


def test_a_file_overwritten_in_place_is_seen(tmp_path, monkeypatch):
    root = ppm(tmp_path / "a")
    for path in root.iterdir():
        os.utime(path, ns=(0, 10**18))
    before = ImageFolder(root, size=4)
    overwrite(root / "2.pgm")  # at once
    after = ImageFolder(root, size=4)
    assert after.fingerprint != before.fingerprint
    shutil.copy2(root / "2.pgm", tmp_path / "other")
    overwrite(tmp_path / "other")
    (tmp_path / "other").replace(root / "2.pgm")  # which is the first one again
    decoded = counting(monkeypatch)
    assert ImageFolder(root, size=4).fingerprint == before.fingerprint
    assert len(decoded) == 4


@pytest.mark.parametrize("ahead", [0, 10**12])  # the times of files may be yet to come
def test_a_file_of_this_very_tick_is_waited_for(tmp_path, monkeypatch, ahead):
    root = ppm(tmp_path / "a")
    now = time.time_ns()
    os.utime(root / "1.pgm", ns=(0, now - 10**7 + ahead))  # the system counts changes in coarser ticks
    slept = []
    monkeypatch.setattr(marks.time, "sleep", slept.append)
    monkeypatch.setattr(marks.time, "time_ns", lambda: (root / "1.pgm").stat().st_ctime_ns + 5_000_000)
    ImageFolder(root, size=4)
    assert slept == [pytest.approx(0.015, abs=1e-3)]
    ImageFolder(root, size=4)  # from the cache
    assert len(slept) == 1


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, cache):
    root = ppm(tmp_path / "a")

    def read(path, *words):
        pixels = read_image(path, *words)
        if path.name == "2.pgm":
            overwrite(path)
        return pixels

    with monkeypatch.context() as patch:
        patch.setattr(rows_module, "read_image", read)
        with pytest.raises(WorkError, match=r"a changed while it was read: start again"):
            ImageFolder(root, size=4)
    assert list(cache.iterdir()) == []
    content = {(root / f"{i}.pgm").read_bytes()[-16:] for i in range(4)}
    data = ImageFolder(root, size=4)
    assert {row.numpy().tobytes() for row in torch.cat([data.train.all()[0], data.test.all()[0]])} == content


@pytest.mark.parametrize("stop", ["fingerprint", "_sum"])
def test_nothing_half_written_is_left(tmp_path, monkeypatch, cache, stop):
    def killed(*_):
        raise KeyboardInterrupt

    root = fill(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(copies, stop, killed)
        with pytest.raises(KeyboardInterrupt):
            ImageFolder(root)
    assert list(cache.iterdir()) == []
    assert len(ImageFolder(root).train) == 9


class Evil:
    def __reduce__(self):
        return (os._exit, (66,))


NOT_META = ["{", "{}", "[]", '{"train": "9", "fingerprint": "", "notes": [], "white": 0}', "[" * 99]


@pytest.mark.parametrize("damage", ["cut", "gone", "pickle", *NOT_META])
def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch, cache, damage):
    root = fill(tmp_path / "a")
    whole = ImageFolder(root).fingerprint
    (folder,) = cache.iterdir()
    if damage == "cut":
        (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:500])
    elif damage == "gone":
        (folder / "y.npy").unlink()
    elif damage == "pickle":
        (folder / "y.npy").write_bytes(pickle.dumps(Evil()))
    else:
        (folder / "meta.json").write_text(damage)
    decoded = counting(monkeypatch)
    assert ImageFolder(root).fingerprint == whole
    assert len(decoded) == 10


@pytest.mark.parametrize("way", ["full", "quota", "file"])
def test_without_a_cache_it_goes_on_in_memory(tmp_path, monkeypatch, cache, way, capsys):
    root = fill(tmp_path / "a")
    whole = ImageFolder(root).fingerprint
    shutil.rmtree(cache.parent)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if way == "full":
            usage = shutil.disk_usage(tmp_path)._replace(free=100)
            monkeypatch.setattr(copies.shutil, "disk_usage", lambda _: usage)
        elif way == "quota":
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
        else:
            cache.parent.write_bytes(b"a file in its place")
        capsys.readouterr()
        assert ImageFolder(root).fingerprint == whole
        with pytest.raises(
            WorkError, match=r"cannot be written \(.*make room \(ganzoo cache clear\), or set XDG"
        ):
            ImageFolder(root, memory_gb=1e-6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    note = capsys.readouterr().err.splitlines()[0]
    assert note.startswith(f"note: the cache of decoded images in {cache} cannot be written (")
    assert note.endswith("): decoded in memory, and again the next time")
    assert way == "file" or list(cache.iterdir()) == []


def test_a_progress_bar_is_shown_for_many(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(images_module, "BAR_FROM", 5)
    monkeypatch.setattr(images_module, "track", lambda items, text, total: seen.append(total) or items)
    ImageFolder(fill(tmp_path / "few", 5))
    assert seen == []
    ImageFolder(fill(tmp_path / "many", 6))
    assert seen == [6]


# ---- too large for the memory


def test_what_does_not_fit_is_streamed_in_the_same_order(tmp_path):
    root = tmp_path / "a"
    fill(root / "x", 20)
    fill(root / "y", 25)
    memory, stream = ImageFolder(root), ImageFolder(root, memory_gb=1e-6)
    assert isinstance(memory.train, TensorSplit)
    assert isinstance(stream.train, StreamSplit)
    assert stream.fingerprint == memory.fingerprint
    for name in ("train", "test"):
        ours, theirs = getattr(stream, name), getattr(memory, name)
        for step in range(4):
            for got, want in zip(ours.batch(3, step, 1), theirs.batch(3, step, 1), strict=True):
                assert torch.equal(got, want)
        for got, want in zip(ours.all(), theirs.all(), strict=True):
            assert torch.equal(got, want)


def test_the_memory_of_this_machine_is_plausible():
    assert 2**28 < machine_memory() < 2**46


# ---- vectors


def save(tmp_path, array, name="v.npy"):
    np.save(tmp_path / name, array)
    return tmp_path / name


def test_vectors_are_standardised_and_taken_back(tmp_path):
    random = np.random.default_rng(0)
    rows = random.normal([5, -2e6, 0], [2, 1e3, 1e-3], (500, 3))
    path = save(tmp_path, np.column_stack([rows, np.full(500, 7.25)]))
    data = Npy(path)
    assert (data.name, data.sample_shape, data.num_classes) == (f"npy:{path}", (4,), 0)
    assert (len(data.train), len(data.test)) == (450, 50)
    batch, labels = data.train.batch(450, 0, 0)
    assert labels is None
    assert batch.dtype == torch.float32
    assert batch.mean(dim=0).abs().max() < 1e-5
    assert torch.allclose(batch.std(dim=0, correction=0), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-5)
    own, _ = data.train.all()
    assert own.dtype == torch.float32
    assert {tuple(row) for row in own.tolist()} <= {tuple(row) for row in np.load(path).astype("f4").tolist()}
    taken_back = data.to_units(batch)
    spread = torch.tensor([2, 1e3, 1e-3, 1])
    ordered = [rows[rows[:, 0].argsort()] for rows in (own, taken_back)]
    assert ((ordered[0] - ordered[1]) / spread).abs().max() < 1e-3
    assert torch.equal(taken_back[:, 3], torch.full((450,), 7.25))
    # The test split is seen on the scale of the train split.
    test, _ = data.test.batch(50, 0, 0)
    assert 0.5 < test[:, :3].std(dim=0).min() < test[:, :3].std(dim=0).max() < 2
    assert test[:, :3].mean(dim=0).abs().max() > 1e-4


@given(
    array=arrays(
        np.float64,
        st.tuples(st.integers(2, 30), st.integers(1, 3)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
@settings(deadline=None, max_examples=50)
def test_any_finite_array_has_a_round_trip(tmp_path_factory, array):
    path = save(tmp_path_factory.mktemp("npy"), array)
    data = Npy(path)
    rows = torch.cat([data.train.all()[0], data.test.all()[0]])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, array.astype("f4").tolist()))
    n = len(data.train)
    order = data.train.batch(n, 0, 0)[0]
    assert torch.isfinite(order).all()
    scale = data.train.all()[0].abs().amax(dim=0) + 1e-30
    back = data.to_units(order).sort(dim=0).values
    assert ((back - data.train.all()[0].sort(dim=0).values) / scale).abs().max() < 1e-5


def test_whole_numbers_are_vectors_too(tmp_path):
    data = Npy(save(tmp_path, np.arange(40, dtype=">i2").reshape(20, 2)))
    assert data.train.all()[0].dtype == torch.float32
    assert len(data.test) == 2
    again = Npy(save(tmp_path, np.arange(40, dtype="f8").reshape(20, 2), "w.npy"))
    assert again.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (
            np.array([[1, "a"]], dtype=object),
            r"v\.npy cannot be read as an array of numbers: it holds Python objects",
        ),
        (np.array([["a"], ["b"]]), r"v\.npy holds str.*: expected an array of numbers"),
        (np.zeros((3, 2), complex), r"holds complex128"),
        (np.zeros((3, 2), bool), r"holds bool"),
        (np.zeros(5), r"has the shape \(5,\): expected \[N, D\]"),
        (np.array(3.0), r"has the shape \(\): expected \[N, D\]"),
        (np.zeros((5, 2, 0)), r"has the shape \(5, 2, 0\)"),
        (np.zeros((5, 8, 8), np.uint8), r"has the shape \(5, 8, 8\) of uint8: expected \[N, 1, H, W\]"),
        (np.where(np.arange(40).reshape(5, 2, 4) == 20, np.nan, 1.0), r"in row 2 \(from 0\)"),
        (
            1e9 + np.arange(80).reshape(10, 2, 4) * np.array([1e9, 1e-3])[:, None],
            "in channel 1 .*the channel's",
        ),
        (np.zeros((5, 0)), r"has the shape \(5, 0\)"),
        (np.zeros((1, 2)), r"has 1 row: at least 2"),
        (np.zeros((0, 2)), r"has 0 rows: at least 2"),
        (np.array([[0.0], [1.0], [np.nan], [np.inf]]), r"in row 2 \(from 0\) that is not finite"),
        (np.array([[0.0], [1e300]]), r"in row 1 .*not finite in float32"),
    ],
)
def test_wrong_arrays_are_told_apart(tmp_path, array, sentence):
    with pytest.raises(UsageError, match=sentence):
        Npy(save(tmp_path, array))


def test_what_is_no_npy_file_is_told_apart(tmp_path):
    with pytest.raises(UsageError, match=r"none\.npy is not there"):
        Npy(tmp_path / "none.npy")
    with pytest.raises(UsageError, match="is a folder"):
        Npy(tmp_path)
    np.savez(tmp_path / "a.npz", np.zeros((3, 2)))
    (tmp_path / "a.csv").write_text("1,2")
    (tmp_path / "evil.npy").write_bytes(pickle.dumps(Evil()))
    for name in ("a.npz", "a.csv", "evil.npy"):
        with pytest.raises(UsageError, match=r"is not a \.npy file"):
            Npy(tmp_path / name)
    path = save(tmp_path, np.zeros((100, 2)))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UsageError, match="cannot be read as an array"):
        Npy(path)
