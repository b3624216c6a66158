"""onnxruntime-web, which runs a generator in a browser: fetched once from npm's registry, checked, kept."""

from __future__ import annotations

import hashlib
import os
import tarfile
from http.client import HTTPException
from pathlib import Path

from ganzoo.data.network import download
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.system.cache import part_of, place, touch
from ganzoo.system.files import write_whole
from ganzoo.system.locks import in_turn

NAME, VERSION = "onnxruntime-web", "1.30.0"
REGISTRY = "https://registry.npmjs.org"  # npm's own default; its variable npm_config_registry names another
SHA512 = "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"  # noqa: E501
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""What of the package a page needs, with its sha256: the scripts, and the build that runs on a CPU."""
LICENSE = f"{NAME}-license.txt"
MOST_BYTES = 2**26
STALL_SECONDS = 20.0


def runtime(offline: bool = False) -> dict[str, bytes]:
    """The files by their names, from the cache or from the registry.

    Raises:
        UsageError: they are not in the cache, and none may be downloaded.
        WorkError: the download failed, or is not what it should be.
    """
    folder = place("downloads") / f"{NAME}-{VERSION}"
    found = _kept(folder)
    if found is None:
        if offline:
            raise UsageError(
                f"the page needs {NAME} {VERSION}, which is not in {folder.parent}, and --offline allows no "
                "download"
            )
        _fetch(folder)
        found = _kept(folder)
    if found is None:
        raise WorkError(f"{folder} cannot be read: delete it")
    touch(folder)
    return found


def _kept(folder: Path) -> dict[str, bytes] | None:
    """What is in the cache, if it is whole."""
    found = {}
    for name, sha256 in FILES.items():
        try:
            content = (folder / name).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != sha256:
            return None
        found[name] = content
    return found


def _fetch(folder: Path) -> None:
    registry = os.environ.get("npm_config_registry", REGISTRY).rstrip("/")  # noqa: SIM112  # npm's own name
    url = f"{registry}/{NAME}/-/{NAME}-{VERSION}.tgz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with in_turn(folder, f"downloads {NAME}") as lock:
            if _kept(folder) is not None:
                return  # another has done it meanwhile
            with part_of(folder, lock) as beside:
                archive = beside / f"{NAME}-{VERSION}.tgz"
                download(url, archive, SHA512, "sha512", STALL_SECONDS)
                with tarfile.open(archive) as packed:
                    for name in FILES:
                        member = packed.extractfile(f"package/dist/{name}")
                        assert member is not None
                        write_whole(folder / name, member.read(MOST_BYTES))
    except (OSError, HTTPException, KeyError, ValueError, tarfile.TarError) as error:
        raise WorkError(f"{NAME} cannot be fetched from {registry}: {first_line(error)}") from error
