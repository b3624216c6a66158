"""Shared by all tests: one thread, so that numbers do not depend on the machine, and a folder each."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import settings

from ganzoo.cli.main import main
from ganzoo.registry import REGISTRIES

# The same examples every time, so that a failure can be run again.
# --hypothesis-profile=default looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Runs land in tmp_path/runs, caches in tmp_path/cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("GANZOO_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # which the workers of pytest-xdist have
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_members():
    """Members that a test adds are known to no other."""
    before = {registry: dict(registry._added) for registry in REGISTRIES.values()}
    yield
    for registry, added in before.items():
        registry._added.clear()
        registry._added.update(added)


class Result(NamedTuple):
    """Of a command: its exit status and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that says what is wrong."""
        said = [line for line in self.err.splitlines() if line.startswith("ganzoo: ")]
        assert len(said) == 1, self.err
        return said[0]


@pytest.fixture
def ganzoo(capsys):
    """ganzoo("list --json"): the command in this process, in words and in whole arguments."""

    def run(words: str, *more: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*words.split(), *more])
        result = Result(end.value.code or 0, *capsys.readouterr())
        if not words.startswith(("plugin check", "--debug")):  # which are there to show one
            assert "Traceback" not in result.out + result.err
        return result

    return run
