"""Sampling from a run, and listing the zoo, beside the plainest way to do the same."""

from __future__ import annotations

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
