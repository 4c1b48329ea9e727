"""Exercise: a discriminator that pays ½(1 - D)² for a real sample and -log(1 - D) for a fake one, with D = σ(s).

    tinygan check lessons/exercises/squares_and_logs.py

The loss is a mean over the real samples plus a mean over the fake ones.
"""

import numpy as np


def squares_and_logs_by_definition(real_logits, fake_logits):
    """What the loss must be. (For large logits this is infinite: yours is not.)"""
    p_real, p_fake = 1 / (1 + np.exp(-real_logits)), 1 / (1 + np.exp(-fake_logits))
    return np.mean((1 - p_real) ** 2) / 2 - np.mean(np.log(1 - p_fake))


def squares_and_logs(real_logits, fake_logits):
    """Return (loss, d(loss)/d(real_logits), d(loss)/d(fake_logits)) for logits (N, 1)."""
    raise NotImplementedError("fill in")
