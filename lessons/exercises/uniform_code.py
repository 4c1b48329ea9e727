"""Exercise: a code whose noise is uniform, z = mean + width·u with u from -1 to 1. Its backward pass.

    tinygan check lessons/exercises/uniform_code.py

The code is [mean, s], and the width is exp(s), so that no s makes it negative. The noise u is drawn once, in forward.
Shapes: N batch, L latents; x: (N, 2L), dout (N, L).
"""

import numpy as np


class UniformCode:
    example = {"x": (4, 6)}

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        mean, s = np.split(x, 2, axis=1)
        self.spread = np.exp(s) * self.rng.uniform(-1, 1, mean.shape)
        return mean + self.spread

    def backward(self, dout):
        """Return dx (N, 2L)."""
        raise NotImplementedError("fill in")
