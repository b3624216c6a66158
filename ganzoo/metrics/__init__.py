"""Metrics: numbers that say how good samples are, never without their protocol."""
