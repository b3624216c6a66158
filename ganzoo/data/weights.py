"""Published weights of networks: in a cache, or downloaded, checked, and never waited for in vain."""

from __future__ import annotations

import queue
import socket
import threading
import urllib.request
from http.client import HTTPException
from pathlib import Path

import torch

from ganzoo.data.fetch import PROBE_SECONDS, STALL_SECONDS, Unavailable
from ganzoo.system.places import cache_folder


def cached_weights(url: str, sha256: str, offline: bool) -> Path:
    """The file behind `url`: in ganzoo's cache or in that of torch.hub, or downloaded into the first.

    Args:
        sha256: how its sha256 begins.
        offline: download nothing.

    Raises:
        Unavailable: it is in neither, and can't or may not be downloaded; the text says why.
    """
    name = url.rpartition("/")[2]
    own = cache_folder() / "weights" / name
    for file in (own, Path(torch.hub.get_dir()) / "checkpoints" / name):
        if file.is_file():
            return file
    if offline:
        raise Unavailable(f"{own} is not there, and --offline allows no download")
    if not host_answers(url):
        raise Unavailable(f"{own} is not there, and {url} does not answer")
    before = socket.getdefaulttimeout()
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        socket.setdefaulttimeout(STALL_SECONDS)
        torch.hub.download_url_to_file(url, str(own), hash_prefix=sha256)
    except (RuntimeError, OSError, HTTPException) as error:
        reason = " ".join(str(error).split())
        raise Unavailable(f"the download from {url} failed ({reason})") from error
    finally:
        socket.setdefaulttimeout(before)
    return own


def host_answers(url: str) -> bool:
    """Whether the first byte of `url` can be had within PROBE_SECONDS."""
    answers: queue.Queue[bool] = queue.Queue()
    # A daemon thread: looking up a name can hang where no timeout reaches.
    threading.Thread(target=lambda: answers.put(_first_byte(url)), daemon=True).start()
    try:
        return answers.get(timeout=PROBE_SECONDS)
    except queue.Empty:
        return False


def _first_byte(url: str) -> bool:
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "ganzoo"})
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as response:
            return bool(response.read(1))
    except Exception as error:
        if hasattr(error, "close"):
            error.close()  # an HTTPError holds its connection
        return False
