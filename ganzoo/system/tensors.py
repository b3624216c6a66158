"""Trees of tensors and numbers as one safetensors file that says itself whether it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ganzoo.errors import UsageError, first_line
from ganzoo.system.files import write_whole
from ganzoo.system.flocks import OPEN_IS_A_MARK

KEY = "ganzoo"  # one key of metadata: with more, the bytes of a file would vary
HASH = "sha256"
UNREADABLE = (safetensors.SafetensorError, OSError, ValueError, TypeError, RuntimeError, RecursionError)
Meta = dict[str, Any]


class DamagedFile(UsageError):
    """A file is not what was written: cut off, altered, or something else."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Write tensors and what is said of them, whole or not at all; returns the hash that the file carries."""
    plain = _own_memory(tensors)
    digest = _digest(plain, meta)
    text = json.dumps({**meta, HASH: digest})
    write_whole(path, safetensors.torch.save(plain, metadata={KEY: text}))
    return digest


def read_tensors(path: Path, hashed: bool = True) -> tuple[dict[str, Tensor], Meta]:
    """What `write_tensors` wrote, and what is said of it, its hash too; safetensors itself checks no content.

    Args:
        hashed: refuse a file without a hash, which version 0.1 wrote.

    Raises:
        DamagedFile: it is cut off, altered, or something else; or not there.
    """
    with _opened(path) as file:
        meta = _meta(file.metadata())
        names = file.keys()
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in names}
        if OPEN_IS_A_MARK:  # they are mapped, and so the file could be neither replaced nor removed
            tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    if hashed or HASH in meta:
        rest = {key: value for key, value in meta.items() if key != HASH}
        if meta.get(HASH) != _digest(tensors, rest):
            raise DamagedFile(f"{path} is damaged: its content is not what was written (by its sha256)")
    return tensors, meta


def read_meta(path: Path) -> Meta:
    """What a file says of its tensors; its hash is not checked. Raises DamagedFile."""
    with _opened(path) as file:
        return _meta(file.metadata())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            yield file
    except UNREADABLE as error:
        raise DamagedFile(f"{path} is damaged: {first_line(error)}") from error


def _meta(found: Mapping[str, str] | None) -> Meta:
    meta = json.loads((found or {}).get(KEY, "null"))
    if not isinstance(meta, dict):
        raise ValueError("it says nothing of itself, as a file of ganzoo does")
    return meta


def _own_memory(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, contiguous, and none in the memory of another: tied weights are, and a file has no ties."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        own = value.detach().cpu().contiguous()
        place = own.untyped_storage().data_ptr()
        plain[name] = own.clone() if place in seen else own
        seen.add(place)
    return plain


def _digest(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def pack(tree: Any, where: str = "") -> tuple[dict[str, Tensor], Any]:
    """A tree of dicts, lists, tuples, numbers, text and tensors as tensors by path, and the rest for JSON.

    Raises:
        UsageError: there is something else in it.
    """
    tensors: dict[str, Tensor] = {}

    def plain(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value
            return {"tensor": path}
        if isinstance(value, dict):
            # In pairs, as keys need not be text.
            return {"dict": [[plain(key, path), plain(part, f"{path}/{key}")] for key, part in value.items()]}
        if isinstance(value, list | tuple):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [plain(part, f"{path}/{i}") for i, part in enumerate(value)]}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise UsageError(
            f"{path} is a {type(value).__name__}: a checkpoint holds dicts, lists, numbers, text and tensors"
        )

    return tensors, plain(tree, where)


def unpack(tensors: Mapping[str, Tensor], plain: Any) -> Any:
    """The inverse of `pack`. Raises ValueError, KeyError, TypeError on anything else."""
    if not isinstance(plain, dict):
        return plain
    ((kind, value),) = plain.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {unpack(tensors, key): unpack(tensors, part) for key, part in value}
    return {"list": list, "tuple": tuple}[kind](unpack(tensors, part) for part in value)
