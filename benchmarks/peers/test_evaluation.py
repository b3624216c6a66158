"""A whole evaluation beside the two libraries that give the same scores together.

The inception score, fid, kid, precision and recall are torch-fidelity's; density and coverage are prdc's,
which needs the features, and so a second pass. Features are those of mnist-cnn-v1 on both sides, and so are
the splits, subsets and seeds, which are torch-fidelity's defaults, and k: the scores have to agree. ganzoo
leaves the arithmetic of kid to torch-fidelity, so that both sides pay for it alike.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools

import pytest
import torch
import torch_fidelity
from prdc import compute_prdc
from torch.utils.data import Dataset

import ganzoo
from ganzoo.data.mnist import read_5k
from ganzoo.data.tensors import ImageSet
from ganzoo.extractors.fidelity import register
from ganzoo.metrics.frechet import frechet_distance, mean_and_covariance
from ganzoo.metrics.harness import Evaluation
from ganzoo.registry import DATASETS

from . import SMALL, needs

CNN, METRICS = "mnist-cnn-v1", ("is", "fid", "kid", "precision-recall", "density-coverage")
SAMPLES, DIM, ROUNDS = (600, 64, 1) if SMALL else (10_000, 2048, 3)
BATCH = 64  # torch-fidelity's
AGAINST = f"torch-fidelity and prdc, {SAMPLES:,} samples against {SAMPLES:,}"


@functools.cache
def digits(n, seed, noise):
    """n of the 5,000 real digits, the same ones again where they do not reach, each under its own noise."""
    (x, y), (x_test, y_test) = read_5k()
    index = torch.arange(n) % (len(x) + len(x_test))
    x, y = torch.cat([x, x_test])[index], torch.cat([y, y_test])[index]
    grain = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    return (x + noise * grain).clamp(0, 255).to(torch.uint8), y


class NoisyDigits(ImageSet):
    def __init__(self):
        super().__init__("noisy-digits", digits(SAMPLES, 0, 10.0), digits(1000, 1, 10.0), tuple("0123456789"))
        self.extractor = CNN


DATASETS.add("noisy-digits", NoisyDigits)


def generated():
    """In the place of generated samples: the digits under more noise."""
    return digits(SAMPLES, 2, 25.0)[0]


class Images(Dataset):
    """What torch-fidelity takes: items are uint8 [C, H, W]."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i]


def features(x):
    extract = ganzoo.extractor(CNN)
    return torch.cat([extract(part)["features"] for part in x.split(BATCH)]).numpy()


def by_peers(fake, real, real_features=None, **cache):
    """All scores by their names here; a user who keeps the features of the real images hands them over."""
    made = torch_fidelity.calculate_metrics(
        input1=Images(fake),
        input2=Images(real),
        feature_extractor=register(CNN),
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=min(1000, SAMPLES),
        cuda=False,
        save_cpu_ram=True,  # no workers: the images are in memory
        verbose=False,
        **cache,
    )
    if real_features is None:
        real_features = features(real)
    with contextlib.redirect_stdout(io.StringIO()):
        around = compute_prdc(real_features, features(fake), nearest_k=5)
    return {
        "is": made["inception_score_mean"],
        "fid": made["frechet_inception_distance"],
        "kid": made["kernel_inception_distance_mean"],
        "precision": made["precision"],
        "recall": made["recall"],
        "density": around["density"],
        "coverage": around["coverage"],
    }


def agree(ours, theirs):
    """The same work: the same scores. torch-fidelity takes fid's means and prc's distances in float32: the
    rounding shows, and a few samples at the border of a ball fall otherwise."""
    ours = {name: ours[f"{name}@{CNN}"] for name in theirs}
    for names, close in (
        (("is", "kid"), {"rel": 1e-9}),
        (("fid",), {"rel": 1e-5}),
        (("precision", "recall"), {"abs": 2e-3}),
        (("density", "coverage"), {"rel": 1e-9}),
    ):
        assert [ours[name] for name in names] == pytest.approx([theirs[name] for name in names], **close)


@pytest.fixture
def new_cache(tmp_path, monkeypatch):
    """Each call gives ganzoo an empty cache (on Linux, where it can be moved)."""
    count = itertools.count()
    return lambda: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache{next(count)}"))


@pytest.mark.parametrize("kept", [False, True], ids=["nothing-kept", "real-side-kept"])
def test_evaluation_over_torch_fidelity_and_prdc(kept, side_by_side, new_cache, tmp_path):
    """Target >= 2: the same scores. With the real side kept, each side has what it can keep of it: statistics
    and features in ganzoo's cache and in torch-fidelity's, and prdc's features in a variable."""
    dataset, fake = NoisyDigits(), generated()
    real = dataset.train.all()[0]
    found = {}
    new_cache()
    theirs = {"cache": False}
    if kept:
        theirs = {
            "cache_root": str(tmp_path),
            "input2_cache_name": "noisy-digits",
            "real_features": features(real),
        }

    def ours():
        if not kept:
            new_cache()
        found["ours"] = Evaluation(METRICS, dataset)(fake, with_real=False, progress=False)["scores"]

    def peers():
        found["theirs"] = by_peers(fake, real, **theirs)

    side_by_side(ours, peers, ROUNDS, AGAINST + (", what can be kept of the real ones kept" if kept else ""))
    agree(found["ours"], found["theirs"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="ganzoo.evaluate would take the GPU: hide it")
def test_one_call_over_torch_fidelity_and_prdc(side_by_side, new_cache):
    """ganzoo.evaluate as it is called, which measures 1,000 held-out real images as well; nothing is kept."""
    real, fake = NoisyDigits().train.all()[0], generated()
    found = {}

    def ours():
        new_cache()
        found["ours"] = ganzoo.evaluate(fake, "noisy-digits", METRICS, progress=False)["scores"]

    def peers():
        found["theirs"] = by_peers(fake, real, cache=False)

    side_by_side(ours, peers, ROUNDS, AGAINST)
    agree(found["ours"], found["theirs"])


@needs("pytorch_fid")
@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_frechet_distance_over_pytorch_fid(side_by_side):
    """Its own function, statistics of 2048 dimensions given. Its sqrtm(disp=False) ends with SciPy 1.18."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(DIM, DIM, generator=generator) / DIM**0.5
    ours = [
        mean_and_covariance(torch.randn(2 * DIM, DIM, generator=generator) @ (torch.eye(DIM) + scale * mix))
        for scale in (1.0, 0.5)
    ]
    theirs = [part.numpy() for pair in ours for part in pair]
    try:
        distance = calculate_frechet_distance(*theirs)
    except TypeError as error:
        pytest.skip(f"pytorch-fid does not run on this SciPy: {error}")
    assert frechet_distance(*ours[0], *ours[1]) == pytest.approx(distance, rel=1e-6)
    side_by_side(
        lambda: frechet_distance(*ours[0], *ours[1]),
        lambda: calculate_frechet_distance(*theirs),
        ROUNDS,
        f"pytorch-fid's calculate_frechet_distance, d = {DIM}",
    )
