"""Suites of runs: models x datasets x options x seeds, each cell in a process of its own."""
