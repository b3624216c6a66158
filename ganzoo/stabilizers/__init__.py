"""Switches on any model: each is a small object with hooks into the one training step."""

from ganzoo.registry import STABILIZERS

get, names, options, search = STABILIZERS.get, STABILIZERS.names, STABILIZERS.options, STABILIZERS.search
