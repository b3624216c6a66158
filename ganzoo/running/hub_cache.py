"""Where `ganzoo pull` left a generator: in the cache of huggingface_hub. Nothing here asks a network."""

from __future__ import annotations

import re
from pathlib import Path

WEIGHTS = "model.safetensors"  # as the hub calls it
REPO = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


def is_repo(word: str) -> bool:
    """Whether a word may be a repository, OWNER/NAME."""
    return REPO.fullmatch(word) is not None


def pulled(repo: str) -> Path | None:
    """The weights of a repository that were fetched before; None where they were not."""
    if not is_repo(repo):
        return None
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(repo, WEIGHTS)
    return Path(found) if isinstance(found, str) else None
