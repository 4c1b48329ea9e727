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
    e = np.exp(-_abs(s))
    return np.where(s.real > 0, 1, e) / (1 + e)


def softplus(s):
    """log(1 + exp(s)) = -log σ(-s), without overflow: exp only ever sees a negative number."""
    return np.where(s.real > 0, s, 0) + np.log1p(np.exp(-_abs(s)))


def _abs(s):
    return np.where(s.real > 0, s, -s)  # unlike np.abs it can be differentiated by complex step


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

    With -log σ(s) = softplus(-s) the loss is mean(t softplus(-s) + (1 - t) softplus(s)), and its
    derivative is (σ(s) - t)/N. The code writes σ(s) - t as (1 - t) σ(s) - t σ(-s), which is the
    same number without the cancellation where σ(s) is close to t = 1.
    """
    loss = np.mean(target * softplus(-logits) + (1 - target) * softplus(logits))
    return loss, ((1 - target) * sigmoid(logits) - target * sigmoid(-logits)) / logits.size


def least_squares(out, target):
    """½ mean((out - target)²), and d(loss)/d(out) = (out - target)/N (Mao et al. 2017, eq. 2)."""
    difference = out - target
    return 0.5 * np.mean(difference * difference), difference / out.size
