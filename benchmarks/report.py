"""Write benchmarks/README.md and the tables in docs/ from the results and the recipes; with --check, only say
what is stale."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.assemble import model_options
from ganzoo.cli.eval import rows
from ganzoo.recipe import Optimizer, Recipe, Schedule
from ganzoo.registry import MODELS
from ganzoo.table.layout import BETTER, spread
from ganzoo.table.read import Group, columns_of, group_rows, read_rows
from ganzoo.table.statistics import summarise

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
TITLE = """# Benchmarks

Speed as a ratio to a reference, measured side by side in one run: the two take turns, and the ratio is the
median over pairs, with quartiles. Above 1 means that ganzoo is faster. To measure again, on an idle machine:

    pytest benchmarks --benchmark-only && python benchmarks/report.py

This page is made from `results/speed.jsonl`; nothing on it is typed by hand.

| what | over | times as fast | quartiles | pairs | threads | torch | processor | date |
|---|---|---|---|---|---|---|---|---|
"""
MEMORY = """
Peak memory beyond imports and inputs, each in a process of its own, from `results/memory.jsonl`:

| what | over | ganzoo | the other | torch | date |
|---|---|---|---|---|---|
"""


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / "results" / name).read_text().splitlines()]


def page() -> str:
    cells = [
        f"| {row['name'].removeprefix('test_').replace('_', ' ')} | {row['against']} "
        f"| **{row['ratio']:.2f}** "
        f"| {row['quartiles'][0]:.2f} to {row['quartiles'][1]:.2f} | {row['pairs']} | {row['threads']} "
        f"| {row['torch']} | {row['processor']} | {row['date']} |\n"
        for row in read("speed.jsonl")
    ]
    peaks = [
        f"| {row['name'].removeprefix('test_peak_memory_of_').replace('_', ' ')} | {row['against']} "
        f"| {row['mib']:.0f} MiB | {row['other_mib']:.0f} MiB | {row['torch']} | {row['date']} |\n"
        for row in read("memory.jsonl")
    ]
    return TITLE + "".join(cells) + MEMORY + "".join(peaks)


MADE = "made by benchmarks/report.py"


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


def example() -> str:
    """The scores of the README's run."""
    document = json.loads((HERE / "results" / "eval-dcgan-mnist-5k.json").read_text())
    protocol, source = document["protocol"], document["provenance"]
    lines = ["| score | generated | real data | better |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {made} | {real} | {better} |" for name, made, real, better, _ in rows(document)]
    lines.append(
        f"\n`dcgan` on `{protocol['dataset']}`, step {source['step']}, seed {source['seed']}: "
        f"{protocol['n_fake']} generated samples against {protocol['n_real']} of the "
        f"{protocol['reference']} split; real data: {protocol['n_held_out']} "
        "held-out samples in their place, or the exact value."
    )
    return "\n".join(lines)


FIELDS = {
    "loss": ("loss", "--loss"),
    "stabilizers": ("stabilizers", "--stabilizer"),
    "optimizer_g": ("optimizer of G", "--lr-g"),
    "optimizer_d": ("optimizer of D", "--lr-d"),
    "n_dis": ("updates of D per step", "--n-dis"),
    "batch_size": ("batch size", "--batch-size"),
    "steps": ("steps", "--steps"),
    "ema_halflife": ("half-life of the averaged G, in images", "--set ema_halflife"),
    "ema_ramp": ("that half-life at most, as a share of the images so far", "--set ema_ramp"),
    "lr_schedule": ("factor on the learning rates over the run", "--set lr_schedule.*"),
    "penalty_schedule": ("factor on the penalties over the run", "--set penalty_schedule.*"),
    "ema_schedule": ("factor on that half-life over the run", "--set ema_schedule.*"),
}
RARE = ("ema_ramp", "lr_schedule", "penalty_schedule", "ema_schedule")  # shown where some recipe sets them


def recipe_table(recipes: Mapping[str, Recipe], options: Mapping[str, Any]) -> str:
    """A line per setting and a column per recipe; `options` are the model's own, with their defaults."""
    plain = Recipe()
    fields = [
        field
        for field in FIELDS
        if field not in RARE or any(getattr(r, field) != getattr(plain, field) for r in recipes.values())
    ]
    own = [key for key in options if any(key in recipe.model for recipe in recipes.values())]
    lines = [
        "| setting | changed by | " + " | ".join(f"`{name}`" for name in recipes) + " |",
        "|---|---" + "|---" * len(recipes) + "|",
    ]
    for field in fields:
        name, typed = FIELDS[field]
        cells = [setting(field, getattr(recipe, field)) for recipe in recipes.values()]
        lines.append(f"| {name} | `{typed}` | " + " | ".join(cells) + " |")
    for key in own:
        cells = [setting(key, recipe.model.get(key, options[key])) for recipe in recipes.values()]
        lines.append(f"| `{key}` of the model | `--set model.{key}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def setting(key: str, value: Any) -> str:
    """One cell of a recipe's table."""
    if isinstance(value, Optimizer):
        extra = {
            "adam": f"betas {value.beta1:g} and {value.beta2:g}",
            "rmsprop": f"alpha {value.beta2:g}",
            "sgd": f"momentum {value.momentum:g}",
        }
        return f"{value.kind}, lr {value.lr:g}, {extra[value.kind]}"
    if isinstance(value, Schedule):
        if value.kind == "const":
            return f"{value.start:g}"
        until = "" if value.until == 1.0 else f", reached after {value.until:.0%} of the run"
        return f"{value.kind}, {value.start:g} to {value.end:g}{until}"
    if isinstance(value, tuple):
        return ", ".join(f"`{spec}`" for spec in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if not value and key in ("ema_halflife", "z_dim", "d_width"):
            return {"ema_halflife": "no average", "z_dim": "by the data", "d_width": "as G's"}[key]
        return f"{value:,.0f}" if value == round(value) else f"{value:g}"
    return f"`{value}`" if key == "loss" else str(value)


def result_part(name: str, groups: list[Group]) -> str:
    """The picture of a model's run on MNIST and its scores on each dataset, where there are any."""
    parts = []
    if (DOCS / "images" / f"{name}-mnist.png").exists():
        parts.append(
            f"![64 samples of {name}](../images/{name}-mnist.png)\n\n"
            f"64 samples of `ganzoo run {name} --dataset mnist`, none of them chosen."
        )
    parts += [score_table(group) for group in groups if group.model == name]
    return "\n\n".join(parts) or "The repository holds no results of this model yet."


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
        said.append(f"{group.done[0]['steps']:,} steps, {many}")
    said += [f"seed {row['seed']} failed: {row['error']}" for row in group.failed]
    commands = group.rows[0]["commands"]
    repeat = f"To repeat it: `{commands['run']}`, then `{commands['eval']}`."
    return "\n".join([*lines, "", f"{', '.join(said)}. {repeat}"]).lstrip()


def pages() -> dict[Path, str]:
    """Every file with generated parts, as it should be."""
    made = {HERE / "README.md": page(), DOCS / "metrics.md": fill(DOCS / "metrics.md", {MADE: example()})}
    suites = [HERE / "results" / f"{suite}.jsonl" for suite in ("members", "gaussians")]
    groups = group_rows(read_rows([path for path in suites if path.exists()]))
    for path in sorted((DOCS / "models").glob("*.md")):
        name = path.stem
        if name != "index":
            recipes = recipe_table(MODELS.get(name).recipes, model_options(name))
            parts = {f"recipes {MADE}": recipes, f"results {MADE}": result_part(name, groups)}
            made[path] = fill(path, parts)
    return made


def stale() -> dict[Path, str]:
    """Those of them that are otherwise."""
    return {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}


if __name__ == "__main__":
    found = stale()
    if "--check" in sys.argv and found:
        sys.exit(f"{', '.join(path.name for path in found)}: stale, run python benchmarks/report.py")
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
