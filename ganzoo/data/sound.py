"""Decoded images of a tree, of which some may be broken: refused all at once, or left out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ganzoo.data.broken import Faults, refused, told
from ganzoo.data.copies import Copy
from ganzoo.data.decoded import Options, copy_of
from ganzoo.data.finding import Files, listed
from ganzoo.data.tree import Tree
from ganzoo.errors import UsageError


def open_copy(tree: Tree, find: Callable[[Tree], Files], options: Options) -> tuple[Files, Copy]:
    """The images that `find` finds in a tree, decoded; in memory where they take `memory_gb` at most.

    They are decoded if no copy is in the cache. All of them are looked at before broken ones are refused, and
    the copy of the others is kept: it is there at once when the broken ones are gone, or are to be skipped.

    Raises:
        UsageError: as `find`; or files are broken, and not to be skipped, or too few are left without them.
    """
    faults, total = _of_use(tree, find), len(tree.names)

    def left(without: Faults) -> Files:
        return _without(tree, find, {**faults, **without})

    copy: Copy | None = None
    while copy is None:
        files = left({})
        copy, more = copy_of(files, options, left)
        faults |= more
        if faults and options.broken == "stop":
            more_words = ", or leave out what is broken with --set data.broken=skip"
            raise refused(tree.root, faults, total, more_words)
    if faults:
        note = f"left out (data.broken=skip): {told(tree.root, faults, total)}"
        with suppress(UsageError):
            gone = [name for name in find(tree).class_names if name not in files.class_names]
            note += f"; nothing is left of {listed(gone)}" if gone else ""
        files = replace(files, notes=(*files.notes, note))
    return files, copy


def _of_use(tree: Tree, find: Callable[[Tree], Files]) -> dict[str, str]:
    """The faults of a tree but those of images that are left out anyway, as those of a split too many are."""
    faults = dict(tree.faults)
    with suppress(UsageError):
        if faults:
            unused = {str(tree.file(name)) for name in tree.names}
            unused -= {str(path) for part in find(tree).paths for path in part}
            faults = {path: reason for path, reason in faults.items() if path not in unused}
    return faults


def _without(tree: Tree, find: Callable[[Tree], Files], faults: Faults) -> Files:
    """What is found without the files that are broken, and without the partners of those."""
    if not faults:
        return find(tree)
    gone = set(faults)
    with suppress(UsageError):  # a broken file may be in the wrong place too
        for sample in zip(*find(tree).paths, strict=True):
            paths = {str(path) for path in sample}
            gone |= paths if paths & gone else set()
    try:
        return find(tree.without(gone))
    except UsageError as error:
        raise UsageError(
            f"{told(tree.root, faults, len(tree.names))}; and without what is broken, {error}"
        ) from error
