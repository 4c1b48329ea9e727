"""The losses: how wrong an output is, and in which direction to change it, from one function.

Each returns (loss, gradient). The loss is a mean over the batch and the gradient is the derivative
of that mean, so that value and gradient always have the same 1/N.

Beside them stand the sigmoid and the softmax, which turn logits into probabilities.

Shapes: N batch, K classes. An output is (N, O), and a mean over the batch is a mean over all its
N·O entries. A target is an array of that shape, or one number for all.
"""

from __future__ import annotations

import numpy as np


def sigmoid(s):
    """Return σ(s) = 1/(1 + exp(-s)), to full relative accuracy in both tails, without overflow."""
    e = np.exp(-absolute(s))
    return np.where(s.real > 0, 1, e) / (1 + e)


def absolute(s):
    """Return |s|, written so that a complex step passes (lesson 01)."""
    return np.where(s.real > 0, s, -s)


def bce(p, target):
    """Return binary cross-entropy of probabilities, -mean(t log p + (1 - t) log(1 - p)), and d(loss)/dp.

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
    """Return the same loss as ``bce(σ(logits), target)``, and d(loss)/d(logits), for any finite logits.

    log σ(s) = s - log(1 + exp(s)) turns the loss into mean(log(1 + exp(s)) - t s), whose derivative
    is (σ(s) - t)/N.
    """
    # log(1 + exp(s)) = max(s, 0) + log(1 + exp(-|s|)), which cannot overflow.
    s, t = logits, target
    loss = np.mean(np.where(s.real > 0, s, 0) - t * s + np.log1p(np.exp(-absolute(s))))
    # σ(s) - t = (1 - t) σ(s) - t σ(-s), which does not cancel where σ(s) is close to t.
    return loss, ((1 - t) * sigmoid(s) - t * sigmoid(-s)) / s.size


def least_squares(out, target):
    """Return ½ mean((out - target)²), and d(loss)/d(out) = (out - target)/N (Mao et al. 2017, eq. 2)."""
    difference = out - target
    return 0.5 * np.mean(difference * difference), difference / out.size


def softmax(logits):
    """Return the probabilities exp(logits[n, k])/Σ_j exp(logits[n, j]), (N, K)."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def through_softmax(p, dp):
    """Return d(loss)/d(logits) for d(loss)/dp, where p = softmax(logits); all (N, K)."""
    return p * (dp - np.sum(p * dp, axis=1, keepdims=True))


def softmax_cross_entropy(logits, labels):
    """Return -mean(log p[n, labels[n]]) with p = softmax(logits), in nats, and d(loss)/d(logits).

    logits (N, K), labels (N,) integers; the gradient is (p - one-hot)/N, (N, K).
    """
    # log p = s - log Σ exp(s). Subtracting the largest s changes nothing, and exp cannot overflow.
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    right = np.arange(len(labels)), labels
    dlogits = np.exp(log_p)
    dlogits[right] -= 1
    return -np.mean(log_p[right]), dlogits / len(labels)
