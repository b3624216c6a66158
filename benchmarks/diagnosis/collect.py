"""Train the cases and keep their logs.

python -m benchmarks.diagnosis.collect [healthy | failing] [CASE ...] [--one]

One run after the other, on one thread; what is in the files already is not made again. CASE is the
beginning of a name; --one makes the first seed alone.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import torch

from benchmarks.diagnosis.cases import FAILING, HEALTHY, Case, add_members
from benchmarks.diagnosis.records import HERE, record
from ganzoo.data import mnist
from ganzoo.errors import WorkError
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.running.run import create
from ganzoo.system.lines import read_lines
from ganzoo.system.memory import keep_freed_memory

FILES = {"failing": FAILING, "healthy": HEALTHY}


def train(case: Case, seed: int, folder: Path) -> Path:
    """The folder of a run of this case; one that fails is there as well."""
    config, dataset = plan(Words(seed=seed, device="cpu", **case.words))
    if case.finds != "diverged":  # which is looked for from the last checkpoint on
        steps = config.recipe.steps
        config = dataclasses.replace(config, checkpoint_every=steps, sample_every=steps)
    run = create(config, str(folder / "run"))
    try:
        run.train(dataset, progress=False)
    except WorkError as error:
        print(f"    {error}", flush=True)
    return run.path


def collect(kind: str, case: Case, seed: int) -> None:
    from ganzoo.running.run import load

    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = load(train(case, seed, Path(folder)))
        record(HERE / f"{kind}.jsonl", case.name, case.finds, run.config, read_lines(run.path / "log.jsonl"))
    seconds = time.process_time() - began
    print(f"{time.strftime('%X')} {kind} {case.name} seed {seed}: {seconds:.1f} s", flush=True)


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    add_members()
    mnist.read_5k = cache(mnist.read_5k)  # which takes as long as a short training
    kinds = [word for word in words if word in FILES] or list(FILES)
    names = [word for word in words if word not in (*FILES, "--one")]
    done = {
        (kind, line["case"], line["seed"])
        for kind in FILES
        for line in read_lines(HERE / f"{kind}.jsonl")
        if "seed" in line
    }
    for seed in range(1 if "--one" in words else 10):  # the first seed of everything first
        for kind in kinds:
            for case in FILES[kind]:
                chosen = not names or any(case.name.startswith(name) for name in names)
                if chosen and seed in case.seeds and (kind, case.name, seed) not in done:
                    collect(kind, case, seed)


if __name__ == "__main__":
    main(sys.argv[1:])
