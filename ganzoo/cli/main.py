"""`ganzoo`: the group, and what happens when something goes wrong."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from contextlib import redirect_stderr
from typing import NoReturn

import click

from ganzoo.cli.commands import Commands, quiet_option
from ganzoo.errors import Gone, UsageError, WorkError, first_line
from ganzoo.system.memory import is_too_large, keep_freed_memory, refuse_more_than_there_is, too_large
from ganzoo.system.told import tell_again

COMPLETE = "_GANZOO_COMPLETE"
LONGEST = 2_000  # characters of a sentence: words that were typed are quoted in it


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="ganzoo-torch", prog_name="ganzoo")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def ganzoo(ctx: click.Context, /, debug: bool) -> None:
    """A pluggable zoo of GANs: train, sample, compare.

    First run: ganzoo run dcgan --dataset mnist
    """
    if _follows() and ctx.invoked_subcommand not in ("run", "resume"):
        ctx.exit()  # which several processes do not share: the first one does it
    keep_freed_memory()
    tell_again()
    refuse_more_than_there_is()


ganzoo.params.append(quiet_option("-q"))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 2 the words were wrong, 1 the work failed."""
    never_fail_to_show()
    if COMPLETE in os.environ:
        _complete()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        status = ganzoo.main(words, prog_name="ganzoo", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)  # our own words alone
        sys.exit(2)
    except (UsageError, click.UsageError) as error:
        _say(error.format_message() if isinstance(error, click.UsageError) else str(error), debug)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        goes_on = words[:1] in (["run"], ["resume"])
        _say("stopped at once" + "; ganzoo resume goes on from the last checkpoint" * goes_on, debug)
        sys.exit(130)
    except Gone as error:
        if not _follows():
            _say(str(error), debug)
        sys.exit(1)
    except (WorkError, click.ClickException) as error:
        _say(str(error), debug)
        sys.exit(1)
    except Exception as error:
        _say(_unforeseen(error), debug)
        sys.exit(1)


def _follows() -> bool:
    """Whether torchrun has started this process beside the one that writes and talks."""
    return os.environ.get("RANK", "0") != "0" and "WORLD_SIZE" in os.environ


def _complete() -> NoReturn:
    """Tell a shell what may follow; where that fails, nothing."""
    from ganzoo.cli.shells import register

    register()
    with contextlib.suppress(Exception), redirect_stderr(io.StringIO()):
        ganzoo.main([], prog_name="ganzoo", complete_var=COMPLETE, standalone_mode=False)
    sys.exit(1)


def never_fail_to_show() -> None:
    """Where the encoding of a terminal or a pipe lacks a character, show its escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _unforeseen(error: Exception) -> str:
    """What nobody below has put into words."""
    from ganzoo.registry.blame import blame

    sentence = blame(error)
    if sentence:
        return f"{sentence} (--debug shows where)"
    if is_too_large(error):
        return f"{too_large('the numbers that were typed', error)} (--debug shows where)"
    if isinstance(error, RecursionError):
        return "something that was given is nested too deeply (--debug shows what)"
    if isinstance(error, OSError):
        where = "the system refused" if error.filename is None else error.filename
        return f"{where}: {error.strerror or first_line(error)} (--debug shows where)"
    return f"failed: {type(error).__name__}: {first_line(error)} (--debug shows where)"


def _say(sentence: str, debug: bool) -> None:
    from ganzoo.system.console import stderr  # rich, which `--help` needs not

    stderr.quiet = False  # whatever --quiet said
    if debug:
        for line in traceback.format_exc().split("\n"):
            stderr.say(line)
    # One line, also where somebody else's error, quoted in it, has more.
    line = " ".join(line.strip() for line in sentence.splitlines())
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    stderr.say(f"ganzoo: {line}")
