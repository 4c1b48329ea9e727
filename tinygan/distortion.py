"""The distortion: images bent at random, so that a code cannot be what bending changes, like a slant.

Each image is sheared, turned, zoomed and moved, by amounts of its own. A pixel of the result is a copy of the
pixel of x from which the bending takes it, or 0 where that lies outside. So the backward pass is a sum: what the
copies of a pixel feel, it feels.

Shapes: N batch, I = height · width · channels inputs of an image.
"""

from __future__ import annotations

import numpy as np

SHEAR, TURN, ZOOM, MOVE = 0.5, 0.25, 0.25, 2.0  # the largest with strength 1: a slope, radians, log of a factor, pixels


class Distortion:
    """Images (N, I) of one ``shape``, distorted with this strength by random numbers from ``rng``."""

    def __init__(self, rng, shape, strength):
        self.rng, self.shape, self.strength = rng, shape, strength

    def forward(self, x):
        """Return x, each image distorted in its own way, (N, I)."""
        self.source = self.sources(len(x))
        padded = np.pad(x, ((0, 0), (0, 1)))  # a 0 at the end, for what lies outside
        return np.take_along_axis(padded, self.source, axis=1)

    def backward(self, dout):
        """Return dx, (N, I), for dout, (N, I): each pixel's gradient is the sum over its copies."""
        n, inputs = dout.shape
        places = self.source + (inputs + 1) * np.arange(n)[:, None]
        sums = np.bincount(places.ravel(), dout.ravel(), n * (inputs + 1))
        return sums.reshape(n, -1)[:, :inputs].astype(dout.dtype)

    def sources(self, n):
        """Return which input each output is a copy of, (n, I); I stands for outside."""
        height, width, channels = (*self.shape, 1)[:3]
        amounts = self.strength * (2 * self.rng.random((n, 6), np.float32) - 1)
        shear, turn, zoom_y, zoom_x, *move = amounts.T[:, :, None]
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        y, x = np.indices((height, width), np.float32).reshape(2, 1, -1) - np.float32([[[middle_y]], [[middle_x]]])
        y, x = np.exp(ZOOM * zoom_y) * y, np.exp(ZOOM * zoom_x) * x + SHEAR * shear * y
        cos, sin = np.cos(TURN * turn), np.sin(TURN * turn)
        y, x = cos * y - sin * x + (MOVE * move[0] + middle_y), sin * y + cos * x + (MOVE * move[1] + middle_x)
        y, x = np.rint(y).astype(int), np.rint(x).astype(int)
        inside = (0 <= y) & (y < height) & (0 <= x) & (x < width)
        first = np.where(inside, channels * (y * width + x), height * width * channels)  # channel of the pixel
        return np.minimum(first[:, :, None] + np.arange(channels), height * width * channels).reshape(n, -1)
