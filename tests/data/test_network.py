"""Downloads: checked, gone on with, made by one process, and given up where nothing comes."""

import gzip
import hashlib
import re
import socket
import threading
import time
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from serving import serving

from ganzoo.data import fetch, network
from ganzoo.data.network import download
from ganzoo.data.weights import cached_weights
from ganzoo.system.cache import place

CONTENT = bytes(range(256)) * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()


class Site:
    """What a server does, and what it was asked for: the first byte of each request."""

    def __init__(self, skips: bool = True, stops_after: int = 0, stalls: bool = False) -> None:
        self.skips, self.stops_after, self.stalls = skips, stops_after, stalls
        self.content = CONTENT
        self.asked: list[int] = []
        self.closing = threading.Event()


@contextmanager
def serve(site: Site):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            first = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(first[1]) if first and site.skips else 0
            site.asked.append(start)
            if start >= len(site.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                last = len(site.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(site.content)}")
            self.send_header("Content-Length", str(len(site.content) - start))
            self.end_headers()
            end = start + site.stops_after if site.stops_after else None
            try:
                self.wfile.write(site.content[start:end])
            except ConnectionError:  # the first look takes one byte
                return
            if site.stalls:
                self.wfile.flush()
                site.closing.wait(30)

    with serving(Handler, site.closing) as url:
        yield f"{url}weights.pth"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def there() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.is_file())


@pytest.mark.parametrize("stalls", [True, False])
def test_a_download_that_ends_early_is_gone_on_with(stalls):
    site = Site(stops_after=100_000, stalls=stalls)
    with serve(site) as url:
        start = time.monotonic()
        for _ in range(2):
            with pytest.raises((OSError, HTTPException)):
                download(url, Path("file"), SHA, "sha256", stall=0.5)
        assert time.monotonic() - start < 10
        assert there() == ["file.part"]
        download(url, Path("file"), SHA, "sha256", stall=5)
    assert (there(), Path("file").read_bytes()) == (["file"], CONTENT)
    assert site.asked[0] == 0
    assert 0 < site.asked[1] < site.asked[2] <= 200_000
    assert socket.getdefaulttimeout() is None


def test_a_server_that_cannot_skip_sends_all_of_it():
    Path("file.part").write_bytes(CONTENT[:1000])
    site = Site(skips=False)
    with serve(site) as url:
        download(url, Path("file"), SHA, "sha256", stall=5)
    assert (there(), Path("file").read_bytes(), site.asked) == (["file"], CONTENT, [0])


@pytest.mark.parametrize("part", [b"x" * 1000, CONTENT + b"more", b"x" * len(CONTENT), CONTENT])
def test_a_part_of_something_else_is_begun_anew(part):
    Path("file.part").write_bytes(part)
    site = Site()
    with serve(site) as url:
        download(url, Path("file"), SHA, "sha256", stall=5)
    assert (there(), Path("file").read_bytes()) == (["file"], CONTENT)
    assert site.asked == [len(part), 0]


def test_other_content_is_not_kept():
    site = Site()
    site.content = b"please log in"
    with serve(site) as url, pytest.raises(OSError, match=f"its md5 begins with .*, and not with {SHA[:8]}"):
        download(url, Path("file"), SHA[:8], "md5", stall=5)
    assert there() == []
    with pytest.raises(OSError, match="refused"):
        download(url, Path("file"), SHA, "sha256", stall=5)
    assert there() == []


def test_no_timeout_reaches_others(monkeypatch):
    seen = []
    whole = network._append
    monkeypatch.setattr(
        network, "_append", lambda *words: seen.append(socket.getdefaulttimeout()) or whole(*words)
    )
    with serve(Site()) as url:
        download(url, Path("file"), SHA, "sha256", stall=5)
    assert seen == [None]


def test_two_that_want_the_same_weights_download_them_once(capsys):
    site = Site()
    with serve(site) as url:
        both = [threading.Thread(target=cached_weights, args=(url, SHA[:8], False)) for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
    assert [path.name for path in place("weights").iterdir()] == ["weights.pth"]
    # One download; and each looks whether the server is there, unless it begins after the other has ended.
    assert len(site.asked) in (2, 3)


# ---- what torchvision has laid out


def lay_out(folder: Path, content: bytes) -> Path:
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(content)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    return raw


def test_a_flipped_bit_beside_its_archive_is_seen(tmp_path):
    raw = lay_out(tmp_path, CONTENT)
    fetch._compare(raw / "train-images-idx3-ubyte.gz")
    fetch._compare(raw / "there-is-none.gz")
    flipped = bytearray(CONTENT)
    flipped[77] ^= 4
    for damage in (bytes(flipped), CONTENT[:-1], CONTENT + b"0"):
        (raw / "train-images-idx3-ubyte").write_bytes(damage)
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte is not what is packed in"):
            fetch._compare(raw / "train-images-idx3-ubyte.gz")
