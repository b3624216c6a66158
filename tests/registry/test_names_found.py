"""Registries as collections of names, and the packages that hand them on."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ganzoo
from ganzoo.registry import DATASETS, LOSSES, METRICS, MODELS, REGISTRIES, STABILIZERS
from ganzoo.registry.registry import Registry


@pytest.mark.parametrize("plural", REGISTRIES)
def test_a_registry_is_a_collection_of_names(plural):
    registry = REGISTRIES[plural]
    assert [*registry] == registry.names() == sorted(set(registry))
    assert len(registry) == len(registry.names())
    assert all(name in registry for name in registry)
    assert "no-such-thing" not in registry
    assert 3 not in registry


@pytest.mark.parametrize(
    ("registry", "pattern", "found"),
    [
        (MODELS, "w*-gp", ["wgan-gp"]),
        (MODELS, "WGAN*", ["wgan", "wgan-gp"]),
        (MODELS, "style", ["stylegan2"]),
        (MODELS, " style ", ["stylegan2"]),
        (MODELS, "?2", []),
        (STABILIZERS, "r?", ["r1", "r2"]),
        (STABILIZERS, "r[13-9]", ["r1"]),
        (STABILIZERS, "*-norm", ["clip-grad-norm", "layer-norm", "spectral-norm", "unit-grad-norm"]),
        (LOSSES, "relativistic", ["relativistic", "relativistic-average"]),
        (METRICS, "fid", ["fid", "fid-infinity"]),
        (METRICS, "nothing-like-it", []),
    ],
)  # fmt: skip
def test_search(registry, pattern, found):
    assert registry.search(pattern) == found


def test_search_of_all():
    assert MODELS.search("*") == MODELS.search("") == MODELS.names()


def test_what_is_added_is_there():
    METRICS.add("mine", METRICS.get("fid"))
    assert "mine" in METRICS
    assert METRICS.search("min") == ["mine"]


def test_how_it_is_shown():
    assert repr(LOSSES).startswith(f"{len(LOSSES)} losses: hinge, least-squares, minimax, ")
    assert max(map(len, repr(MODELS).splitlines())) <= 100
    empty = Registry("nothings", "nothing", "ganzoo.losses:Loss")
    assert repr(empty) == "0 nothings: (none)"
    assert empty  # it is a registry, and not nothing
    empty.add("one", LOSSES.get("hinge"))
    assert repr(empty) == "1 nothing: one"


@pytest.mark.parametrize("plural", REGISTRIES)
def test_rooms_hand_on(plural):
    room, registry = getattr(ganzoo, plural), REGISTRIES[plural]
    name = registry.names()[0]
    assert room.names() == registry.names()
    assert room.search(name) == registry.search(name)
    assert room.get(name) is registry.get(name)
    assert room.options(name) == registry.options(name)


def test_a_member_alone():
    gan = ganzoo.models.get("mlp-gan")((2,), width=8, d_width=8)
    assert gan.generator(gan.sample_z(5), None).shape == (5, 2)
    assert ganzoo.models.options("mlp-gan")["width"] == 256
    assert ganzoo.datasets is DATASETS


def test_looking_for_names_imports_no_torch():
    program = (
        "import ganzoo, sys;"
        "from ganzoo import models, stabilizers, metrics, extractors, datasets, callbacks;"
        "found = [r.search('*') for r in (models, stabilizers, metrics, extractors, datasets, callbacks)];"
        "assert all(found) and ganzoo.MODELS.search('gan'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
