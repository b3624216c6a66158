"""`ganzoo table`"""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.words import PATH


@click.command("table")
@click.argument("results", nargs=-1, required=True, type=PATH, metavar="RESULTS...")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["rich", "md", "csv", "json"]),
    default="rich",
    show_default=True,
    help="For the screen (rich), for a page (md), for programs (csv, json).",
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="These columns alone.")
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="These datasets alone.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="KEY=VALUE",
    help="Results alone that have it, such as steps=8000 or n_fake=2500.",
)
@click.option("--shared-cost", is_flag=True, help="Costs too of cells that others ran beside, with a star.")
def command(
    results: tuple[Path, ...],
    format_: str,
    metrics: tuple[str, ...],
    datasets: tuple[str, ...],
    conditions: tuple[str, ...],
    shared_cost: bool,
) -> None:
    """RESULTS of `ganzoo bench`, files or folders, as a table: mean and spread over seeds, and the cost.

    \b
    ganzoo table results/
    ganzoo table results/quick.jsonl --format md > table.md
    """

    from ganzoo.errors import UsageError, nearest
    from ganzoo.system.console import say, say_json, terminal
    from ganzoo.table.layout import blocks_of
    from ganzoo.table.read import columns_of, group_rows, read_rows, where
    from ganzoo.table.render import as_csv, as_rows, markdown, print_rich

    groups = group_rows(where(read_rows(results), conditions))
    there = {group.dataset for group in groups}
    for name in datasets:
        if name not in there:
            raise UsageError(f"--dataset {name}: not in these results; {nearest(name, there)}")
    groups = [group for group in groups if not datasets or group.dataset in datasets]
    blocks = blocks_of(groups, columns_of(groups, metrics), shared_cost)
    if format_ == "json":
        say_json(as_rows(blocks))
    elif format_ in ("csv", "md"):
        page = as_csv(blocks) if format_ == "csv" else markdown(blocks)
        for line in page.removesuffix("\n").split("\n"):
            say(line)
    else:
        print_rich(blocks, terminal())
