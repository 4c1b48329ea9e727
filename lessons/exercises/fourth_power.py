"""Exercise: another price for the same line, the mean of the fourth powers of the errors, and its gradient.

    tinygan check lessons/exercises/fourth_power.py

Go the way of lesson 00: one error d = out - target at a time, then the mean.
"""

import numpy as np


def fourth_power_by_definition(out, target):
    """What the loss must be."""
    return np.mean((out - target) ** 4) / 4


def fourth_power(out, target):
    """Return (loss, d(loss)/d(out)) for outputs and targets (N, O), a mean over all N·O of them."""
    raise NotImplementedError("fill in")
