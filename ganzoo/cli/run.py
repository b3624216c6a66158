"""`ganzoo run`"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ganzoo.data.base import Dataset
    from ganzoo.plan.config import Config


INTERRUPTED = 130  # exit status, as a shell gives it for Ctrl-C


@click.command("run")
@click.argument("model")
@click.option(
    "--dataset", required=True, metavar="NAME", help="By name; folder:PATH and npy:PATH for one's own."
)
@click.option(
    "--steps", type=int, metavar="N", help="Generator updates; each after n-dis discriminator updates."
)
@click.option("--epochs", type=float, metavar="F", help="Instead of --steps: passes over the training data.")
@click.option("--batch-size", type=int, metavar="N")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda or mps.")
@click.option("--out", metavar="DIR", help="Run folder; the next number under runs/ if left out.")
@click.option(
    "--recipe",
    default="default",
    show_default=True,
    metavar="NAME",
    help="The model's settings: default, paper.",
)
@click.option("--loss", metavar="NAME")
@click.option("--lr", type=float, metavar="F", help="Learning rate of both nets.")
@click.option("--lr-g", type=float, metavar="F", help="Learning rate of G.")
@click.option("--lr-d", type=float, metavar="F", help="Learning rate of D.")
@click.option("--n-dis", type=int, metavar="N", help="Discriminator updates per step.")
@click.option(
    "--label-smoothing", type=float, metavar="F", help="One-sided, in [0, 0.5): real targets become 1 - F."
)
@click.option(
    "--skip-d-below", type=float, metavar="F", help="Skip D's update while its running plain loss is below F."
)
@click.option(
    "--stabilizer",
    multiple=True,
    metavar="NAME[:key=value,...]",
    help="Any of `ganzoo list stabilizers`; none drops the recipe's.",
)
@click.option(
    "--set", "set_", multiple=True, metavar="KEY=VALUE", help="model.KEY, data.KEY or a recipe's field."
)
@click.option(
    "--conditional/--unconditional",
    default=None,
    help="Learn the labels too (sample --class K), or not; the recipe says which if left out.",
)
@click.option("--precision", default="fp32", show_default=True, metavar="NAME", help="fp32, bf16 or fp16.")
@click.option("--checkpoint-every", type=int, metavar="N")
@click.option("--eval-every", type=int, metavar="N", help="Measure every N steps; needs --eval-metric.")
@click.option(
    "--eval-metric", multiple=True, metavar="NAME", help="What to measure; keeps the best by the first."
)
@click.option(
    "--on-nan",
    default="stop",
    show_default=True,
    metavar="WHAT",
    help="Where a loss is no number any more: stop, or rollback to the last checkpoint, at half the rates.",
)
@click.option("--stop-when", metavar="SCORE<F", help="End early, at 'fid < 0.05', as --eval-metric measures.")
@click.option("--patience", type=int, metavar="N", help="End early: N evaluations without a better one.")
@click.option(
    "--callback",
    multiple=True,
    metavar="NAME[:key=value,...]",
    help="Any of `ganzoo list callbacks`; none drops pictures and diagnosis.",
)
@click.option("--data-root", metavar="DIR", help="Where datasets are, or are downloaded to.")
@click.option("--offline", is_flag=True, help="Touch no network.")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, print the resolved settings as JSON, and stop."
)
def command(out: str | None, dry_run: bool, set_: tuple[str, ...], **words: Any) -> None:
    """Train MODEL on a dataset.

    \b
    ganzoo run dcgan --dataset mnist
    ganzoo run mlp-gan --dataset ring8 --loss hinge --stabilizer clip-grad-norm:max=1
    """
    from ganzoo.plan.words import Words
    from ganzoo.running.folder import refuse_taken
    from ganzoo.running.run import create
    from ganzoo.running.training import plan_run
    from ganzoo.system.console import say_json, stderr
    from ganzoo.system.paths import typed_path

    config, dataset = plan_run(Words(set=set_, **words))
    if dry_run:
        if out is not None:
            refuse_taken(typed_path(out))
        say_json(config.as_json())
        return
    run = create(config, out)
    stderr.say(f"{begins(config, dataset)} -> {run.path}")
    run.train(dataset)
    report(run)


def begins(config: Config, dataset: Dataset) -> str:
    """What begins, in a line."""
    from ganzoo.data.kinds import kind_of_shape

    labels = ""
    if config.conditional and config.condition_shape:
        labels = f", conditional on {kind_of_shape(config.condition_shape)} of shape {config.condition_shape}"
    elif config.conditional:
        classes = dataset.num_classes
        labels = f", conditional on its {classes} class{'es' * (classes != 1)}"
    elif dataset.num_classes or dataset.condition_shape:
        labels = ", without its labels"
    recipe = config.recipe
    steps = f"{recipe.steps} steps of batch {recipe.batch_size} on {config.device}"
    return f"{config.model} on {dataset.name}{labels}: {steps}"


def report(run: Any) -> None:
    """Where the pictures are, what is wrong with the training if anything is, and what to type next.

    Ends with status 130 where it was stopped.
    """
    from ganzoo.running.diagnosis import diagnosis
    from ganzoo.system.console import say, typed

    done, steps = run.steps_done, run.config.recipe.steps
    whole = done >= steps or bool(run.ended)
    stopped = "" if whole else f" (stopped at step {done} of {steps})"
    if run.ended:
        say(f"ended:    at step {done} of {steps}, as {run.ended}")
    pictures = sorted(run.path.glob("samples/step-*.png"))
    say(f"pictures: {pictures[-1] if pictures else 'none yet'}{stopped}")
    for found in diagnosis(run):
        say(f"seen:     {found}")
    say(f"next:     {typed('ganzoo', 'sample' if whole else 'resume', run.path)}")
    if not whole:
        sys.exit(INTERRUPTED)
