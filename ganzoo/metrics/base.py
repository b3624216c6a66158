"""The contract of a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from ganzoo.data.base import Dataset
    from ganzoo.metrics.context import Context

Need = Literal[
    "features", "logits", "images", "labels", "generated labels", "modes", "discriminator", "training data"
]
Scores = dict[str, float]


class Metric:
    """One or more scores of a set of generated samples. Subclass it and write `__call__`.

    Attributes:
        needs: what must be there; where it is not, the metric is refused before any work. One that looks at
            pixels beside features says "images", as `ganzoo.Score` keeps none otherwise.
        higher_is_better: the direction of each score, by key; a spread (`fid_std`) has none. Where a score
            has a right value rather than a direction, None.
        says: each score in a few words, for the table.
        per_class: it also means something of the samples of one class, against real ones of that class.
    """

    contract: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ()
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {}
    says: ClassVar[Mapping[str, str]] = {}
    per_class: ClassVar[bool] = False

    def needs_for(self, dataset: Dataset) -> tuple[Need, ...]:
        """`needs`, where they depend on the data. A score whose metric needs features or logits carries the
        extractor's name."""
        return self.needs

    def scores_for(self, dataset: Dataset) -> tuple[str, ...]:
        """The keys of `higher_is_better` that it gives of this data, where that depends on the data."""
        return tuple(self.higher_is_better)

    def protocol(self, context: Context) -> dict[str, Any]:
        """The metric's parameters: all that must be equal for two scores of it to be comparable."""
        return {}

    def __call__(self, context: Context) -> Scores:
        """The scores by key.

        Raises:
            UsageError: these samples are too few, or otherwise not to be measured.
        """
        raise NotImplementedError

    def on_real(self, context: Context) -> Scores:
        """The same scores of as many real samples: the floor or ceiling that is shown beside them.

        By default those of held-out real samples against the same reference; override it where the value for
        a perfect generator of as many samples is known.

        Raises:
            UsageError: there is no such value, because there are fewer held-out samples, say.
        """
        return self(context.of_held_out())
