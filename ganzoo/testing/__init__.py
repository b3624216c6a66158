"""The contract of every kind of member as tests: for the zoo's own, for plugins, for `ganzoo plugin check`.

The whole test file of a plugin:

    from ganzoo.testing import contract

    test_contract = contract("my-gan")

Hooks of its own are asked with turns that `turn_of` makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo.testing.core import Broken, Check, checks, contract

if TYPE_CHECKING:
    from ganzoo.testing.training import turn_of

__all__ = ["Broken", "Check", "checks", "contract", "turn_of"]


def __getattr__(name: str) -> Any:
    if name != "turn_of":
        raise AttributeError(f"module 'ganzoo.testing' has no attribute {name!r}")
    from ganzoo.testing.training import turn_of  # with torch, which nothing else here loads

    return turn_of
