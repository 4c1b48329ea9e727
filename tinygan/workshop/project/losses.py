"""The losses: each returns its value and its gradient together (lesson 04).

The value is a mean over all entries of the output, and the gradient is the derivative of that mean: both have the
same 1/N. A target is an array of the output's shape, or one number for all.

Shapes: N batch; here an output is (N, 1), one logit for each sample.
"""

import numpy as np


def bce_with_logits(logits, target):
    """Return binary cross-entropy of p = σ(logits), and d(loss)/d(logits), which has the shape of logits, (N, 1).

    loss = -mean(t log p + (1 - t) log(1 - p)), with p = σ(s) = 1/(1 + exp(-s)), s a logit, t its target.
    Both must be right for logits of ±800, too, where p rounds to 0 or 1: no inf, no nan, no overflow. Lesson 04.
    """
    s, t = logits, target
    loss = np.mean(np.maximum(s, 0) - t * s + np.log1p(np.exp(-np.abs(s))))
    p = 0.5 + 0.5 * np.tanh(0.5 * s)
    return loss, (p - t) / s.size


def least_squares(out, target):
    """Return ½ mean((out - target)²), and d(loss)/d(out), which has the shape of out, (N, 1). Lesson 04."""
    difference = out - target
    return 0.5 * np.mean(difference**2), difference / out.size
