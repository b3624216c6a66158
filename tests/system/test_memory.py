"""Freed memory is used again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

LOOP = """
import resource

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return [b"x" * 8_000_000 for _ in range(5)]  # and frees them

step(), step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""
KEEPING = "from ganzoo.system.memory import keep_freed_memory\nkeep_freed_memory()\n"


def faults(script: str) -> int:
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="keep_freed_memory leaves others as they are")
def test_pages_that_were_freed_are_not_faulted_in_anew():
    given_back, kept = faults(LOOP), faults(KEEPING + LOOP)
    assert kept < 1000  # of the 100,000 that hold what was allocated
    assert given_back > 10 * kept
