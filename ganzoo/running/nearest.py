"""The training images that are nearest to samples of a run."""

from __future__ import annotations

from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.running.sampler import Sampler
from ganzoo.training.sampling import nearest_rows


def nearest_training(run: Sampler, samples: Tensor, y: Tensor | None = None) -> tuple[Tensor, str]:
    """For each sample uint8 [N, C, H, W] its nearest training image, and what they were compared by.

    The nearest by their pixels; where the model has an encoder, by the z that it finds.

    Args:
        y: what the samples were made for, where the run is conditional and that is known.

    Raises:
        UsageError: the samples are no images, or the data are not there.
    """
    if samples.dim() != 4:
        raise UsageError("--nearest compares images, and this run makes others")
    x, own = run.dataset.train.all()
    if not run.model.has_encoder:
        return x[nearest_rows(samples, x)], "pixels"
    own = own if run.known.conditional else None
    z = run.encode(samples, *as_asked(run, y)), run.encode(x, *as_asked(run, own))
    return x[nearest_rows(*z)], "the model's encoder"


def as_asked(run: Sampler, y: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """y as labels, or as a condition."""
    return (None, y) if run.known.condition_shape else (y, None)
