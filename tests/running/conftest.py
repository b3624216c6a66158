"""Shared by tests that kill: servers that fork commands, and pictures small enough for runs of a second."""

from __future__ import annotations

import numpy as np
import pytest
from killing import Servers
from PIL import Image


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 32 pictures of 8 x 8 pixels in two classes, one of them darker."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 128, (2, 16, 8, 8), dtype=np.uint8)
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir()
        for i, one in enumerate(pixels[label]):
            Image.fromarray(one + np.uint8(128 * label)).save(folder / name / f"{i}.png")
    return folder
