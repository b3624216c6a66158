"""`ganzoo diagnose`"""

from __future__ import annotations

import json

import click


@click.command("diagnose")
@click.argument("run", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(run: str | None, as_json: bool) -> None:
    """What is wrong with the training of RUN (a folder, a name under runs/, or the newest), by its log."""
    from ganzoo.diagnosis.judge import unjudged
    from ganzoo.errors import UsageError
    from ganzoo.runs.diagnosis import diagnosis
    from ganzoo.runs.run import load
    from ganzoo.system.files import read_lines

    loaded = load(run)
    rows = read_lines(loaded.path / "log.jsonl")
    if not rows:
        raise UsageError(f"{loaded.path} has no log yet: ganzoo resume {loaded.path} goes on with it")
    found, missing = diagnosis(loaded), unjudged(rows, loaded.config)
    if as_json:
        document = {
            "run": loaded.path.name,
            "step": rows[-1]["step"],
            "findings": [one.as_json() for one in found],
            "not_judged": missing,
        }
        click.echo(json.dumps(document, indent=2))
        return
    for one in found:
        click.echo(f"{one.name}: {one}")
    if not found:
        click.echo(f"{loaded.path}: nothing is wrong that the log up to step {rows[-1]['step']} shows")
    if missing:
        click.echo(f"not judged, for lack of measurements: {', '.join(missing)}")
