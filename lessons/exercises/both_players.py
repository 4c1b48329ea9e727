"""Exercise: what both players of the non-saturating game pay together, as a function of all logits.

    tinygan check lessons/exercises/both_players.py

Add what D pays for a fake and what G pays for it, and simplify the slope before you program.
"""

import numpy as np


def both_players_by_definition(real_logits, fake_logits):
    """What the loss must be. (For large logits this is infinite: yours is not.)"""
    p_real, p_fake = 1 / (1 + np.exp(-real_logits)), 1 / (1 + np.exp(-fake_logits))
    return -np.mean(np.log(p_real)) - np.mean(np.log(1 - p_fake)) - np.mean(np.log(p_fake))


def both_players(real_logits, fake_logits):
    """Return (loss, d(loss)/d(real_logits), d(loss)/d(fake_logits)) for logits (N, 1)."""
    raise NotImplementedError("fill in")
