"""The contract of every kind of member as tests: for the zoo's own, for plugins, for `ganzoo plugin check`.

The whole test file of a plugin:

    from ganzoo.testing import contract

    test_contract = contract("my-gan")
"""

from __future__ import annotations

from ganzoo.testing.core import Broken, Check, checks, contract

__all__ = ["Broken", "Check", "checks", "contract"]
