"""Exercise: a Dense layer that is told the class of each sample, by a lookup in place of a one-hot beside x.

    tinygan check lessons/exercises/bias_for_each_class.py

There is one W for all, and a bias for each class: out[n] = x[n] W + b[labels[n]]. Which outputs feel b[k, o]? A class
may have several samples in a batch, or none. Shapes: N batch, I inputs, O outputs, K classes; b (K, O).
"""

import numpy as np

CLASSES = 4


class BiasForEachClass:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_in, n_out))
        self.b = np.zeros((CLASSES, n_out))

    def forward(self, x):
        self.x = x
        self.labels = np.arange(len(x)) ** 2 % CLASSES  # 0, 1, 0, 1, ...: what this batch is asked for
        return x @ self.W + self.b[self.labels]

    def backward(self, dout):
        """From dout (N, O) set self.dW (I, O) and self.db (K, O), and return dx (N, I)."""
        raise NotImplementedError("fill in")
