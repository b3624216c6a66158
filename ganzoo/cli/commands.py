"""Commands by name, as entry points: the zoo's own and those of plugins, imported when they are typed."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from ganzoo.errors import UsageError
from ganzoo.registry.registry import DISTRIBUTION, Registry

OWN = {
    "list": "What there is: models, losses, stabilizers, datasets, ...",
    "info": "What a name stands for: its paper, recipes and options.",
    "run": "Train a model on a dataset.",
    "resume": "Go on with a run as if it had never stopped.",
    "runs": "The runs there are: how far, how good, how large, what is wrong.",
    "rm": "Remove runs.",
    "sample": "Draw pictures or arrays from a run.",
    "eval": "Measure a run, a generator, or samples from any program.",
    "export": "A generator as a file for other programs: ONNX, torch.export, safetensors.",
    "demo": "A page to play with a generator, in the browser.",
    "push": "Upload a generator to the Hugging Face hub.",
    "pull": "Fetch a generator from the Hugging Face hub.",
    "diagnose": "What is wrong with a training, by its log, and what to try.",
    "report": "A run, or several side by side, as one page to open and to send.",
    "bench": "Train and measure a whole suite; stopped, it goes on.",
    "table": "Results as a table: mean and spread over seeds, cost, commands.",
    "compare": "What differs between two runs, in options and in scores.",
    "extractor": "Train a classifier of your own data, to measure with.",
    "cache": "What is kept of data, statistics and weights; clear it.",
    "plugin": "Your own members: write a package, check that it keeps the contract.",
    "stylize": "Paint one picture in the style of another.",
}


def may_be_quiet(command: click.Command) -> None:
    """Let a command, and those below it, be told --quiet, if it does not know that word already."""
    for part in getattr(command, "commands", {}).values():
        may_be_quiet(part)
    known = {word for param in command.params for word in param.opts}
    if "--quiet" not in known:
        command.params.append(quiet_option(*(["-q"] if "-q" not in known else [])))


def quiet_option(*short: str) -> click.Option:
    def be_quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            from ganzoo.system.console import quiet  # and rich with it

            ctx.with_resource(quiet())

    return click.Option(
        [*short, "--quiet"],
        is_flag=True,
        expose_value=False,
        callback=be_quiet,
        help="No bars and no notices on stderr, errors alone.",
    )


class CommandRegistry(Registry):
    """Of `click` commands, which are objects and no classes."""

    def _checked(self, member: Any, where: str) -> Any:
        if not isinstance(member, click.Command):
            raise UsageError(f"{where} is {member!r}, not a click.Command")
        return member


COMMANDS = CommandRegistry("commands", "command", "click:Command")


class Commands(click.Group):
    """Loads a command's module when it is asked for; the overview is made without any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*OWN, *(name for name in COMMANDS.names() if name not in OWN)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command: click.Command = COMMANDS.get(name)
        may_be_quiet(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from metadata: no command is imported, so that none can fail."""
        named = {entry.name: entry.summary() for entry in COMMANDS.entries()} | OWN
        found = [
            CompletionItem(name, help=help) for name, help in named.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-"):
            if ctx.resilient_parsing and args[0] not in COMMANDS.names():  # half a line, to be completed
                return None, None, []
            return args[0], self.get_command(ctx, args[0]), args[1:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(OWN.items()))
        theirs = [entry for entry in COMMANDS.entries() if entry.distribution != DISTRIBUTION]
        if theirs:
            from ganzoo.system.console import plain  # and rich with it

            with formatter.section("Commands of plugins"):
                formatter.write_dl(
                    [
                        (
                            plain(entry.name),
                            plain(f"{entry.summary()} ({entry.distribution} {entry.version})").lstrip(),
                        )
                        for entry in theirs
                    ]
                )
