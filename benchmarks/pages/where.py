"""Where a step's time goes, for every member: results/where.jsonl, which docs/speed.md shows.

    python benchmarks/pages/where.py            every member
    python benchmarks/pages/where.py dcgan r3gan

On an idle machine. Each member trains by its default recipe on digits, on all threads, at full size where it
grows; the mean is over 16 steps, so that penalties of every so many steps have their share.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganzoo.bench.machine import processor
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import MODELS
from ganzoo.system.memory import keep_freed_memory
from ganzoo.training.trainer import Trainer

FILE = Path(__file__).parents[1] / "results" / "where.jsonl"
OTHERS = ("wavegan", "pix2pix", "cyclegan")  # of series, and of images that are made of images
STEPS, ROUNDS = 16, 5
PRECISIONS = ("fp32", "bf16")
KINDS = {
    "convolutions": ("convolution",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::linear"),
    "normalisation": ("norm",),
    "activations": ("leaky_relu", "relu", "threshold", "tanh", "softplus", "sigmoid", "silu"),
    "optimizer and average": ("Optimizer", "fused_adam", "lerp", "foreach"),
    "copies": ("copy_", "contiguous", "cat", "fill_", "clone", "index", "pad", "shuffle", "empty", "zero"),
}
REST = "other arithmetic"


class Flops(TorchDispatchMode):
    """Counts the operations of products and convolutions: a multiplication and an addition are two."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.count += formula(*args, **(kwargs or {}), out_val=out)
        return out


def ceiling(precision: str) -> float:
    """GFLOP/s of a product of large matrices, the most that this machine does in that precision."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    return max(2 * 2048**3 / 1e9 / seconds(lambda: a @ b) for _ in range(12))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def kind_of(operation: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(p in operation for p in parts)), REST)


def trainer(model: str, precision: str) -> Trainer:
    config, dataset = plan(Words(model, "mnist-5k", device="cpu", seed=0, precision=precision))
    made = Trainer(config, dataset)
    made.gan.train()
    made.step = config.recipe.steps // STEPS * STEPS  # nothing is left to grow
    for _ in range(3):
        made.one_step()
    return made


def steps(made: Trainer) -> None:
    made.step = made.step // STEPS * STEPS
    for _ in range(STEPS):
        made.one_step()


def measured(model: str, precision: str, most: float) -> dict[str, Any]:
    made = trainer(model, precision)
    with Flops() as flops:
        steps(made)
    took = statistics.median(seconds(lambda: steps(made)) for _ in range(ROUNDS)) / STEPS
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        steps(made)
    parts: dict[str, float] = dict.fromkeys([*KINDS, REST], 0.0)
    for event in seen.key_averages():
        parts[kind_of(event.key)] += event.self_cpu_time_total
    whole = sum(parts.values())
    gflop = flops.count / STEPS / 1e9
    return {
        "model": model,
        "precision": precision,
        "ms": round(took * 1e3, 2),
        "gflop": round(gflop, 3),
        "gflop_per_s": round(gflop / took, 1),
        "ceiling": round(most, 1),
        "batch": made.recipe.batch_size,
        "parts": {kind: round(part / whole, 4) for kind, part in parts.items()},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "processor": processor("cpu"),
        "date": date.today().isoformat(),
    }


def main(models: list[str]) -> None:
    keep_freed_memory()
    kept = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
    for model in models:
        for precision in PRECISIONS:
            row = measured(model, precision, ceiling(precision))
            print(
                row["model"], precision, row["ms"], "ms", row["gflop_per_s"], "of", row["ceiling"], flush=True
            )
            kept = [one for one in kept if (one["model"], one["precision"]) != (model, precision)] + [row]
    kept.sort(key=lambda row: (row["model"], PRECISIONS.index(row["precision"])))
    FILE.write_text("".join(f"{json.dumps(row)}\n" for row in kept))


if __name__ == "__main__":
    main(sys.argv[1:] or sorted({*MODELS.names()} - {*OTHERS}))
