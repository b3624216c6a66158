"""Where things that ganzoo makes lie on this machine."""

from __future__ import annotations

from pathlib import Path


def cache_folder() -> Path:
    """Where ganzoo keeps what it can make or fetch again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("ganzoo", appauthor=False))


def user_folder() -> Path:
    """Where ganzoo keeps what cannot be fetched again: the classifiers that were trained here."""
    import platformdirs

    return Path(platformdirs.user_data_dir("ganzoo", appauthor=False))
