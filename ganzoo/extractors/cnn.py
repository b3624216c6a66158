"""Classifiers as feature extractors: the shipped one of MNIST digits, and those that were trained here."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.data.resize import resized
from ganzoo.errors import UsageError, nearest
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.classifier import FEATURES, classify, read_meta, require_uint8, unpack
from ganzoo.extractors.weights import read
from ganzoo.system.files import user_folder
from ganzoo.system.paths import typed_path

SHIPPED = Path(__file__).parent / "mnist-cnn-v1.safetensors"
SHIPPED_SHA256 = "ac3f882c39a040f65b1ff2265a4a562eeffe46a630b32afd7824c4cd960535bf"
HASH_DIGITS = 8  # of a file's sha256, at the end of the name that it is installed under


class Cnn(Extractor):
    """A classifier that `ganzoo extractor train` made: cnn:NAME.

    Features [N, 128] and logits [N, num_classes] of images of the shape that it was trained on.

    Args:
        path: NAME, as `ganzoo extractor list` shows it; its end is the beginning of the file's sha256.
        weights: the file, where it is not installed.

    Raises:
        UsageError: there is no such classifier, or the file is damaged or something else.
    """

    uses: ClassVar = (
        "ganzoo extractor train --dataset mnist --out digits.safetensors",
        "ganzoo run dcgan --dataset mnist",
        "ganzoo eval --metric fid --extractor NAME --extractor-weights digits.safetensors",
    )

    def __init__(self, path: str = "", weights: str | Path | None = None) -> None:
        names = installed()
        if weights is None and path not in names:
            what = f"cnn:{path} is not installed" if path else "cnn needs a name, cnn:NAME"
            raise UsageError(
                f"{what}: {nearest(path, names) if names else 'no classifier is'}; make one with ganzoo "
                f"extractor train --dataset NAME, or name a file with --extractor-weights FILE"
            )
        file = names[path] if weights is None else typed_path(weights)
        content, self.weights_hash = read(file)
        end = path.rpartition("-")[2]
        if path and (len(end) < HASH_DIGITS or not self.weights_hash.startswith(end)):
            raise UsageError(
                f"{file} is not cnn:{path}: its sha256 begins with {self.weights_hash[:16]}, which is not "
                f"how that name ends, so it is damaged, renamed or another classifier; --extractor cnn "
                f"--extractor-weights FILE takes any"
            )
        self.net, self.meta = unpack(file, content)

    def to(self, device: torch.device) -> None:
        super().to(device)
        self.net.to(device)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        expected = (self.net.channels, self.net.size, self.net.size)
        if tuple(sample_shape) != expected:
            raise UsageError(
                f"{self.name or 'cnn'} takes images of shape {expected}, as it was trained on, and these "
                f"samples are {tuple(sample_shape)}: make one for them with ganzoo extractor train"
            )

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        require_uint8(samples)
        self.check(tuple(samples.shape[1:]))
        features, logits = classify(self.net, samples, self.device)
        return {"features": features, "logits": logits}


class MnistCnnV1(Cnn):
    """A classifier of MNIST digits, shipped with ganzoo: 28 x 28, one channel, or three digits as colours.

    Of one channel: features [N, 128], logits [N, 10]. Of three, each is a digit of its own: features [N, 384]
    are those of the three side by side; logits [N, 1000] are the logarithms of the joint probabilities, with
    the digits a, b, c at 100a + 10b + c. Digits of another size (data.size=64) are scaled to 28 x 28 first.

    It gets 99.5 % of the 1,000 test digits of mnist-5k right. Made, on 2 threads, by
        ganzoo extractor train --dataset mnist-5k --epochs 100 --seed 0 --out mnist-cnn-v1.safetensors
    of its 4,000 training digits alone. The settings were compared on parts of these; neither a seed nor an
    epoch was chosen by the test digits.

    Args:
        weights: another copy of the shipped file.

    Raises:
        UsageError: the file is not the one whose sha256 is written in this module.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        file = SHIPPED if weights is None else typed_path(weights)
        content, self.weights_hash = read(file)
        if self.weights_hash != SHIPPED_SHA256:
            cure = "install ganzoo again" if weights is None else "--extractor cnn takes other classifiers"
            raise UsageError(
                f"{file} is not mnist-cnn-v1: its sha256 begins with {self.weights_hash[:16]}, and not with "
                f"{SHIPPED_SHA256[:16]}; {cure}"
            )
        self.net, self.meta = unpack(file, content)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        shape = tuple(sample_shape)
        if len(shape) != 3 or shape[0] not in (1, 3) or shape[1] != shape[2]:
            raise UsageError(
                f"mnist-cnn-v1 takes digits of shape (1, 28, 28), or three as colours, (3, 28, 28), or other "
                f"squares of them, which it scales to these, and these samples are {shape}: choose another "
                f"--extractor"
            )

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        require_uint8(samples)
        self.check(tuple(samples.shape[1:]))
        digits = resized(samples, self.net.size).reshape(-1, 1, self.net.size, self.net.size)
        features, logits = classify(self.net, digits, self.device)
        if samples.shape[1] == 1:
            return {"features": features, "logits": logits}
        a, b, c = logits.log_softmax(dim=1).view(-1, 3, 10).unbind(dim=1)
        joint = a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]
        return {"features": features.view(-1, 3 * FEATURES), "logits": joint.flatten(1)}


def folder() -> Path:
    """Where classifiers are installed, as NAME.safetensors."""
    return user_folder() / "extractors"


def installed() -> dict[str, Path]:
    """NAME -> file of what is installed, newest first."""
    there = (file for file in folder().glob("*.safetensors") if file.is_file())
    files = sorted(there, key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return {file.stem: file for file in files}


def trained_for(fingerprint: str) -> str | None:
    """cnn:NAME of the newest installed classifier that was trained on data with this fingerprint, or None."""
    for name, file in installed().items():
        if (read_meta(file) or {}).get("data_fingerprint") == fingerprint:
            return f"cnn:{name}"
    return None
