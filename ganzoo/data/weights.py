"""Published weights of networks: in a cache, or downloaded, checked, and never waited for in vain."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path

import torch

from ganzoo.data.fetch import PROBE_SECONDS, STALL_SECONDS, Unavailable
from ganzoo.data.network import download, first_to_answer, hash_of
from ganzoo.system.cache import place, touch
from ganzoo.system.locks import in_turn


def cached_weights(url: str, sha256: str, offline: bool) -> Path:
    """The file behind `url`: in ganzoo's cache or in that of torch.hub, or downloaded into the first.

    Args:
        sha256: how its sha256 begins; a file with another one counts as not there.
        offline: download nothing.

    Raises:
        Unavailable: it is in neither, and can't or may not be downloaded; the text says why.
    """
    name = url.rpartition("/")[2]
    own = place("weights") / name
    for file in (own, Path(torch.hub.get_dir()) / "checkpoints" / name):
        if _is_whole(file, sha256):
            if file == own:
                touch(own)
            return file
    what = f"{own} is {'damaged' if own.is_file() else 'not there'}"
    if offline:
        raise Unavailable(f"{what}, and --offline allows no download")
    if not host_answers(url):
        raise Unavailable(f"{what}, and {url} does not answer")
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(own, f"downloads {name}"):
            if not _is_whole(own, sha256):  # another may have done it meanwhile
                download(url, own, sha256, "sha256", STALL_SECONDS)
    except (OSError, HTTPException) as error:
        reason = " ".join(str(error).split())
        raise Unavailable(f"the download from {url} failed ({reason})") from error
    return own


def _is_whole(file: Path, sha256: str) -> bool:
    try:
        return hash_of(file).startswith(sha256)
    except OSError:
        return False


def host_answers(url: str) -> bool:
    """Whether the first byte of `url` can be had within PROBE_SECONDS."""
    return first_to_answer([url], PROBE_SECONDS) is not None
