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
        shear, turn, zoom_y, zoom_x, *move = self.strength * (2 * self.rng.random((n, 6), np.float64).T - 1)
        cos, sin = np.cos(TURN * turn), np.sin(TURN * turn)
        zoom_y, zoom_x = np.exp(ZOOM * zoom_y), np.exp(ZOOM * zoom_x)
        turned = np.array([[cos, -sin], [sin, cos]])
        sheared = np.array([[zoom_y, 0 * shear], [SHEAR * shear, zoom_x]])
        matrix = np.einsum("abn,bcn->nac", turned, sheared)
        middle = np.array([height - 1, width - 1])[:, None] / 2
        grid = np.indices((height, width)).reshape(2, -1) - middle
        y, x = np.rint(np.moveaxis(matrix @ grid + middle, 1, 0) + MOVE * np.array(move)[:, :, None]).astype(int)
        inside = (0 <= y) & (y < height) & (0 <= x) & (x < width)
        pixel = np.where(inside, y * width + x, height * width)
        source = pixel[:, :, None] * channels + np.arange(channels)
        return np.minimum(source, height * width * channels).reshape(n, -1)
