"""Exercise: a last layer of D with a logit for each class, of which only that of the asked class counts.

    tinygan check lessons/exercises/asked_logit.py

out[n] = x[n] · W[:, labels[n]] + b[labels[n]], one column. Which outputs feel W[i, k]?
Shapes: N batch, I inputs, K classes; x (N, I), W (I, K), b (K,), out (N, 1).
"""

import numpy as np


class AskedLogit:
    def __init__(self, n_in, n_classes):
        self.W = np.zeros((n_in, n_classes))
        self.b = np.zeros(n_classes)

    def forward(self, x):
        self.x = x
        self.labels = np.arange(len(x)) ** 2 % len(self.b)  # what this batch is asked for
        return np.sum(x * self.W.T[self.labels], axis=1, keepdims=True) + self.b[self.labels, None]

    def backward(self, dout):
        """From dout (N, 1) set self.dW (I, K) and self.db (K,), and return dx (N, I)."""
        raise NotImplementedError("fill in")
