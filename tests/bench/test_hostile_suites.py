"""Suites that are too large, too deep or no suites: one sentence, at once, and nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.bench.suite import LARGEST_FILE, read_suite
from ganzoo.bench.words import MOST_CELLS
from ganzoo.errors import UsageError

CELL = 'model = "mlp-gan"\ndataset = "ring8"\n'
MANY = list(range(1, 1001))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CELL + "seeds = 1_000_000_000", "1,000,000,000 cells or more: expected at most 10,000"),
        (CELL + f"seeds = {10**30}", "seeds: expected how many"),
        (CELL + f"seeds = [1, {10**30}]", "whole numbers from 0 to 9,223,372,036,854,775,807"),
        (CELL + f"batch-size = {MANY}\nn-dis = {MANY}\nsteps = {MANY}", "1,000,000,000 cells or more"),
        (CELL + "seeds = 6000\n[[cells]]\nn-dis = 1\n[[cells]]\nn-dis = 2", "12,000 cells or more"),
        ("a = " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("set = {" + "a." * 3000 + "b = 1}", "nested too deeply"),
        ("seeds = " + "9" * 5000, "is not TOML"),
        ("seeds = 1\nseeds = 2", "is not TOML"),
        ("#" * (LARGEST_FILE + 1), "of 1.0 MiB at most"),
        (CELL + "epochs = inf", "finite"),
    ],
)
def test_refused(ganzoo, text, said):
    Path("s.toml").write_text(text)
    result = ganzoo("bench s.toml")
    assert result.code == 2
    assert said in result.sentence
    assert [path.name for path in Path().iterdir()] == ["s.toml"]


def test_as_many_as_there_may_be():
    Path("s.toml").write_text(CELL + f"seeds = {MOST_CELLS}")
    assert len(read_suite(Path("s.toml"))[0].seeds) == MOST_CELLS
    Path("s.toml").write_text(CELL + f"seeds = {MOST_CELLS + 1}")
    with pytest.raises(UsageError, match="10,001"):
        read_suite(Path("s.toml"))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null/x", "/proc/self/mem"])
def test_no_file_of_text(ganzoo, path):
    result = ganzoo("bench", path)
    assert result.code == 2
    assert path in result.sentence


@pytest.mark.parametrize("jobs", ["0", "-1", "1000000000000", str(10**30), "x"])
def test_jobs(ganzoo, jobs):
    Path("s.toml").write_text(CELL)
    result = ganzoo(f"bench s.toml --jobs {jobs}")
    assert result.code == 2
    assert "--jobs" in result.sentence
