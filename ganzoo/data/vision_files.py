"""Where torchvision's sets of images lie: found on disk, or downloaded by torchvision itself."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganzoo.data.catalogue import Known
from ganzoo.data.fetch import PROBE_SECONDS, STALL_SECONDS, data_folders
from ganzoo.data.network import first_to_answer
from ganzoo.errors import UsageError, first_line
from ganzoo.system.cache import part_of, place, touch
from ganzoo.system.console import notice
from ganzoo.system.locks import in_turn


def find_or_fetch(
    kind: str,
    of: Known,
    files: Sequence[str],
    split: str,
    target: str,
    root: str | Path | None,
    offline: bool,
) -> Path:
    """The data folder that has a set, into which it is downloaded where none does.

    Raises UsageError, with what to do, where it can't be had.
    """
    folders = data_folders(root)
    for folder in folders:
        if all((folder / file).exists() for file in files):
            if folder == place("downloads"):
                for file in files:
                    touch(folder / Path(file).parts[0])
            return folder
    home = folders[0]
    how = f", as torchvision lays them out: {', '.join(files)}"
    if not of.probe:
        raise UsageError(
            f"torchvision:{kind} is not in {home}, and torchvision downloads none: expected its files there"
            f"{how}; another folder is named with --data-root DIR"
        )
    reason = ""
    if offline:
        reason = f"not in {home}, and --offline allows no download"
    elif first_to_answer([of.probe], PROBE_SECONDS) is None:
        reason = f"not in {home}, and its download site does not answer"
    else:
        try:
            home.mkdir(parents=True, exist_ok=True)
            with in_turn(home / kind, f"downloads {kind}") as lock, part_of(home / kind, lock) as beside:
                if not all((home / file).exists() for file in files):  # another may have done it meanwhile
                    notice(f"torchvision:{kind} is downloaded to {home}")
                    with _patience(), contextlib.redirect_stdout(sys.stderr):
                        for words in of.parts(split, target):
                            _class(kind)(beside, download=True, **words)
                    _move(beside, home)
            return home
        except Exception as error:  # torchvision and the network have many kinds
            reason = f"the download failed: {first_line(error)}"
    raise UsageError(
        f"torchvision:{kind} can't be had ({reason}): it needs a network, or --data-root DIR with a folder "
        f"that has its files{how}"
    )


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Have sockets that are opened meanwhile give up where nothing comes: torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _move(beside: Path, home: Path) -> None:
    """What was downloaded, to where it belongs: whole where nothing of that name is there."""
    for entry in sorted(beside.iterdir()):
        target = home / entry.name
        if entry.is_dir() and target.exists():
            target.mkdir(exist_ok=True)
            _move(entry, target)
        else:
            entry.replace(target)


def _class(kind: str) -> Any:
    from torchvision import datasets

    # What older versions of torchvision made of the files of MNIST and its like is not looked at.
    return type(kind, (getattr(datasets, kind),), {"_check_legacy_exist": lambda self: False})


def open_parts(kind: str, parts: Sequence[dict[str, Any]], folder: Path, files: Sequence[str]) -> list[Any]:
    """The splits of a set that is in a folder. Raises UsageError where they cannot be read."""
    try:
        return [_class(kind)(**({"root": folder} if files else {}), **words) for words in parts]
    except ImportError as error:
        missing = error.name or "a library"
        raise UsageError(
            f"torchvision:{kind} needs {missing}, which is missing: pip install {missing}"
        ) from error
    except Exception as error:  # its readers meet broken bytes with any exception
        if "pip install" in str(error):
            raise UsageError(
                f"torchvision:{kind} needs a library that is missing: {first_line(error)}"
            ) from error
        where = ", ".join(str(folder / file) for file in files)
        raise UsageError(
            f"the files of torchvision:{kind} cannot be read ({type(error).__name__}: {first_line(error)}): "
            f"repair or delete {where}"
        ) from error
