"""Exercise: the backward pass through a dense layer, out = x W + b.

    tinygan check lessons/exercises/dense_backward.py

Shapes: N batch, I inputs, O outputs.
"""

import numpy as np


class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        """From dout (N, O) set self.dW (I, O) and self.db (O,), and return dx (N, I)."""
        raise NotImplementedError("fill in")
