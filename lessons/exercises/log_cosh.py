"""Exercise: the gradient of mean(log cosh x), derived by hand.

    tinygan check lessons/exercises/log_cosh.py

Needed: cosh' = sinh, sinh/cosh = tanh, and the chain rule. Mind the mean.
"""

import numpy as np


def log_of_cosh(x):
    return np.logaddexp(x, -x) - np.log(2)  # log((exp(x) + exp(-x))/2), without overflow


def log_cosh(x):
    """Return (np.mean(log_of_cosh(x)), its gradient) for x of any shape."""
    raise NotImplementedError("fill in")
