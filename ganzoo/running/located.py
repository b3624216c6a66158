"""Which generator somebody names: a run, a file, one that came with ganzoo, or one that was pulled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganzoo.errors import UsageError, nearest
from ganzoo.running import pretrained
from ganzoo.running.folder import RUNS, find
from ganzoo.running.hub_cache import WEIGHTS, pulled
from ganzoo.system.files import is_file, is_folder
from ganzoo.system.paths import typed_path
from ganzoo.system.stores import is_address
from ganzoo.training.stored import GENERATOR

CONFIG = "config.json"


@dataclass(frozen=True)
class Found:
    """A file of a generator; or the folder of a `run`."""

    path: Path
    run: Path | None = None
    name: str = ""


def locate(word: str | None) -> Found:
    """The generator that is meant by a word; the run that was trained last where there is none.

    A file or a folder by its path; a run by its name or number under runs/; MODEL:DATASET of those that come
    with ganzoo; OWNER/NAME of what was pulled from the hub.

    Raises:
        UsageError: there is none; names what is near.
    """
    if word is None:
        run = find(None)
        return Found(run / GENERATOR, run, run.name)
    if is_address(word):
        run = find(word)
        return Found(run / GENERATOR, run, run.name)
    path = typed_path(word)
    if is_file(path):
        return Found(path, name=path.name)
    if is_folder(path) and is_file(path / WEIGHTS):
        return Found(path / WEIGHTS, name=path.name)  # as the hub has it
    if is_folder(path) and is_file(path / GENERATOR) and not is_file(path / CONFIG):
        return Found(path / GENERATOR, name=path.name)  # of a run of which nothing else is left
    shipped = pretrained.file_of(word)
    if shipped is not None:
        return Found(shipped, name=word)
    if ":" in word and word.partition(":")[0] in {name.partition(":")[0] for name in pretrained.names()}:
        raise UsageError(f"no pretrained generator {word!r}: {nearest(word, pretrained.names())}")
    fetched = None if path.exists() or (RUNS / word).exists() else pulled(word)
    if fetched is not None:
        return Found(fetched, name=word)
    run = find(word)
    return Found(run / GENERATOR, run, run.name)
