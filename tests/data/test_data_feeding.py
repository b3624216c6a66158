"""Batches follow from (n, step, seed) alone, and what is split or hashed is so by content."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganzoo.data.base import from_uint8, to_uint8
from ganzoo.data.counted import Order
from ganzoo.data.streams import StreamSplit
from ganzoo.data.tensors import TensorSplit, fingerprint, split_by_hash

CPU = torch.device("cpu")


def epoch_indices(n_total, n, step, seed):
    """Without anything kept."""
    return Order(n_total).indices(n, step, seed)


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, 4, 4), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def test_uint8_takes_the_round_trip_for_every_value():
    x = torch.arange(256, dtype=torch.uint8)
    seen = from_uint8(x)
    assert seen.min() == -1
    assert seen.max() == 1
    assert torch.equal(to_uint8(seen), x)
    assert torch.equal(to_uint8(torch.tensor([-9.0, 9.0])), torch.tensor([0, 255], dtype=torch.uint8))


@given(n_total=st.integers(1, 60), n=st.integers(1, 60), epoch=st.integers(0, 5), seed=st.integers(0, 2**40))
def test_an_epoch_has_every_sample_once_at_most(n_total, n, epoch, seed):
    n = min(n, n_total)
    per = n_total // n
    batches = [epoch_indices(n_total, n, epoch * per + i, seed) for i in range(per)]
    assert all(len(batch) == n for batch in batches)
    drawn = torch.cat(batches).tolist()
    assert len(set(drawn)) == per * n
    assert set(drawn) <= set(range(n_total))


def test_epochs_and_seeds_are_shuffled_differently():
    orders = [
        tuple(epoch_indices(20, 20, step, seed).tolist()) for step, seed in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    assert len({*orders, tuple(range(20))}) == 5


calls = st.tuples(st.integers(1, 10), st.integers(0, 12), st.integers(0, 2))


@given(history=st.lists(calls, min_size=1, max_size=8))
@settings(deadline=None)
def test_a_batch_does_not_depend_on_what_was_asked_before(history):
    x, y = images(10), torch.arange(10)
    used = TensorSplit(x, y)
    for call in history:
        (got_x, got_y), (want_x, want_y) = used.batch(*call), TensorSplit(x, y).batch(*call)
        assert torch.equal(got_x, want_x)
        assert torch.equal(got_y, want_y)
        assert torch.equal(to_uint8(got_x), x[got_y])  # the label is that of the image
        assert torch.equal(got_y, epoch_indices(10, *call))


def test_the_permutation_is_drawn_once_an_epoch(monkeypatch):
    drawn = []
    real = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *a, **k: drawn.append(a) or real(*a, **k))
    order = Order(10)
    for step in range(15):  # three epochs of five
        order.indices(2, step, seed=0)
    assert len(drawn) == 3


def test_batches_leave_the_global_generators_alone(tmp_path):
    np.save(tmp_path / "x.npy", images(10).numpy())
    before = torch.get_rng_state()
    TensorSplit(images(10), None).batch(4, 0, 0)
    StreamSplit(tmp_path / "x.npy", 0, 10, None).batch(4, 0, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tensor_split_gives_its_own_units_and_types():
    x, y = images(6), torch.arange(6)
    split = TensorSplit(x, y).to(CPU)
    assert len(split) == 6
    assert torch.equal(split.all()[0], x)
    assert torch.equal(split.all()[1], y)
    batch, labels = split.batch(3, 0, 0)
    assert (batch.dtype, batch.shape, labels.dtype) == (torch.float32, (3, 1, 4, 4), torch.int64)
    vectors = torch.randn(6, 2)
    bare = TensorSplit(vectors, None, seen=vectors * 2)
    batch, labels = bare.batch(6, 0, 0)
    assert labels is None
    assert torch.equal(batch, vectors[epoch_indices(6, 6, 0, 0)] * 2)
    assert torch.equal(bare.to(CPU).batch(6, 0, 0)[0], batch)
    assert torch.equal(bare.all()[0], vectors)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # workers fork, from Python 3.12 on
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_gives_the_batches_of_a_tensor(tmp_path, workers):
    x, y = images(40), torch.arange(40)
    np.save(tmp_path / "x.npy", x.numpy())
    stream = StreamSplit(tmp_path / "x.npy", 5, 36, y[5:36], workers).to(CPU)
    memory = TensorSplit(x[5:36], y[5:36])
    assert len(stream) == len(memory) == 31
    for n, step, seed in [*((4, s, 1) for s in range(9)), (4, 3, 1), (4, 4, 1), (4, 5, 2), (8, 6, 2)]:
        (got_x, got_y), (want_x, want_y) = stream.batch(n, step, seed), memory.batch(n, step, seed)
        assert torch.equal(got_x, want_x), (n, step, seed)
        assert torch.equal(got_y, want_y), (n, step, seed)
    assert torch.equal(stream.all()[0], x[5:36])
    assert torch.equal(stream.all()[1], y[5:36])


def test_a_stream_goes_on_without_starting_anew(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", images(10).numpy())
    stream = StreamSplit(tmp_path / "x.npy", 0, 10, None)
    starts = []
    real = stream._read_from
    monkeypatch.setattr(stream, "_read_from", lambda *call: starts.append(call) or real(*call))
    for step in (0, 1, 2, 3, 7, 8, 8):
        assert stream.batch(4, step, 0)[1] is None
    assert [step for _, step, _ in starts] == [0, 7, 8]


rows = st.lists(st.integers(0, 30), min_size=2, max_size=60)


@given(values=rows, fraction=st.sampled_from([0.1, 0.3]), data=st.data())
@settings(deadline=None)
def test_the_split_is_a_partition_by_content(values, fraction, data):
    array = np.array(values, dtype=np.int64)[:, None]
    train, test = split_by_hash(array, fraction)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(values)))
    assert 1 <= len(test) <= max(1, round(fraction * len(values)))
    assert len(train) >= 1
    order = data.draw(st.permutations(range(len(values))))
    _, again = split_by_hash(array[order], fraction)
    assert sorted(array[order][again].flatten()) == sorted(array[test].flatten())
    if 2 * len(set(values)) > len(values):
        assert not set(array[train].flatten()) & set(array[test].flatten())


def test_a_tenth_is_chosen_and_twins_stay_together():
    array = np.arange(1000)[:, None]
    _, test = split_by_hash(array)
    assert len(test) == 100
    assert len(set((test // 100).tolist())) == 10  # from everywhere, not from one end
    twice = np.concatenate([array, array[:300]])
    train, test = split_by_hash(twice)
    assert len(test) in (129, 130)
    assert not set(twice[train].flatten()) & set(twice[test].flatten())
    few = np.arange(1000)[:, None] % 4  # hardly any values: the test split has them all
    _, test = split_by_hash(few)
    assert len(test) == 100
    assert np.bincount(few[test].flatten()).min() > 10


def test_a_fingerprint_sees_content_type_and_shape():
    x = torch.arange(6, dtype=torch.uint8)
    variants = [x, x.flip(0), x.view(2, 3), x.to(torch.int64), x[:5], None, torch.empty(0, dtype=torch.uint8)]
    assert len({fingerprint(v) for v in variants}) == len(variants)
    assert fingerprint(x) == fingerprint(x.clone()) == fingerprint(x.numpy())
    assert fingerprint(x.view(2, 3).t()) == fingerprint(x.view(2, 3).t().contiguous())
    assert fingerprint(x, None) != fingerprint(x)
    assert len(fingerprint(x)) == 16
