"""Sampling from a run, listing the zoo and two jobs of a suite, beside the plainest way to do the same."""

from __future__ import annotations

import itertools
import subprocess
import sys

import torch

import ganzoo

SAMPLES, ROUNDS = 2048, 15


def test_sampling_over_plain_loop(side_by_side, tmp_path):
    """Images of a saved run as uint8, over its generator called in a loop, NCHW and without gradients."""
    run = ganzoo.train("dcgan", "mnist-5k", steps=1, out=tmp_path / "run", progress=False)
    gan = ganzoo.load(run.path).model.eval().to(memory_format=torch.contiguous_format)

    def plain():
        with torch.no_grad():
            parts = [gan.generator(gan.sample_z(64)) for _ in range(SAMPLES // 64)]
        return ((torch.cat(parts) + 1) * 127.5).round().clamp(0, 255).byte()

    assert run.sample(SAMPLES).shape == plain().shape
    side_by_side(lambda: run.sample(SAMPLES), plain, ROUNDS, "the generator in a loop of 64 at a time")


def test_listing_over_importing_torch(side_by_side):
    """`ganzoo list`, cold, over a Python that imports torch: what it would take at least if it did that."""

    def command(*words):
        return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)

    side_by_side(command("-m", "ganzoo", "list"), command("-c", "import torch"), ROUNDS, "import torch alone")


def test_two_jobs_over_one_after_the_other(side_by_side, tmp_path):
    """Target >= 1.4 on two cores. Two small runs by `ganzoo bench`: with --jobs 1 each has all threads."""
    suite = tmp_path / "small.toml"
    suite.write_text('model = "mlp-gan"\ndataset = "ring8"\nseeds = 2\nsteps = 2000\nmetric = ["modes"]\n')
    number = itertools.count()

    def jobs(n):
        words = ["bench", str(suite), "--jobs", str(n), "--out"]
        return lambda: subprocess.run(
            [sys.executable, "-m", "ganzoo", *words, str(tmp_path / f"out{next(number)}")],
            check=True,
            capture_output=True,
        )

    side_by_side(jobs(2), jobs(1), 5, "the same two runs one after the other")


def test_forked_cells_over_new_pythons(side_by_side, tmp_path):
    """A suite of four short cells, over the same with a Python of its own for each."""
    suite = tmp_path / "short.toml"
    suite.write_text('model = "mlp-gan"\ndataset = "ring8"\nseeds = 4\nsteps = 100\nmetric = ["modes"]\n')
    number = itertools.count()

    def bench(forks):
        code = (
            f"import sys, ganzoo.bench.starting as s; s.FORKS = {forks} and s.FORKS; "
            "from ganzoo.cli.main import main; main()"
        )
        words = ["bench", str(suite), "--jobs", "1", "--out"]
        return lambda: subprocess.run(
            [sys.executable, "-c", code, *words, str(tmp_path / f"short{next(number)}")],
            check=True,
            capture_output=True,
        )

    side_by_side(bench(True), bench(False), 3, "the same cells, each in a Python that imports everything")
