"""docs/results.md: a card for each headline result that there is, and every member on digits."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from statistics import mode

from cards import SUITES, Card, Missing, missing_runs
from cost_lines import cost_lines
from galleries import members, pictures
from published_table import papers
from result_tables import LEAVE_OUT
from sample_pictures import IMAGES
from targets import target_lines

from ganzoo.bench.rows import Row
from ganzoo.table.layout import Block, blocks_of
from ganzoo.table.read import columns_of, group_rows, read_rows
from ganzoo.table.render import markdown_commands, markdown_notes, markdown_table

PAGE = """# Results

What the members come to, and what it takes to see it again. `python benchmarks/pages/report.py` makes this
page of the lines that `ganzoo bench` wrote: no number of ours is typed by hand, and targets that were missed
are here too. How to read a table: [Benchmarks](benchmarks.md#tables).

{cards}

## All members

Samples of the members for images on digits, none of them chosen; a click leads to the page with the command.

{members}
"""


def results_page(results: Path, cards: Sequence[Card], suites: Path = SUITES, images: Path = IMAGES) -> str:
    """A card without results is left out."""
    there = [card for card in cards if (results / f"{card.results}.jsonl").exists()]
    made = [card_text(card, results, suites / f"{card.results}.toml", images) for card in there]
    return PAGE.format(cards="\n\n".join(made), members=members(images))


def card_text(card: Card, results: Path, suite: Path, images: Path) -> str:
    every = read_rows([results / f"{card.results}.jsonl"])
    rows = [row for row in every if card.dataset in ("", row["dataset"])]
    all_groups, groups = group_rows(every), group_rows(rows)
    missing = [one for one in missing_runs(suite, every) if card.dataset in ("", one.dataset)]
    blocks = blocks_of(groups, columns_of(groups, card.metrics), card.shared_cost)
    body = importlib.import_module(card.body).body(rows) if card.body else tables(blocks)
    gallery = pictures(card, groups, all_groups, images)
    parts = [
        f"## {card.title}",
        card.protocol.strip(),
        unfinished(missing),
        body,
        papers(card, blocks, groups),
        gallery,
        "**Target**",
        "\n".join(f"- {line}" for line in target_lines(card, groups, missing)) or "None was set.",
        "**How it was made**",
        commands(card, rows, drawn="images/results/" in gallery),
        "\n".join([*(f"- {line}" for line in cost_lines(rows)), markdown_notes(blocks)]),
        markdown_commands(blocks),
    ]
    return "\n\n".join(part for part in parts if part)


def tables(blocks: Sequence[Block]) -> str:
    made = [markdown_table(block, LEAVE_OUT) for block in blocks]
    if len(blocks) > 1:
        made = [f"On `{block.dataset}`:\n\n{table}" for block, table in zip(blocks, made, strict=True)]
    return "\n\n".join(made)


def unfinished(missing: Sequence[Missing]) -> str:
    """What the suite asks for and is not there yet."""
    if not missing:
        return ""
    rows = []
    for one in missing:
        seeds = ", ".join(map(str, one.seeds))
        options = "" if one.options == "default" else f" {one.options}"
        rows.append(f"{one.model}{options} on {one.dataset} (seed {seeds})")
    count = sum(len(one.seeds) for one in missing)
    return f"**Unfinished.** {count} runs that the suite asks for are missing: {'; '.join(rows)}."


def commands(card: Card, rows: Sequence[Row], drawn: bool) -> str:
    """What makes the results, their table and their pictures."""
    jobs = mode(row.get("jobs", 1) for row in rows)
    typed = [
        *card.before,
        f"ganzoo bench benchmarks/suites/{card.results}.toml --jobs {jobs}",
        f"ganzoo table results/{card.results}.jsonl{' --shared-cost' * card.shared_cost}",
        *[one.made_by for one in card.pictures],
    ]
    if drawn:
        typed.append(f"python benchmarks/pages/pictures.py results/{card.results}.jsonl")
    return "\n".join(f"    {line}" for line in typed)
