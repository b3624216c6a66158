"""Shared by all tests: one thread, so that numbers do not depend on the machine, and a folder each."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

# The same examples every time: a failure can be run again. To search for new ones: --hypothesis-profile=default
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
    torch.set_num_threads(1)
