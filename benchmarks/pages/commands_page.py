"""docs/commands.md: every command and its options, as click has them.

mkdocs-click would make it while the site is built, but shows the examples of a help text as running text, and
nothing where the pages are read without building them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from ganzoo.cli.commands import COMMANDS, OWN
from ganzoo.cli.main import ganzoo

EVERYWHERE = {"--quiet", "--help"}  # words of every command, which stand at the top
TYPED = re.compile(rf"ganzoo (?:{'|'.join(OWN)})(?: [\w:-]+)*|(?<![\w-])--[a-z][a-z-]*")
TOP = """# Commands

Made by `python benchmarks/pages/report.py` from the commands themselves; nothing here is typed by hand.
`ganzoo COMMAND --help` shows the same in a terminal, and [The command line](command-line.md) says how to use
them: runs by number, pictures and films, files of words, completion. Commands of plugins come beside these.

Every command takes `-q`, `--quiet` (no bars and no notices on stderr, errors alone) and `-h`, `--help`. A
word in capitals stands for what is to be typed; what is in square brackets may be left out, and what has
`...` behind it may come several times.

| command | what it does |
|---|---|
{commands}

## ganzoo

{ganzoo}
"""


def commands_page() -> str:
    """Every command of the zoo's own, those below one behind it."""
    rows = "\n".join(f"| [`{name}`](#ganzoo-{name}) | {what} |" for name, what in OWN.items())
    top = click.Context(ganzoo, info_name="ganzoo")
    parts = [TOP.format(commands=rows, ganzoo="\n\n".join(_body(top)))]
    for name in OWN:
        parts += _parts(COMMANDS.get(name), name, top, 2)
    return "\n".join(parts)


def _parts(command: click.Command, name: str, parent: click.Context, depth: int) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * depth} {context.command_path}\n\n" + "\n\n".join(_body(context)) + "\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _parts(command.commands[below], below, context, depth + 1)


def _body(context: click.Context) -> Iterator[str]:
    yield f"```text\n{context.command_path} {' '.join(context.command.collect_usage_pieces(context))}\n```"
    yield from _told(inspect.cleandoc(context.command.help or ""))
    rows = [
        _row(param, context)
        for param in context.command.params
        if isinstance(param, click.Option) and not param.hidden and not EVERYWHERE & {*param.opts}
    ]
    if rows:
        yield "\n".join(["| word | what it is | default |", "|---|---|---|", *rows])


def _told(text: str) -> Iterator[str]:
    """The paragraphs of a help text; what is shown as it stands there is code here."""
    for part in re.split(r"\n\n+", text):
        if part.startswith("\b\n"):
            yield f"```text\n{part[2:]}\n```"
        elif part:
            yield _marked(part)


def _marked(text: str) -> str:
    """A text as Markdown, with words that are typed as code."""
    parts = " ".join(text.split()).split("`")
    for i in range(0, len(parts), 2):
        plain = re.sub(r"([*_<|])", r"\\\1", parts[i])
        parts[i] = TYPED.sub(r"`\g<0>`", plain)
    return "`".join(parts)


def _row(option: click.Option, context: click.Context) -> str:
    words = ", ".join(f"`{word}`" for word in option.opts)
    if option.secondary_opts:
        words += " / " + ", ".join(f"`{word}`" for word in option.secondary_opts)
    if not option.is_flag and not option.count:
        words = f"{words[:-1]} {option.make_metavar(context).replace('|', ', ')}`"
    what = _marked(option.help or "")
    if option.multiple:
        what += " It may be given several times."
    usual = option.get_default(context) if option.show_default else None
    shown = "" if usual is None else f"`{usual:g}`" if isinstance(usual, float) else f"`{usual}`"
    return f"| {words} | {what} | {'required' if option.required else shown} |"
