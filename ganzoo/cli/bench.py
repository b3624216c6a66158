"""`ganzoo bench`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.words import FOLDER, PATH, Whole, Word
from ganzoo.errors import UsageError, WorkError, nearest

if TYPE_CHECKING:
    from ganzoo.bench.cells import Cell
    from ganzoo.bench.rows import Row
    from ganzoo.bench.starting import Launcher
    from ganzoo.bench.trials import Study

LAUNCHERS = ("local", "ray", "slurm")


@click.command("bench")
@click.argument("suite", type=PATH, metavar="SUITE.toml")
@click.option(
    "--jobs",
    type=Whole(1),
    metavar="N",
    help="Cells at a time; 1 if left out, on a cluster one for each core.",
)
@click.option(
    "--out",
    type=FOLDER,
    default="results",
    show_default=True,
    metavar="DIR",
    help="Where results and runs are kept; an address (s3://...) keeps a copy there, and goes on from it.",
)
@click.option("--retry", is_flag=True, help="Try cells again that have failed.")
@click.option("--steps", type=Whole(1), metavar="N", help="Instead of what the suite says.")
@click.option("--samples", type=Whole(1), metavar="N", help="Instead of what the suite says.")
@click.option(
    "--launcher",
    type=Word(*LAUNCHERS),
    default="local",
    show_default=True,
    metavar="NAME",
    help="Where cells run: local, on this machine, or on a cluster of ray or of slurm.",
)
@click.option("--address", metavar="ADDR", help="Of the Ray cluster; RAY_ADDRESS if left out.")
@click.option(
    "--with",
    "with_",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of Slurm's jobs: slurm_partition, timeout_min, mem_gb, ...",
)
@click.option("--dry-run", is_flag=True, help="Check everything, list the cells, and stop.")
def command(
    suite: Path,
    jobs: int | None,
    out: str,
    retry: bool,
    steps: int | None,
    samples: int | None,
    launcher: str,
    address: str | None,
    with_: Sequence[str],
    dry_run: bool,
) -> int:
    """Train and measure all that SUITE.toml asks for; what is done is not done again.

    \b
    ganzoo bench benchmarks/suites/quick.toml --jobs 2
    ganzoo table results/
    """
    import torch

    from ganzoo.bench.cells import plan_cells
    from ganzoo.bench.copied import Copied
    from ganzoo.bench.machine import cores
    from ganzoo.bench.progress import Show
    from ganzoo.bench.results import alone_in, read_results, repair
    from ganzoo.bench.runner import Runner
    from ganzoo.bench.source import Searching, Source
    from ganzoo.bench.suite import read_suite
    from ganzoo.bench.trials import plan_studies
    from ganzoo.system.console import say, stderr, typed
    from ganzoo.system.paths import typed_path
    from ganzoo.system.stores import is_address

    if launcher not in LAUNCHERS:
        raise UsageError(f"--launcher {launcher} is not known: {nearest(launcher, LAUNCHERS)}")
    if address and launcher != "ray":
        raise UsageError("--address is of a Ray cluster: add --launcher ray")
    if with_ and launcher != "slurm":
        raise UsageError("--with is for the jobs of Slurm: add --launcher slurm")
    if launcher == "local":
        jobs = jobs or 1
        if jobs > 8 * cores():
            raise UsageError(f"--jobs {jobs}: expected at most {8 * cores()}, as there are {cores()} cores")
    # On a cluster one each: more cells at a time are worth more than more threads of one.
    threads = max(1, min(torch.get_num_threads(), cores() // jobs)) if launcher == "local" and jobs else 1
    asked = read_suite(suite, steps=steps, samples=samples)
    studies = plan_studies(asked, threads)
    cells = [] if studies else plan_cells(asked, threads)
    copied = Copied(out, suite.stem) if is_address(out) else None
    folder = copied.here if copied else typed_path(out)
    results = folder / f"{suite.stem}.jsonl"
    if dry_run:
        rows = read_results(results)
        for study in studies:
            study.recall(rows.values(), folder / suite.stem, retry)
        _list_studies(studies) if studies else _list(cells, rows)
        return 0
    with alone_in(folder):
        if copied:
            copied.fetch_results()
        repair(results)
        rows = read_results(results)
        for study in studies:
            study.recall(rows.values(), folder / suite.stem, retry)
        left = [cell for cell in cells if _is_left(rows.get(cell.hash), retry)]
        source = Searching(studies) if studies else Source(left)
        starter = _launcher(launcher, address, folder, with_)
        jobs = jobs or (starter.room(threads) if starter else 1)
        total = sum(study.cells for study in studies) if studies else len(cells)
        done = total - source.unfinished
        words = f"{suite.stem}: {total} cells, {done} done, {jobs} at a time"
        stderr.say(f"{words} with {threads} threads -> {results}")
        runner = Runner(suite.stem, folder, jobs, Show(total, done, jobs), starter, copied)
        try:
            ended = runner.run(source)
        except KeyboardInterrupt:  # the second one: cells under way go on from their last checkpoints
            ended = False
        rows = read_results(results)
    if copied:
        copied.end()
    if not ended:
        stderr.say(
            f"stopped: {total - source.unfinished} of {total} cells are done; the same command goes on"
        )
        return 130
    say(f"results: {results}")
    say(f"next:    {typed('ganzoo', 'table', results)}")
    if studies:
        _tell(studies)
        return 0
    errors = [
        f"{cell.title}: {row['error']}"
        for cell in cells
        if (row := rows.get(cell.hash)) is not None and row["status"] == "failed"
    ]
    if errors:
        raise WorkError(
            f"{len(errors)} of {len(cells)} cells failed, the first of them {errors[0]}; "
            f"--retry tries them again"
        )
    return 0


def _launcher(kind: str, address: str | None, out: Path, options: Sequence[str]) -> Launcher | None:
    """What starts cells elsewhere; None for this machine."""
    if kind == "ray":
        from ganzoo.bench.on_ray import RayStarter

        return RayStarter(address)
    if kind == "slurm":
        from ganzoo.bench.on_slurm import SlurmStarter

        return SlurmStarter(out, dict(map(_option, options)))
    return None


def _option(word: str) -> tuple[str, int | str]:
    key, equals, value = word.partition("=")
    if not (key and equals):
        raise UsageError(f"--with {word}: expected KEY=VALUE, such as slurm_partition=gpu")
    return key, int(value) if value.isdecimal() else value


def _is_left(row: Row | None, retry: bool) -> bool:
    return row is None or (retry and row["status"] == "failed")


def _tell(studies: list[Study]) -> None:
    """The best of each search, and the command that makes it."""
    from ganzoo.bench.ranges import shown
    from ganzoo.system.console import number, say, stderr

    for study in studies:
        what = f"{study.like.config.model} on {study.like.config.dataset}"
        failed = [row for row in study.rows() if row["status"] == "failed"]
        if failed:
            stderr.say(
                f"{what}: {len(failed)} cells failed, the first of them {failed[0]['options']}: "
                f"{failed[0]['error']}; --retry tries them again"
            )
        if study.exhausted:
            stderr.say(f"{what}: {len(study.attempts)} trials, as no other settings were found")
        best = study.best()
        if best is None:
            raise WorkError(f"no trial of {what} was done, of {len(study.attempts)}")
        attempt, value = best
        seeds = f", the mean of {len(attempt.rows)} seeds" if len(attempt.rows) > 1 else ""
        say(f"best:    {what}: {study.score} {number(value)}{seeds}: {shown(attempt.asked)}")
        say(f"         {attempt.rows[study.asked.seeds[0]]['commands']['run']}")


def _list_studies(studies: list[Study]) -> None:
    from ganzoo.system.console import Grid, terminal

    console = terminal()
    table = Grid()
    for title in ("model", "dataset", "options", "seeds", "steps", "trials", "done"):
        table.column(title, right=title in ("steps", "trials", "done"), overflow="fold")
    for study in studies:
        config, seeds = study.like.config, study.asked.seeds
        words = (config.model, config.dataset, study.asked.label, _shortly(seeds), f"{config.recipe.steps:,}")
        table.row(*words, f"{study.search.trials:,}", f"{study.ended:,}")
    console.print(table)
    console.print()
    ranges = Grid()
    for title in ("range", "of"):
        ranges.column(title, overflow="fold")
    for name, one in studies[0].search.ranges.items():
        ranges.row(name, f"{one}")
    console.print(ranges)
    console.print()
    for score, which in {study.score: "higher" if study.higher else "lower" for study in studies}.items():
        console.say(f"{score} is improved: {which} is better")
    cells, left = (sum(counts) for counts in zip(*((one.cells, one.left()) for one in studies), strict=True))
    steps = sum(study.cells * study.like.config.recipe.steps for study in studies)
    console.say(f"at most {cells:,} cells, {steps:,} steps in total, {left:,} cells of them left")


def _list(cells: list[Cell], rows: dict[str, Row]) -> None:
    from ganzoo.system.console import Grid, terminal

    table = Grid()
    for title in ("model", "dataset", "options", "seeds", "steps", "real images", "done"):
        right = title in ("steps", "real images", "done")
        table.column(title, right=right, overflow="fold")
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    for group in groups.values():
        config, recipe = group[0].config, group[0].config.recipe
        done = [rows[cell.hash]["status"] for cell in group if cell.hash in rows]
        failed = f", {done.count('failed')} failed" if "failed" in done else ""
        table.row(
            *(config.model, config.dataset, group[0].label, _seeds(group)),
            f"{recipe.steps:,}",
            f"{recipe.steps * recipe.n_dis * recipe.batch_size:,}",
            f"{done.count('done')}/{len(group)}{failed}",
        )
    console = terminal()
    console.table(table)
    steps = sum(cell.config.recipe.steps for cell in cells)
    left = sum(cell.config.recipe.steps for cell in cells if cell.hash not in rows)
    console.print()
    console.say(f"{len(cells)} cells, {steps:,} steps in total, {left:,} of them left")


def _seeds(group: list[Cell]) -> str:
    return _shortly([cell.config.seed for cell in group])


def _shortly(numbers: Sequence[int]) -> str:
    seeds = sorted(numbers)
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))
