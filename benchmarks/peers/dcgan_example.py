"""DCGAN as tutorials write it: one script, a folder of MNIST on disk, torchvision's reader and a DataLoader.

`training` is the same with any loader, at 64 px and on a GPU too.

Plain on purpose: NCHW, BCE on probabilities, Adam as it comes, two backward passes for D, a D that gathers
gradients while G learns, and numbers read and printed at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

Z = 100


def up(before: int, after: int, stride: int, padding: int) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.ReLU(True)]


def down(before: int, after: int) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, 4, 2, 1, bias=False)
    return [conv, nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]


def generator(width: int, channels: int = 1, size: int = 32) -> nn.Module:
    """z [N, 100, 1, 1] -> images [N, channels, size, size]; size is 32 or 64."""
    large = size == 64
    return nn.Sequential(
        *up(Z, (8 if large else 4) * width, 1, 0),
        *(up(8 * width, 4 * width, 2, 1) if large else []),
        *up(4 * width, 2 * width, 2, 1),
        *up(2 * width, width, 2, 1),
        nn.ConvTranspose2d(width, channels, 4, 2, 1),
        nn.Tanh(),
    )


def discriminator(width: int, channels: int = 1, size: int = 32) -> nn.Module:
    """Images [N, channels, size, size] -> the probability that each is real [N, 1, 1, 1]."""
    large = size == 64
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
        *down(width, 2 * width),
        *down(2 * width, 4 * width),
        *(down(4 * width, 8 * width) if large else []),
        nn.Conv2d((8 if large else 4) * width, 1, 4, 1, 0),
        nn.Sigmoid(),
    )


def initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def loader(folder: Path, batch: int, workers: int = 0) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of MNIST/raw/*-ubyte in `folder`, images [N, 1, 32, 32] in [-1, 1] and labels [N]."""
    see = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    return DataLoader(MNIST(str(folder), transform=see), batch, shuffle=True, num_workers=workers)


def epochs(folder: Path, batch: int, width: int, workers: int) -> Callable[[], None]:
    """The script up to its loop; each call of what is returned is one epoch of that loop."""
    return training(loader(folder, batch, workers), width)


def training(
    data: DataLoader[tuple[Tensor, ...]], width: int, channels: int = 1, size: int = 32, device: str = "cpu"
) -> Callable[[], None]:
    """The same with a loader of any images."""
    g, d = (net(width, channels, size).to(device) for net in (generator, discriminator))
    g.apply(initialise), d.apply(initialise)
    criterion = nn.BCELoss()
    opt_d = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_g = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def epoch() -> None:
        for i, (read, _) in enumerate(data):
            real = read.to(device)
            n = len(real)
            d.zero_grad()
            label = torch.full((n,), 1.0, device=device)
            on_real = d(real).view(-1)
            loss_real = criterion(on_real, label)
            loss_real.backward()
            fake = g(torch.randn(n, Z, 1, 1, device=device))
            label.fill_(0.0)
            on_fake = d(fake.detach()).view(-1)
            loss_fake = criterion(on_fake, label)
            loss_fake.backward()
            opt_d.step()

            g.zero_grad()
            label.fill_(1.0)
            judged = d(fake).view(-1)
            loss_g = criterion(judged, label)
            loss_g.backward()
            opt_g.step()
            print(
                f"[{i}/{len(data)}] loss D {(loss_real + loss_fake).item():.4f} G {loss_g.item():.4f} "
                f"D(x) {on_real.mean().item():.4f} "
                f"D(G(z)) {on_fake.mean().item():.4f} / {judged.mean().item():.4f}"
            )

    return epoch
