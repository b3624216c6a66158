"""Feature extractors: from images or vectors to what metrics compare."""
