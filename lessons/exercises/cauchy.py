"""Exercise: the loss for errors with heavy tails, from their likelihood.

    tinygan check lessons/exercises/cauchy.py

An error d = out - target has the Cauchy density 1/(π (1 + d²)). Logarithm, minus, mean; then the slope.
"""

import numpy as np


def cauchy_by_definition(out, target):
    """What the loss must be."""
    return -np.mean(np.log(1 / (np.pi * (1 + (out - target) ** 2))))


def cauchy(out, target):
    """Return (loss, d(loss)/d(out)) for outputs and targets (N, O), a mean over all N·O of them."""
    raise NotImplementedError("fill in")
