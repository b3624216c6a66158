"""`ganzoo resume`"""

from __future__ import annotations

import click


@click.command("resume")
@click.argument("run", required=False)
@click.option(
    "--steps", type=click.IntRange(min=1), metavar="N", help="A larger budget than the run was planned with."
)
@click.option(
    "--reschedule",
    is_flag=True,
    help="Stretch the schedules over the larger budget; without it they stay at their last value.",
)
def command(run: str | None, steps: int | None, reschedule: bool) -> None:
    """Go on with RUN (a folder, a name under runs/, or the newest) as if it had never stopped."""
    from ganzoo.cli.run import report
    from ganzoo.runs.evaluations import ended_at
    from ganzoo.runs.run import load
    from ganzoo.runs.training import extend
    from ganzoo.system.console import stderr
    from ganzoo.training.checkpoint import steps_done

    loaded = load(run)
    if not extend(loaded, steps, reschedule):
        budget = loaded.config.recipe.steps
        done = steps_done(loaded.path)
        ended = "" if done == budget else f", and ended there as {ended_at(loaded.path, done)}"
        click.echo(f"nothing is left to do: {loaded.path} has done its {done} steps{ended}")
        click.echo(f"next:     ganzoo resume {loaded.path} --steps {2 * budget}")
        return
    stderr.print(f"going on with {loaded.path} to step {loaded.config.recipe.steps}", markup=False)
    loaded.train()
    report(loaded)
