"""What had to be patched so that the peers run on today's torch: each function patches, then imports."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torchvision
from torch.utils.data.dataloader import _BaseDataLoaderIter


def torchgan() -> ModuleType:
    """torchgan 0.1.0: training ends with a TypeError at the end of the first epoch.

    Its trainer saves a grid of samples then, with make_grid(range=...) and save_image(range=...). torchvision
    renamed that argument to value_range in 0.9, and later dropped the old name; patched, they take both.

    No patch, but its only switches: the logs to the console, TensorBoard and visdom are turned off by
    environment variables that it reads when it is imported.
    """
    for function in ("make_grid", "save_image"):
        original = getattr(torchvision.utils, function)
        setattr(torchvision.utils, function, _with_range(original))
    for backend in ("CONSOLE", "TENSORBOARD", "VISDOM"):
        os.environ[f"{backend}_LOGGING"] = "0"
    return _all_of("torchgan", "losses", "models", "trainer")


def _with_range(function: Any) -> Any:
    def renamed(*args: Any, **words: Any) -> Any:
        if "range" in words:
            words["value_range"] = words.pop("range")
        return function(*args, **words)

    return renamed


def torch_mimicry() -> ModuleType:
    """torch-mimicry 0.1.16: importing it fails.

    It imports all of itself, and its metrics need TensorFlow 1, its utilities scikit-image, and its reader of
    ImageNet torch._six, which torch removed in 2.0. Each of the three that is missing is a mock while it is
    imported. Nets and trainer use none of them; the metrics, graphs of TensorFlow 1, stay unusable.
    """
    mocks = {name: MagicMock() for name in ("skimage", "tensorflow", "torch._six") if not find_spec(name)}
    sys.modules.update(mocks)
    try:
        return _all_of("torch_mimicry", "nets.gan", "training")
    finally:
        for name in mocks:
            del sys.modules[name]


def vegans() -> ModuleType:
    """vegans 0.4.0: `fit` fails with an AttributeError before the first step.

    It calls iter(loader).next(), a method of Python 2's iterators that torch dropped in 1.13; the patch gives
    it back. It pins torch 1.8.1 and numpy 1.19.5, older than Python 3.11: hence --no-deps.
    """
    _BaseDataLoaderIter.next = _BaseDataLoaderIter.__next__
    return _all_of("vegans")


def _all_of(name: str, *parts: str) -> ModuleType:
    for part in parts:
        importlib.import_module(f"{name}.{part}")
    return importlib.import_module(name)
