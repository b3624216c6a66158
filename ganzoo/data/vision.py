"""Torchvision's sets of labelled images, by their names: found on disk, or fetched, and decoded once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageOps

from ganzoo.data.catalogue import FAKES, KNOWN, Known, choice, known
from ganzoo.data.images import channels_first, check_options
from ganzoo.data.kept import KeptImages, Pictures, open_kept
from ganzoo.data.marks import marks_of
from ganzoo.data.tensors import Array
from ganzoo.data.vision_files import find_or_fetch, open_parts
from ganzoo.errors import UsageError, first_line


class Vision(KeptImages):
    """Torchvision's other sets of labelled images: torchvision:NAME, such as torchvision:SVHN.

    What is in `--data-root`, $GANZOO_DATA or the cache is used; else it is downloaded, with the checksums
    that torchvision has. Every image is decoded once, scaled to a square (Lanczos, centre crop) and kept in
    ganzoo's cache. Train and test split are those of the set; without a test split it is a tenth, by hash. A
    name may be typed in small letters. EMNIST's images are turned upright, which torchvision's are not.

    Args:
        path: NAME, as torchvision.datasets has it.
        size: of the square in pixels; 0 is 64, or as they are where all are smaller.
        channels: 1 or 3; 0 is 1 for grey images, else 3.
        split: of EMNIST balanced, byclass, bymerge, digits, letters or mnist; of STL10 train or unlabeled; of
            LSUN what is in the pictures, such as bedroom.
        target: of CelebA attr, 40 values, or the name of one attribute, such as Smiling, which gives two
            classes; of FGVCAircraft variant, family or manufacturer; of OxfordIIITPet category or
            binary-category.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has.
        workers: processes that read ahead, where the set is not in memory.

    Raises:
        UsageError: a name or an option that there is not, or it can't be had, or not be read.
        WorkError: the images are too many for the memory, and the cache cannot be written.
    """

    paths: ClassVar[str] = "NAME"
    elsewhere = True

    def __init__(
        self,
        path: str,
        root: str | Path | None = None,
        offline: bool = False,
        size: int = 0,
        channels: int = 0,
        split: str = "",
        target: str = "",
        memory_gb: float = 0.0,
        workers: int = 0,
    ) -> None:
        check_options(size, channels, memory_gb, workers, 0.0)
        kind = known(str(path))
        of, name = KNOWN[kind], f"torchvision:{kind}"
        split = choice(kind, "split", split, of.splits)
        target = choice(kind, "target", target, of.targets)
        files = tuple(file.format(split) for file in of.files)
        folder = find_or_fetch(kind, of, files, split, target, root, offline)
        size, channels = size or of.size, channels or of.channels
        marks = marks_of(_below([folder / file for file in files]))

        def make() -> Pictures:
            return _pictures(
                open_parts(kind, of.parts(split, target), folder, files), kind, target, size, channels
            )

        key = f"{name} {split} {target} {size} {channels} {FAKES} {marks}"
        super().__init__(name, open_kept(name, key, make, memory_gb), workers)


def _pictures(parts: Sequence[Any], kind: str, target: str, size: int, channels: int) -> Pictures:
    lengths = [len(part) for part in parts]
    count, train = sum(lengths), lengths[0]
    names, first = _names(parts[0], KNOWN[kind], target)
    image, label = parts[0][0]
    image.close()  # it may be opened, and not read yet
    some = _target(label, parts[0], target)
    values = some is not None and some.ndim == 1
    has_y = some is not None and (values or int(some) >= 0) and kind != "LSUN"  # LSUN has one class
    y: Array = np.zeros(
        (count, *(some.shape if some is not None and values else ())), np.float32 if values else np.int64
    )
    # The generator that FakeData draws from is torch's own, and no thread's.
    alone = threading.Lock() if kind == "FakeData" else nullcontext()

    def read(i: int) -> Array:
        part, own = (parts[0], i) if i < train else (parts[1], i - train)
        try:
            with alone:
                image, label = part[own]
        except Exception as error:
            raise UsageError(
                f"image {own} of torchvision:{kind} cannot be read ({first_line(error)}): repair its files"
            ) from error
        found = _target(label, part, target)
        if has_y and found is not None:
            y[i] = found - first
        return _square(image, kind, size, channels)

    return Pictures(
        (count, channels, size, size),
        read,
        y if has_y else np.empty(0, np.int64),
        names if has_y else (),
        count - train,
    )


def _names(part: Any, of: Known, target: str) -> tuple[tuple[str, ...], int]:
    """Of the classes; and the number of the first one, which is not 0 where that stands for nothing."""
    own = getattr(part, "classes", None) or getattr(part, "categories", None) or ()
    names: tuple[Any, ...] = of.class_names(target) or tuple(own)
    plain = tuple(", ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in names)
    return (plain[1:], 1) if plain[:1] == ("N/A",) else (plain, 0)


def _target(label: Any, part: Any, target: str) -> Array | None:
    """What a sample is made for: a class, or several values; None where there is nothing."""
    if label is None or (isinstance(label, tuple) and not label):
        return None
    found = np.asarray(label)
    attributes = [name for name in getattr(part, "attr_names", ()) if name]
    if found.ndim == 1 and target in attributes:
        return np.asarray(int(found[attributes.index(target)]))
    return found


def _square(image: Image.Image, kind: str, size: int, channels: int) -> Array:
    """uint8 [channels, size, size]."""
    if kind == "EMNIST":
        image = image.transpose(Image.Transpose.TRANSPOSE)
    mode = "L" if channels == 1 else "RGB"
    plain = image if image.mode == mode else image.convert(mode)
    if plain.size != (size, size):
        plain = ImageOps.fit(plain, (size, size), method=Image.Resampling.LANCZOS)
    return channels_first(plain)


def _below(entries: Sequence[Path]) -> Iterator[Path]:
    """All files of which a set consists, in one order."""
    for entry in entries:
        if entry.is_dir():
            for folder, below, files in os.walk(entry):
                below.sort()
                yield from (Path(folder, file) for file in sorted(files))
        else:
            yield entry
