"""Mode coverage: which modes of the data a generator finds, how evenly, and how wide they are."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import RADIUS, Dataset, Modes
from ganzoo.data.classes import class_shares, labels_by_shares
from ganzoo.errors import UsageError
from ganzoo.metrics.base import Metric, Need, Scores
from ganzoo.metrics.context import Context

NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
DRAWS = 200  # of a perfect sampler, for the floor


class ModeCoverage(Metric):
    """Modes covered, their balance, the share of high-quality samples, and the spread within a mode.

    Where the data know their centres, the protocol is PacGAN's (Lin et al. 2018, arXiv 1712.04086, section
    4.1): a sample is of high quality (`hq`) if it is closer than 3 standard deviations to its nearest centre,
    and a mode is covered (`modes`) if it is the nearest of one such sample. Elsewhere a classifier says which
    mode each sample is of, all samples count, and `hq` and `mode_std` are not defined.

    `reverse_kl` is KL(generated || data) over the shares of the modes, in nats: of high-quality samples where
    there are such, and `reverse_kl_all` of all. 0 and up; where no sample counts, as much as all of them in
    the rarest mode would cost. For stacked digits it is KL to equal shares, as published. `mode_std` is the
    robust (median absolute deviation) spread of samples around the median of their mode, over the true one: 1
    is right, 0 are points without any spread, which `hq` alone would call perfect.

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
        "reverse_kl": "KL of the modes' shares to the data's, nats",
        "reverse_kl_all": "the same, counting all samples",
    }

    def needs_for(self, dataset: Dataset) -> tuple[Need, ...]:
        known = dataset.modes is not None and dataset.modes.centers is not None
        return ("modes",) if known else ("modes", "logits")

    def protocol(self, context: Context) -> dict[str, Any]:
        modes = _modes(context)
        to = {"to": "equal shares" if modes.balanced or modes.shares is None else "shares of the data"}
        if modes.centers is None:
            return {"by": "classifier", "reverse_kl": "all samples", **to}
        return {"by": "nearest centre", "radius": RADIUS, "reverse_kl": "high-quality samples", **to}

    def __call__(self, context: Context) -> Scores:
        modes = _modes(context)
        if modes.centers is None:
            found = classified(context, context.fake.logits, modes.count)
            counts = torch.bincount(found, minlength=modes.count)
            return {"modes": float((counts > 0).sum()), "reverse_kl": unevenness(counts, modes)}
        scores = by_geometry(context.fake.x.flatten(1), modes)
        if scores["hq"] > 0.9 and scores["mode_std"] < 0.5:
            context.note(
                f"modes: {100 * scores['hq']:.1f} % high quality, but with {scores['mode_std']:.2f} of the "
                "data's spread within a mode: these samples sit on the centres rather than have their shape"
            )
        return scores

    def on_real(self, context: Context) -> Scores:
        modes, n = _modes(context), len(context.fake)
        if modes.centers is None:
            if context.apportioned:
                counts = torch.bincount(labels_by_shares(n, shares_of(modes)), minlength=modes.count)
                return {"modes": float((counts > 0).sum()), "reverse_kl": unevenness(counts, modes)}
            found, uneven = expected(n, modes)
            return {"modes": found, "reverse_kl": uneven}
        dim = modes.centers.shape[1]
        # The share of a round normal distribution within the radius: chi-square, `dim` degrees of freedom.
        ceiling = float(torch.special.gammainc(torch.tensor(dim / 2).double(), torch.tensor(RADIUS**2 / 2)))
        found, uneven = expected(round(n * ceiling), modes)
        return {
            "modes": found,
            "hq": ceiling,
            "mode_std": 1.0,
            "reverse_kl": uneven,
            "reverse_kl_all": expected(n, modes)[1],
        }


def _modes(context: Context) -> Modes:
    modes = context.dataset.modes
    assert modes is not None
    if modes.shares is None or context.reference == "train":
        return modes
    return dataclasses.replace(modes, shares=class_shares(context.dataset, context.reference))


def classified(context: Context, logits: Tensor, count: int) -> Tensor:
    """The class of each sample by the extractor's classifier, [N]. Raises UsageError if it knows others."""
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
    assert modes.std is not None
    nearest, good = modes.nearest(x)
    counts = torch.bincount(nearest[good], minlength=modes.count)
    return {
        "modes": float((counts > 0).sum()),
        "hq": float(good.double().mean()),
        "mode_std": spread(x.double(), nearest) / modes.std,
        "reverse_kl": unevenness(counts, modes),
        "reverse_kl_all": unevenness(torch.bincount(nearest, minlength=modes.count), modes),
    }


def shares_of(modes: Modes) -> Tensor:
    """The share that each mode has in the data, float64 [K]; equal ones where nothing else is known."""
    if modes.shares is None:
        return torch.full((modes.count,), 1.0 / modes.count, dtype=torch.float64)
    return modes.shares.double() / modes.shares.sum()


def unevenness(counts: Tensor, modes: Modes) -> float:
    """KL of counts [K] to the data's shares, or to equal ones where the modes are `balanced`."""
    return kl_to(counts, shares_of(dataclasses.replace(modes, shares=None) if modes.balanced else modes))


def kl_to(counts: Tensor, shares: Tensor) -> float:
    """KL(counts / sum || shares), in nats, of counts [K] and shares [K].

    A mode that the data lack counts as one whose share is that of the rarest. Where nothing was counted, as
    if all were of the rarest mode.
    """
    rarest = float(shares[shares > 0].min())
    if not int(counts.sum()):
        return -math.log(rarest)
    p = counts.double() / counts.sum()
    return max(float((torch.xlogy(p, p) - p * shares.clamp(min=rarest).log()).sum()), 0.0)


def spread(x: Tensor, nearest: Tensor) -> float:
    """The robust standard deviation along an axis of samples [N, D] around the median of their mode."""
    parts = [x[nearest == mode] for mode in torch.unique(nearest)]
    deviations = [(part - part.quantile(0.5, dim=0)).abs().flatten() for part in parts if len(part) > 1]
    if not deviations:
        return 0.0
    return NORMAL_MAD * float(np.median(torch.cat(deviations).numpy()))


def expected(n: int, modes: Modes) -> tuple[float, float]:
    """Mean number of modes covered and mean unevenness of n draws from the data's own modes."""
    p = shares_of(modes).numpy()
    counts = torch.from_numpy(np.random.default_rng(0).multinomial(n, p / p.sum(), size=DRAWS))
    covered = (counts > 0).sum(1).double().mean()
    return float(covered), sum(unevenness(row, modes) for row in counts) / DRAWS
