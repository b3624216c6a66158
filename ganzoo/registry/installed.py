"""What is installed, read from metadata and source text: nothing is imported."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Point:
    """An entry point of a distribution; `target` is "module:object" as it is declared."""

    name: str
    distribution: str
    version: str
    target: str


def points(group: str) -> list[Point]:
    """The entry points of a group, of all installed distributions."""
    return _points(_places()).get(group, [])


def first_line(target: str) -> str:
    """First line of an object's docstring, or "" where its source cannot be read or does not define it."""
    module, _, name = target.partition(":")
    spec = find(module.strip())
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    return _first_lines(spec.origin, changed(spec.origin)).get(name.strip(), "")


@lru_cache(maxsize=1)
def _points(places: tuple[tuple[str, int], ...]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    origins: dict[int, tuple[str, str]] = {}
    everything = metadata.entry_points()
    for group in {group for group in everything.groups if group.startswith("ganzoo.")}:
        found[group] = []
        for point in everything.select(group=group):
            owner = id(point.dist)  # one object for all entry points of a distribution
            if owner not in origins:
                origins[owner] = _origin(point)
            found[group].append(Point(point.name, *origins[owner], point.value))
    return found


def _places() -> tuple[tuple[str, int], ...]:
    """Where distributions are looked for, each with the time when something was last installed there."""
    return tuple((path, changed(path)) for path in sys.path)


def changed(path: str) -> int:
    try:
        return Path(path or ".").stat().st_mtime_ns
    except OSError:
        return 0  # not there yet


def _origin(point: metadata.EntryPoint) -> tuple[str, str]:
    # A dist-info folder without METADATA is still listed; it has neither name nor version then.
    known: Any = point.dist and point.dist.metadata
    return (known and known.get("Name")) or "(unknown)", (known and known.get("Version")) or ""


def find(module: str) -> ModuleSpec | None:
    """The spec of a dotted module, without importing its parents as importlib.util.find_spec does."""
    path: list[str] | None = None
    spec: ModuleSpec | None = None
    for part in module.split("."):
        # Each part by itself: a dotted name would be looked up below parents that are not imported.
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


@lru_cache
def _first_lines(file: str, changed: int) -> dict[str, str]:
    """Name -> first line of its docstring, for what a source file defines."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):  # ValueError: not UTF-8
        return {}  # `ganzoo list --check` is where a broken plugin is reported
    defined = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in defined}
