"""What is added to D's layers before training: norms of weights and activations, a statistic of the batch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrizations import _SpectralNorm, spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.layers import batch_std
from ganzoo.models.precision import in_full
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.system.rng import counted


class SpectralNorm(Stabilizer):
    """Spectral normalisation: divide each weight of D by its largest singular value.

    Miyato et al. 2018, arXiv 1802.05957, with one power iteration per forward. Convolutions, linear layers
    and embeddings that do not have it get it. BatchNorm stays, which scales again what was normalised: the
    paper's D has none (--set model.d_norm=spectral, or none beside this).

    Raises:
        UsageError: D has no such layer, or one whose weight starts at zero and has no direction.
    """

    refuses = ("clip-weights",)  # the stored weights' size means nothing any more

    def setup(self, gan: GAN) -> None:
        layers = [
            (name, part)
            for name, part in gan.discriminator.named_modules()
            if isinstance(part, _ConvNd | nn.Linear | nn.Embedding)
        ]
        if not layers:
            raise UsageError("spectral-norm has no convolution, linear layer or embedding in this D")
        # The first guess of the singular vectors is drawn: the same for a run and for whoever loads it.
        with counted(next(gan.parameters()).device, 0, "spectral-norm"):
            for name, layer in layers:
                if _has_spectral_norm(layer):
                    continue
                if not bool(layer.weight.any()):
                    raise UsageError(
                        f"spectral-norm cannot divide the weight of D's {name}, which starts at zero: use "
                        f"another model, or leave spectral-norm out"
                    )
                spectral_norm(layer)


def _has_spectral_norm(layer: nn.Module) -> bool:
    if not is_parametrized(layer, "weight"):
        return "weight_orig" in layer._parameters  # torch.nn.utils.spectral_norm, the older one
    return any(
        isinstance(part, _SpectralNorm) for part in layer.get_submodule("parametrizations.weight").children()
    )


class LayerNorm(Stabilizer):
    """Layer norm in D in the place of BatchNorm, so that it judges each sample alone.

    Ba et al. 2016, arXiv 1607.06450; in a critic with a gradient penalty: Gulrajani et al. 2017, arXiv
    1704.00028, section 4. Over all channels and pixels of a sample, with a gain and a bias per channel, as
    --set model.d_norm=layer does in models that have this option.

    Raises:
        UsageError: D has no BatchNorm.
    """

    tried_on: ClassVar[str] = "dcgan --dataset mnist --set model.d_norm=batch"

    def setup(self, gan: GAN) -> None:
        made: dict[nn.Module, nn.Module] = {}
        for parent in list(gan.discriminator.modules()):
            for name, part in list(parent._modules.items()):
                if isinstance(part, _BatchNorm):
                    made[part] = made.get(part) or _layer_norm(part, next(gan.parameters()))
                    setattr(parent, name, made[part])
        if not made:
            raise UsageError(
                "layer-norm has no BatchNorm to replace in this D: use --set model.d_norm=layer where the "
                "model has this option, or leave layer-norm out"
            )


def _layer_norm(norm: _BatchNorm, like: Tensor) -> nn.Module:
    # One group is layer norm over [C, H, W], and over [D] for vectors.
    new = nn.GroupNorm(1, norm.num_features, norm.eps, norm.affine, device=like.device, dtype=like.dtype)
    return new.train(norm.training)


class MinibatchStd(Stabilizer):
    """Minibatch standard deviation: D's last layer also sees how much the samples of a batch differ.

    Karras et al. 2018, arXiv 1710.10196, section 3, a simpler form of Salimans et al. 2016, arXiv 1606.03498,
    section 3.2: against mode collapse. The deviation of D's features over groups of samples, averaged over
    the features, is one more input of D's last layer, whose weight starts at 0. (The papers give it to the
    last convolution. Spectral norm leaves this weight alone.)

    D then judges no sample alone. Penalties on its gradient still go with it, as in both of Karras et al.'s
    papers: what they see at a sample is its gradient in all outputs of its group. Gradient normalisation
    divides each output by its own gradient, so it is refused.

    Args:
        group: how many samples are compared, >= 2; the largest divisor of the batch up to it.
    """

    refuses = ("gradient-normalization",)

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        if group < 2:
            raise UsageError(f"minibatch-std: group must be a whole number of at least 2, got {group}")
        self.group = group

    def setup(self, gan: GAN) -> None:
        gan.discriminator.head = StdHead(head_of(gan, "minibatch-std"), self.group)


class StdHead(nn.Module):
    """D's last layer with one more linear input: head(h, y) + w * batch_std(h). h [N, ...] -> logits."""

    def __init__(self, head: nn.Module, group: int) -> None:
        super().__init__()
        self.head = head
        self.group = group
        like = next(head.parameters(), torch.zeros(1))
        self.w = nn.Parameter(torch.zeros(1, device=like.device, dtype=like.dtype))

    def forward(self, h: Tensor, y: Tensor | None = None) -> Tensor:
        logits: Tensor = self.head(h, y)
        std = batch_std(in_full(h), self.group)
        return logits + self.w * std.view(-1, *[1] * (logits.dim() - 1))


def head_of(gan: GAN, name: str) -> nn.Module:
    """The last layer of a D made of features(x, y) and head(h, y). Raises UsageError for another D."""
    head = getattr(gan.discriminator, "head", None)
    if not isinstance(head, nn.Module) or not hasattr(gan.discriminator, "features"):
        raise UsageError(
            f"{name} needs a discriminator with features(x, y) and a head(h, y), and {type(gan).__name__}'s "
            f"has none"
        )
    return head
