"""Generators of every model of the zoo, small, and with weights that are no start any more."""

from __future__ import annotations

import pytest
import torch
from little import BUILDS, small

from ganzoo.data.card import DataCard
from ganzoo.plan.assemble import build_trained
from ganzoo.running.generator import Generator
from ganzoo.training.about import About

CASES = [f"{name}{' vectors' * vectors}" for name, vectors in BUILDS]


@pytest.fixture
def generator_of(tmp_path):
    def make(case, **words):
        name, _, vectors = case.partition(" ")
        config, dataset = small(name, vectors=bool(vectors), **words)
        gan, _ = build_trained(config, torch.device("cpu"))
        torch.manual_seed(0)
        with torch.no_grad():
            for weight in gan.generator.state_dict().values():
                if weight.is_floating_point():
                    weight += 0.1 * torch.rand_like(
                        weight
                    )  # variances stay positive, and noise has a strength
        gan.progress(1.0)
        card = DataCard.of(dataset, config.conditional)
        return Generator(tmp_path / name, About.of(config, card), gan.eval(), card, (4, 1.0), name)

    return make
