"""Exercise: a ruler that pulls back like least squares, but not harder and harder.

    tinygan check lessons/exercises/bounded_pull.py

From half the square of the difference d, half the square of what |d| has above 1 is taken away. Derive the
gradient, case by case; it is simpler than the loss.
"""

import numpy as np


def bounded_pull_by_definition(out, target):
    """What the loss must be."""
    d = out - target
    return np.mean(d**2 - np.maximum(np.abs(d) - 1, 0) ** 2) / 2


def bounded_pull(out, target):
    """Return (loss, d(loss)/d(out)) for out and target (N, O)."""
    raise NotImplementedError("fill in")
