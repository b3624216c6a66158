"""Distributions as pip would leave them in a folder, without pip."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def distribution(
    site: Path,
    name: str,
    points: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str] | None = None,
    version: str = "1.0",
    with_metadata: bool = True,
) -> Path:
    """Install entry points {group: {name: "module:object"}} and files {path: source} in the folder `site`."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    if with_metadata:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
    lines = [
        line
        for group, members in points.items()
        for line in (f"[{group}]", *(f"{point} = {target}" for point, target in members.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path, source in (files or {}).items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(source, encoding="utf-8")
    return site


def from_source(folder: Path, site: Path, version: str | None = None) -> Path:
    """Install the package whose pyproject.toml and modules are in `folder`."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ignore = shutil.ignore_patterns("tests", "*.toml", "*.md", "__pycache__")
    shutil.copytree(folder, site, ignore=ignore, dirs_exist_ok=True)
    return distribution(site, project["name"], project["entry-points"], version=version or project["version"])


@contextmanager
def forgotten(below: Path) -> Iterator[None]:
    """Modules that are imported from below a folder in this block are forgotten after it."""
    before = set(sys.modules)
    yield
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", None) or "").startswith(str(below)):
            del sys.modules[module]
