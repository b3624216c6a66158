"""A run folder, and what is done with one: train, load, sample, measure."""
