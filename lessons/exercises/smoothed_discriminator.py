"""Exercise: a discriminator that is told 0.9 instead of 1 for real samples (Salimans et al. 2016, section 3.4).

    tinygan check lessons/exercises/smoothed_discriminator.py

The loss is a mean over the real samples plus a mean over the fake ones.
"""

import numpy as np


def smoothed_discriminator_by_definition(real_logits, fake_logits):
    """What the loss must be. (For large logits this is infinite: yours is not.)"""
    p_real, p_fake = 1 / (1 + np.exp(-real_logits)), 1 / (1 + np.exp(-fake_logits))
    return -np.mean(0.9 * np.log(p_real) + 0.1 * np.log(1 - p_real)) - np.mean(np.log(1 - p_fake))


def smoothed_discriminator(real_logits, fake_logits):
    """Return (loss, d(loss)/d(real_logits), d(loss)/d(fake_logits)) for logits (N, 1)."""
    raise NotImplementedError("fill in")
