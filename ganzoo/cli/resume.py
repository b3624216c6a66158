"""`ganzoo resume`"""

from __future__ import annotations

import click

from ganzoo.cli.words import CALLBACK, DATASET, DEVICE, FOLDER, RUN, Whole


@click.command("resume")
@click.argument("run", required=False, type=RUN)
@click.option("--steps", type=Whole(1), metavar="N", help="A larger budget than the run was planned with.")
@click.option(
    "--reschedule",
    is_flag=True,
    help="Stretch the schedules over the larger budget; without it they stay at their last value.",
)
@click.option(
    "--dataset", type=DATASET, metavar="NAME", help="What opens the same data now, if they lie elsewhere."
)
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Where datasets are now, or are downloaded to.")
@click.option(
    "--callback",
    type=CALLBACK,
    multiple=True,
    metavar="NAME",
    help="Have NAME:key=value,... look on too from now on; none drops those before.",
)
@click.option(
    "--device",
    type=DEVICE,
    metavar="NAME",
    help="Where to go on, if not where it was: auto, cpu, cuda or mps.",
)
@click.option(
    "--compile/--no-compile", default=None, help="Have torch.compile make G and D faster from now on, or not."
)
def command(
    run: str | None,
    steps: int | None,
    reschedule: bool,
    dataset: str | None,
    data_root: str | None,
    device: str | None,
    compile: bool | None,
    callback: tuple[str, ...],
) -> None:
    """Go on with RUN as if it had never stopped.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last.

    \b
    ganzoo resume
    ganzoo resume 3 --steps 20000
    """
    from ganzoo.cli.run import is_first_process, report

    if not is_first_process():
        return
    from ganzoo.running.folder import find

    path = find(run)

    from ganzoo.running.evaluations import ended_at
    from ganzoo.running.run import load
    from ganzoo.running.training import extend
    from ganzoo.system.console import say, stderr, typed
    from ganzoo.training.checkpoint import steps_done
    from ganzoo.training.upload import catch_up

    loaded = load(path)
    loaded.move(dataset, data_root, device, compile)
    loaded.watch(callback)
    if not extend(loaded, steps, reschedule):
        budget = loaded.config.recipe.steps
        done = steps_done(loaded.path)
        ended = "" if done == budget else f", and ended there as {ended_at(loaded.path, done)}"
        for spec in loaded.config.callbacks:
            if spec.name == "upload":
                catch_up(loaded.path, spec.options["to"])
        say(f"nothing is left to do: {loaded.path} has done its {done} steps{ended}")
        say(f"next:     {typed('ganzoo', 'resume', loaded.path, '--steps', 2 * budget)}")
        return
    stderr.say(f"going on with {loaded.path} to step {loaded.config.recipe.steps}")
    loaded.train()
    report(loaded)
