"""What commands take: paths, whole numbers, and each option once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo.errors import UsageError
from ganzoo.registry.options import as_int
from ganzoo.system.paths import typed_path


class Command(click.Command):
    """A command that takes no option twice, but those that are there to be repeated: which would count?"""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        seen: set[str] = set()
        for option in self.make_parser(ctx).parse_args(args=list(args))[2]:
            name = option.opts[0]
            if isinstance(option, click.Option) and not option.multiple and name in seen:
                raise UsageError(f"{name} is given twice: give it once")
            seen.add(name)
        return super().parse_args(ctx, args)


class Typed(click.ParamType):  # type: ignore[type-arg]
    """A path; `~` is the home folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return typed_path(value)


class Whole(click.ParamType):  # type: ignore[type-arg]
    """A whole number of at least so much."""

    name = "integer"

    def __init__(self, at_least: int) -> None:
        self.at_least = at_least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return as_int(param.opts[-1] if param else "", value, self.at_least)


PATH = Typed()
