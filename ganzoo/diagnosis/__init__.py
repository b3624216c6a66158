"""What a log says about a training, in words: pure judgements over its rows and the settings of the run."""
