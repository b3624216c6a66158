"""The contract of a stabilizer, and the one place that refuses combinations without a meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.models.sample import Logits, Sample
from ganzoo.models.turn import Critic, Side, Turn
from ganzoo.registry.described import Described

Judge = Callable[[Sample, Tensor | None], Logits]
"""A function of a sample and its labels, as D is one."""

Weights = dict[str, Tensor]
"""Values for D's parameters, by the names that `named_parameters` gives them; others stay D's own."""

Need = Literal["targets", "bounded-loss", "per-sample-gradients", "unpaired-loss"]


class Stabilizer(Described):
    """Hooks into the one training step; each does nothing unless overridden, and none steps an optimizer.

    A hook is told all there is in one object, the `Turn`: samples, labels, z, the critic, the step, and more
    as contracts grow. Options are the keyword arguments of `__init__` (`--stabilizer NAME:key=value,...`).
    What it keeps from step to step goes into `state`, a dict of numbers and tensors, which checkpoints carry.

    Attributes:
        needs: what the loss or D must offer; the run is refused before training where it is not there.
            "targets": a loss with target numbers; "bounded-loss": one that cannot fall for ever;
            "unpaired-loss": one whose G looks at generated samples alone; "per-sample-gradients": a D that
            judges each sample alone.
        refuses: names of stabilizers that it makes no sense with.
        alone: it has to see the whole batch, and is refused where several processes have parts of it.
        tried_on: a model and data that it goes with, as they are typed, for `ganzoo info`.
    """

    contract: ClassVar[int] = 2
    needs: ClassVar[tuple[Need, ...]] = ()
    refuses: ClassVar[tuple[str, ...]] = ()
    alone: ClassVar[bool] = False
    tried_on: ClassVar[str] = "mlp-gan --dataset ring8"
    name: str = ""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def model_options(self) -> dict[str, Any]:
        """Options that it sets on the model, before the model is built; what the user sets goes before."""
        return {}

    def setup(self, gan: GAN) -> None:
        """Change modules before training starts (spectral norm, say), and take what it needs of the model.

        Called once for each time that the model is built: for a run, when it is resumed, sampled or measured.
        """

    def transform(self, sample: Sample, turn: Turn) -> Sample:
        """What D sees of real and fake alike; the same random transform on every scale of a pyramid."""
        return sample

    def wrap_critic(self, critic: Critic, turn: Turn) -> Judge:
        """Replace the critic, by any function of a sample and labels, in D's turn, in G's, or in both."""
        return critic

    def real_target(self, target: float, turn: Turn) -> float:
        """The target of real samples in D's loss."""
        return target

    def update_d(self, turn: Turn) -> bool:
        """Whether D is updated now; D's last plain loss is `turn.d_loss`."""
        return True

    def differentiates_at(self, turn: Turn) -> frozenset[Side]:
        """At which of D's inputs this step's penalty differentiates: they will require gradients, and the
        critic answers for them what D's loss was computed from, so that no forward is made twice."""
        return frozenset()

    def d_penalty(self, turn: Turn) -> Tensor | None:
        """A scalar added to D's loss. The samples are not transformed yet: the critic does that."""
        return None

    def g_penalty(self, turn: Turn) -> Tensor | None:
        """A scalar added to G's loss."""
        return None

    def look_ahead(
        self, turn: Turn, loss: Callable[[Weights], Tensor], optimizer: Optimizer
    ) -> Weights | None:
        """The weights of D that G is judged by in G's turn, where these are not D's own.

        `loss` is what D minimises on this step's samples, penalties included, as a function of D's weights;
        it can be differentiated twice, and G learns through everything that the answer depends on.
        `optimizer` is D's. Of several stabilizers the first with an answer counts.
        """
        return None

    def gradients(self, turn: Turn) -> None:
        """Change the gradients of `turn.net` after backward, before the optimizer steps."""

    def weights(self, turn: Turn) -> None:
        """Change the weights of `turn.net` after the optimizer has stepped."""

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
        if "unpaired-loss" in stabilizer.needs and loss.needs_real_in_g:
            raise UsageError(
                f"{stabilizer.name} needs a loss whose G looks at generated samples alone, and {loss_name!r} "
                f"compares them with real ones: use --loss {_losses_with('needs_real_in_g', having=False)}"
            )
        coupled = couples_batch(gan.discriminator)  # which penalties differentiate, and nothing beside
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


def _losses_with(attribute: str, having: bool = True) -> str:
    from ganzoo.registry import LOSSES
    from ganzoo.registry.registry import DISTRIBUTION

    # Only the zoo's own are looked at: naming examples must not import somebody's plugin.
    entries = LOSSES.entries()
    owners = Counter(entry.name for entry in entries)
    own = [e.name for e in entries if e.distribution == DISTRIBUTION and owners[e.name] == 1]
    return " or ".join(name for name in own if getattr(LOSSES.get(name), attribute) == having)
