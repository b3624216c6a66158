"""Which penalties torch's sharded weights bear: where this changes, docs/scaling.md says too little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CHILD = Path(__file__).parent / "fsdp_child.py"
RIGHT = {"none, whole", "none, blocks"}


def test_a_gradient_is_not_differentiated_again_where_weights_are_sharded(tmp_path):
    words = [tmp_path / "meeting", tmp_path]
    children = [subprocess.Popen([sys.executable, CHILD, str(rank), *words]) for rank in range(2)]
    assert [child.wait(timeout=300) for child in children] == [0, 0]
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert len(found) == 8
        right = {name for name, value in found.items() if isinstance(value, float) and value < 1e-12}
        assert right == RIGHT
        assert all("storage" in value for name, value in found.items() if name not in RIGHT), found
