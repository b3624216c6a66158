"""The contract of a stabilizer, and the one place that refuses combinations without a meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN, Logits, Sample

Critic = Callable[[Sample, Tensor | None], Logits]
"""D as the step calls it: transforms, packing and wrappers included."""

Weights = dict[str, Tensor]
"""Values for D's parameters, by the names that `named_parameters` gives them; others stay D's own."""

Phase = Literal["d", "g"]
Side = Literal["real", "fake"]
Need = Literal["targets", "bounded-loss", "per-sample-gradients"]


class Stabilizer:
    """Hooks into the one training step; each does nothing unless overridden, and none steps an optimizer.

    Its options are the keyword arguments of its `__init__` (`--stabilizer NAME:key=value,...`). Numbers that
    it keeps from step to step go into `state`, a dict of plain Python numbers, which a checkpoint carries.

    Attributes:
        needs: what the loss or D must offer; the run is refused before training where it is not there.
        refuses: names of stabilizers that it makes no sense with.
        step, t: counted by the trainer: the step about to be made, and the plan's time in [0, 1], where it
            stays at 1 when the budget has grown since.
        scale: the recipe's penalty schedule at t; penalties multiply their weight with it.
    """

    contract: ClassVar[int] = 1
    needs: ClassVar[tuple[Need, ...]] = ()
    refuses: ClassVar[tuple[str, ...]] = ()
    name: str = ""
    step: int = 0
    t: float = 0.0
    scale: float = 1.0

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def model_options(self) -> dict[str, Any]:
        """Options that it sets on the model, before the model is built; what the user sets goes before."""
        return {}

    def setup(self, gan: GAN) -> None:
        """Change modules before training starts (spectral norm, say)."""

    def transform(self, sample: Sample, y: Tensor | None) -> Sample:
        """What D sees of real and fake alike; the same random transform on every scale of a pyramid."""
        return sample

    def wrap_critic(self, critic: Critic, phase: Phase) -> Critic:
        """Replace the critic, in D's phase, in G's, or in both."""
        return critic

    def real_target(self, target: float) -> float:
        """The target of real samples in D's loss."""
        return target

    def update_d(self, stats: Mapping[str, float]) -> bool:
        """Whether D is updated now. `stats["d_loss"]`, if there: D's plain loss one update ago."""
        return True

    def differentiates_at(self) -> frozenset[Side]:
        """At which of D's inputs this step's penalty differentiates: they will require gradients, and the
        critic answers for them what D's loss was computed from, so that no forward is made twice."""
        return frozenset()

    def d_penalty(self, critic: Critic, real: Sample, fake: Sample, y: Tensor | None) -> Tensor | None:
        """A scalar added to D's loss. `real` and `fake` are not transformed yet: the critic does that."""
        return None

    def g_penalty(self, critic: Critic, real: Sample, fake: Sample, y: Tensor | None) -> Tensor | None:
        """A scalar added to G's loss."""
        return None

    def look_ahead(
        self, loss: Callable[[Weights], Tensor], discriminator: nn.Module, optimizer: Optimizer
    ) -> Weights | None:
        """The weights of D that G is judged by in G's phase, where these are not D's own.

        `loss` is what D minimises on this step's samples, penalties included, as a function of D's weights;
        it can be differentiated twice, and G learns through everything that the answer depends on. Of several
        stabilizers the first with an answer counts.
        """
        return None

    def gradients(self, module: nn.Module) -> None:
        """Change the gradients of G or of D after backward, before the optimizer steps."""

    def weights(self, module: nn.Module) -> None:
        """Change the weights of G or of D after the optimizer has stepped."""

    def log(self) -> dict[str, float]:
        """Numbers to log, since the last call."""
        return {}


def refuse_nonsense(gan: GAN, loss: Loss, loss_name: str, stabilizers: list[Stabilizer]) -> None:
    """Raise a UsageError for the first stabilizer without a meaning for this loss, D or the others."""
    names = [stabilizer.name for stabilizer in stabilizers]
    for stabilizer in stabilizers:
        if names.count(stabilizer.name) > 1:
            raise UsageError(
                f"stabilizer {stabilizer.name!r} is given twice: give it once, with all its options"
            )
        if "targets" in stabilizer.needs and not loss.has_targets:
            raise UsageError(
                f"{stabilizer.name} needs a loss with targets, which {loss_name!r} is not: use --loss "
                f"{_losses_with('has_targets')}"
            )
        if "bounded-loss" in stabilizer.needs and not loss.bounded_below:
            raise UsageError(
                f"{stabilizer.name} needs a loss that is bounded below, which {loss_name!r} is not: use "
                f"--loss {_losses_with('bounded_below')}"
            )
        coupled = couples_batch(gan.discriminator)
        if "per-sample-gradients" in stabilizer.needs and coupled:
            raise UsageError(
                f"{stabilizer.name} needs D's gradient for each sample alone, and {coupled} in D mixes the "
                f"samples of a batch: use --set model.d_norm=layer, spectral or none"
            )
        for other in set(stabilizer.refuses) & set(names):
            raise UsageError(f"{stabilizer.name} makes no sense together with {other}: leave one of them out")


def couples_batch(module: nn.Module) -> str:
    """Name of the first submodule whose output for one sample depends on the others in the batch, or ""."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) or getattr(part, "couples_batch", False):
            return f"{type(part).__name__} ({name})"
    return ""


def _losses_with(attribute: str) -> str:
    from ganzoo.registry import LOSSES
    from ganzoo.registry.registry import DISTRIBUTION

    # Only the zoo's own are looked at: naming examples must not import somebody's plugin.
    entries = LOSSES.entries()
    owners = Counter(entry.name for entry in entries)
    own = [e.name for e in entries if e.distribution == DISTRIBUTION and owners[e.name] == 1]
    return " or ".join(name for name in own if getattr(LOSSES.get(name), attribute))
