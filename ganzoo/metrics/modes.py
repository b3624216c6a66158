"""Mode coverage: which modes of the data a generator finds, how evenly, and how wide they are."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes
from ganzoo.errors import UsageError
from ganzoo.metrics.base import Metric, Need, Scores
from ganzoo.metrics.context import Context

RADIUS = 3.0  # standard deviations
NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
DRAWS = 200  # of a perfect sampler, for the floor


class ModeCoverage(Metric):
    """Modes covered, their balance, the share of high-quality samples, and the spread within a mode.

    Where the data know their centres, the protocol is PacGAN's (Lin et al. 2018, arXiv 1712.04086, section
    4.1): a sample is of high quality (`hq`) if it is closer than 3 standard deviations to its nearest centre,
    and a mode is covered (`modes`) if it is the nearest of one such sample. Elsewhere a classifier says which
    mode each sample is of, all samples count, and `hq` and `mode_std` are not defined.

    `reverse_kl` is KL(generated || uniform) over the modes in nats, counting high-quality samples, and
    `reverse_kl_all` counting all: 0 to ln K; ln K also where no sample counts. `mode_std` is the robust
    (median absolute deviation) spread of samples around the median of their mode, over the true one: 1 is
    right, 0 are points without any spread, which `hq` alone would call perfect.

    Beside them stands what a perfect generator would score with as many samples.
    """

    needs: ClassVar[tuple[Need, ...]] = ("modes",)
    higher_is_better: ClassVar = {
        "modes": True, "hq": None, "mode_std": None, "reverse_kl": False, "reverse_kl_all": False,
    }  # fmt: skip
    says: ClassVar = {
        "modes": "modes found",
        "hq": "within 3 std of a mode",
        "mode_std": "spread in a mode over the true one",
        "reverse_kl": "unevenness among modes, nats",
        "reverse_kl_all": "the same, counting all samples",
    }

    def needs_for(self, dataset: Dataset) -> tuple[Need, ...]:
        known = dataset.modes is not None and dataset.modes.centers is not None
        return ("modes",) if known else ("modes", "logits")

    def protocol(self, context: Context) -> dict[str, Any]:
        if _modes(context).centers is None:
            return {"by": "classifier", "reverse_kl": "all samples"}
        return {"by": "nearest centre", "radius": RADIUS, "reverse_kl": "high-quality samples"}

    def __call__(self, context: Context) -> Scores:
        modes = _modes(context)
        if modes.centers is None:
            counts = torch.bincount(classified(context, context.fake.logits), minlength=modes.count)
            return {"modes": float((counts > 0).sum()), **_both(kl_to_uniform(counts))}
        scores = by_geometry(context.fake.x, modes)
        if scores["hq"] > 0.9 and scores["mode_std"] < 0.5:
            context.note(
                f"modes: {100 * scores['hq']:.1f} % high quality, but with {scores['mode_std']:.2f} of the "
                "data's spread within a mode: these samples sit on the centres rather than have their shape"
            )
        return scores

    def on_real(self, context: Context) -> Scores:
        modes, n = _modes(context), len(context.fake)
        if modes.centers is None:
            found, unevenness = expected(n, modes)
            return {"modes": found, **_both(unevenness)}
        dim = modes.centers.shape[1]
        # The share of a round normal distribution within the radius: chi-square, `dim` degrees of freedom.
        ceiling = float(torch.special.gammainc(torch.tensor(dim / 2).double(), torch.tensor(RADIUS**2 / 2)))
        found, unevenness = expected(round(n * ceiling), modes)
        return {
            "modes": found,
            "hq": ceiling,
            "mode_std": 1.0,
            "reverse_kl": unevenness,
            "reverse_kl_all": expected(n, modes)[1],
        }


def _modes(context: Context) -> Modes:
    assert context.dataset.modes is not None
    return context.dataset.modes


def _both(value: float) -> Scores:
    return {"reverse_kl": value, "reverse_kl_all": value}


def classified(context: Context, logits: Tensor) -> Tensor:
    """The mode of each sample by the extractor's classifier, [N]. Raises UsageError if it knows others."""
    count = _modes(context).count
    if logits.shape[1] != count:
        assert context.extractor is not None
        raise UsageError(
            f"{context.dataset.name} has {count} classes and the extractor {context.extractor.name} tells "
            f"{logits.shape[1]} apart: name one that was trained for this data (--extractor), or make one "
            "with ganzoo extractor train"
        )
    return logits.argmax(1)


def by_geometry(x: Tensor, modes: Modes) -> Scores:
    """All five scores of samples [N, D] against known centres."""
    assert modes.centers is not None
    assert modes.std is not None
    distance, nearest = torch.cdist(x.double(), modes.centers.double()).min(1)
    good = distance < RADIUS * modes.std
    counts = torch.bincount(nearest[good], minlength=modes.count)
    return {
        "modes": float((counts > 0).sum()),
        "hq": float(good.double().mean()),
        "mode_std": spread(x.double(), nearest) / modes.std,
        "reverse_kl": kl_to_uniform(counts),
        "reverse_kl_all": kl_to_uniform(torch.bincount(nearest, minlength=modes.count)),
    }


def kl_to_uniform(counts: Tensor) -> float:
    """KL(counts / sum || uniform) = ln K - entropy, in nats; ln K where nothing was counted."""
    if not int(counts.sum()):
        return math.log(len(counts))
    p = counts.double() / counts.sum()
    return max(math.log(len(p)) + float(torch.xlogy(p, p).sum()), 0.0)


def spread(x: Tensor, nearest: Tensor) -> float:
    """The robust standard deviation along an axis of samples [N, D] around the median of their mode."""
    parts = [x[nearest == mode] for mode in torch.unique(nearest)]
    deviations = [(part - part.quantile(0.5, dim=0)).abs().flatten() for part in parts if len(part) > 1]
    if not deviations:
        return 0.0
    return NORMAL_MAD * float(np.median(torch.cat(deviations).numpy()))


def expected(n: int, modes: Modes) -> tuple[float, float]:
    """Mean number of modes covered and mean KL to uniform of n draws from the data's own modes."""
    p = np.full(modes.count, 1 / modes.count) if modes.shares is None else modes.shares.numpy()
    counts = torch.from_numpy(np.random.default_rng(0).multinomial(n, p / p.sum(), size=DRAWS))
    covered = (counts > 0).sum(1).double().mean()
    return float(covered), sum(kl_to_uniform(row) for row in counts) / DRAWS
