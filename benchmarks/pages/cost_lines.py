"""What a card's results took: seeds and time, by the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ganzoo.bench.rows import Row
from ganzoo.table.layout import quantity


def cost_lines(rows: Sequence[Row]) -> list[str]:
    done = [row for row in rows if row["status"] == "done"]
    if not done:
        return []
    seeds = sorted({row["seed"] for row in done})
    minutes: dict[int, float] = defaultdict(float)
    for row in done:
        minutes[row["seed"]] += (row.get("cpu_seconds", row["train_seconds"]) + row["eval_seconds"]) / 60
    on_cores = all(
        "cpu_seconds" in row or (row.get("device") == "cpu" and row["threads"] == 1) for row in done
    )
    least, most = (quantity(bound) for bound in (min(minutes.values()), max(minutes.values())))
    return [
        f"seeds {', '.join(map(str, seeds))}; {len(done)} runs",
        f"{'CPU minutes' if on_cores else 'minutes'} of training and measuring: "
        f"{quantity(sum(minutes.values()))} in all; all rows of one seed {least} to {most}",
        *_machines(done),
    ]


def _machines(rows: Sequence[Row]) -> list[str]:
    """How many runs each machine made, where several did."""
    made: dict[str, int] = defaultdict(int)
    for row in rows:
        beside = "alone" if row["alone"] else "others beside"
        made[f"{row.get('device', 'cpu')}, {row['processor']}, threads: {row['threads']}, {beside}"] += 1
    return ["; ".join(f"{count} runs on {machine}" for machine, count in made.items())]
