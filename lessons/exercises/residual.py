"""Exercise: the backward pass through a residual layer, out = x + tanh(x W + b).

    tinygan check lessons/exercises/residual.py

Every input reaches the loss on two ways. Shapes: N batch, I inputs and as many outputs.
"""

import numpy as np


class Residual:
    def __init__(self):
        self.W = np.zeros((4, 4))
        self.b = np.zeros(4)

    def forward(self, x):
        self.x = x
        self.bent = np.tanh(x @ self.W + self.b)
        return x + self.bent

    def backward(self, dout):
        """From dout (N, I) set self.dW (I, I) and self.db (I,), and return dx (N, I)."""
        raise NotImplementedError("fill in")
