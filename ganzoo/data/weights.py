"""Published weights of networks: in a cache, or downloaded, checked, and never waited for in vain."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path

import torch

from ganzoo.data.fetch import PROBE_SECONDS, STALL_SECONDS, Unavailable, first_to_answer, giving_up_after
from ganzoo.system.files import cache_folder


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
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        with giving_up_after(STALL_SECONDS):
            torch.hub.download_url_to_file(url, str(own), hash_prefix=sha256)
    except (RuntimeError, OSError, HTTPException) as error:
        reason = " ".join(str(error).split())
        raise Unavailable(f"the download from {url} failed ({reason})") from error
    return own


def host_answers(url: str) -> bool:
    """Whether the first byte of `url` can be had within PROBE_SECONDS."""
    return first_to_answer([url], PROBE_SECONDS) is not None
