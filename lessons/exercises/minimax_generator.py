"""Exercise: what the generator pays in the minimax game, mean(log(1 - D)) with D = σ(s), as a function of the logits s.

    tinygan check lessons/exercises/minimax_generator.py

Needed: 1 - σ(s) = σ(-s). The result must be finite for every logit, so simplify before you program.
"""

import numpy as np


def minimax_generator_by_definition(fake_logits):
    """What the loss must be. (For large logits p is exactly 1, and this is infinite: yours is not.)"""
    p = 1 / (1 + np.exp(-fake_logits))
    return np.mean(np.log(1 - p))


def minimax_generator(fake_logits):
    """Return (loss, d(loss)/d(fake_logits)) for fake_logits (N, 1)."""
    raise NotImplementedError("fill in")
