"""What a GPU does: results/gpu.jsonl, which a part of docs/scaling.md shows.

    python benchmarks/gpu.py                      every cell, in 20 minutes or less
    python benchmarks/gpu.py --models dcgan r3gan
    python benchmarks/gpu.py --device cpu --seconds 1 --tiny    all of it but for the GPU

On an idle machine. Each model trains by its default recipe at the precision of the row, on random images in
memory, at full resolution where it grows; `dcgan` and `stylegan2` at 64 px with three channels, others at 32
px with one. Beside them the script that tutorials have, with a DataLoader of two workers, and the nets of
that script in `dcgan`. A row is written as soon as it is measured, in the place of that of the same cell;
where the time is over no new cell begins.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from ganzoo.bench.machine import processor
from ganzoo.data.base import from_uint8
from ganzoo.data.tensors import ImageSet
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS, MODELS
from ganzoo.training.trainer import Trainer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "pages")]

from peers import dcgan_example  # noqa: E402  # found by the line above
from where import Flops, seconds  # noqa: E402  # as well

FILE = HERE / "results" / "gpu.jsonl"
LARGE = ("dcgan", "stylegan2")  # at 64 px
OTHERS = ("wavegan", "pix2pix", "cyclegan")  # of series, and of images that are made of images
EXAMPLE = "example script"
STEPS = 16  # timed together, so that what is done every 8 or 16 steps has its share
SMALL = {"width": 4, "d_width": 8, "max_width": 8, "w_dim": 8, "depth": 1}
WIDTH = 64  # of the script's nets, and of ours beside it
KEYS = ("model", "px", "precision", "compile", "processor")


@dataclass(frozen=True)
class Cell:
    """One row."""

    model: str
    precision: str = "fp32"
    compile: bool = False

    @property
    def px(self) -> int:
        return 64 if self.model in (*LARGE, EXAMPLE) else 32


def cells(models: list[str]) -> list[Cell]:
    """What counts most comes first: the models at 64 px, and the script beside them."""
    first = [name for name in LARGE if name in models]
    rest = [name for name in models if name not in first]
    every = [("fp32", False), ("bf16", False), ("fp16", False), ("fp32", True), ("bf16", True)]
    found = [Cell(name, *way) for name in first for way in every]
    if "dcgan" in models:
        found.insert(0, Cell(EXAMPLE))
    return found + [Cell(name, *way) for way in every[:3] for name in rest]


class Noise(ImageSet):
    """Random images: speed does not depend on what they show."""

    shape: tuple[int, ...]

    def __init__(self) -> None:
        drawn = torch.Generator().manual_seed(0)
        x = torch.randint(0, 256, (2048, *self.shape), dtype=torch.uint8, generator=drawn)
        y = torch.zeros(len(x), dtype=torch.int64)
        super().__init__(f"noise{self.shape[-1]}", (x, y), (x[:100], y[:100]), ("noise",))


class Noise32(Noise):
    shape = (1, 32, 32)


class Noise64(Noise):
    shape = (3, 64, 64)


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def ceiling(device: str, side: int) -> float:
    """GFLOP/s of a product of large bfloat16 matrices, the most that this machine does in that precision."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))

    def product() -> None:
        for _ in range(4):
            a @ b
        wait(device)

    return max(4 * 2 * side**3 / 1e9 / seconds(product) for _ in range(12))


def trainer(cell: Cell, options: argparse.Namespace) -> Trainer:
    known = MODELS.options(cell.model)
    own = {"width": WIDTH, "z_dim": dcgan_example.Z, "d_norm": "batch"} if cell.model == "dcgan" else {}
    own |= {key: value for key, value in SMALL.items() if key in known} if options.tiny else {}
    words = Words(
        cell.model, f"noise{cell.px}", device=options.device, precision=cell.precision, compile=cell.compile,
        batch_size=8 if options.tiny else None, set={f"model.{key}": value for key, value in own.items()},
        # As the script has it, which has no penalty.
        stabilizer=["none"] if cell.model == "dcgan" else [],
    )  # fmt: skip
    config, dataset = plan(words)
    made = Trainer(config, dataset)
    made.gan.train()
    made.step = config.recipe.steps // STEPS * STEPS  # nothing is left to grow
    return made


def steps(made: Trainer) -> None:
    made.step = made.step // STEPS * STEPS
    for _ in range(STEPS):
        made.one_step()
    wait(made.device.type)


def script(options: argparse.Namespace) -> tuple[Callable[[], None], int]:
    """Some steps of the tutorial's script, and images in a step."""
    batch, width = (8, SMALL["width"]) if options.tiny else (plan_batch(), WIDTH)
    x, y = DATASETS.get("noise64")().train.all()
    images = from_uint8(x[: STEPS * batch])
    cuda = options.device.startswith("cuda")
    data = DataLoader(
        TensorDataset(images, y[: len(images)]), batch, shuffle=True, num_workers=0 if options.tiny else 2,
        pin_memory=cuda,
    )  # fmt: skip
    epoch = dcgan_example.training(data, width, channels=3, size=64, device=options.device)

    def work() -> None:
        with redirect_stdout(io.StringIO()):
            epoch()
        wait(options.device)

    return work, batch


def plan_batch() -> int:
    return MODELS.get("dcgan").recipes["default"].batch_size


def median_of(work: Callable[[], None], least: float) -> float:
    """Seconds of a call, over as many as fit in so many seconds, three at least."""
    took: list[float] = []
    while len(took) < 3 or sum(took) < least:
        took.append(seconds(work))
    return sorted(took)[len(took) // 2]


def measured(cell: Cell, options: argparse.Namespace, most: float) -> dict[str, Any]:
    gflop, waited = None, 0.0
    if cell.model == EXAMPLE:
        work, batch = script(options)
        images = STEPS * batch
    else:
        plain = trainer(dataclasses.replace(cell, compile=False), options)
        steps(plain)
        with Flops() as flops:
            steps(plain)
        gflop = flops.count / STEPS / 1e9
        made = trainer(cell, options) if cell.compile else plain
        waited = seconds(lambda: steps(made)) if cell.compile else 0.0
        batch, images = made.recipe.batch_size, STEPS * made.recipe.batch_size * made.recipe.n_dis

        def work() -> None:
            steps(made)

    work()
    took = median_of(work, options.seconds)
    rate = None if gflop is None else gflop * STEPS / took
    return {
        "model": cell.model,
        "px": cell.px,
        "batch": batch,
        "precision": cell.precision,
        "compile": cell.compile,
        "images_per_s": round(images / took, 1),
        "ms": round(took / STEPS * 1e3, 3),
        "gflop": None if gflop is None else round(gflop, 3),
        "gflop_per_s": None if rate is None else round(rate, 1),
        "ceiling": round(most, 1),
        "first_steps_s": round(waited, 1),
        "torch": torch.__version__,
        "processor": processor(options.device),
        "date": date.today().isoformat(),
    }


def keep(file: Path, row: dict[str, Any]) -> None:
    """Write a row in the place of that of the same cell."""
    kept = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    kept = [one for one in kept if any(one[key] != row[key] for key in KEYS)] + [row]
    file.write_text("".join(f"{json.dumps(one)}\n" for one in kept))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="What a GPU does.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=8.0, help="timed, for each cell")
    parser.add_argument("--minutes", type=float, default=20.0, help="after which no cell begins")
    parser.add_argument("--models", nargs="+", default=sorted({*MODELS.names()} - {*OTHERS}))
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--tiny", action="store_true", help="small nets and batches, to see that all runs")
    options = parser.parse_args(words)
    with DATASETS.lent("noise32", Noise32), DATASETS.lent("noise64", Noise64):
        left = measure(options)
    if left:
        print(f"{left} cells were not measured", file=sys.stderr)
    return int(left > 0)


def measure(options: argparse.Namespace) -> int:
    """How many cells are left."""
    began, left = time.monotonic(), 0
    most = ceiling(options.device, 256 if options.tiny else 2048 if options.device == "cpu" else 8192)
    for cell in cells(options.models):
        if time.monotonic() - began > options.minutes * 60:
            left += 1
            continue
        try:
            row = measured(cell, options, most)
        except (UsageError, WorkError, RuntimeError) as error:  # the other cells are worth having
            print(f"{cell.model} {cell.precision} failed: {first_line(error)}", file=sys.stderr, flush=True)
            left += 1
            continue
        keep(options.out, row)
        fast = " compiled" * cell.compile
        print(f"{cell.model} {cell.px} px {cell.precision}{fast}: {row['images_per_s']} images/s", flush=True)
    return left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
