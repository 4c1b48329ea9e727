"""Exercise: the backward pass through a layer that adds a feature, out = [x, Σ_i x_i²], the square of its radius.

    tinygan check lessons/exercises/radius.py

Every input reaches the loss on two ways. Shapes: x (N, I), out (N, I + 1).
"""

import numpy as np


class Radius:
    def forward(self, x):
        self.x = x
        return np.concatenate([x, np.sum(x * x, axis=1, keepdims=True)], axis=1)

    def backward(self, dout):
        """From dout (N, I + 1) return dx (N, I)."""
        raise NotImplementedError("fill in")
