"""Logs of many runs in one small file: numbers to four digits, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo.plan.config import Config
from ganzoo.system.lines import append_line, read_lines

Rows = list[dict[str, Any]]
HERE = Path(__file__).parent
LEFT_OUT = ("images", "images_per_s")  # the first follows from the step


def columns(rows: Rows) -> list[dict[str, Any]]:
    """Rows as tables, one for each set of keys."""
    tables: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        row = {key: value for key, value in row.items() if key not in LEFT_OUT}
        table = tables.setdefault(tuple(row), {key: [] for key in row})
        for key, value in row.items():
            table[key].append(float(f"{value:.4g}") if isinstance(value, float) else value)
    return list(tables.values())


def rows(tables: list[dict[str, Any]], images_per_step: int) -> Rows:
    """The inverse, as a log has them."""
    made = [
        dict(zip(table, values, strict=True))
        for table in tables
        for values in zip(*table.values(), strict=True)
    ]
    return [
        {**row, "images": row["step"] * images_per_step} for row in sorted(made, key=lambda row: row["step"])
    ]


def record(path: Path, case: str, finds: str, config: Config, log: Rows) -> None:
    """Append one run; the settings of a case are written once, without their seed."""
    known = {line["case"] for line in read_lines(path) if "config" in line}
    if case not in known:
        plain = config.as_json()
        plain["provenance"], plain["origins"] = {}, {}
        append_line(path, {"case": case, "finds": finds, "config": plain})
    append_line(path, {"case": case, "seed": config.seed, "log": columns(log)})


def recorded(path: Path) -> Iterator[tuple[str, int, str, Config, Rows]]:
    """(case, seed, what must be found in it, settings, log) of each run in a file."""
    cases: dict[str, tuple[str, Config]] = {}
    for line in read_lines(path):
        if "config" in line:
            cases[line["case"]] = line["finds"], Config.from_json(line["config"])
            continue
        finds, config = cases[line["case"]]
        per_step = config.recipe.n_dis * config.recipe.batch_size
        yield line["case"], line["seed"], finds, config, rows(line["log"], per_step)
