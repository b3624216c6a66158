"""The work of one cell, in a process of its own: python -m ganzoo.bench.work FOLDER TASK"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import nn

from ganzoo.bench.copied import lookers
from ganzoo.bench.machine import peak_mib, processor, versions
from ganzoo.bench.rows import Cost
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.metrics.columns import columns
from ganzoo.running.diagnosis import diagnosis
from ganzoo.running.run import Run, load
from ganzoo.running.training import extend
from ganzoo.system.files import write_json
from ganzoo.system.lines import read_lines
from ganzoo.system.memory import keep_freed_memory, refuse_more_than_there_is
from ganzoo.system.records import read_json
from ganzoo.training.checkpoint import steps_done
from ganzoo.training.rows import LogRow, log_row

STOPPED = 75  # exit status: asked to stop, a checkpoint is saved
RESULT = "result.json"
COST = "cost.json"


def work(folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Train what is left of the run, measure it, and return the result.

    `task` is {"evaluation": arguments of `Run.evaluate`, "alone": whether no other cell runs beside it,
    "copies": the address of a folder where the run is copied to, or none}.
    """
    run = load(folder)
    cost = _cost(folder) if (folder / COST).exists() else Cost(alone=True, peak_mib=0.0)
    if extend(run, None):
        cost["alone"] = cost["alone"] and task["alone"]
        write_json(folder / COST, cost)  # now, as the process may be killed
        at_once, began = not steps_done(folder), time.process_time()
        run.train(progress=False, callbacks=lookers(task))
        if run.steps_done != run.config.recipe.steps and not run.ended:
            sys.exit(STOPPED)
        cost["peak_mib"] = max(cost["peak_mib"], peak_mib())
        cost.pop("cpu_seconds", None)
        if at_once:
            cost["cpu_seconds"] = round(time.process_time() - began, 4)
        write_json(folder / COST, cost)
    began = time.perf_counter()
    document = run.evaluate(progress=False, **task["evaluation"])
    seconds = time.perf_counter() - began
    return {
        "status": "done",
        "scores": document["scores"],
        "real": document["real"],
        "protocol": document["protocol"],
        "columns": columns(document),
        "notes": document["notes"],
        "seen": [{"name": one.name, "since": one.since, "short": one.short} for one in diagnosis(run)],
        **costs(run),
        "eval_seconds": round(seconds, 2),
    }


def _cost(folder: Path) -> Cost:
    return read_json(folder / COST, Cost, f"delete {folder}, and --retry trains this cell again")


def costs(run: Run) -> dict[str, Any]:
    """What the training took, from the record in the run folder."""
    config, gan = run.config, run.model
    seconds = train_seconds(read_lines(run.path / "log.jsonl", log_row))
    if not seconds > 0.0:
        raise WorkError(
            f"{run.path / 'log.jsonl'} does not say how long the training took: delete {run.path}, and "
            f"--retry trains this cell again"
        )
    steps = steps_done(run.path)  # fewer than planned where it ended early
    images = steps * config.recipe.n_dis * config.recipe.batch_size
    return {
        "steps": steps,
        "images": images,
        "train_seconds": round(seconds, 4),
        "images_per_s": round(images / seconds, 1),
        **_cost(run.path),
        "parameters": {"g": count_of(gan.net("g")), "d": count_of(gan.net("d"))},
        "threads": config.threads,
        "device": config.device,
        "processor": processor(config.device),
        "versions": versions(),
        "commit": config.provenance.get("commit"),
    }


def count_of(net: nn.Module) -> int:
    """How many numbers are trained in a net, with those that go with it."""
    return sum(p.numel() for p in net.parameters())


def train_seconds(log: list[LogRow]) -> float:
    """Time in training by the log, so that what was lost by a kill is not counted."""
    seconds, before = 0.0, 0
    for row in log:
        seconds += max(row["images"] - before, 0) / max(row["images_per_s"], 0.1)
        before = row["images"]
    return seconds


def _end_with_parent(alive: int) -> None:
    """A suite that is killed leaves no cell behind: the other end of this file closes with it."""
    os.read(alive, 1)
    os._exit(1)


def main(alive: int = 0) -> None:
    """Args:
    alive: a file that ends when whoever asked for this cell is gone: stdin, where nothing else is said.
    """
    folder, task = Path(sys.argv[1]), json.loads(sys.argv[2])
    keep_freed_memory()
    refuse_more_than_there_is()
    threading.Thread(target=_end_with_parent, args=(alive,), daemon=True).start()
    try:
        outcome = work(folder, task)
    except (UsageError, WorkError) as error:
        outcome = {"status": "failed", "error": str(error)}
    except Exception as error:  # whatever a plugin raises is the end of its cell alone
        traceback.print_exc()
        outcome = {"status": "failed", "error": f"{type(error).__name__}: {first_line(error)}"}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / RESULT, {"hash": task["hash"], **outcome, "finished": finished})


if __name__ == "__main__":
    main()
