"""Write benchmarks/README.md and the tables in docs/ from the results and the recipes; with --check, only say
what is stale."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from cards import read_cards
from commands_page import commands_page
from gpu_table import gpu_table
from grid_part import grid_part
from member_pages import member_pages, options_part
from member_results import member_results
from recipe_table import recipe_table
from result_tables import coverage_table, result_part
from results_page import results_page
from tour_blocks import tour_parts
from where_table import where_page
from zoo import zoo

from ganzoo.cli.eval import rows as score_rows
from ganzoo.registry import METRICS, MODELS
from ganzoo.table.layout import blocks_of
from ganzoo.table.read import columns_of, group_rows, read_rows
from ganzoo.table.render import markdown

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs"
README = HERE.parent / "README.md"
PAGE = """# Benchmarks

Made by `python benchmarks/pages/report.py` from `results/`; nothing on this page is typed by hand.

## Speed

As a ratio to a reference, measured side by side in one run: the two take turns, and the ratio is the median
over pairs, with quartiles. Above 1 means that ganzoo is faster. To measure again, on an idle machine:

    pytest benchmarks --benchmark-only && python benchmarks/pages/report.py

{speed}

## Speed beside other libraries

The same work done by what one would pick instead; [how, and what had to be patched](peers/README.md).

{peers}

## Memory

Peak memory beyond imports and inputs, each in a process of its own:

{memory}

## Which GAN finds all modes?

    ganzoo bench benchmarks/suites/gaussians.toml --jobs 2 && ganzoo table results/gaussians.jsonl

By the protocol of PacGAN (Lin et al. 2018, arXiv 1712.04086): 2,500 samples, a mode is found by one sample
within three standard deviations. Seconds, images/s and MiB are those of the seeds that had the machine to
themselves.

{gaussians}

## Every member on digits

    ganzoo bench benchmarks/suites/members.toml --jobs 2 && ganzoo table results/members.jsonl --shared-cost

Default recipes, which learn the labels, on the 5,000 digits that need no download, over three seeds, each for
two to four minutes of one core, as the seconds say: what a first run gives, not which member is the best.

{members}"""
SPEED = (
    "| what | over | times as fast | quartiles | pairs | threads | torch | processor | date |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
MEMORY = "| what | over | ganzoo | the other | torch | date |\n|---|---|---|---|---|---|"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RESULTS / name).read_text().splitlines()]


def page() -> str:
    peaks = [
        f"| {row['name'].removeprefix('test_peak_memory_of_').replace('_', ' ')} | {row['against']} "
        f"| {row['mib']:.0f} MiB | {row['other_mib']:.0f} MiB | {row['torch']} | {row['date']} |"
        for row in read("memory.jsonl")
    ]
    return PAGE.format(
        speed=speed("speed.jsonl"),
        peers=speed("peers.jsonl"),
        memory="\n".join([MEMORY, *peaks]),
        gaussians=suite("gaussians"),
        members=suite("members", shared=True),
    )


def speed(name: str) -> str:
    rows = [
        f"| {row['name'].removeprefix('test_').replace('_', ' ')} | {row['against']} "
        f"| **{row['ratio']:.2f}** "
        f"| {row['quartiles'][0]:.2f} to {row['quartiles'][1]:.2f} | {row['pairs']} | {row['threads']} "
        f"| {row['torch']} | {row['processor']} | {row['date']} |"
        for row in read(name)
    ]
    return "\n".join([SPEED, *rows])


def suite(name: str, shared: bool = False) -> str:
    """As `ganzoo table results/NAME.jsonl --format md` has it; `shared`: with --shared-cost."""
    groups = group_rows(read_rows([RESULTS / f"{name}.jsonl"]))
    return markdown(blocks_of(groups, columns_of(groups, []), shared))


MADE = "made by benchmarks/pages/report.py"


def fill(page: Path, parts: Mapping[str, str]) -> str:
    """The page with each part between its mark, a comment of those words, and <!-- end -->."""
    text = page.read_text(encoding="utf-8")
    for mark, part in parts.items():
        place = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
        if len(place.findall(text)) != 1:
            sys.exit(f"{page.name} should have one <!-- {mark} -->, with <!-- end --> behind it")
        start, end = place.search(text).groups()
        text = place.sub(lambda _, whole=start + part + "\n" + end: whole, text)
    return text


def example(of: Container[str] | None = None) -> str:
    """The scores of the README's run; `of`: only those with these names."""
    document = json.loads((RESULTS / "eval-dcgan-mnist-5k.json").read_text())
    protocol, source = document["protocol"], document["provenance"]
    lines = ["| score | generated | real data | better |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {made} | {real} | {better} |"
        for name, made, real, better, _ in score_rows(document)
        if of is None or name.partition("@")[0] in of
    ]
    lines.append(
        f"\n`dcgan` on `{protocol['dataset']}`, step {source['step']}, seed {source['seed']}: "
        f"{protocol['n_fake']:,} generated samples against {protocol['n_real']:,} of the "
        f"{protocol['reference']} split; real data: as many held-out samples in their place, or the value "
        "that a perfect generator of as many would have."
    )
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """Every file with generated parts, as it should be."""
    rows = read_rows([RESULTS / "members.jsonl", RESULTS / "gaussians.jsonl"])
    cards = {card.name: card for card in read_cards()}
    made = {
        HERE / "README.md": page(),
        README: fill(README, {MADE: coverage_table(rows, cards["grid25"])}),
        DOCS / "index.md": fill(DOCS / "index.md", {f"zoo {MADE}": zoo(DOCS, group_rows(rows))}),
        DOCS / "tour.md": fill(
            DOCS / "tour.md", {f"{name} {MADE}": part for name, part in tour_parts().items()}
        ),
        DOCS / "metrics.md": fill(DOCS / "metrics.md", {MADE: example()}),
        DOCS / "commands.md": commands_page(),
        DOCS / "results.md": results_page(RESULTS, list(cards.values())),
        DOCS / "scaling.md": fill(
            DOCS / "scaling.md",
            {
                f"gpu {MADE}": gpu_table(RESULTS / "gpu.jsonl"),
                f"grid {MADE}": grid_part(RESULTS / "grid.jsonl"),
            },
        ),
        DOCS / "speed.md": where_page(RESULTS / "where.jsonl"),
    }
    groups = group_rows(rows)
    for path in sorted((DOCS / "models").glob("*.md")):
        name = path.stem
        if name != "index":
            recipes = recipe_table(MODELS.get(name).recipes, MODELS.options(name))
            parts = {f"recipes {MADE}": recipes, f"results {MADE}": result_part(name, groups)}
            made[path] = fill(path, parts)
    for path, registry in member_pages(DOCS):
        parts = {f"options {MADE}": options_part(registry, path.stem)}
        if f"<!-- results {MADE} -->" in path.read_text(encoding="utf-8"):
            parts[f"results {MADE}"] = member_results(registry.kind, path.stem, RESULTS)
        if registry is METRICS:
            parts[f"example {MADE}"] = example(METRICS.get(path.stem).higher_is_better)
        made[path] = fill(path, parts)
    return made


def stale() -> dict[Path, str]:
    """Those of them that are otherwise."""
    return {
        path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text
    }


if __name__ == "__main__":
    found = stale()
    if "--check" in sys.argv and found:
        sys.exit(f"{', '.join(path.name for path in found)}: stale, run python benchmarks/pages/report.py")
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
