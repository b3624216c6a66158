"""The zoo's own models, a file per family."""

from ganzoo.registry import MODELS

get, names, options, search = MODELS.get, MODELS.names, MODELS.options, MODELS.search
