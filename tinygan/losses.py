"""Losses exist to say how wrong an output is, and in which direction to change it.

Each returns (loss, gradient) from one function: the loss is a mean over the batch, and the gradient
is the derivative of that very mean, so the 1/N of the two cannot drift apart. This is the only
place in the package where a 1/N stands.

Shapes: N batch. An output is (N, O); a mean over the batch is a mean over all its N·O entries. A
target is an array of that shape, or one number for all.
"""

from __future__ import annotations

import numpy as np


def sigmoid(s):
    """σ(s) = 1/(1 + exp(-s)), to full relative accuracy in both tails, without overflow."""
    positive, e = _sign_and_decay(s)
    return np.where(positive, 1, e) / (1 + e)


def _sign_and_decay(s):
    """s > 0, and exp(-|s|), which is never more than 1. (Written so that a complex step passes.)"""
    positive = s.real > 0
    return positive, np.exp(np.where(positive, -s, s))


def bce(p, target):
    """Binary cross-entropy of probabilities: -mean(t log p + (1 - t) log(1 - p)), and d(loss)/dp.

    Goodfellow et al. 2014, eq. 1, is made of it. The logarithms are floored at the smallest normal
    number, so that p = 0 with t = 1 costs much (708 in float64) instead of inf, and its gradient is
    huge instead of nan; nothing is flattened above that. But a p that has rounded to exactly 0 or
    1 has a Sigmoid behind it whose slope has rounded to 0: train on ``bce_with_logits`` instead.
    """
    tiny = np.finfo(p.dtype).tiny
    q = 1 - p
    p = np.where(p.real < tiny, tiny, p)
    q = np.where(q.real < tiny, tiny, q)
    loss = -np.mean(target * np.log(p) + (1 - target) * np.log(q))
    return loss, ((1 - target) / q - target / p) / p.size


def bce_with_logits(logits, target):
    """The same loss as ``bce(σ(logits), target)`` and d(loss)/d(logits), for any finite logits.

    log σ(s) = s - log(1 + exp(s)) turns the loss into mean(log(1 + exp(s)) - t s), whose derivative
    is (σ(s) - t)/N. In the code log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|)), which cannot
    overflow, and σ(s) - t = (1 - t) σ(s) - t σ(-s), which does not cancel where σ(s) comes close to t.
    """
    positive, e = _sign_and_decay(logits)
    loss = np.mean(np.where(positive, logits, 0) - target * logits + np.log1p(e))
    p, q = np.where(positive, 1, e), np.where(positive, e, 1)  # σ(s) and σ(-s), both times (1 + e)
    return loss, ((1 - target) * p - target * q) / ((1 + e) * logits.size)


def least_squares(out, target):
    """½ mean((out - target)²), and d(loss)/d(out) = (out - target)/N (Mao et al. 2017, eq. 2)."""
    difference = out - target
    return 0.5 * np.mean(difference * difference), difference / out.size
