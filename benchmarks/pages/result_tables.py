"""Tables of what suites have found, for the pages of models and for the README."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cards import Card
from published_table import published_lines
from sample_pictures import IMAGES

from ganzoo.bench.rows import Row
from ganzoo.table.layout import BETTER, blocks_of, spread
from ganzoo.table.read import Group, columns_of, group_rows
from ganzoo.table.render import markdown_table
from ganzoo.table.statistics import summarise

MODE_SCORES = ("modes", "hq", "mode_std", "reverse_kl")
LEAVE_OUT = ("peak_mib", "images_per_s", "parameters_g", "parameters_d")  # of what a result costs


def result_part(name: str, groups: list[Group]) -> str:
    """The picture of a model's run on MNIST, and the scores of its recipes on each dataset."""
    own = [group for group in groups if group.model == name]
    parts = []
    if (IMAGES / f"{name}-mnist.png").exists():
        parts.append(
            f"![64 samples of {name}](../images/{name}-mnist.png)\n\n"
            f"64 samples of `{_digits(own) or f'ganzoo run {name} --dataset mnist-5k'}`, none of them chosen."
        )
    plain = [group for group in own if re.fullmatch(r"default|recipe=\w+", group.options)]
    parts += [score_table(group) for group in plain]
    if len(plain) < len(own):
        parts.append("With other losses and stabilizers: `benchmarks/README.md` in the repository.")
    return "\n\n".join(parts) or "The repository holds no results of this model yet."


def _digits(groups: Sequence[Group]) -> str:
    """The command whose run on digits the picture is of."""
    return next((group.rows[0]["commands"]["run"] for group in groups if group.dataset == "mnist-5k"), "")


def score_table(group: Group) -> str:
    """Scores over the seeds of one model on one dataset, beside those of real data."""
    lines = ["| score | generated | real data | better |", "|---|---|---|---|"] if group.done else []
    for column in columns_of([group], []):
        made, real = (
            spread(summarise(values)) if values else "-"
            for values in (group.scores(column.score), group.real(column.score))
        )
        lines.append(f"| `{column.score}` | {made} | {real} | {BETTER[column.higher_is_better]} |")
    options = "" if group.options == "default" else f" with {group.options}"
    said = [f"`{group.model}` on `{group.dataset}`{options}"]
    if group.done:
        seeds = [str(row["seed"]) for row in group.done]
        many = (
            f"seeds {', '.join(seeds)}: mean ± standard deviation" if len(seeds) > 1 else f"seed {seeds[0]}"
        )
        said += [f"{group.done[0]['steps']:,} steps, {many}", *group.measured()]
    said += [f"seed {row['seed']} {row['status']}: {row['error']}" for row in [*group.failed, *group.stopped]]
    commands = group.rows[0]["commands"]
    repeat = f"To repeat it: `{commands['run']}`, then `{commands['eval']}`."
    return "\n".join([*lines, "", f"{', '.join(said)}. {repeat}"]).lstrip()


def coverage_table(rows: Sequence[Row], card: Card) -> str:
    """Who finds all modes of a mixture, at what cost; and what was published of the same protocol."""
    groups = [group for group in group_rows(rows) if group.dataset == card.dataset]
    columns = [column for column in columns_of(groups, []) if column.score in MODE_SCORES]
    (block,) = blocks_of(groups, columns, shared=False)
    lines = [markdown_table(block, LEAVE_OUT)]
    for paper in card.published:
        lines += ["", f"Published ({paper.paper}, arXiv {paper.arxiv}, {paper.where}):", ""]
        lines += published_lines([paper])
    return "\n".join(lines)
