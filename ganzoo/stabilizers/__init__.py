"""Switches on any model: each is a small object with hooks into the one training step."""
