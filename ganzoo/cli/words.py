"""What commands take: paths and whole numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo.registry.kinds import as_int
from ganzoo.system.paths import typed_path


class Typed(click.ParamType):  # type: ignore[type-arg]  # generic in newer click alone
    """A path; `~` is the home folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return typed_path(value)


class Whole(click.ParamType):  # type: ignore[type-arg]  # generic in newer click alone
    """A whole number of at least so much."""

    name = "integer"

    def __init__(self, at_least: int) -> None:
        self.at_least = at_least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return as_int(param.opts[-1] if param else "", value, self.at_least)


PATH = Typed()
