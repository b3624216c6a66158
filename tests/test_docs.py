"""Every command and every Python example of README and docs is run, on a small budget, page by page."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.cli.main import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SMALL = ["--steps", "3", "--batch-size", "16"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def commands(page: Path) -> list[list[str]]:
    """The words of each ganzoo command, comments and what goes before && left out."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    parts = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [words[1:] for words in parts if words[:1] == ["ganzoo"]]


@pytest.fixture
def own_data():
    for i in range(20):
        path = Path("my-pictures", "circles" if i % 2 else "squares", f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    np.save("my-vectors.npy", np.random.default_rng(0).normal(size=(50, 4)))


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda page: page.name)
def test_commands(page, capsys):
    for words in commands(page):
        if words[0] == "run":
            words = [*words, *SMALL, "--offline"]
        if words[0] == "eval":
            words = [*words, "--samples", "700", "--offline"]
        if words[:2] == ["extractor", "train"]:
            words = [*words, "--epochs", "1"]
        if words[:2] == ["resume", "--steps"]:
            words = ["resume", "--steps", "5"]
        with pytest.raises(SystemExit) as done:
            main(words)
        output = capsys.readouterr()
        assert done.value.code == 0, f"ganzoo {shlex.join(words)}: {output.err}"
        assert "Traceback" not in output.err


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda page: page.name)
def test_python_examples(page):
    for block in blocks(page, "python"):
        small = re.sub(r"steps=(\d+)", lambda m: f"steps={int(m[1]) // 1000}, progress=False", block)
        small = small.replace('"mnist"', '"mnist-5k"')
        assert small != block
        exec(compile(small, str(page), "exec"), {})


def test_links_and_pictures_are_there():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_generated_pages_are_current():
    check = [sys.executable, str(ROOT / "benchmarks" / "report.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_member_is_named_in_the_readme_or_the_docs():
    from ganzoo.registry import REGISTRIES

    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for registry in REGISTRIES.values():
        assert [name for name in registry.names() if f"`{name}" not in text] == []
