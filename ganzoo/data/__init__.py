"""Datasets: tensors in memory wherever they fit, batches that follow from (seed, step) alone."""
