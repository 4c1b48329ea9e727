"""Exercise: a generator that matches two numbers of each feature, its mean and its mean square.

    tinygan check lessons/exercises/match_spread.py

With a[i] = mean f[:, i] - mean r[:, i] and b[i] = mean f[:, i]² - mean r[:, i]², for the features f of generated and
r of real samples, the loss is Σ_i (a[i]² + b[i]²). Shapes: N batch, F features.
"""

import numpy as np


def match_spread_by_definition(real, fake):
    """What the loss must be."""
    a = fake.mean(axis=0) - real.mean(axis=0)
    b = (fake**2).mean(axis=0) - (real**2).mean(axis=0)
    return np.sum(a**2 + b**2)


def match_spread(real, fake):
    """Return (loss, d(loss)/d(real), d(loss)/d(fake)) for features (N, F)."""
    raise NotImplementedError("fill in")
