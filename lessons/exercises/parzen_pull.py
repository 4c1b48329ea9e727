"""Exercise: in which direction does a Parzen window pull a sample? Its gradient, derived by hand.

    tinygan check lessons/exercises/parzen_pull.py

The density is the mean of three Gaussians of width 0.5 around the CENTRES; every number of x is a sample of it.
Needed: log' and exp', and what is left is a mean of differences, weighted by shares that sum to 1.
"""

import numpy as np

CENTRES, SIGMA = np.array([-1.0, 0.5, 2.0]), 0.5


def exponents(x):
    """-(x - c)²/(2 σ²) for every number of x and every centre: one more axis, the last."""
    return -((x[..., None] - CENTRES) ** 2) / (2 * SIGMA**2)


def log_density(x):
    """log mean_c exp(exponents), the largest taken out so that not every exp underflows."""
    e = exponents(x)
    top = e.max(axis=-1)
    return top + np.log(np.mean(np.exp(e - top[..., None]), axis=-1))


def parzen_pull(x):
    """Return (-np.mean(log_density(x)), its gradient) for x of any shape."""
    raise NotImplementedError("fill in")
