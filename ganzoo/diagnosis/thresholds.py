"""Every number that a judgement goes by, with its reason.

They were set on the even seeds of the runs in benchmarks/diagnosis/, healthy ones and ones made to fail, and
confirmed on the odd ones.
"""

# How long something must last: a few measurements, and a part of the run, so that its beginning
# does not count.
ROWS = 3
SHARE = 0.2
LOSS_ROWS = 8  # of rows with losses, of which there are more

# D's loss, as a share of that of a D which answers 0 to everything.
WON = 0.05
# G's gradient, as a share of the largest one that was seen: what a critic without a bound leaves behind.
GONE = 1e-3
TINY = 1e-6

# Distances between generated samples, as a share of those between real ones.
ALIKE = 0.25
# Real samples that are the nearest to a generated one, as a share of those nearest to held-out ones.
FEW_REACHED = 0.1

DEAD = 0.9
AVERAGE_APART = 1.0
TOLD_TRAIN = 0.85
NEARER = 0.5

SWINGS = 6
SWING = 0.6
TURNS = 3
WAVE_ROWS = 20
WAVE_SIZE = 0.3
RHYTHM = 0.5
