"""The fixture of benchmarks/conftest.py, but for GANZOO_BENCH_SMALL=1."""

from __future__ import annotations

import pytest

from . import SMALL


@pytest.fixture
def side_by_side(side_by_side, benchmark):
    """As it is; with GANZOO_BENCH_SMALL=1 each side runs twice, and no ratio is recorded."""

    def twice(ours, other, rounds, against):
        benchmark.pedantic(lambda: (ours(), other()), rounds=2)

    return twice if SMALL else side_by_side
