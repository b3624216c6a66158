"""Metrics: numbers that say how good samples are, never without their protocol."""

from ganzoo.registry import METRICS

get, names, options, search = METRICS.get, METRICS.names, METRICS.options, METRICS.search
