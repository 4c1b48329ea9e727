"""Exercise: three Dense layers with one mistake each. Let the doctor name it, then mend it.

tinygan check lessons/exercises/broken_dense.py
"""

import numpy as np


class Averages:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout / len(dout)
        self.db = dout.mean(axis=0)
        return dout @ self.W.T


class Transposes(Averages):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W


class Remembers(Averages):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        self.dW = np.zeros((n_in, n_out))

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
