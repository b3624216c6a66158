"""The device that a word names: typed now, or recorded in a run folder, perhaps on another machine."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import torch

from ganzoo.errors import UsageError, nearest


def choose_device(name: str | torch.device, run: Path | None = None) -> torch.device:
    """The device of that name; the best that is here for "auto".

    Args:
        run: the run folder that records the name, where nobody typed it.

    Raises:
        UsageError: there is none of that name here.
    """
    text = str(name)
    counts = {"cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0}
    counts |= {"mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if text == "auto":
        text = next(kind for kind, count in counts.items() if count)
    lack = _lack(text, counts)
    if not lack:
        return torch.device("cpu" if text == "cpu:0" else text)
    if run is None:
        raise UsageError(f"--device {text}{lack}")
    here = next(kind for kind, count in counts.items() if count)
    raise UsageError(
        f"{run} was made on {text}{lack.partition(';')[0]}; ganzoo resume {shlex.quote(str(run))} --device "
        f"{here} goes on with it, and the last bits of its numbers differ then"
    )


def _lack(name: str, counts: dict[str, int]) -> str:
    """What is wrong with a name, as the end of a sentence that begins with it; "" if nothing is."""
    kind, colon, index = name.partition(":")
    if kind not in counts:
        return f" is not known: {nearest(name, ('auto', *counts))}"
    if colon and not re.fullmatch("0|[1-9][0-9]{0,5}", index):
        return f" is not known: expected a name like {kind} or {kind}:0"
    if not counts[kind]:
        return ": this machine, or this build of torch, has none; use --device cpu"
    if int(index or 0) >= counts[kind]:
        return f": this machine has {kind}:0" + (f" to {kind}:{counts[kind] - 1}" if counts[kind] > 1 else "")
    return ""
