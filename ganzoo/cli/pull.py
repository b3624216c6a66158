"""`ganzoo pull`"""

from __future__ import annotations

import click


@click.command("pull")
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--revision", metavar="NAME", help="A branch, a tag or a commit.")
@click.option("--offline", is_flag=True, help="Download nothing: say where it lies.")
def command(repo: str, revision: str | None, offline: bool) -> None:
    """Fetch a generator from the Hugging Face hub; OWNER/NAME stands for it from then on.

    \b
    ganzoo pull me/digits
    ganzoo sample me/digits
    """
    from ganzoo.sharing.hub import pull
    from ganzoo.system.console import notice, say

    loaded = pull(repo, revision, offline)
    notice(f"{loaded.about.model} on {loaded.about.dataset}, step {loaded.step:,}: ganzoo sample {repo}")
    say(str(loaded.path))
