"""Exercise: the loss for errors with heavy tails, from their likelihood.

    tinygan check lessons/exercises/cauchy.py

An error d = out - target has the Cauchy density 1/(π (1 + d²)). Logarithm, minus, mean; then the slope.
The constant log π belongs to the value. For one output your slope should be 1 at d = 1 and 0.02 at
d = 100: beyond 1 an outlier pulls the less, the farther away. That of least squares is 1 and 100.
"""

import numpy as np


def cauchy_by_definition(out, target):
    """What the loss must be."""
    return -np.mean(np.log(1 / (np.pi * (1 + (out - target) ** 2))))


def cauchy(out, target):
    """Return (loss, d(loss)/d(out)) for outputs and targets (N, O), a mean over all N·O of them."""
    raise NotImplementedError("fill in")
