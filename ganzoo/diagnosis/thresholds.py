"""Every number that a judgement goes by, with its reason.

"Healthy" and "failing" are the runs of benchmarks/diagnosis/ that were recorded so far.
"""

# How long something must last, up to the last row: a part of the run, so many rows, and so many steps. The
# first steps of most healthy runs look like a failure: D is ahead, samples are dim and alike, and wander.
SHARE = 0.2
ROWS = 3
LOSS_ROWS = 8  # of rows with losses, of which there are more
STEPS = 150

# D's loss, as a share of that of a D which answers 0 to everything. With logarithms 0.02 is D(real) 0.986 and
# D(fake) 0.014. Healthy: above 0.03, at the very beginning; failing: below 0.013.
WON = 0.02
# G's gradient, as a share of the largest one that was seen, or by itself: for critics without a bound, whose
# margins mean nothing. Healthy: above 0.1.
GONE = 1e-3
TINY = 1e-8  # Adam's usual eps: below it updates fade

# Distances between generated samples, as a share of those between real ones. Healthy: above 0.3 after the
# beginning; failing: below 0.1.
ALIKE = 0.15
# Real samples that are the nearest to some sample, as a share of those nearest to held-out ones. Healthy:
# above 0.17 after the beginning; failing: below 0.05, one sample in a batch of 64 being about 0.02.
FEW_REACHED = 0.08
# Beyond it samples have flown off, and it says nothing that few real ones are near.
FLOWN = 1.5
# An untrained G makes samples that are alike too: where they never differed, it is a collapse after so long.
INFANCY = 600

# The share of dead units in the layer that has most. Healthy: 0.35 at most (z of two dimensions); failing:
# above 0.83.
DEAD = 0.8

# Of the distance between two real samples. Healthy: below 0.4; failing: above 0.75.
AVERAGE_APART = 0.6

# How often D prefers training data to held-out data. Healthy: up to 0.66, on 32 samples of each; of few
# samples: above 0.85.
TOLD_TRAIN = 0.78

# Distance to training data, as a share of that of held-out data. Healthy: above 1.2 on digits, 0.9 on points.
NEARER = 0.6

# In standard deviations of the data, over the second half of the run. Healthy: below 0.1; failing: above 0.6.
SWING = 0.5
SWINGS = 5  # measurements at least
TURNS = 3  # crossings of the middle
# Losses: rows at least, amplitude as a share of the level, regularity (noise stays below 0.5).
WAVE_ROWS = 20
WAVE_SIZE = 0.3
RHYTHM = 0.6
