"""Exercise: the loss of a guess that says, too, how sure it is.

    tinygan check lessons/exercises/guessed_width.py

The number v is guessed to be m, give or take exp(s): Q(v|x) is a bell curve of mean m and width exp(s). With the error
d = m - v it is exp(-½ (d/exp(s))²) / (exp(s) √(2π)). A network can return any s, so its width is never below 0.
Its logarithm, minus, the mean; then the slopes. Shapes: N batch, C numbers; d and s (N, C).
"""

import numpy as np


def loss_as_written(d, s):
    """Return the loss, as above; compare yours with it. (The check measures your slopes against your own loss.)"""
    log_density = -0.5 * (d / np.exp(s)) ** 2 - np.log(np.exp(s)) - np.log(np.sqrt(2 * np.pi))
    return -np.mean(log_density)


def guessed_width(d, s):
    """Return (loss, d(loss)/d(d), d(loss)/d(s)) for errors and logarithms of widths, a mean over all N·C of them."""
    raise NotImplementedError("fill in")
