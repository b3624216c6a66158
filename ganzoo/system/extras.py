"""Libraries that come with an extra, imported when somebody needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ganzoo.errors import UsageError


def extra(module: str, who: str, name: str) -> Any:
    """A module that `pip install 'ganzoo-torch[name]'` brings.

    Raises:
        UsageError: it is not there; says that `who` needs it, and what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UsageError(
            f"{who} needs the library {library}, which is missing: pip install 'ganzoo-torch[{name}]'"
        ) from error
