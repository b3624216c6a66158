"""One step of every model that makes images of z, beside the textbook step on the same nets.

32 px, 1 channel, batch 32, at full resolution where it grows; on both sides the data in memory, the
non-saturating loss and no penalty.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import softplus

from ganzoo.data.base import from_uint8
from ganzoo.models.sample import leaf, map_sample
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS, MODELS
from ganzoo.training.trainer import Trainer

BATCH, STEPS, ROUNDS = 32, 3, 15


def textbook(gan):
    """NCHW, default Adam, D not frozen in G's step, losses read at every step."""
    gan.progress(1.0)
    g, d = gan.generator, gan.discriminator
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (g, d))
    x = from_uint8(DATASETS.get("noise32")().train.all()[0])

    def run():
        for _ in range(STEPS):
            real = gan.view(x[torch.randint(len(x), (BATCH,))])
            fake = g(gan.sample_z(BATCH), None)
            cut = map_sample(torch.Tensor.detach, leaf(fake))
            opt_d.zero_grad()
            loss_d = (
                softplus(-gan.discriminator(real, None)).mean()
                + softplus(gan.discriminator(cut, None)).mean()
            )
            loss_d.backward()
            opt_d.step()
            opt_g.zero_grad()
            loss_g = softplus(-d(fake, None)).mean()
            loss_g.backward()
            opt_g.step()
            loss_d.item(), loss_g.item()

    return run


OTHERS = ("wavegan", "pix2pix", "cyclegan")  # of series, and of images that are made of images


@pytest.mark.parametrize("model", sorted({*MODELS.names()} - {*OTHERS}))
def test_step_over_textbook_step(model, side_by_side):
    words = Words(
        model, "noise32", loss="non-saturating", stabilizer=["none"], n_dis=1, batch_size=BATCH, device="cpu"
    )
    config, dataset = plan(words)
    trainer = Trainer(config, dataset)
    trainer.gan.train()

    def ours():
        trainer.step = config.recipe.steps  # t = 1: nothing is left to grow
        for _ in range(STEPS):
            trainer.one_step()

    torch.manual_seed(0)
    plain = MODELS.get(model)((1, 32, 32), **config.model_options)
    side_by_side(ours, textbook(plain), ROUNDS, "the textbook step with the same nets")
