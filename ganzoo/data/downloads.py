"""Fashion-MNIST and CIFAR-10, through torchvision."""

from __future__ import annotations

from pathlib import Path

from ganzoo.data.fetch import Source, Unavailable, data_folders, fetch, idx_files
from ganzoo.data.resize import check_size, scaled
from ganzoo.data.tensors import ImageSet
from ganzoo.errors import UsageError

FASHION_MNIST = Source(
    kind="FashionMNIST",
    files=idx_files("FashionMNIST"),
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    probe="train-images-idx3-ubyte.gz",
)
CIFAR10 = Source(
    kind="CIFAR10",
    files=tuple(
        f"cifar-10-batches-py/{name}"
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
    ),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    probe="cifar-10-python.tar.gz",
)
CLOTHES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class _Downloaded(ImageSet):
    def __init__(
        self,
        name: str,
        source: Source,
        class_names: tuple[str, ...],
        root: str | Path | None,
        offline: bool,
        size: int,
    ) -> None:
        check_size(size)
        try:
            train, test = fetch(source, root, offline)
        except Unavailable as reason:
            missing = data_folders(root)[0] / Path(source.files[0]).parent
            raise UsageError(
                f"{name} can't be had ({reason}): it needs a network, or --data-root DIR with a folder that "
                f"has its files, as torchvision lays them out, like {missing}"
            ) from reason
        super().__init__(name, *scaled((train, test), size), class_names)


class FashionMnist(_Downloaded):
    """Fashion-MNIST, 28 x 28: 60,000 pieces of clothing to train, 10,000 to test, ten classes.

    Source: Xiao et al. 2017.

    Args:
        size: of the squares in pixels to which they are scaled (Lanczos), such as 64; 0 is as they are.

    Raises:
        UsageError: it can't be had, or a size that makes no sense.
    """

    def __init__(self, root: str | Path | None = None, offline: bool = False, size: int = 0) -> None:
        super().__init__("fashion-mnist", FASHION_MNIST, CLOTHES, root, offline, size)


class Cifar10(_Downloaded):
    """CIFAR-10, 32 x 32 in colour: 50,000 photographs to train, 10,000 to test, ten classes.

    Source: Krizhevsky 2009.

    Args:
        size: of the squares in pixels to which they are scaled (Lanczos), such as 64; 0 is as they are.

    Raises:
        UsageError: it can't be had, or a size that makes no sense.
    """

    def __init__(self, root: str | Path | None = None, offline: bool = False, size: int = 0) -> None:
        super().__init__("cifar10", CIFAR10, THINGS, root, offline, size)
