"""The zoo's own models, a file per family."""
