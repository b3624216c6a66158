"""What is known of torchvision's sets of images: their splits and options, where they lie, who has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.data.fetch import idx_files
from ganzoo.errors import UsageError, nearest

Words = dict[str, Any]
Parts = tuple[Words, ...]
"""Arguments of a class of torchvision for the train split, and for the test split where there is one."""

ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips",
    "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby",
    "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male",
    "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose",
    "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair",
    "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
FACES = (
    "list_attr_celeba", "identity_CelebA", "list_bbox_celeba", "list_landmarks_align_celeba",
    "list_eval_partition",
)  # fmt: skip
ROOMS = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen",
    "living_room", "restaurant", "tower",
)  # fmt: skip
LETTERS = ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")
FAKES = 1_000, 200  # of FakeData, to train and to test


@dataclass(frozen=True)
class Known:
    """A set of images.

    Attributes:
        parts: (split, target) -> how to open it.
        files: below the data folder; {} is the split. All of them are there where the set is.
        size, channels: where nobody says others.
        probe: a file of its download, to find out whether that answers; empty where there is none.
        splits: values of the option `split`, the usual one first; none where it has no such option.
        targets: of the option `target`, the same.
        class_names: where torchvision's class has no `classes`; given the target.
    """

    parts: Callable[[str, str], Parts]
    files: tuple[str, ...]
    size: int
    channels: int
    probe: str = ""
    splits: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    class_names: Callable[[str], tuple[str, ...]] = field(default=lambda target: ())


def _by(key: str, train: object, test: object | None = None, **more: object) -> Callable[[str, str], Parts]:
    words = [{key: train, **more}, *([] if test is None else [{key: test, **more}])]
    return lambda split, target: tuple(dict(one) for one in words)


def _digits(target: str) -> tuple[str, ...]:
    return tuple("0123456789")


def _has_it(target: str) -> tuple[str, ...]:
    return (f"not {target}", target) if target != "attr" else ()


def _unsplit(split: str, target: str) -> Parts:
    return ({},)


TRAIN = _by("train", True, False)
SPLIT = _by("split", "train", "test")
OXFORD, HUB = "https://www.robots.ox.ac.uk/~vgg/data/", "https://huggingface.co/datasets/"

KNOWN: Mapping[str, Known] = {
    "Caltech101": Known(
        _unsplit, ("caltech101/101_ObjectCategories",), 64, 3,
        "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
    ),
    "Caltech256": Known(
        _unsplit, ("caltech256/256_ObjectCategories",), 64, 3,
        "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
    ),
    "CelebA": Known(
        lambda split, target: tuple({"split": part, "target_type": "attr"} for part in ("train", "test")),
        ("celeba/img_align_celeba", *(f"celeba/{name}.txt" for name in FACES)), 64, 3,
        "https://drive.google.com/", targets=("attr", *ATTRIBUTES), class_names=_has_it,
    ),
    "CIFAR10": Known(
        TRAIN, ("cifar-10-batches-py",), 32, 3, "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    ),
    "CIFAR100": Known(
        TRAIN, ("cifar-100-python",), 32, 3, "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    ),
    "DTD": Known(SPLIT, ("dtd/dtd",), 64, 3, f"{OXFORD}dtd/download/dtd-r1.0.1.tar.gz"),
    "EMNIST": Known(
        lambda split, target: tuple({"split": split, "train": train} for train in (True, False)),
        tuple(
            f"EMNIST/raw/emnist-{{}}-{part}-ubyte"
            for part in ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
        ),
        28, 1, "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", splits=LETTERS,
    ),
    "EuroSAT": Known(
        _unsplit, ("eurosat/2750",), 64, 3, f"{HUB}torchgeo/eurosat/resolve/main/README.md"
    ),
    "FakeData": Known(
        lambda split, target: tuple(
            {"size": count, "image_size": (3, 64, 64), "random_offset": start}
            for count, start in zip(FAKES, (0, FAKES[0]), strict=True)
        ),
        (), 64, 3, class_names=_digits,
    ),
    "FashionMNIST": Known(
        TRAIN, idx_files("FashionMNIST"), 28, 1,
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
    ),
    "FER2013": Known(SPLIT, ("fer2013",), 48, 1),
    "FGVCAircraft": Known(
        lambda split, target: tuple(
            {"split": part, "annotation_level": target} for part in ("trainval", "test")
        ),
        ("fgvc-aircraft-2013b",), 64, 3, f"{OXFORD}fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
        targets=("variant", "family", "manufacturer"),
    ),
    "Flowers102": Known(
        SPLIT, ("flowers-102/jpg", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"), 64, 3,
        f"{OXFORD}flowers/102/imagelabels.mat",
    ),
    "Food101": Known(
        SPLIT, ("food-101/images", "food-101/meta"), 64, 3, "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    ),
    "GTSRB": Known(
        SPLIT, ("gtsrb/GTSRB", "gtsrb/GT-final_test.csv"), 32, 3,
        "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_Test_GT.zip",
    ),
    "Imagenette": Known(
        _by("split", "train", "val", size="160px"), ("imagenette2-160",), 64, 3,
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
    ),
    "KMNIST": Known(
        TRAIN, idx_files("KMNIST"), 28, 1,
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/train-images-idx3-ubyte.gz",
    ),
    "LSUN": Known(
        lambda split, target: ({"classes": [f"{split}_train"]},), ("{}_train_lmdb",), 64, 3, splits=ROOMS
    ),
    "MNIST": Known(
        TRAIN, idx_files("MNIST"), 28, 1,
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
    ),
    "Omniglot": Known(
        _by("background", True), ("omniglot-py/images_background",), 64, 1,
        "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/images_background.zip",
    ),
    "OxfordIIITPet": Known(
        lambda split, target: tuple({"split": part, "target_types": target} for part in ("trainval", "test")),
        ("oxford-iiit-pet/images", "oxford-iiit-pet/annotations"), 64, 3,
        f"{OXFORD}pets/data/annotations.tar.gz",
        targets=("category", "binary-category"),
    ),
    "PCAM": Known(SPLIT, ("pcam",), 64, 3, "https://drive.google.com/"),
    "QMNIST": Known(
        _by("what", "train", "test"), ("QMNIST/raw",), 28, 1,
        "https://raw.githubusercontent.com/facebookresearch/qmnist/master/qmnist-train-labels-idx2-int.gz",
    ),
    "SEMEION": Known(
        _unsplit, ("semeion.data",), 16, 1,
        "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data", class_names=_digits,
    ),
    "StanfordCars": Known(
        SPLIT, tuple(f"stanford_cars/{part}" for part in ("devkit", "cars_train", "cars_test")), 64, 3
    ),
    "STL10": Known(
        lambda split, target: ({"split": split}, *([{"split": "test"}] if split == "train" else [])),
        ("stl10_binary",), 64, 3, "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        splits=("train", "unlabeled"),
    ),
    "SUN397": Known(
        _unsplit, ("SUN397",), 64, 3, "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    ),
    "SVHN": Known(
        SPLIT, ("train_32x32.mat", "test_32x32.mat"), 32, 3,
        "http://ufldl.stanford.edu/housenumbers/test_32x32.mat", class_names=_digits,
    ),
    "USPS": Known(
        TRAIN, ("usps.bz2", "usps.t.bz2"), 16, 1,
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.t.bz2", class_names=_digits,
    ),
}  # fmt: skip


def known(name: str) -> str:
    """The name of a set as torchvision spells it. Raises UsageError if there is none."""
    found = {_plain(one): one for one in KNOWN}.get(_plain(name))
    if found is None:
        small = {one.lower(): one for one in KNOWN}
        near = nearest(name.lower(), small)
        for one, spelled in small.items():
            near = near.replace(one, spelled)
        raise UsageError(f"torchvision:{name} is no set of labelled images that is known here: {near}")
    return found


def choice(name: str, option: str, value: str, valid: tuple[str, ...]) -> str:
    """The value of an option of a set, or the usual one. Raises UsageError for what it has not."""
    if not value:
        return valid[0] if valid else ""
    if not valid:
        raise UsageError(f"data.{option}: torchvision:{name} has no such option, got {value!r}")
    found = {one.lower(): one for one in valid}.get(value.lower())
    if found is None:
        raise UsageError(f"data.{option}: torchvision:{name} has no {value!r}: {nearest(value, valid)}")
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
