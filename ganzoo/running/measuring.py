"""A generator measured against data: what a run and a file that left it have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given, check_names
from ganzoo.metrics.score import as_names
from ganzoo.models.base import GAN
from ganzoo.registry.kinds import as_int
from ganzoo.running.evaluation import Document, document
from ganzoo.running.evaluations import scored_y, told_of_y
from ganzoo.running.sampler import Sampler
from ganzoo.training.sampling import draw


def checked(metrics: str | Sequence[str], extractor: str | None, seed: int) -> tuple[list[str], int]:
    """The metrics and the seed that are asked for. Raises UsageError before anything is opened for them."""
    names = as_names(metrics)
    seed = as_int("--seed", seed, at_least=0)
    check_names(names, extractor)
    return names, seed


def measured(
    sampler: Sampler,
    data: Dataset,
    metrics: Sequence[str],
    model: Callable[[bool], tuple[GAN, int]],
    source: Document,
    told: Document,
    *,
    discriminator: bool,
    samples: int | None,
    seed: int,
    per_class: bool,
    progress: bool,
    **words: Any,
) -> Document:
    """What `ganzoo eval` writes down, of samples that are drawn for it.

    Args:
        model: gives the model and its step, once all words are right, with its trained discriminator where
            it is asked for that.
        source: what samples are drawn from, for the provenance.
        told: of the generator, for the protocol.
        discriminator: whether there is one that is trained.
        samples: how many; as many as the data's protocol says where it is None.
        words: for the `Evaluation`.

    Raises:
        UsageError: a metric needs what is not there, or these data are of another shape.
    """
    shape = sampler.known.sample_shape
    if data.sample_shape != shape:
        raise UsageError(
            f"{sampler.path} makes samples of shape {shape}, and those of {data.name} are {data.sample_shape}"
        )
    n = data.eval_samples if samples is None else as_int("--samples", samples, at_least=1)
    given = Given(discriminator=discriminator, labels=sampler.known.conditional)
    evaluation = Evaluation(metrics, data, device=sampler.device, given=given, per_class=per_class, **words)
    gan, step = model(evaluation.needs_discriminator)
    y = scored_y(n, gan, evaluation, sampler.card.conditions)
    if y is None and gan.is_conditional:
        raise UsageError(
            f"{sampler.path} makes samples of values of shape {list(gan.condition_shape)}, and {data.name} "
            "has none such"
        )
    x = sampler.to_units(draw(gan, n, seed, "sample", y, progress))
    made_by = {"generator": "averaged, eval mode", **told, "labels": told_of_y(gan)}
    drawn = {**source, "step": step, "seed": seed, "device": str(sampler.device)}
    return document(evaluation(x, y, gan if discriminator else None, progress=progress), made_by, drawn)
