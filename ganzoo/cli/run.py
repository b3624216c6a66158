"""`ganzoo run`"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ganzoo.cli.words import (
    CALLBACK,
    DATASET,
    EVAL_METRIC,
    FOLDER,
    LOSS,
    MODEL,
    PATH,
    RUN,
    STABILIZER,
    Command,
    RecipeName,
    Setting,
    Word,
    data_root_option,
    device_option,
)
from ganzoo.errors import UsageError

if TYPE_CHECKING:
    from ganzoo.data.base import Dataset
    from ganzoo.plan.config import Config


INTERRUPTED = 130  # exit status, as a shell gives it for Ctrl-C


@click.command("run", cls=Command)
@click.argument("model", required=False, type=MODEL)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME",
    help="What to train on, any of `ganzoo list datasets`; folder:PATH and npy:PATH for one's own.",
)
@click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    help="Words for a run from a file, in TOML or as --dry-run prints them; what is typed counts more.",
)
@click.option(
    "--from", "from_", type=RUN, metavar="RUN", help="The settings of that run, with what is typed changed."
)
@click.option(
    "--steps",
    type=int,
    metavar="N",
    help="Generator updates, each after n-dis discriminator updates; the recipe's if left out.",
)
@click.option("--epochs", type=float, metavar="F", help="Instead of --steps: passes over the training data.")
@click.option("--batch-size", type=int, metavar="N", help="Samples in a batch; the recipe's if left out.")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="What all that is random follows from.",
)
@device_option
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Run folder, or an address to copy it to as well; the next number under runs/ if left out.",
)
@click.option(
    "--recipe",
    type=RecipeName(),
    default="default",
    show_default=True,
    metavar="NAME",
    help="The model's settings: default, paper.",
)
@click.option(
    "--loss", type=LOSS, metavar="NAME", help="Any of `ganzoo list losses`; the recipe's if left out."
)
@click.option("--lr", type=float, metavar="F", help="Learning rate of both nets; the recipe's if left out.")
@click.option("--lr-g", type=float, metavar="F", help="Learning rate of G.")
@click.option("--lr-d", type=float, metavar="F", help="Learning rate of D.")
@click.option(
    "--n-dis", type=int, metavar="N", help="Discriminator updates per step; the recipe's if left out."
)
@click.option(
    "--label-smoothing", type=float, metavar="F", help="One-sided, in [0, 0.5): real targets become 1 - F."
)
@click.option(
    "--skip-d-below", type=float, metavar="F", help="Skip D's update while its running plain loss is below F."
)
@click.option(
    "--stabilizer",
    type=STABILIZER,
    multiple=True,
    metavar="NAME[:key=value,...]",
    help="Any of `ganzoo list stabilizers`, beside the recipe's; none drops those.",
)
@click.option(
    "--set",
    "set_",
    type=Setting(),
    multiple=True,
    metavar="KEY=VALUE",
    help="An option model.KEY, data.KEY (`ganzoo info NAME` has them) or a field recipe.KEY.",
)
@click.option(
    "--conditional/--unconditional",
    default=None,
    help="Learn the labels too (sample --class K), or not; the recipe says which if left out.",
)
@click.option(
    "--precision",
    type=Word("fp32", "bf16", "fp16"),
    default="fp32",
    show_default=True,
    metavar="NAME",
    help="Of the nets' numbers: fp32, bf16 or fp16.",
)
@click.option(
    "--compile/--no-compile",
    default=False,
    help="Have torch.compile make G and D faster, where it can; the first steps wait for it.",
)
@click.option(
    "--checkpoint-every", type=int, metavar="N", help="Save every N steps; ten times a run if left out."
)
@click.option(
    "--eval-every",
    type=int,
    metavar="N",
    help="Measure every N steps what --eval-metric says; ten times a run if left out.",
)
@click.option(
    "--eval-metric",
    type=EVAL_METRIC,
    multiple=True,
    metavar="NAME",
    help="What to measure during training, the best step by the first is kept; none drops those of --from.",
)
@click.option(
    "--on-nan",
    type=Word("stop", "rollback"),
    default="stop",
    show_default=True,
    metavar="WHAT",
    help="Where a loss is no number any more: stop, or rollback to the last checkpoint, at half the rates.",
)
@click.option("--stop-when", metavar="SCORE<F", help="End early, at 'fid < 0.05', as --eval-metric measures.")
@click.option("--patience", type=int, metavar="N", help="End early: N evaluations without a better one.")
@click.option(
    "--callback",
    type=CALLBACK,
    multiple=True,
    metavar="NAME[:key=value,...]",
    help="Who looks on, any of `ganzoo list callbacks`; none drops pictures and diagnosis.",
)
@data_root_option
@click.option("--offline", is_flag=True, help="Touch no network.")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, print the resolved settings as JSON, and stop."
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    out: str | None,
    dry_run: bool,
    config: Path | None,
    from_: str | None,
    **words: Any,
) -> None:
    """Train MODEL on a dataset.

    With --config or --from, MODEL and --dataset may be left out. RUN is a folder, or a name or a number under
    runs/.

    \b
    ganzoo run dcgan --dataset mnist
    ganzoo run mlp-gan --dataset ring8 --loss hinge --stabilizer clip-grad-norm:max=1
    ganzoo run --from 3 --seed 1
    """
    from ganzoo.plan.words import Words
    from ganzoo.running.folder import refuse_taken
    from ganzoo.system.console import say_json, stderr
    from ganzoo.system.paths import typed_path
    from ganzoo.system.stores import is_address

    if not is_first_process():
        return
    words["set"] = words.pop("set_")
    asked, before, start = _from_start(ctx, words, config, from_)
    if out is not None and not is_address(out):
        refuse_taken(typed_path(out))
    settled = Words(**asked)

    from ganzoo.running.run import create
    from ganzoo.running.training import plan_run

    typed = ctx.get_parameter_source("eval_metric") is not ParameterSource.DEFAULT
    planned, dataset = plan_run(settled, "" if typed else start)
    if before is not None:
        _compare_data(before, planned)
    if is_address(out):
        from ganzoo.running.sent import sent

        planned, out = sent(planned, out)
    if dry_run:
        say_json(planned.as_json())
        return
    run = create(planned, out)
    stderr.say(f"{begins(planned, dataset)} -> {run.path}")
    run.train(dataset)
    report(run)


def is_first_process() -> bool:
    """Whether there is anything to do here; of several processes the others follow the first one."""
    if "WORLD_SIZE" not in os.environ:
        return True
    from ganzoo.running.together import is_first

    return is_first()


def _from_start(
    ctx: click.Context, words: dict[str, Any], file: Path | None, run: str | None
) -> tuple[dict[str, Any], Config | None, str]:
    """All words; and the settings that they started from, if they did, and what these are called."""
    if file is not None and run is not None:
        raise UsageError("--config and --from say twice what to start from: give one of them")
    before: Config | None = None
    name = ""
    if file is not None or run is not None:
        from ganzoo.plan.start import as_typed_before, read_start, with_typed
        from ganzoo.running.folder import look

        parameter = {"set": "set_"}
        typed = {
            key: value
            for key, value in words.items()
            if ctx.get_parameter_source(parameter.get(key, key)) is not ParameterSource.DEFAULT
        }
        start: dict[str, Any] | Config
        if file is not None:
            start, name = read_start(file), str(file)
        else:
            record = look(run)
            start, name = record.config, str(record.path)
        if isinstance(start, dict):
            words = with_typed(start, typed)
        else:
            before = start
            words = with_typed(as_typed_before(start, name, typed), typed)
    for key, how in (("model", "MODEL"), ("dataset", "--dataset NAME")):
        if words.get(key) is None:
            raise UsageError(
                f"{how} is missing: expected ganzoo run MODEL --dataset NAME (ganzoo list {key}s shows the "
                f"names), or --config FILE, or --from RUN"
            )
    return words, before, name


def _compare_data(before: Config, now: Config) -> None:
    from ganzoo.system.console import notice

    if now.dataset == before.dataset and now.data_fingerprint != before.data_fingerprint:
        notice(
            f"{now.dataset} has other samples, or options, than it had for the run that this one starts from"
        )


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
