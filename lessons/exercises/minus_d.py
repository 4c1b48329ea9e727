"""Exercise: a generator whose loss is minus D's output, mean(-D) with D = σ(s). Where is its gradient flat?

    tinygan check lessons/exercises/minus_d.py

Find the slope, and say where it is small, before you program.
"""

import numpy as np


def minus_d_by_definition(fake_logits):
    """What the loss must be."""
    return np.mean(-1 / (1 + np.exp(-fake_logits)))


def minus_d(fake_logits):
    """Return (loss, d(loss)/d(fake_logits)) for fake_logits (N, 1)."""
    raise NotImplementedError("fill in")
