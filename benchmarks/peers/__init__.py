"""The same work done by what a user would pick instead; a package, as its tests are called as others are."""

from __future__ import annotations

import importlib.util
import os

import pytest

SMALL = os.environ.get("GANZOO_BENCH_SMALL") == "1"  # does all of it still run?


def needs(module: str) -> pytest.MarkDecorator:
    """Skip the test where the peer is not installed."""
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed: see benchmarks/peers/README.md")
