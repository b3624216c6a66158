"""Every model in its default recipe, small enough for a few steps of each."""

from __future__ import annotations

from ganzoo.registry import MODELS
from ganzoo.testing.training import tiny

SMALL = {"width": 4, "d_width": 8, "max_width": 8, "w_dim": 8, "depth": 1}
VECTORS = ("mlp-gan", "r3gan")
SHAPES = {"wavegan": ((2, 64), ()), "pix2pix": ((1, 8, 8), (1, 8, 8)), "cyclegan": ((1, 8, 8), (2, 8, 8))}
"""What a model makes, and of what, where that is not images of nothing or of a class."""
OF_PAIRS = [name for name, (_, condition) in SHAPES.items() if condition]  # images made of images
OF_IMAGES = [name for name in MODELS.names() if name not in SHAPES]
CONDITIONAL = ("acgan", "pix2pix", "cyclegan")  # which cannot do without
BUILDS = [*((name, False) for name in MODELS.names()), *((name, True) for name in VECTORS)]


def small(name, shape=(1, 8, 8), vectors=False, **words):
    """The plan of 4 steps of a small model."""
    options = {key: value for key, value in SMALL.items() if key in MODELS.options(name)}
    shape, condition = SHAPES.get(name, ((2,) if vectors else shape, ()))
    return tiny(name, shape, condition, **{**words, "set": {**options, **words.get("set", {})}})


def stabilized(stabilizer, **words):
    """The same of a model that a stabilizer works on, without others."""
    model = "stylegan2" if stabilizer == "path-length" else "dcgan"
    own = {"path-length": {}, "layer-norm": {"d_norm": "batch"}}.get(stabilizer, {"d_norm": "none"})
    own |= words.pop("set", {})
    return small(model, (1, 16, 16), stabilizer=["none", stabilizer], set=own, **words)
