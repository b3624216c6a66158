"""Images per second of ganzoo's trainer beside those of other trainers, feeding included on both sides.

DCGAN at 32 px, 1 channel, 32 base channels, batch 64, the non-saturating loss, on the same real digits. A
call is an epoch of whole batches, as that is what every peer can do. ganzoo averages G in it; no peer does.
What a peer writes at the end of an epoch and cannot leave out is part of it.
"""

from __future__ import annotations

import struct

import pytest
import torch
from torch.nn.functional import pad

from ganzoo.data.base import from_uint8
from ganzoo.data.mnist import read_5k
from ganzoo.data.tensors import ImageSet
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS, MODELS
from ganzoo.training.trainer import Trainer

from . import SMALL, dcgan_example, needs, patches

BATCH, WIDTH, Z = 64, 32, 100
STEPS, ROUNDS = (2, 2) if SMALL else (62, 10)
ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}


def digits():
    """Real digits in a frame of 2 px, of which STEPS batches are the train split."""
    train, test = ((pad(x, (2, 2, 2, 2)), y) for x, y in read_5k())
    x, y = (part[: STEPS * BATCH] for part in train)
    return (x, y), test


class Digits32(ImageSet):
    def __init__(self) -> None:
        super().__init__("digits32", *digits(), tuple("0123456789"))


DATASETS.add("digits32", Digits32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The digits on disk, as torchvision's MNIST reads them."""
    root = tmp_path_factory.mktemp("digits")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, (x, y) in zip(("train", "t10k"), digits(), strict=True):
        write_idx(raw / f"{name}-images-idx3-ubyte", x[:, 0])
        write_idx(raw / f"{name}-labels-idx1-ubyte", y.to(torch.uint8))
    return root


def write_idx(file, array):
    """Unsigned bytes with their shape, big-endian, before them."""
    header = struct.pack(f">HBB{array.dim()}I", 0, 8, array.dim(), *array.shape)
    file.write_bytes(header + array.numpy().tobytes())


def ganzoo_epoch():
    words = Words(
        "dcgan", "digits32", batch_size=BATCH, set={"model.width": WIDTH, "model.z_dim": Z}, device="cpu"
    )
    trainer = Trainer(*plan(words))
    trainer.gan.train()

    def epoch():
        for _ in range(STEPS):
            trainer.one_step()

    return epoch


def nets():
    """Our nets for the peers that take any, with a flatten that is fast in their memory format."""
    torch.manual_seed(0)
    gan = MODELS.get("dcgan")((1, 32, 32), z_dim=Z, width=WIDTH)
    gan.discriminator.main[-1] = torch.nn.Flatten()
    return gan.generator, gan.discriminator


def wrapped(net, base, **words):
    """The net as one of a peer's own kind; logits become [N, 1]."""

    class Net(base):
        def __init__(self):
            super().__init__(**words)
            self.net = net

        def forward(self, x):
            made = self.net(x)
            return made.unsqueeze(1) if made.dim() == 1 else made

    return Net()


def weights(net):
    return sum(p.numel() for p in net.parameters())


def copied(*both):
    return [p.detach().clone() for net in both for p in net.parameters()]


def trained(before, *both):
    """Every weight has moved."""
    return all(not torch.equal(a, b) for a, b in zip(before, copied(*both), strict=True))


GANZOO = """
from ganzoo.system.memory import keep_freed_memory
from peers.test_training import ganzoo_epoch

keep_freed_memory()
work = ganzoo_epoch()
"""
SCRIPT = """
import sys
from pathlib import Path
from peers import dcgan_example

folder, *numbers = sys.argv[1:]
work = dcgan_example.epochs(Path(folder), *map(int, numbers))
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_training_over_dcgan_example(workers, folder, side_by_side, in_a_process):
    """Target >= 1.6. The script writes its own nets, of the same layers as ours; each in its own process."""
    g, d = nets()
    assert weights(dcgan_example.generator(WIDTH)) == weights(g)
    assert weights(dcgan_example.discriminator(WIDTH)) == weights(d)
    ours, script = in_a_process(GANZOO), in_a_process(SCRIPT, folder, BATCH, WIDTH, workers)
    side_by_side(ours, script, ROUNDS, f"a plain DCGAN script, {workers} loader workers")


@needs("torchgan")
def test_training_over_torchgan(folder, side_by_side, tmp_path):
    """Our nets, the script's loader, no logs; it saves one checkpoint and one image at the end."""
    torchgan = patches.torchgan()
    g, d = nets()
    adam = {"name": torch.optim.Adam, "args": ADAM}
    trainer = torchgan.trainer.Trainer(
        {
            "generator": {
                "name": lambda: wrapped(g, torchgan.models.Generator, encoding_dims=Z),
                "optimizer": adam,
            },
            "discriminator": {
                "name": lambda: wrapped(d, torchgan.models.Discriminator, input_dims=1),
                "optimizer": adam,
            },
        },
        [torchgan.losses.MinimaxGeneratorLoss(), torchgan.losses.MinimaxDiscriminatorLoss()],
        device=torch.device("cpu"),
        epochs=1,
        sample_size=1,
        checkpoints=str(tmp_path / "model" / "gan"),
        retain_checkpoints=1,
        recon=str(tmp_path / "images"),
    )
    data = dcgan_example.loader(folder, BATCH)
    before = copied(g, d)
    side_by_side(ganzoo_epoch(), lambda: trainer(data), ROUNDS, "torchgan's Trainer with the same nets")
    assert trained(before, g, d)


@needs("torch_mimicry")
def test_training_over_mimicry(folder, side_by_side, tmp_path):
    """Our nets, the script's loader, no logs, prints or images; it saves two checkpoints at the end.

    Its loss "gan" is the non-saturating one through BCE.
    """
    mimicry = patches.torch_mimicry()
    g, d = nets()
    base, never = mimicry.nets.gan, 10**9
    trainer = mimicry.training.Trainer(
        netD=wrapped(d, base.BaseDiscriminator, ndf=4 * WIDTH, loss_type="gan"),
        netG=wrapped(g, base.BaseGenerator, nz=Z, ngf=4 * WIDTH, bottom_width=4, loss_type="gan"),
        optD=torch.optim.Adam(d.parameters(), **ADAM),
        optG=torch.optim.Adam(g.parameters(), **ADAM),
        dataloader=dcgan_example.loader(folder, BATCH),
        num_steps=STEPS,
        log_dir=str(tmp_path),
        device=torch.device("cpu"),
        print_steps=never,
        vis_steps=never,
        log_steps=never,
        save_steps=never,
    )
    before = copied(g, d)
    side_by_side(ganzoo_epoch(), trainer.train, ROUNDS, "mimicry's Trainer with the same nets")
    assert trained(before, g, d)


@needs("vegans")
def test_training_over_vegans(side_by_side):
    """Our nets, as the flat lists of layers that it wants; floats in memory, in one order; no logs at all."""
    vegans = patches.vegans()
    g, d = nets()
    x = from_uint8(digits()[0][0])
    gan = vegans.VanillaGAN(
        generator=torch.nn.Sequential(*g.main),
        adversary=torch.nn.Sequential(*d.main, d.head.linear, torch.nn.Sigmoid()),
        x_dim=(1, 32, 32),
        z_dim=Z,
        optim_kwargs={"Generator": ADAM, "Adversary": ADAM},
        device="cpu",
        folder=None,
    )

    def fit():
        gan.fit(x, epochs=1, batch_size=BATCH, print_every=None, save_losses_every=None)

    before = copied(g, d)
    side_by_side(ganzoo_epoch(), fit, ROUNDS, "vegans' fit with the same nets")
    assert trained(before, g, d)
