"""What guides and files of the root say is so: languages are alike, what is quoted is said, names fit."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest

import ganzoo as package
from ganzoo.cli import main
from ganzoo.running.callbacks import FIRST, LAST

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LANGUAGES = {"": "English", ".zh-hans": "简体中文", ".zh-hant": "繁體中文"}


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str) -> list[str]:
    """The first cells of all tables, without their heads."""
    return re.findall(r"^\| (?!name|file|key|extra|what)(.*?) \|", text, flags=re.M)


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code])
def test_the_quickstart_is_the_same_in_each_language(code):
    """Its blocks, word for word; its chapters and tables, one by one; its links, but for the languages."""
    own, other = page("quickstart"), page(f"quickstart{code}")
    blocks = r"^```(\w*)\n(.*?)^```$"
    assert re.findall(blocks, other, flags=re.S | re.M) == re.findall(blocks, own, flags=re.S | re.M)
    for text in (own, other):
        assert set(re.findall(r"quickstart[\w.-]*\.md(?!#)", text)) <= {
            f"quickstart{c}.md" for c in LANGUAGES
        }
    shape = re.compile(r"^(#+|\||\- )", flags=re.M)
    assert shape.findall(other) == shape.findall(own)
    links = re.compile(r"\]\(((?!quickstart)[^)]*)\)")
    assert links.findall(other) == links.findall(own)
    assert f'<div lang="{code.removeprefix(".").title().replace("Zh-", "zh-")}" markdown="1">' in other


def test_each_language_names_the_others_first():
    for code in LANGUAGES:
        text = page(f"quickstart{code}")
        line = next(line for line in text.splitlines() if LANGUAGES[""] in line)
        assert text.index(line) < text.index("```")
        for other, name in LANGUAGES.items():
            assert (f"[{name}](quickstart{other}.md)" in line) == (other != code)


def literals() -> set[str]:
    """Every piece of text in the package that no value is put into."""
    found: set[str] = set()
    for path in (ROOT / "ganzoo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def quoted(text: str) -> list[str]:
    """The sentences that a page quotes, a line each, with three dots for values: `> ganzoo: ... is there`.

    Errors begin with "ganzoo:", notices with "note:", findings of the diagnosis with "seen:".
    """
    return re.findall(r"^ *> (?:ganzoo|note|seen): (.*)$", text, flags=re.M)


def test_ganzoo_says_what_is_quoted():
    """Clause by clause, as a sentence may be put together of several pieces of source."""
    told, sentences = literals(), quoted(page("troubleshooting"))
    assert len(sentences) > 20
    missing = {}
    for sentence in sentences:
        clauses = [clause.strip(" .,:;()'") for clause in re.split(r"\.{3}|[:;] ", sentence)]
        assert len("".join(clauses)) > 5, sentence
        missing[sentence] = [one for one in clauses if one and not any(one in text for text in told)]
    assert {sentence: gone for sentence, gone in missing.items() if gone} == {}


def test_every_extra_is_on_the_page_of_installation():
    table = page("installation").partition("## Extras")[2].partition("## ")[0]
    named = [cell.strip("`") for cell in rows(table)]
    assert sorted(named) == sorted(PROJECT["optional-dependencies"])


def test_the_pages_say_which_python_it_takes():
    least = PROJECT["requires-python"].removeprefix(">=")
    assert f"**Python** {least} or newer" in page("installation")
    assert f"Python {least} or newer" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version():
    cff = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    said = dict(re.findall(r"^([\w-]+): ?\"?([^\"\n]*)\"?$", cff, flags=re.M))
    assert said["cff-version"] == "1.2.0"
    assert said["version"] == PROJECT["version"] == package.__version__
    assert said["license"] == PROJECT["license"]
    assert {"message", "title", "authors"} <= said.keys()
    bibtex = page("citing").partition("```bibtex")[2].partition("```")[0]
    assert re.search(r"version += \{(.*)\}", bibtex)[1] == PROJECT["version"]
    assert f"{{{said['title']}}}" in bibtex


def test_every_file_of_a_run_is_on_the_page_about_it(ganzoo):
    done = ganzoo(
        "run mlp-gan --dataset ring8 --steps 4 --batch-size 8 --eval-metric modes --callback csv --out r"
    )
    assert done.code == 0
    assert ganzoo("report r").code == 0
    table = page("reading-a-run").partition("## The folder")[2].partition("## ")[0]
    patterns = [name for cell in rows(table) for name in re.findall(r"`([^`]+)`", cell)]
    there = [path.relative_to("r").as_posix() for path in Path("r").rglob("*") if path.is_file()]
    unnamed = [name for name in there if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    assert unnamed == []
    assert len(there) > 8


def test_callbacks_are_listed_in_the_order_in_which_they_are_called():
    table = page("callbacks").partition("## Which there are")[2].partition("## ")[0]
    named = [cell.strip("`") for cell in rows(table)]
    assert sorted(named) == sorted(PROJECT["entry-points"]["ganzoo.callbacks"])
    assert tuple(named[: len(FIRST)]) == FIRST
    assert tuple(named[-len(LAST) :]) == LAST


def test_what_words_of_others_are_called_here_are_words():
    group = main.ganzoo
    context = click.Context(group)
    commands = [group.get_command(context, name) for name in group.list_commands(context)]
    options = {
        word for one in commands for option in one.params for word in option.opts + option.secondary_opts
    }
    cells = re.findall(r"^\| .*? \| (.*) \|$", page("coming-from"), flags=re.M)
    typed = {word for cell in cells for word in re.findall(r"(?<![\w-])--[a-z][a-z-]+", cell)}
    assert len(typed) > 20
    assert typed - options == {"--nproc-per-node"}  # torchrun's


def test_files_of_the_root_are_shown_with_links_that_fit(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "hooks")
    hook = importlib.import_module("root_files")
    for file, name in hook.PAGES.items():
        assert page(name.removesuffix(".md")).strip() == f"<!-- file {file} -->"
        shown = hook.on_page_markdown(f"<!-- file {file} -->\n")
        assert shown.startswith("# ")
        for target in re.findall(r"\]\(([^)#]+)", shown):
            assert target.startswith("http") or (DOCS / target).exists(), f"{file}: {target}"
