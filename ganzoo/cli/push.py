"""`ganzoo push`"""

from __future__ import annotations

import click

from ganzoo.cli.words import checkpoint_option
from ganzoo.errors import UsageError


@click.command("push")
@click.argument("words", nargs=-1, required=True, metavar="[RUN|NAME|FILE] OWNER/NAME")
@click.option("--private", is_flag=True, help="A repository that others do not see, if it is new.")
@click.option("--message", metavar="TEXT", help="Of the commit.")
@checkpoint_option
def command(words: tuple[str, ...], private: bool, message: str | None, checkpoint: str) -> None:
    """Upload a generator to the Hugging Face hub, with a card that says how it was made and how good it is.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last.

    \b
    ganzoo push me/digits
    ganzoo push 7 me/digits --private
    """
    if len(words) > 2:
        raise UsageError(f"expected a run and OWNER/NAME, got {len(words)} words: {' '.join(words)}")
    from ganzoo.running.generator import load_generator
    from ganzoo.running.located import locate
    from ganzoo.sharing.hub import check_repo, push
    from ganzoo.system.console import say

    *named, repo = words
    check_repo(repo)
    found = locate(named[0] if named else None)
    loaded = load_generator(found.run or named[0], "cpu", checkpoint)
    say(push(loaded, repo, private, message or ""))
