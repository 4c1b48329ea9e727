"""Exercise: a gradient that nobody derived. Measure it.

    tinygan check lessons/exercises/measured_gradient.py

Fill in a forward difference, then a central one, each with a step of 1e-5, then a complex step. Before
each check, say how large the relative error will be, and whether it passes (the limit is 1e-7).
"""

import numpy as np


def value(x):
    return np.sqrt(1 + x * x)


def smooth_absolute_value(x):
    """Return (np.mean(value(x)), its gradient) for x of any shape, the second without any derivation."""
    raise NotImplementedError("fill in")
