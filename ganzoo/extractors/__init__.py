"""Feature extractors: from images or vectors to what metrics compare."""

from ganzoo.registry import EXTRACTORS

get, names, options, search = EXTRACTORS.get, EXTRACTORS.names, EXTRACTORS.options, EXTRACTORS.search
