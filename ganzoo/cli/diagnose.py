"""`ganzoo diagnose`"""

from __future__ import annotations

import click

from ganzoo.cli.words import RUN


@click.command("diagnose")
@click.argument("run", required=False, type=RUN)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(run: str | None, as_json: bool) -> None:
    """What is wrong with the training of RUN, by its log, and what to try.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last.
    """
    from ganzoo.diagnosis.judge import unjudged
    from ganzoo.errors import UsageError
    from ganzoo.running.diagnosis import diagnosis
    from ganzoo.running.folder import look
    from ganzoo.system.console import say_json, tell, typed
    from ganzoo.system.lines import read_lines
    from ganzoo.training.rows import observed

    loaded = look(run)
    rows = read_lines(loaded.path / "log.jsonl", observed)
    if not rows:
        raise UsageError(
            f"{loaded.path} has no log yet: {typed('ganzoo', 'resume', loaded.path)} goes on with it"
        )
    found, missing = diagnosis(loaded), unjudged(rows, loaded.config)
    if as_json:
        document = {
            "run": loaded.path.name,
            "step": rows[-1]["step"],
            "findings": [one.as_json() for one in found],
            "not_judged": missing,
        }
        say_json(document)
        return
    for one in found:
        tell((one.name, "bold"), f": {one}")
    if not found:
        tell(f"{loaded.path}: nothing is wrong that the log up to step {rows[-1]['step']} shows")
    if missing:
        tell(f"not judged, for lack of measurements: {', '.join(missing)}")
