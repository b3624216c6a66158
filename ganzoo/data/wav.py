"""One's own sounds, from .wav files: series of one length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from ganzoo.data.images import each
from ganzoo.data.names import Wanted, in_order
from ganzoo.data.own import OwnArrays, Samples, check_memory
from ganzoo.data.sounds import RATES, middle_of, read_sound
from ganzoo.data.splits import choose_splits
from ganzoo.data.tensors import Array
from ganzoo.data.tree import SPLITS
from ganzoo.data.walk import walked
from ganzoo.errors import UsageError, first_line
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path

SHORTEST, USUAL, LONGEST = 16, 16_384, 2**22  # values of a series
NAMED = 3  # files, in a sentence about many
SOUNDS = Wanted(".wav files", {".wav", ".wave"})


class Wav(OwnArrays):
    """Your own sounds: wav:FOLDER, .wav files as series [C, L]; sub-folders are classes, if there are any.

    Samples are float32 in [-1, 1]; networks see them with mean 0 and standard deviation 1 in each channel. Of
    a longer file the middle is taken, a shorter one goes on with silence. Sub-folders train and test are the
    splits, if there are no others; else a tenth of the files, chosen by hash, is the test split.

    Args:
        path: the folder.
        length: of a series; 0 is that of the shortest file, rounded down to a power of two, at most 16,384.
        rate: values per second to which all are brought; 0 leaves them as they are, which must be alike.
        channels: 1 mixes those of a file, 2 gives what has one to both ears; 0 is as many as all files have,
            or else 1.

    Raises:
        UsageError: a wrong option, no such folder, fewer than two files, ones that cannot be read, or ones
            of several rates where none is given.
    """

    paths: ClassVar[str] = "FOLDER"

    def __init__(self, path: str | Path, length: int = 0, rate: int = 0, channels: int = 0) -> None:
        _check_options(length, rate, channels)
        files = find_sounds(typed_path(path))
        check_memory(str(files.root), len(files.names), max(channels, 1) * max(length, SHORTEST))
        sounds, lengths = _read_all(files, rate, length or USUAL)
        channels = channels or _channels(sounds)
        length = length or max(SHORTEST, min(USUAL, 1 << (min(lengths).bit_length() - 1)))
        check_memory(str(files.root), len(sounds), channels * length)
        x = torch.from_numpy(np.stack([_fitted(sound, channels, length) for sound in sounds]))
        y = torch.tensor(files.labels, dtype=torch.int64) if files.class_names else None
        train = len(x) - files.test
        held_out = (x[train:], None if y is None else y[train:]) if files.test else None
        samples = Samples(x[:train], None if y is None else y[:train], files.class_names, held_out)
        super().__init__(f"wav:{path}", samples)
        cut = sum(own > length for own in lengths)
        filled = sum(own < length for own in lengths)
        for sentence in (
            self.found(samples),
            f"{cut:,} of the files are longer than {length:,} values, of which the middle is taken"
            * bool(cut),
            f"{filled:,} of the files are shorter than {length:,} values, and go on with silence"
            * bool(filled),
            *files.notes,
        ):
            if sentence:
                notice(f"{self.name}: {sentence}")


@dataclass(frozen=True)
class Sounds:
    """The .wav files of a folder.

    Args:
        root: the folder.
        names: below it; the test split last, where there is one.
        labels: one for each, or empty without classes.
        class_names: the sub-folders, in order, or empty.
        test: how many of the names, the last ones, are the test split.
        notes: sentences that a person should read.
    """

    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    test: int
    notes: tuple[str, ...]


def find_sounds(root: Path) -> Sounds:
    """Raises UsageError if there is no such folder, or fewer than two .wav files, or classes and none."""
    if not root.is_dir():
        raise UsageError(
            f"{root} is {'a file' if root.exists() else 'not there'}: expected a folder of .wav files"
        )
    walk = walked(root, SOUNDS)
    names, notes = sorted(walk.names), tuple(walk.notes())
    tops = sorted({name.partition("/")[0] for name in names if "/" in name})
    test = 0
    if tops and all("/" in name for name in names) and all(top.lower() in SPLITS for top in tops):
        train, held_out, left = choose_splits(root, {top: SPLITS[top.lower()] for top in tops}, "wav")
        parts = [[name for name in names if name.startswith(f"{top}/")] for top in (train, held_out) if top]
        names, test = [name for part in parts for name in part], len(parts[1]) if held_out else 0
        notes += left
        below = [name.partition("/")[2] for name in names]
    else:
        below = names
    if len(names) < 2:
        raise UsageError(f"{root} has {len(names) or 'no'} .wav file{'s' * (not names)}: expected 2 or more")
    direct = [name for name in below if "/" not in name]
    if direct and len(direct) < len(below):
        raise UsageError(
            f"{root} has .wav files in sub-folders and others beside these ({direct[0]}): put each one in "
            "the sub-folder of its class, or have no sub-folders"
        )
    classes = () if direct else tuple(sorted({name.partition("/")[0] for name in below}, key=in_order))
    index = {name: i for i, name in enumerate(classes)}
    labels = tuple(index[name.partition("/")[0]] for name in below) if classes else ()
    if test and classes and set(labels[len(labels) - test :]) - set(labels[: len(labels) - test]):
        raise UsageError(
            f"{root} has classes to test that are not among those to train on: expected the same"
        )
    return Sounds(root, tuple(names), labels, classes, test, notes)


def _read_all(files: Sounds, rate: int, most: int) -> tuple[list[Array], list[int]]:
    """Of each file the middle, `most` values, and how many it has.

    Raises UsageError, one for all files that cannot be read, or for several rates.
    """

    def read(name: str) -> tuple[int, Array, int] | str:
        try:
            return read_sound(files.root / name, rate, most)
        except Exception as error:  # its reader meets broken bytes with any exception
            return first_line(error)

    read_as = each(read, files.names, "reading sounds")
    broken = [(name, made) for name, made in zip(files.names, read_as, strict=True) if isinstance(made, str)]
    if broken:
        reasons = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in broken[:NAMED])
        more = f"; and {len(broken) - NAMED:,} more" * (len(broken) > NAMED)
        raise UsageError(
            f"{len(broken):,} of the {len(files.names):,} files in {files.root} cannot be read as sounds "
            f"({reasons}{more}): repair them, or move them out of the folder"
        )
    made = [pair for pair in read_as if not isinstance(pair, str)]
    rates = {own: name for name, (own, *_) in reversed(list(zip(files.names, made, strict=True)))}
    if len(rates) > 1:
        (one, first), (two, second), *_ = sorted(rates.items())
        raise UsageError(
            f"{files.root} has sounds of several rates, such as {first} with {one:,} values per second and "
            f"{second} with {two:,}: bring them to one, --set data.rate={one}"
        )
    return [sound for _, sound, _ in made], [length for *_, length in made]


def _fitted(sound: Array, channels: int, length: int) -> Array:
    """One of another form as float32 [channels, length]."""
    if len(sound) != channels:
        sound = sound.mean(axis=0, keepdims=True).repeat(channels, axis=0)
    sound = middle_of(sound, length)
    return np.pad(sound, ((0, 0), (0, length - sound.shape[1]))).astype(np.float32, copy=False)


def _channels(sounds: list[Array]) -> int:
    return len(sounds[0]) if len({len(sound) for sound in sounds}) == 1 else 1


def _check_options(length: int, rate: int, channels: int) -> None:
    rules = (
        (
            "length",
            length,
            length == 0 or SHORTEST <= length <= LONGEST,
            f"0, or {SHORTEST} to {LONGEST:,}",
        ),
        (
            "rate",
            rate,
            rate == 0 or RATES[0] <= rate <= RATES[1],
            f"0 (as it is) or at most {RATES[1]:,}",
        ),
        ("channels", channels, channels in (0, 1, 2), "0 (choose), 1 or 2"),
    )
    for name, value, fine, expected in rules:
        if not fine:
            raise UsageError(f"data.{name}: expected {expected}, got {value}")
