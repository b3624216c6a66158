"""The network behind the classifiers: what it computes, and how it lies in a file."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Annotated, Any, TypedDict

import msgspec
import safetensors.torch
import torch
from torch import Tensor, nn

from ganzoo.data.base import from_uint8
from ganzoo.errors import UsageError
from ganzoo.system.files import open_regular
from ganzoo.system.records import Damaged, decoded

FEATURES = 128
BATCH = 64  # images per pass; every pass has as many, so that no number depends on how many there are
SHAPE = ("channels", "size", "num_classes", "width")  # what a Classifier is built from
LONGEST_HEADER = 2**20


class Meta(TypedDict):
    """What each file says of itself."""

    channels: Annotated[int, msgspec.Meta(ge=1, le=2**10)]
    size: Annotated[int, msgspec.Meta(ge=1, le=2**14)]
    num_classes: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    width: Annotated[int, msgspec.Meta(ge=1, le=2**12)]
    data: str
    test_accuracy: float


class Text(TypedDict):
    ganzoo: str


class Header(TypedDict):
    """Of a safetensors file."""

    __metadata__: Text


class Classifier(nn.Module):
    """Square images [N, channels, size, size] in [-1, 1] -> features [N, 128], logits [N, num_classes].

    Pairs of 3x3 convolutions with BatchNorm and ReLU; the map is halved, and the width doubled up to 128,
    until its side is at most 7. The features are the means over the last map, so none is negative.

    Args:
        channels, size: of the images.
        num_classes: number of logits.
        width: channels of the first pair. 16 is 9 million multiply-adds for a grey image of 28 x 28.
    """

    def __init__(self, channels: int, size: int, num_classes: int, width: int = 16) -> None:
        super().__init__()
        self.channels, self.size, self.num_classes, self.width = channels, size, num_classes, width
        blocks: list[nn.Module] = []
        while size > 7:
            blocks += [_block(channels, width), _block(width, width), nn.MaxPool2d(2)]
            channels, width, size = width, min(2 * width, FEATURES), size // 2
        self.body = nn.Sequential(*blocks, _block(channels, width), _block(width, FEATURES))
        self.head = nn.Linear(FEATURES, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features: Tensor = self.body(x).mean(dim=(2, 3))
        return features, self.head(features)


def _block(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def classify(net: Classifier, x: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """uint8 [N, C, H, W] -> features [N, 128] and logits [N, num_classes], float32 on the CPU.

    The first rows have the same bits however many images follow them. `net` is on `device`, in eval mode.
    """
    features, logits = torch.empty(len(x), FEATURES), torch.empty(len(x), net.num_classes)
    full = torch.zeros(BATCH, *x.shape[1:], dtype=torch.uint8)
    with torch.inference_mode(), exact():
        for start in range(0, len(x), BATCH):
            part = slice(start, start + BATCH)
            count = len(x[part])
            full[:count] = x[part]
            seen = from_uint8(full.to(device)).contiguous(memory_format=torch.channels_last)
            for whole, made in zip((features, logits), net(seen), strict=True):
                whole[part] = made[:count].cpu()
    return features, logits


def exact() -> AbstractContextManager[None]:
    """Without TensorFloat-32, a GPU's default for convolutions: scores should not depend on the device."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


def require_uint8(samples: Tensor) -> None:
    """Refuse anything but uint8 [N, C, H, W]: other ranges of values would give other features in silence."""
    if samples.dtype != torch.uint8 or samples.dim() != 4:
        raise UsageError(
            f"expected images as uint8 [N, C, H, W], got {samples.dtype} {list(samples.shape)}: "
            f"ganzoo.data.base.to_uint8 makes them of float images in [-1, 1]"
        )


def read_meta(file: Path) -> dict[str, Any] | None:
    """What the header of a classifier's file says of it, or None where it is no such file."""
    try:
        with open_regular(file, "a classifier") as stream:
            return _meta(stream)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _meta(stream: IO[bytes]) -> dict[str, Any]:
    length = int.from_bytes(stream.read(8), "little")
    if length > LONGEST_HEADER:
        raise ValueError("it has no header of safetensors")
    text = decoded(stream.read(length), Header)["__metadata__"]["ganzoo"]
    return dict(decoded(text, Meta))


def pack(net: Classifier, meta: dict[str, Any]) -> bytes:
    """The content of a classifier's file; with more than one metadata key its bytes would vary."""
    weights = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    shape = {key: getattr(net, key) for key in SHAPE}
    return safetensors.torch.save(weights, metadata={"ganzoo": json.dumps({**shape, **meta})})


def unpack(file: Path, content: bytes) -> tuple[Classifier, dict[str, Any]]:
    """What `pack` made, in eval mode. Raises UsageError if the content of `file` is anything else."""
    try:
        meta = _meta(io.BytesIO(content))
        with torch.device("meta"):  # no memory yet, and no random numbers
            net = Classifier(**{key: meta[key] for key in SHAPE})
        net.load_state_dict(safetensors.torch.load(content), assign=True)
        net.float()
        if not all(bool(torch.isfinite(value).all()) for value in net.state_dict().values()):
            raise ValueError("its weights are not finite")
    except (
        safetensors.SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        OverflowError,
    ) as error:
        digest = hashlib.sha256(content).hexdigest()
        kind = "" if isinstance(error, Damaged) else f"{type(error).__name__}: "
        reason = f"{kind}{' '.join(str(error).split())}"[:150]
        raise UsageError(
            f"{file} (sha256 {digest[:16]}) is not a whole classifier of ganzoo extractor train ({reason}): "
            f"make it again, or name another file"
        ) from error
    net.eval().requires_grad_(False)
    return net.to(memory_format=torch.channels_last), meta
