"""The house as docs/architecture.md draws it: rooms, their floors, and what a plugin may import."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import ganzoo

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
LAYERS = next(one["layers"] for one in SETTINGS["contracts"] if one["type"] == "layers")


def test_no_import_runs_back_up_and_there_is_no_circle():
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
    ]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


def test_the_page_has_the_floors_that_are_held():
    rows = re.findall(r"^\| ?(\d*) \| `(\w+)(?:/|\.py)` \|", PAGE, re.M)
    floors: list[set[str]] = []
    for number, room in rows:
        if number:
            assert int(number) == len(LAYERS) - 2 - len(floors)
            floors.append(set())
        floors[-1].add(room)
    assert floors == [set(re.findall(r"\w+", layer)) for layer in LAYERS if layer != "__main__"]


def test_few_modules_lie_outside_the_rooms():
    assert len(list((ROOT / "ganzoo").glob("*.py"))) <= 5


def test_every_public_name_can_be_imported():
    assert {name: hasattr(ganzoo, name) for name in ganzoo.__all__} == dict.fromkeys(ganzoo.__all__, True)


def test_the_tests_lie_by_room():
    rooms = {path.name for path in (ROOT / "ganzoo").iterdir() if path.is_dir()} | {
        "plugins",
        "killing",
        "gpu",
    }
    assert {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] != "_"
    } <= rooms
