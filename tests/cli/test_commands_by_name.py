"""Commands are entry points: a package adds one, and a broken one breaks itself alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from packages import distribution, forgotten

from ganzoo.cli.commands import COMMANDS, OWN
from ganzoo.registry.registry import DISTRIBUTION

COUNT = '''
import click
from ganzoo import UsageError, WorkError

@click.command("count")
@click.argument("what")
def command(what: str) -> None:
    """Count letters.

    More about it.
    """
    if what == "usage":
        raise UsageError("nothing to count: say what")
    if what == "work":
        raise WorkError("the abacus is broken")
    click.echo(len(what) // len(what.replace("x", "")))

@click.group()
def many() -> None:
    """Count many things."""

@many.command()
def fail() -> None:
    """Fail."""
    [][3]
'''


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    with forgotten(folder):
        yield folder


@pytest.fixture
def count(site):
    points = {"ganzoo.commands": {"count": "counting:command", "many": "counting:many"}}
    return distribution(site, "ganzoo-counts", points, {"counting.py": COUNT}, version="0.4")


def test_the_zoo_s_own_are_entry_points_and_have_their_line():
    own = [entry.name for entry in COMMANDS.entries() if entry.distribution == DISTRIBUTION]
    assert sorted(OWN) == own
    assert {name: COMMANDS.get(name).name for name in own} == {name: name for name in own}


@pytest.mark.usefixtures("count")
def test_a_command_of_a_plugin(ganzoo):
    assert ganzoo("count word") == (0, "1\n", "")
    out = ganzoo("--help").out
    assert re.search(r"^Commands of plugins:\n  count +Count letters\. \(ganzoo-counts 0\.4\)\n", out, re.M)
    assert ganzoo("count --help").out.startswith("Usage: ganzoo count [OPTIONS] WHAT")
    assert ganzoo("count").code == 2
    assert ganzoo("coun x").sentence == "ganzoo: no command 'coun': did you mean count or run or runs?"


@pytest.mark.usefixtures("count")
def test_errors_in_it_end_as_those_of_own_commands(ganzoo):
    result = ganzoo("count usage")
    assert (result.code, result.sentence) == (2, "ganzoo: nothing to count: say what")
    result = ganzoo("count work")
    assert (result.code, result.sentence) == (1, "ganzoo: the abacus is broken")
    assert "Traceback" in ganzoo("--debug count x").err


@pytest.mark.usefixtures("count")
@pytest.mark.parametrize(
    ("words", "called", "error"),
    [("count x", "command", "ZeroDivisionError"), ("many fail", "fail", "IndexError")],
)
def test_an_error_that_nobody_put_into_words_is_named(ganzoo, words, called, error):
    result = ganzoo(words)
    assert result.code == 1
    said = f"ganzoo: command '{words.split()[0]}' of ganzoo-counts 0.4 fails in {called}: {error}: "
    assert result.sentence.startswith(said)


def test_help_imports_neither_torch_nor_plugins(count):
    code = (
        "import atexit, sys\n"
        "from ganzoo.cli.main import main\n"
        "imported = lambda: [name for name in sys.modules if name in ('counting', 'torch')]\n"
        "atexit.register(lambda: print(imported(), file=sys.stderr))\n"
        "main(['--help'])"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(count), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "Count letters." in done.stdout


def test_one_without_a_text_shows_where_it_is_from(ganzoo, site):
    points = {"ganzoo.commands": {"plain": "plain_mod:made", "gone": "no_module:command"}}
    files = {"plain_mod.py": "import click\nmade = click.Command('plain', callback=lambda: None)\n"}
    distribution(site, "plain-dist", points, files)
    out = ganzoo("--help").out
    assert re.search(r"^  gone +\(plain-dist 1\.0\)\n  plain +\(plain-dist 1\.0\)$", out, re.M)
    assert ganzoo("plain").code == 0


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import torhc", "cannot be loaded: ModuleNotFoundError: No module named 'torhc'"),
        ("import sys; sys.exit(3)", "cannot be loaded: SystemExit: 3"),
        ("", "has no attribute 'command'"),
        ("command = 3", "is 3, not a click.Command"),
    ],
)
def test_a_broken_one_breaks_itself_alone(ganzoo, site, source, cause):
    distribution(site, "bad-dist", {"ganzoo.commands": {"bad": "bad_mod:command"}}, {"bad_mod.py": source})
    result = ganzoo("bad")
    assert (result.code, result.out) == (2, "")
    assert result.sentence.startswith("ganzoo: command 'bad' of bad-dist 1.0 (bad_mod:command) ")
    assert cause in result.sentence
    for words in ("--help", "list losses", "run --help"):
        assert ganzoo(words).code == 0


def test_none_takes_the_place_of_another(ganzoo, site, count):
    distribution(site, "greedy", {"ganzoo.commands": {"info": "counting:command", "count": "counting:many"}})
    result = ganzoo("info dcgan")
    assert result.code == 2
    assert re.fullmatch(
        r"ganzoo: the command 'info' is claimed by ganzoo-torch \S+ and greedy 1\.0: uninstall one of them",
        result.sentence,
    )
    said = "ganzoo: the command 'count' is claimed by ganzoo-counts 0.4 and greedy 1.0: uninstall one of them"
    assert ganzoo("count x").sentence == said
    assert ganzoo("list losses").code == 0
