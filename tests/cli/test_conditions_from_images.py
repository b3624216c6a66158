"""`ganzoo sample --condition`: images of any shape, in a folder or an archive, of which none is broken."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.cli.conditions import _images
from ganzoo.errors import UsageError


@pytest.fixture
def folder() -> Path:
    root = Path("in")
    root.mkdir()
    for i in range(4):
        Image.fromarray(np.full((12, 16), 9 * i, np.uint8)).save(root / f"{i}.png")
    (root / "notes.txt").write_text("words")
    return root


@pytest.mark.parametrize("shape", [(1, 6, 8), (3, 8, 8), (1, 12, 16)])
def test_folders_archives_and_single_images(folder, shape, capsys):
    y = _images(folder, shape)
    assert (y.shape, y.dtype) == ((4, *shape), torch.uint8)
    assert y[:, 0, 0, 0].tolist() == [0, 9, 18, 27]
    with zipfile.ZipFile("made.zip", "w") as packed:
        for path in sorted(folder.iterdir()):
            packed.write(path, path.name)
    assert torch.equal(_images(Path("made.zip"), shape), y)
    assert capsys.readouterr().err.count("left out, as they are no images: 1 .txt") == 2
    assert torch.equal(_images(folder / "2.png", shape), y[2:3])


def test_broken_ones_are_told_at_once(folder):
    (folder / "1.png").write_bytes(b"")
    (folder / "3.png").unlink()
    (folder / "3.png").symlink_to("gone")
    with pytest.raises(
        UsageError, match=r"^in has 2 broken files among 4 \(in/1\.png is empty; in/3\.png is a link"
    ):
        _images(folder, (1, 8, 8))
    with pytest.raises(UsageError, match=r"^in/1\.png is empty: repair it, or move it out of the folder$"):
        _images(folder / "1.png", (1, 8, 8))
    with pytest.raises(UsageError, match=r"^in/9\.png is not there"):
        _images(folder / "9.png", (1, 8, 8))
