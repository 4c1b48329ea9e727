"""Exercise: a ruler that pulls back like least squares, but never harder than 1.

    tinygan check lessons/exercises/bounded_pull.py

The gradient is given: np.clip(out - target, -1, 1), divided by the number of entries. Find the loss that has it.
It is ½ (out - target)² where the difference is small; elsewhere the pieces must meet without a step.
"""

import numpy as np


def bounded_pull(out, target):
    """Return (loss, its gradient np.clip(out - target, -1, 1) / out.size) for out and target (N, O)."""
    loss = None  # fill in
    if loss is None:
        raise NotImplementedError("fill in")
    return loss, np.clip(out - target, -1, 1) / out.size
