"""Metrics beside what the field computes them with; `is` and `kid` are torch-fidelity's own functions."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from prdc import compute_prdc
from sklearn.neighbors import NearestNeighbors

from ganzoo.metrics.frechet import frechet_distance, mean_and_covariance
from ganzoo.metrics.memorization import nearest_distance
from ganzoo.metrics.modes import by_geometry
from ganzoo.metrics.neighbours import neighbourhoods
from ganzoo.registry import DATASETS

DIM = 2048  # of Inception's features
SAMPLES, FEATURES, K = 10_000, 128, 5
ROUNDS = 3
MEMORY = Path(__file__).parents[1] / "results" / "memory.jsonl"


def features(seed, n, dim):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(dim) + torch.randn(dim, dim, generator=generator) / dim**0.5
    return torch.randn(n, dim, generator=generator) @ mix


def test_frechet_distance_over_scipy_sqrtm(side_by_side):
    """Target >= 8: 2048 x 2048 covariances of full rank in float64, moments given."""
    (mean_1, cov_1), (mean_2, cov_2) = (mean_and_covariance(features(i, 2 * DIM, DIM)) for i in (0, 1))
    a, b = cov_1.numpy(), cov_2.numpy()
    found = []

    def ours():
        found.append(frechet_distance(mean_1, cov_1, mean_2, cov_2))

    def root_of_the_product():
        difference = float((mean_1 - mean_2).square().sum())
        found.append(difference + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real)

    side_by_side(ours, root_of_the_product, ROUNDS, "scipy.linalg.sqrtm of the product, d = 2048")
    assert max(found) == pytest.approx(min(found), rel=1e-9)


def by_prdc(fake, real):
    with contextlib.redirect_stdout(io.StringIO()):
        return compute_prdc(real.numpy(), fake.numpy(), K)


def test_neighbourhoods_over_prdc(side_by_side):
    """Precision, recall, density and coverage of 10,000 samples against 10,000, 128 features."""
    fake, real = (features(i, SAMPLES, FEATURES) for i in (0, 1))
    ours, theirs = neighbourhoods(fake, real), by_prdc(fake, real)
    assert (ours.density, ours.coverage) == pytest.approx((theirs["density"], theirs["coverage"]), rel=1e-9)
    side_by_side(
        lambda: neighbourhoods(fake, real),
        lambda: by_prdc(fake, real),
        ROUNDS,
        f"prdc.compute_prdc, {SAMPLES} x {SAMPLES} x {FEATURES}",
    )


def test_memorization_over_scikit_learn(side_by_side):
    """The distance of each of 10,000 samples to the nearest of 10,000 others, 128 features."""
    fake, real = (features(i, SAMPLES, FEATURES) for i in (0, 1))
    found = {}

    def ours():
        found["ours"] = nearest_distance(fake, real)

    def theirs():
        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(real.numpy())
        found["theirs"] = search.kneighbors(fake.numpy())[0][:, 0]

    against = f"NearestNeighbors of scikit-learn, {SAMPLES} x {SAMPLES} x {FEATURES}"
    side_by_side(ours, theirs, ROUNDS, against)
    assert found["ours"].numpy() == pytest.approx(found["theirs"], rel=1e-3)


def test_mode_coverage_over_numpy(side_by_side):
    """Modes, high-quality share and unevenness of 100,000 samples; ours has the spread in a mode as well."""
    modes = DATASETS.get("grid25")().modes
    x = modes.centers[torch.arange(100_000) % 25] + modes.std * torch.randn(100_000, 2)
    found = {}

    def by_formulas():
        points, centers = x.double().numpy(), modes.centers.double().numpy()
        distance = np.sqrt(((points[:, None] - centers) ** 2).sum(2))
        good = distance.min(1) < 3 * modes.std
        p = np.bincount(distance.argmin(1)[good], minlength=25) / good.sum()
        found.update(modes=(p > 0).sum(), hq=good.mean(), reverse_kl=(p * np.log(p * 25)).sum())

    ours = by_geometry(x, modes)
    by_formulas()
    assert {name: ours[name] for name in found} == pytest.approx(found, abs=1e-9)
    side_by_side(lambda: by_geometry(x, modes), by_formulas, 15, "the formulas in numpy, without the spread")


PEAK = """
import sys
sys.path.insert(0, {here!r})
from test_metrics import FEATURES, SAMPLES, by_prdc, features, high_water, neighbourhoods
measure = {function}
fake, real = (features(i, SAMPLES, FEATURES) for i in (0, 1))
measure(fake[:600], real[:600])  # whatever libraries load at the first call
before = high_water()
measure(fake, real)
print(high_water() - before)
"""


def high_water():
    """The most memory that this process has had, MiB. Not ru_maxrss: a child begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def peak(function):
    """MiB that a process of its own needs beyond its imports and inputs."""
    script = PEAK.format(here=str(Path(__file__).parent), function=function)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_of_neighbourhoods_over_prdc(benchmark, request):
    """The same work; recorded in results/memory.jsonl, as the ratio is none of times."""
    other = peak("by_prdc")
    ours = benchmark.pedantic(lambda: peak("neighbourhoods"), rounds=1)
    row = {
        "name": request.node.name,
        "against": f"prdc.compute_prdc, {SAMPLES} x {SAMPLES} x {FEATURES}",
        "ratio": round(other / ours, 1),
        "mib": round(ours, 1),
        "other_mib": round(other, 1),
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }
    benchmark.extra_info.update(row)
    MEMORY.write_text(json.dumps(row) + "\n")
    print(f"\n{row['name']}: {ours:.0f} MiB, {row['ratio']} x less than {other:.0f} MiB of {row['against']}")
    assert ours < other
