"""Files of weights that anyone made: read whole, never unpickled, and no larger than they should be."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.system.console import in_bytes
from ganzoo.system.files import read_regular

AT_MOST = 2**28  # bytes of a file; Inception's has 96 million, a classifier's fewer


def read(file: Path, at_most: int = AT_MOST) -> tuple[bytes, str]:
    """The content of a file of weights, and its sha256. Raises UsageError if it is none, or too large."""
    content = read_regular(file, "a file of weights", at_most)
    return content, hashlib.sha256(content).hexdigest()


def load_state(content: bytes, at_most: int = AT_MOST) -> dict[str, Tensor]:
    """The tensors and numbers by name that torch.save wrote, on the CPU, as tensors; all else is left out.

    Raises:
        ValueError: they take more than `at_most` bytes, in the file or out of it.
        Exception: any other, where the content is truncated, foreign or holds code.
    """
    stream = io.BytesIO(content)
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as packed:
            _refuse(sum(info.file_size for info in packed.infolist()), at_most)
    stream.seek(0)
    state = torch.load(stream, map_location="cpu", weights_only=True)
    kinds = (Tensor, int, float)
    tensors = {key: torch.as_tensor(value) for key, value in dict(state).items() if isinstance(value, kinds)}
    # A tensor may say to be larger than what it lies in, and what it lies in larger than the file.
    _refuse(sum(value.numel() * value.element_size() for value in tensors.values()), at_most)
    held = (value.untyped_storage() for value in tensors.values())
    _refuse(sum({one.data_ptr(): one.nbytes() for one in held}.values()), at_most)
    return tensors


def _refuse(size: int, at_most: int) -> None:
    if size > at_most:
        raise ValueError(f"its tensors have {in_bytes(size)}")
