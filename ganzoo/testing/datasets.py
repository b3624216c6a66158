"""What the contract wants of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, Split, Standardization
from ganzoo.data.kinds import KINDS, PIXELS, has_pixels, kind_of, kind_of_shape
from ganzoo.data.open import open_dataset
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS
from ganzoo.registry.options import known_options, options_of
from ganzoo.registry.spec import Ref
from ganzoo.testing.core import Subject, described, hooks, typed, want
from ganzoo.testing.training import BATCH, STEPS, want_exact_resume

SOME = 200


class Data(Subject):
    """A dataset, opened with the options that were given."""

    base = Dataset

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(DATASETS, name)
        given = known_options(f"dataset {name}", options_of(self.member, ("path",)), options)
        self.places = {"root": given.pop("root", None), "offline": given.pop("offline", False)}
        self.options = given
        self.dataset = self.open(name)

    def open(self, name: str) -> Dataset:
        return open_dataset(name, self.options, **self.places)

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.dataset.train, "test": self.dataset.test}


def declares(subject: Data) -> None:
    """Shape, number of classes, their names and modes agree with each other."""
    data = subject.dataset
    shape, classes = data.sample_shape, data.num_classes
    for name, sizes in (("sample_shape", shape), ("condition_shape", data.condition_shape or (1,))):
        fits = isinstance(sizes, tuple) and sizes and all(isinstance(n, int) and n > 0 for n in sizes)
        want(fits, f"{name} a tuple of whole numbers, such as (C, H, W) or (D,)", sizes)
    want(kind_of(data) in KINDS, f"a kind of data, {', '.join(KINDS)}", data.kind)
    both = classes and data.condition_shape
    want(not both, "num_classes or a condition_shape, not both", f"{classes} and {data.condition_shape}")
    want(isinstance(classes, int) and classes >= 0, "num_classes of at least 0", classes)
    want(len(data.class_names) in (0, classes), f"{classes} class_names or none", data.class_names)
    scale = data.standardization
    if scale is not None:
        want(isinstance(scale, Standardization), "standardization to be a Standardization or None", scale)
        ones = (shape[0], *(1 for _ in shape[1:]))
        want(
            scale.fits(shape),
            f"a standardization of {ones}, one number for each column",
            tuple(scale.mean.shape),
        )
    modes = data.modes
    want(modes is None or isinstance(modes, Modes), "modes to be ganzoo.Modes or None", modes)
    if modes is not None and modes.centers is not None:
        expected = (modes.count, *shape)
        want(modes.centers.shape == expected, f"centers of shape {expected}", tuple(modes.centers.shape))


def reopens(subject: Data) -> None:
    """It opens again, by its own name too, as a run does that is resumed, with the same fingerprint."""
    data = subject.dataset
    want(
        isinstance(data.fingerprint, str) and data.fingerprint,
        "a fingerprint of the content",
        data.fingerprint,
    )
    for name in (subject.name, data.name if subject.ref.path is None else subject.name):
        known = Ref.parse(name).name in DATASETS.names()
        want(known, f"`name` to be one that it is registered by, such as {subject.name!r}", repr(name))
        again = subject.open(name)
        want(
            again.fingerprint == data.fingerprint,
            f"the fingerprint {data.fingerprint} again",
            again.fingerprint,
        )


def batches(subject: Data) -> None:
    """Batches are float32 [n, ...], finite, images in [-1, 1]; labels int64 [n], or None without classes."""
    data = subject.dataset
    for name, split in subject.splits.items():
        n = min(BATCH, len(split))
        shape = (n, *data.sample_shape)
        x, y = split.batch(n, 0, 0)
        want(x.shape == shape, f"{name} batches {shape}", tuple(x.shape))
        want(x.dtype == torch.float32, f"float32 {name} batches", x.dtype)
        want(x.isfinite().all(), f"finite {name} batches", "infinity or nan")
        if has_pixels(data):
            want(x.abs().max() <= 1.0, f"{name} images in [-1, 1]", f"{x.min():.3g} to {x.max():.3g}")
        _want_y(y, n, data, f"{name} batches", seen=True)


def counted(subject: Data) -> None:
    """A batch follows from (n, step, seed) alone, whatever was asked or drawn before."""
    for name, split in subject.splits.items():
        n = min(BATCH, len(split) // 2)
        first = split.batch(n, 3, 1)
        state = torch.get_rng_state()
        others = split.batch(n, 4, 1), split.batch(n, 3, 2)
        want(
            torch.equal(state, torch.get_rng_state()),
            "torch's default generator left alone",
            "a draw from it",
        )
        torch.rand(3)
        for again in (split.batch(n, 3, 1), split.to(torch.device("cpu")).batch(n, 3, 1)):
            want(_equal(first, again), f"the same {name} batch for the same n, step and seed", "another one")
        for what, other in zip(("step", "seed"), others, strict=True):
            want(not _equal(first, other), f"another {name} batch for another {what}", "the same")


def everything(subject: Data) -> None:
    """all() gives len(split) samples in the data's own units: images uint8, vectors float32."""
    data = subject.dataset
    wanted = torch.uint8 if has_pixels(data) else torch.float32
    for name, split in subject.splits.items():
        x, y = split.all()
        shape = (len(split), *data.sample_shape)
        want(tuple(x.shape) == shape, f"{name}.all() of shape {shape}", tuple(x.shape))
        want(x.dtype == wanted, f"{name}.all() as {wanted}", x.dtype)
        want(torch.equal(x, split.all()[0]), f"the same {name}.all() again", "another one")
        _want_y(y, len(split), data, f"{name}.all()", seen=False)


def splits(subject: Data) -> None:
    """The test split is not the training split."""
    data = subject.dataset
    train, test = (split.all()[0] for split in (data.train, data.test))
    seen = {row.numpy().tobytes() for row in train}
    rows = [row.numpy().tobytes() for row in test[:SOME]]
    shared = sum(row in seen for row in rows) / len(rows)
    if 2 * len(seen) > len(train):  # where most samples have a twin, as whole numbers do, twins say nothing
        want(shared < 0.5, "test samples that are not in the training split", f"{shared:.0%} of them in it")
    n = min(BATCH, len(train), len(test))
    both = data.train.batch(n, 0, 0), data.test.batch(n, 0, 0)
    want(not _equal(*both), "other batches of the test split", "those of the training split")


def units(subject: Data) -> None:
    """to_units takes back what from_units does, and gives what networks make in the data's own units."""
    data = subject.dataset
    x = data.test.all()[0][:SOME]
    back = data.to_units(data.from_units(x))
    want(back.dtype == x.dtype, f"to_units to give {x.dtype}", back.dtype)
    close = torch.allclose(back.double(), x.double(), rtol=1e-4, atol=1e-4 * float(x.double().abs().max()))
    want(close, "to_units(from_units(x)) to be x", "something else")


def trains(subject: Data) -> None:
    """mlp-gan trains on it, and a run that was stopped goes on exactly."""
    options = {f"data.{key}": value for key, value in subject.options.items()}
    root, offline = subject.places["root"], subject.places["offline"]
    small = {"model.width": 8, "model.d_width": 8}
    words = Words(
        "mlp-gan", subject.name, steps=STEPS, batch_size=BATCH, device="cpu", set={**small, **options},
        conditional=_mlp_takes_y(subject.dataset), data_root=root, offline=offline,
    )  # fmt: skip
    want_exact_resume(*plan(words), f"on {subject.name}")


def _mlp_takes_y(data: Dataset) -> bool:
    return bool(data.num_classes) or len(data.condition_shape) == 1


def _want_y(y: Tensor | None, n: int, data: Dataset, where: str, seen: bool) -> None:
    if not data.condition_shape:
        _want_labels(y, n, data.num_classes, where)
        return
    want(y is not None, f"conditions in {where}, as there is a condition_shape", "None")
    assert y is not None
    pixels = kind_of_shape(data.condition_shape) in PIXELS
    dtype = torch.uint8 if pixels and not seen else torch.float32
    shape = (n, *data.condition_shape)
    want(y.shape == shape and y.dtype == dtype, f"conditions {dtype} {shape} in {where}", (y.dtype, y.shape))
    want(y.isfinite().all(), f"finite conditions in {where}", "infinity or nan")
    want(
        not (pixels and seen) or y.abs().max() <= 1.0, f"images in [-1, 1] as conditions in {where}", "others"
    )


def _want_labels(y: Tensor | None, n: int, classes: int, where: str) -> None:
    if not classes:
        want(y is None, f"no labels in {where}, as num_classes is 0", y)
        return
    want(y is not None, f"labels in {where}, as num_classes is {classes}", "None")
    assert y is not None
    want(y.shape == (n,) and y.dtype == torch.int64, f"int64 labels [{n}] in {where}", (y.dtype, y.shape))
    inside = int(y.min()) >= 0 and int(y.max()) < classes
    want(inside, f"labels from 0 to {classes - 1} in {where}", f"{int(y.min())} to {int(y.max())}")


def _equal(one: tuple[Tensor, Tensor | None], other: tuple[Tensor, Tensor | None]) -> bool:
    (x, y), (a, b) = one, other
    return torch.equal(x, a) and (y is b if y is None or b is None else torch.equal(y, b))


SUBJECT = Data
CHECKS = (
    described, hooks, typed, declares, reopens, batches, counted, everything, splits, units, trains,
)  # fmt: skip
