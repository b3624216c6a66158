"""Make the generators that come with ganzoo: train each by a recipe, keep it in half precision, measure that.

    python benchmarks/pretrained/make.py [NAME...] [--runs FOLDER]

Runs that are finished in the folder are not trained again; on one machine, with as many threads, the same
runs give the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ganzoo
from ganzoo.running.generator import Generator, load_generator, read_generator
from ganzoo.running.pretrained import FOLDER
from ganzoo.sharing.formats import save
from ganzoo.training.about import Measured
from ganzoo.training.stored import steps_done

SEED = 0
DIGITS = ("fid", "is", "precision-recall", "conditional-accuracy", "memorization")
MIXTURE = ("modes", "kl", "js")
MADE: dict[str, tuple[str, ...]] = {
    "dcgan:mnist": DIGITS,
    "mlp-gan:ring8": MIXTURE,
    "r3gan:grid25": MIXTURE,
    "wavegan:waves": ("swd", "c2st"),
}
"""By name what it is measured with; all is trained by the model's default recipe."""
STEPS = {"r3gan:grid25": 10_000}  # fewer than that recipe's: all modes are there by then


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MADE))
    parser.add_argument("--runs", type=Path, default=Path("runs/pretrained"), help="where they are trained")
    words = parser.parse_args()
    for name in words.names or MADE:
        make(name, words.runs)


def make(name: str, runs: Path) -> None:
    model, _, dataset = name.partition(":")
    run = trained(model, dataset, runs / f"{model}-{dataset}", STEPS.get(name))
    path = FOLDER / model / f"{dataset}.safetensors"
    generator = load_generator(run.path, "cpu")
    save(generator, path, half=True)
    shipped = read_generator(path, "cpu", name)
    measured = measure(shipped, MADE[name])
    generator.about = generator.about.with_measured([measured])
    save(generator, path, half=True)
    print(name, f"{path.stat().st_size:,} bytes", measured.scores)


def trained(model: str, dataset: str, folder: Path, steps: int | None) -> ganzoo.Run:
    if (folder / "config.json").exists():
        run = ganzoo.resume(folder)  # which does nothing where nothing is left to do
    else:
        run = ganzoo.train(model, dataset, seed=SEED, out=folder, steps=steps)
    if steps_done(folder) < run.config.recipe.steps:
        raise SystemExit(f"{folder} was stopped at step {steps_done(folder):,}: type the same again to go on")
    return run


def measure(shipped: Generator, metrics: tuple[str, ...]) -> Measured:
    """Of the file as it is shipped, with as many samples as the data's protocol asks for."""
    said = shipped.evaluate(metrics, seed=SEED)
    told = {"seed": SEED, "generator": "averaged, eval mode, weights kept as float16"}
    return Measured(said["scores"], said["real"], {**said["protocol"], **told})


if __name__ == "__main__":
    main()
