"""Files from the network: who answers, and a download that is checked and never waited for in vain."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ganzoo.system.bars import transfer

CHUNK = 64 * 1024


def first_to_answer(urls: Sequence[str], seconds: float, size: int = 1, begins: bytes = b"") -> str | None:
    """The first of `urls` whose first `size` bytes come within `seconds`, and begin so; None if none does."""
    answers: queue.Queue[tuple[str, bool]] = queue.Queue()

    def ask(url: str) -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "ganzoo"})
            with urllib.request.urlopen(request, timeout=seconds) as response:
                content = response.read(size)
            answers.put((url, bool(content) and content.startswith(begins)))
        except Exception as error:
            if hasattr(error, "close"):
                error.close()  # an HTTPError holds its connection
            answers.put((url, False))

    for url in urls:
        # A daemon thread each: looking up a name can hang where no timeout reaches.
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    deadline = time.monotonic() + seconds
    for _ in urls:
        try:
            url, alive = answers.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            return None
        if alive:
            return url
    return None


def download(url: str, file: Path, begins: str, algorithm: str, stall: float) -> None:
    """Fetch `url` into `file`, which is there whole or not at all; what an earlier try left is gone on with.

    What there is of it meanwhile is `NAME.part` beside. One process at a time: take a lock on `file`.

    Args:
        begins: how the hash of the content begins, in hex digits.
        algorithm: of the hash, as hashlib calls it.
        stall: seconds without a byte, after which it is given up.

    Raises:
        OSError, http.client.HTTPException: the network or the disk failed, or this is not the content.
    """
    part = file.with_name(f"{file.name}.part")
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _append(url, part, before, stall)
            found = hash_of(part, algorithm)
        except urllib.error.HTTPError as error:
            error.close()  # it holds its connection
            if error.code != 416 or not before:  # else there is more of it than there should be
                raise
            found = ""
        if found.startswith(begins) and found:
            part.replace(file)
            return
        part.unlink()
        if not before:
            raise OSError(f"its {algorithm} begins with {found[: len(begins)]}, and not with {begins}")


def hash_of(file: Path, algorithm: str = "sha256") -> str:
    """Of the content, in hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def _append(url: str, part: Path, before: int, stall: float) -> None:
    """Fetch what comes after the first `before` bytes of `part`; all of it from a server that can't skip."""
    headers = {"User-Agent": "ganzoo"} | ({"Range": f"bytes={before}-"} if before else {})
    # The timeout is this connection's alone: it holds for every wait for a byte.
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=stall) as response:
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {before}-")
        done = before if goes_on else 0
        total = done + int(response.headers.get("Content-Length", 0))
        with part.open("ab" if goes_on else "wb") as out, transfer(part.stem, done, total) as show:
            while chunk := response.read1(CHUNK):
                out.write(chunk)
                done += len(chunk)
                show(done)
    if done < total:
        raise OSError(f"it ended after {done:,} of {total:,} bytes")
