"""A DataLoader of one's own: rows in an order that follows from the seed, in batches of any size."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler
from torch.utils.data import Dataset as TorchDataset

import ganzoo
from ganzoo import UsageError, WorkError
from ganzoo.data.base import some
from ganzoo.data.given import as_dataset

X = torch.arange(50, dtype=torch.float32)[:, None].repeat(1, 2)
Y = torch.arange(50) % 5
PIXELS = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
HELD = torch.randn(10, 2, generator=torch.Generator().manual_seed(1)), torch.arange(10) % 5


class Noisy(TorchDataset):
    """Items that a transform changes at random, by all the generators that transforms use."""

    def __len__(self):
        return 50

    def __getitem__(self, i):
        return X[i] + torch.rand(2) + random.random() + np.random.rand()


class Stream(IterableDataset):
    def __init__(self, count=50):
        self.count = count

    def __iter__(self):
        return iter(X[: self.count])


def loaders():
    data = TensorDataset(X, Y)
    return {
        "shuffled": (DataLoader(data, batch_size=8, shuffle=True), HELD),
        "in order": (DataLoader(data, batch_size=8), HELD),
        "whole batches": (DataLoader(data, batch_size=8, shuffle=True, drop_last=True), HELD),
        "own generator": (
            DataLoader(data, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(3)), HELD
        ),
        "weighted": (DataLoader(data, batch_size=8, sampler=WeightedRandomSampler(torch.ones(50), 50)), HELD),
        "random transforms": (DataLoader(Noisy(), batch_size=8, shuffle=True), HELD[0]),
        "stream": (DataLoader(Stream(), batch_size=8), HELD[0]),
        "batches in the set": (DataLoader(TensorDataset(X.view(10, 5, 2)), batch_size=None), HELD[0]),
        "held out of it": (DataLoader(data, batch_size=8, shuffle=True), None),
    }  # fmt: skip


KINDS = list(loaders())


@pytest.fixture(params=KINDS)
def dataset(request):
    return as_dataset(loaders()[request.param][0], test=loaders()[request.param][1])


def batches(split, n, steps, seed=0):
    return [split.batch(n, step, seed)[0] for step in steps]


@pytest.mark.parametrize("n", [8, 3, 20])
def test_a_batch_follows_from_its_step_and_the_seed_alone(dataset, n):
    cpu = torch.device("cpu")
    running = dataset.train.to(cpu)
    whole = batches(running, n, range(12))
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    for start in (0, 1, 5, 9, 11):
        again = batches(dataset.train.to(cpu), n, range(start, 12))
        assert all(torch.equal(a, b) for a, b in zip(whole[start:], again, strict=True)), start
    assert all(len(batch) == n for batch in whole)


def test_an_epoch_is_every_row_once():
    for kind in ("shuffled", "in order", "own generator"):
        loader, held = loaders()[kind]
        split = as_dataset(loader, test=held).train
        scale = as_dataset(loader, test=held)
        for epoch in range(2):
            drawn = torch.cat(batches(split, 10, range(5 * epoch, 5 * epoch + 5)))
            assert scale.to_units(drawn)[:, 0].round().sort().values.tolist() == list(range(50))
    first, second = (torch.cat(batches(split, 10, range(5 * e, 5 * e + 5))) for e in (0, 1))
    assert not torch.equal(first, second)  # of the last, which is shuffled


def test_seeds_differ_and_labels_stay_with_their_rows():
    dataset = as_dataset(*[loaders()["shuffled"][0]], test=HELD)
    x, y = dataset.train.batch(16, 0, 0)
    assert not torch.equal(x, dataset.train.to(torch.device("cpu")).batch(16, 0, 1)[0])
    assert torch.equal(dataset.to_units(x)[:, 0].round().long() % 5, y)


def test_the_generators_of_others_stay_as_they_were():
    split = as_dataset(DataLoader(Noisy(), batch_size=8, shuffle=True), test=HELD[0]).train
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    split.batch(8, 0, 0), split.batch(8, 1, 0)
    drawn = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    assert drawn == (torch.rand(1).item(), random.random(), np.random.rand())


def test_a_tenth_is_held_out_and_never_trained_on():
    dataset = as_dataset(DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True))
    held = {row[0].item() for row in dataset.test.all()[0]}
    drawn = dataset.to_units(torch.cat(batches(dataset.train, 9, range(10)))).round()
    assert len(held) == 5
    assert held.isdisjoint(drawn[:, 0].tolist())
    assert len(dataset.train) == 45


def test_workers_read_what_this_process_would_read():
    one, two = (
        as_dataset(
            DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True, num_workers=workers), test=HELD
        )
        for workers in (0, 1)
    )
    here, there = (batches(dataset.train, 8, range(3)) for dataset in (one, two))
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


def test_a_few_samples_do_not_disturb_the_reader():
    split = as_dataset(loaders()["shuffled"][0], test=HELD).train
    whole = batches(split.to(torch.device("cpu")), 8, range(4))
    reader = split.to(torch.device("cpu"))
    found = [reader.batch(8, 0, 0)[0]]
    some(reader, 4, 0, torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(whole, found + batches(reader, 8, range(1, 4)), strict=True))


@pytest.mark.parametrize(
    ("x", "pixels"),
    [(PIXELS, None), (PIXELS / 127.5 - 1, None), (PIXELS / 255, (0, 1)), (PIXELS.movedim(1, -1), None)],
)
def test_pixels_are_seen_alike_whatever_they_come_as(x, pixels):
    loader = DataLoader(TensorDataset(x), batch_size=8)
    dataset = as_dataset(loader, pixels=pixels)
    plain = as_dataset(DataLoader(TensorDataset(PIXELS), batch_size=8))
    assert dataset.fingerprint == plain.fingerprint
    seen = dataset.train.batch(8, 0, 0)[0]
    assert torch.allclose(seen, plain.train.batch(8, 0, 0)[0], atol=1e-6)
    assert seen.abs().max() <= 1.0


def test_a_long_stream_has_no_end(monkeypatch):
    monkeypatch.setattr("ganzoo.data.loaders.MOST", 20)
    monkeypatch.setattr("ganzoo.data.loaders.read_some.__defaults__", (20,), raising=False)
    dataset = as_dataset(DataLoader(Stream(), batch_size=8), test=HELD[0])
    assert (dataset.endless, len(dataset.train)) == (True, 20)


@pytest.mark.parametrize(
    ("loader", "words", "sentence"),
    [
        (lambda: DataLoader(Stream(), batch_size=8), {}, "test=..."),
        (lambda: loaders()["weighted"][0], {}, "test=..."),
        (lambda: DataLoader(Stream(0), batch_size=8), {"test": HELD[0]}, "gives no batch"),
        (lambda: DataLoader(TensorDataset(PIXELS / 255), batch_size=8), {}, r"pixels=\(0, 1\)"),
        (lambda: DataLoader(TensorDataset(X), batch_size=8), {"test": PIXELS}, "expected the same"),
        (lambda: DataLoader(TensorDataset(X), batch_size=8), {"y": Y}, "without y"),
        (lambda: DataLoader(TensorDataset(X[:, 0]), batch_size=8), {"test": X}, r"expected \[N, D\]"),
        (lambda: DataLoader(TensorDataset(X), batch_size=8, collate_fn=lambda b: b), {}, "expected"),
        (lambda: DataLoader(TensorDataset(X[:, :0]), batch_size=8), {}, "expected"),
        (lambda: DataLoader([{"a": 1}] * 9, batch_size=8), {"test": X}, "called one of"),
        (lambda: DataLoader(TensorDataset(X[:1]), batch_size=8), {}, "1 samples"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(loader, words, sentence):
    with pytest.raises(UsageError, match=sentence):
        as_dataset(loader(), **words)


def test_a_run_on_a_loader_goes_on_as_if_it_had_never_stopped():
    def loader():
        return DataLoader(Noisy(), batch_size=8, shuffle=True)

    words = {"test": HELD[0], "progress": False}
    whole = ganzoo.train("mlp-gan", loader(), steps=12, checkpoint_every=5, out="whole", **words)

    class Stop(ganzoo.Callback):
        def after_step(self, trainer):
            if trainer.step == 7:
                trainer.stop.set()

    ganzoo.train("mlp-gan", loader(), steps=12, checkpoint_every=5, out="parts", callbacks=[Stop()], **words)
    parts = ganzoo.resume("parts", loader(), **words)
    assert whole.config.recipe.batch_size == 8
    for name in ("generator.safetensors", "log.jsonl"):
        a, b = ((run.path / name).read_bytes() for run in (whole, parts))
        if name == "log.jsonl":
            a, b = ([line.split(b"images_per_s")[0] for line in text.splitlines()] for text in (a, b))
        assert a == b


@pytest.mark.parametrize("persistent", [False, True])
def test_random_items_of_workers_follow_from_the_seed(persistent):
    def split():
        loader = DataLoader(
            Noisy(), batch_size=25, shuffle=True, num_workers=1, persistent_workers=persistent
        )
        return as_dataset(loader, test=HELD[0]).train

    whole, again = batches(split(), 25, range(5)), batches(split(), 25, range(3, 5))
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], again, strict=True))


class Changes(TorchDataset):
    """Items that are others from the 20th on, once that is switched on."""

    now = False
    classes = ("a", "b")

    def __init__(self, before, after):
        self.before, self.after = before, after

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return self.after if self.now and i >= 20 else self.before


FLOATS = torch.full((1, 8, 8), 0.5)


@pytest.mark.parametrize(
    ("before", "after", "pixels", "sentence"),
    [
        (torch.ones(2), torch.ones(1), None, r"shape \[1\], where"),
        (torch.ones(2), torch.tensor([1.0, float("nan")]), None, "not finite"),
        (FLOATS, 255 * FLOATS, (0, 1), "pixels beyond 0 to 1"),
        (-FLOATS, -3 * FLOATS, None, "pixels beyond -1 to 1"),
        ((torch.ones(2), 1), (torch.ones(2), 7), None, "classes from 7 to 7, where 0 to 1 are known"),
        ((torch.ones(2), "a"), (torch.ones(2), "c"), None, "the class 'c'"),
    ],
)
def test_batches_that_are_others_later_end_the_run_with_a_sentence(
    monkeypatch, before, after, pixels, sentence
):
    loader, held = (DataLoader(Changes(before, after), batch_size=10) for _ in range(2))
    dataset = as_dataset(loader, test=held, pixels=pixels)
    monkeypatch.setattr(Changes, "now", True)
    with pytest.raises(WorkError, match=f"batch 2 of epoch 0 of the DataLoader: .*{sentence}"):
        batches(dataset.train, 10, range(4))


def test_names_of_classes_are_taken_where_the_set_has_them():
    data = Changes((torch.ones(2), "b"), None)
    dataset = as_dataset(DataLoader(data, batch_size=10))
    assert dataset.train.batch(4, 0, 0)[1].tolist() == [1, 1, 1, 1]
    assert dataset.class_names == ("a", "b")


def test_another_loader_may_be_the_test_split():
    held = DataLoader(TensorDataset(*HELD), batch_size=3)
    dataset = as_dataset(DataLoader(TensorDataset(X, Y), batch_size=8), test=held)
    assert torch.equal(dataset.test.all()[0], HELD[0])
    assert len(dataset.train) == 50


def test_a_loader_that_fails_says_where():
    class Fails(Noisy):
        def __getitem__(self, i):
            if i == 49 and Fails.now:
                raise RuntimeError("a disk is gone")
            return X[i]

    Fails.now = False
    dataset = as_dataset(DataLoader(Fails(), batch_size=8), test=HELD[0])
    Fails.now = True
    with pytest.raises(WorkError, match="batch 6 of epoch 0: RuntimeError: a disk is gone"):
        batches(dataset.train, 8, range(8))
