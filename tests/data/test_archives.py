"""Archives of images, taken as they are: like the folder that they were made of; hostile ones refused."""

from __future__ import annotations

import bz2
import io
import os
import shutil
import stat
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data import archives, decoded
from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import read_headers, read_image
from ganzoo.data.pairs import Pairs
from ganzoo.data.tree import look
from ganzoo.data.unpaired import Unpaired
from ganzoo.errors import UsageError, WorkError


def fill(folder: str, n: int = 6) -> Path:
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng([i, *folder.encode()]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


def pack(kind: str, folder: str, within: str = "", out: str = "made") -> str:
    """An archive of a folder's content, below a folder `within` it."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    names = {path: os.path.join(within, path.relative_to(folder)) for path in files}  # noqa: PTH118
    path = f"{out}.{'tar' if kind == 'tar' else 'zip'}"
    if kind == "tar":
        with tarfile.open(path, "w") as tar:
            for file, name in names.items():
                tar.add(file, f"./{name}")
    else:
        method = zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", method) as packed:
            for file, name in names.items():
                packed.write(file, name)
    return path


def written(members: dict[str, bytes], **how) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile("made.zip", "w", **how) as packed:
            for name, content in members.items():
                packed.writestr(name, content)
    return "made.zip"


def png(i: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 100 + i, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


KINDS = ["stored", "deflated", "tar"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("within", ["", "top", "made"])
@pytest.mark.parametrize("how", [{}, {"memory_gb": 1e-9}], ids=["memory", "stream"])
def test_the_same_as_the_folder(kind, within, how):
    fill("in/cat")
    fill("in/dog", 5)
    Path("in/dog/0.txt").write_text("a caption")
    folder, packed = ImageFolder("in", size=8, **how), ImageFolder(pack(kind, "in", within), size=8, **how)
    assert (packed.fingerprint, packed.class_names) == (folder.fingerprint, ("cat", "dog"))
    for split in ("train", "test"):
        one, other = getattr(packed, split), getattr(folder, split)
        for got, want in zip(
            (*one.all(), *one.batch(1, 2, 0)), (*other.all(), *other.batch(1, 2, 0)), strict=True
        ):
            assert torch.equal(got, want)


@pytest.mark.parametrize("kind", KINDS)
def test_splits_within(kind):
    fill("in/train/a")
    fill("in/test/a", 3)
    for within in ("", "top"):
        data = ImageFolder(pack(kind, "in", within), size=8)
        assert (data.fingerprint, len(data.test)) == (ImageFolder("in", size=8).fingerprint, 3)
    shutil.rmtree("in/test")
    assert ImageFolder(pack(kind, "in"), size=8).fingerprint == ImageFolder("in", size=8).fingerprint


def test_pairs_and_unpaired():
    fill("in/A")
    fill("in/B")
    assert Pairs(pack("deflated", "in", "top"), size=8).fingerprint == Pairs("in", size=8).fingerprint
    pack("deflated", "in/A", out="a")
    pack("tar", "in/B", out="b")
    assert Unpaired("a.zip,b.tar", size=8).fingerprint == Unpaired("in/A,in/B", size=8).fingerprint


def test_it_is_decoded_once_and_again_when_it_changes(monkeypatch):
    times = []
    plain = decoded._decode
    monkeypatch.setattr(decoded, "_decode", lambda *words: times.append(1) or plain(*words))
    fill("in")
    pack("deflated", "in")
    first = ImageFolder("made.zip", size=8).fingerprint
    assert (ImageFolder("made.zip", size=8).fingerprint, len(times)) == (first, 1)
    fill("in", 7)
    pack("deflated", "in")
    assert ImageFolder("made.zip", size=8).fingerprint != first
    assert len(times) == 2


def test_what_systems_add(capsys):
    fill("in")
    plain = ImageFolder("in", size=8).fingerprint
    for name in ("top/__MACOSX/._0.png", "__MACOSX/top/._1.png", "top/.DS_Store", "top/notes.txt", "README"):
        path = Path("made", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7")
    shutil.copytree("in", "made/top", dirs_exist_ok=True)
    shutil.make_archive("packed", "zip", "made")
    capsys.readouterr()
    assert ImageFolder("packed.zip", size=8).fingerprint == plain
    said = capsys.readouterr().err
    assert "left out, as they are no images: 1 without an ending, 1 .txt" in said
    assert "a system's own: 2 folders (__MACOSX)" in said


def test_large_members_go_through_the_disk(monkeypatch):
    fill("in")
    monkeypatch.setattr(archives, "HELD", 100)
    monkeypatch.setattr(archives, "A_SIP", 64)
    for kind in KINDS:
        assert ImageFolder(pack(kind, "in"), size=8).fingerprint == ImageFolder("in", size=8).fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_broken_members(kind):
    fill("in")
    Path("in/2.png").write_bytes(Path("in/2.png").read_bytes()[:-60])
    Path("in/3.png").write_bytes(b"")
    path = pack(kind, "in")
    with pytest.raises(
        UsageError, match=rf"^{path} has 2 broken files among 6 \({path}/2\.png cannot .*3\.png is empty"
    ):
        ImageFolder(path, size=8)
    whole = ImageFolder(path, size=8, broken="skip")
    for name in ("2", "3"):
        Path(f"in/{name}.png").unlink()
    assert whole.fingerprint == ImageFolder("in", size=8).fingerprint


def test_a_flipped_bit_is_seen_by_the_checksum():
    fill("in")
    content = bytearray(Path(pack("stored", "in")).read_bytes())
    content[content.index(b"IDAT") + 9] ^= 1
    Path("made.zip").write_bytes(content)
    with pytest.raises(UsageError, match=r"made\.zip/0\.png cannot be decoded \(its checksum is not that"):
        ImageFolder("made.zip", size=8)


def test_an_archive_that_changes_while_it_is_read(monkeypatch):
    fill("in")
    pack("stored", "in")

    def read(path, *words):
        os.utime("made.zip", (9, 9))
        return read_image(path, *words)

    monkeypatch.setattr("ganzoo.data.rows.read_image", read)
    with pytest.raises(WorkError, match="changed while it was read"):
        ImageFolder("made.zip", size=8)


# ---- hostile ones


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "..\\x.png", "a/" * 3000 + "x.png"]
)
def test_names_that_lead_out(name):
    path = written({f"{i}.png": png(i) for i in range(3)} | {name: png(9)})
    with pytest.raises(UsageError, match=r"^made\.zip has a file called .*, which leads out of it"):
        ImageFolder(path, size=8)
    with tarfile.open("made.tar", "w") as packed:
        info = tarfile.TarInfo(name.replace("\\", "/"))
        info.size = 3
        packed.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(UsageError, match="leads out of it"):
        ImageFolder("made.tar", size=8)


def test_names_of_windows():
    path = written({f"cat\\{i}.png": png(i) for i in range(3)} | {"dog\\1.png": png(8)})
    assert ImageFolder(path, size=8).class_names == ("cat", "dog")


def test_a_name_that_is_there_twice():
    with zipfile.ZipFile("made.zip", "w") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("a.png", "b.png", "./a.png"):
            packed.writestr(name, png(1))
    with pytest.raises(UsageError, match=r"has two files called a\.png: expected one"):
        look(Path("made.zip"))


def flagged(content: bytes, local: int, central: int, new: bytes) -> bytes:
    made = bytearray(content)
    made[local : local + len(new)] = new
    at = made.index(b"PK\1\2") + central
    made[at : at + len(new)] = new
    return bytes(made)


@pytest.mark.parametrize(
    ("where", "new", "sentence"),
    [
        ((6, 8), b"\1\0", r"made\.zip is encrypted \(0\.png in it\): unpack it, and give the folder"),
        ((8, 10), struct.pack("<H", 9), r"made\.zip is packed in an unusual way \(0\.png in it\): unpack it"),
        ((8, 10), struct.pack("<H", 14), r"made\.zip is packed in an unusual way"),
    ],
)
def test_what_cannot_be_unpacked(where, new, sentence):
    path = Path(written({f"{i}.png": png(i) for i in range(3)}))
    path.write_bytes(flagged(path.read_bytes(), *where, new))
    with pytest.raises(UsageError, match=sentence):
        ImageFolder(path, size=8)


def test_bombs():
    """What is beyond belief is not unpacked; and of what lies, no more is than it says."""
    good = {f"{i}.png": png(i) for i in range(3)}
    path = Path(written(good | {"bomb.png": b"\0" * 2**20}, compression=zipfile.ZIP_DEFLATED))
    whole = path.read_bytes()
    with pytest.raises(UsageError, match=r"made\.zip/bomb\.png is not an image"):
        ImageFolder(path, size=8)
    info = zipfile.ZipFile(path).getinfo("bomb.png")
    for size, sentence in (
        (2**31, "has 2.0 GiB, and image files may have"),
        (2**28 + 1, "which is beyond belief"),
    ):
        at = whole.rindex(b"PK\1\2") + 24
        path.write_bytes(whole[:at] + struct.pack("<I", size) + whole[at + 4 :])
        with pytest.raises(UsageError, match=rf"made\.zip/bomb\.png .*{sentence}"):
            ImageFolder(path, size=8)
    path.write_bytes(whole[:at] + struct.pack("<I", 1000) + whole[at + 4 :])
    (member,) = [member for member in archives.members(path) if member.name == "bomb.png"]
    assert sum(map(len, member._parts())) == 1000 < info.file_size


def test_members_where_the_archive_ends():
    path = Path(written({f"{i}.png": png(i) for i in range(3)}))
    whole = path.read_bytes()
    at = whole.index(b"PK\1\2") + 42
    path.write_bytes(whole[:at] + struct.pack("<I", 7) + whole[at + 4 :])
    with pytest.raises(UsageError, match=r"made\.zip/0\.png cannot be decoded \(it is not where"):
        ImageFolder(path, size=8)


@pytest.mark.parametrize("kind", ["sym", "lnk"])
def test_links_in_a_tar(kind):
    with tarfile.open("made.tar", "w") as packed:
        for i in range(3):
            info = tarfile.TarInfo(f"{i}.png")
            info.size = len(png(i))
            packed.addfile(info, io.BytesIO(png(i)))
        info = tarfile.TarInfo("x.png")
        info.type, info.linkname = (
            (tarfile.SYMTYPE, "/etc/passwd") if kind == "sym" else (tarfile.LNKTYPE, "1.png")
        )
        packed.addfile(info)
    if kind == "sym":
        with pytest.raises(
            UsageError, match=r"made\.tar/x\.png is a link, and links in archives are not followed"
        ):
            ImageFolder("made.tar", size=8)
    data = ImageFolder("made.tar", size=8, broken="skip")
    assert len(data.train) + len(data.test) == 3 + (kind == "lnk")


def test_a_link_in_a_zip():
    written({f"{i}.png": png(i) for i in range(3)})
    with zipfile.ZipFile("made.zip", "a") as packed:
        info = zipfile.ZipInfo("x.png")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(
        UsageError, match=r"made\.zip/x\.png is a link, and links in archives are not followed"
    ):
        ImageFolder("made.zip", size=8)


# ---- what is none


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.zip", b"PK\3\4 and no more", r"a\.zip cannot be read as a \.zip archive: it ends too early"),
        ("a.zip", b"words", r"a\.zip cannot be read as a \.zip archive"),
        ("a.ZIP", b"", r"a\.ZIP cannot be read as a \.zip archive: it is empty"),
        ("a.tar", b"words", r"a\.tar cannot be read as a \.tar archive"),
        (
            "a.tar.gz",
            b"\x1f\x8b\x08" + bytes(20),
            r"a\.tar\.gz is packed as a whole \(gzip\), and .*: unpack it",
        ),
        ("a.tgz", b"\x1f\x8b\x08", r"is packed as a whole \(gzip\).* or pack them as \.zip"),
        ("a.tar.bz2", bz2.compress(b""), r"is packed as a whole \(bzip2\)"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", r"is packed as a whole \(7-Zip\)"),
        ("a.rar", b"Rar!\x1a\7\0", r"is packed as a whole \(RAR\)"),
        ("a.png", b"\x89PNG", r"a\.png is a file: expected a folder of images, or a \.zip or \.tar of them"),
    ],
)
def test_what_is_no_archive_of_images(name, content, sentence):
    Path(name).write_bytes(content)
    with pytest.raises(UsageError, match=sentence):
        ImageFolder(name, size=8)


def test_an_archive_without_images():
    path = written({"a.txt": b"a", "b.csv": b"b"})
    with pytest.raises(
        UsageError, match=r"made\.zip has no images \(left out, as they are no images: 1 \.csv, 1 \.txt\)"
    ):
        ImageFolder(path, size=8)
    np.savez("samples.zip.npz", samples=np.zeros((3, 2)))
    with pytest.raises(UsageError, match=r"no images: 1 \.npy\)"):
        ImageFolder("samples.zip.npz", size=8)


def test_damaged_archives():
    """Cut and changed at random: every image is read, or refused in one sentence."""
    fill("in", 3)
    draw = np.random.default_rng(0)
    ends = {"read": 0, "broken": 0, "refused": 0}
    said = []
    for kind in KINDS:
        path = Path(pack(kind, "in", out=kind))
        whole = path.read_bytes()
        for _ in range(200):
            made = bytearray(whole)
            for _ in range(draw.integers(1, 4)):
                made[draw.integers(len(made))] = draw.integers(256)
            path.write_bytes(made[: draw.choice([len(made), draw.integers(len(made))], p=[0.7, 0.3])])
            try:
                tree = look(path)
                headers, faults = read_headers([tree.file(name) for name in tree.names])
                ends["read"] += len(headers)
                ends["broken"] += len(faults)
                said += faults.values()
            except UsageError as error:
                ends["refused"] += 1
                said.append(str(error))
    assert not [sentence for sentence in said if "\n" in sentence]
    assert min(ends.values()) > 30
