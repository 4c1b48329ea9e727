"""The distortion: images bent at random, so that a code cannot be what bending changes, like a slant.

Each image is sheared, turned, zoomed and moved, by amounts of its own. A pixel of the result is a copy of the
pixel of x from which the bending takes it, or 0 where that lies outside. So the backward pass is a sum: what the
copies of a pixel feel, it feels. What is read from an image should not change when it is bent: ``agreement``
is the loss for that.

Shapes: N batch, I = height · width · channels inputs of an image, K values that are read.
"""

from __future__ import annotations

import numpy as np

from tinygan.losses import softmax, through_softmax

SHEAR, TURN, ZOOM, MOVE = 0.5, 0.25, 0.25, 2.0  # the largest with strength 1: a slope, radians, log of a factor, pixels
WAYS = 1024  # in which images are bent


class Distortion:
    """Images (N, I) of one ``shape``, distorted with this strength by random numbers from ``rng``."""

    def __init__(self, rng, shape, strength):
        self.rng = rng
        # Trick: to find out where pixels come from takes longer than to bend. It is done once, for so many ways that
        # an image hardly ever meets one again, and each pass draws from them.
        self.ways = sources(rng, shape, strength).astype(np.int32)  # (WAYS, I)

    def forward(self, x):
        """Return x, each image distorted in its own way, (N, I)."""
        drawn = (WAYS * self.rng.random((len(x),), np.float32)).astype(int)
        self.source = self.ways[drawn]
        padded = np.pad(x, ((0, 0), (0, 1)))  # a 0 at the end, for what lies outside
        return np.take_along_axis(padded, self.source, axis=1)

    def backward(self, dout):
        """Return dx, (N, I), for dout, (N, I): each pixel's gradient is the sum over its copies."""
        n, inputs = dout.shape
        places = self.source + (inputs + 1) * np.arange(n)[:, None]
        sums = np.bincount(places.ravel(), dout.ravel(), n * (inputs + 1))
        return sums.reshape(n, -1)[:, :inputs].astype(dout.dtype)


def agreement(logits, others, groups=None):
    """Return -I(c; c'), in nats, and its gradients with respect to both logits, (N, K).

    The two were read from two distortions of the same N images: c has the probabilities softmax(logits), c' those of
    the others, and P(c, c') is the mean over the images, either way round (Ji et al. 2019, eq. 2 and 3). With groups,
    (K, G) one-hot, c and c' are the groups of what was read.
    """
    p, q = softmax(logits), softmax(others)
    groups = np.eye(p.shape[1], dtype=p.dtype) if groups is None else groups
    information, gain = mutual_information(groups.T @ both_ways(p, q) @ groups)
    gain = groups @ gain @ groups.T
    dp, dq = -q @ gain / len(p), -p @ gain / len(p)
    return -information, through_softmax(p, dp), through_softmax(q, dq)


def both_ways(p, q):
    """Return P(c, c') = mean p[n, c] q[n, c'], made symmetric, (K, K), for probabilities of two readings, (N, K)."""
    joint = p.T @ q / len(p)
    return (joint + joint.T) / 2


def mutual_information(joint):
    """Return I = Σ P(c, c') log P(c, c')/(P(c) P(c')), and ∂I/∂P less a constant, for a symmetric P (K, K).

    The constant, -1, is felt by nobody, since P sums to 1.
    """
    alone = joint.sum(axis=1)  # P(c), and P(c') as well
    tiny = np.finfo(joint.dtype).tiny  # for log 0
    gain = np.log(joint + tiny) - np.log(np.outer(alone, alone) + tiny)
    return np.sum(joint * gain), gain


def sources(rng, shape, strength):
    """Return which input each output is a copy of, in each of the ways, (WAYS, I); I stands for outside."""
    height, width, channels = (*shape, 1)[:3]
    amounts = strength * (2 * rng.random((WAYS, 6), np.float32) - 1)
    shear, turn, zoom_y, zoom_x, *move = amounts.T[:, :, None]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = np.indices((height, width), np.float32).reshape(2, 1, -1) - np.float32([[[middle_y]], [[middle_x]]])
    y, x = np.exp(ZOOM * zoom_y) * y, np.exp(ZOOM * zoom_x) * x + SHEAR * shear * y
    cos, sin = np.cos(TURN * turn), np.sin(TURN * turn)
    y, x = cos * y - sin * x + (MOVE * move[0] + middle_y), sin * y + cos * x + (MOVE * move[1] + middle_x)
    y, x = np.rint(y).astype(int), np.rint(x).astype(int)
    inside = (0 <= y) & (y < height) & (0 <= x) & (x < width)
    outside = height * width * channels
    first = np.where(inside, channels * (y * width + x), outside)  # channel of the pixel
    return np.minimum(first[:, :, None] + np.arange(channels), outside).reshape(WAYS, -1)
