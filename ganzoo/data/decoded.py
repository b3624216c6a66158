"""Images of a folder, decoded once: how, and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganzoo.data.broken import Faults
from ganzoo.data.copies import NOTHING, Copy, Parts, Pixels, Source, by_split, finished, give, open_or_make
from ganzoo.data.finding import Files
from ganzoo.data.images import Size, each
from ganzoo.data.marks import let_pass, look_at
from ganzoo.data.rows import Rows
from ganzoo.data.tensors import Array, content_hash
from ganzoo.errors import WorkError

FORMAT = 3  # of the copy; a change of what is decoded or stored needs another number
DARK = 64  # where no pixel of 0 to 255 is as bright, something is wrong


@dataclass(frozen=True)
class Options:
    """How images are decoded, and where they are kept.

    Args:
        size: height and width; (0, 0) is chosen from them all.
        channels: a number for each of `Files.parts`, 0 where it is chosen.
        white: the value that is white in images of more than 8 bits; 0 is found.
        memory_gb: in GiB; 0 is a quarter of what the machine has.
        broken: "stop" where a file is broken, or "skip" it.
    """

    size: Size
    channels: tuple[int, ...]
    white: float
    memory_gb: float
    broken: str = "stop"

    @property
    def wanted(self) -> str:
        """What copies of the same files differ by."""
        height, width = self.size
        size = str(height) if height == width else f"{height}x{width}"
        return f"{FORMAT} {size} {' '.join(map(str, self.channels))} {self.white!r}"


def copy_of(
    files: Files, options: Options, without: Callable[[Faults], Files]
) -> tuple[Copy | None, dict[str, str]]:
    """A copy of all these files, or what is wrong with some of them.

    Args:
        without: faults -> the files that are left without those.
    """
    key, newest = look_at(files, options.wanted)

    def decode(pixels: Pixels) -> Copy:
        let_pass(newest)
        x, rows = _decode(files, options, pixels)
        if look_at(files, options.wanted)[0] != key:
            raise WorkError(f"{files.root} changed while it was read: start again when it is complete")
        if not rows.faults:
            return _finish(files, x, rows, options.white)
        if isinstance(x, np.memmap):
            _give(x, rows, files, without(rows.faults), options)
        return Copy(NOTHING, NOTHING, {**_head(files), "faults": files.named(rows.faults)})

    copy = open_or_make(_source(files, options, key, decode))
    if "faults" not in copy.meta:
        return copy, {}
    return None, {str(files.tree.file(name)): reason for name, reason in copy.meta["faults"].items()}


def _source(files: Files, options: Options, key: str, decode: Callable[[Pixels], Copy]) -> Source:
    return Source(str(files.root), key, decode, options.memory_gb, _parts(files))


def _parts(files: Files) -> Parts:
    return by_split if files.test else lambda x, y, _: (x, y)


def _give(x: Array, rows: Rows, files: Files, left: Files, options: Options) -> None:
    """Make what was decoded the copy of the files that are left, where it is what theirs would be."""
    index = {path: i for i, path in enumerate(files.paths[0])}
    order = [index[path] for path in left.paths[0]]
    if order != sorted(order) or not rows.fit(left, options.size, options.channels):
        return

    def decode(pixels: Pixels) -> Copy:
        return _finish(left, pixels((len(order), *x.shape[1:])), rows, options.white)

    give(x, order, _source(left, options, look_at(left, options.wanted)[0], decode))


def _decode(files: Files, options: Options, pixels: Pixels) -> tuple[Array, Rows]:
    """Decode all of `files`. The rows of broken ones are not filled."""
    rows = Rows.of(files, options.size, options.channels, options.white)
    x = pixels(rows.shape)

    def into(i: int) -> None:
        row = rows.read(i)
        if row is not None:
            x[i] = row

    each(into, range(len(files.names)), "decoding images")
    return x, rows


def _finish(files: Files, x: Array, rows: Rows, given: float) -> Copy:
    """The copy of decoded images, with what is known of them."""
    white, train = rows.white, len(x) - files.test
    notes = [white.sentence] if white.sentence else []
    if given and not white.given:
        notes.append(f"data.white={given:.15g} changes nothing: no image has more than 8 bits")
    if x.max() < DARK:
        notes.append(f"their brightest pixel is {x.max()}, where 255 is white")
    if files.test:
        seen = {content_hash(row) for row in x[:train]}
        twins = sum(content_hash(row) in seen for row in x[train:])
        if twins:
            notes.append(
                f"{twins:,} of the {files.test:,} images to test are among those to train on as well"
            )
    known = {
        **_head(files),
        "channels": rows.channels,
        "notes": notes,
        "white": given or (white.value if white.sentence else 0.0),
    }
    return finished(x, np.array(files.labels, dtype=np.int64), files.test, _parts(files), known)


def _head(files: Files) -> dict[str, Any]:
    """What copies, and the faults of files, have both in their meta.json."""
    of = os.fsencode(files.root.resolve()).decode(errors="replace")
    return {"format": FORMAT, "of": of, "count": len(files.names)}
