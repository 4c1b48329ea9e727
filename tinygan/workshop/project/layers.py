"""The layers: forward and backward, side by side (lessons 02 and 03).

``forward`` turns x into out and keeps what ``backward`` will need. ``backward`` turns dout = d(loss)/d(out), which has
the shape of out, into dx = d(loss)/dx, which has the shape of x, and fills the gradients of its own parameters.

Shapes: N batch, I inputs, O outputs. One sample is a row.
"""

import numpy as np


class Dense:
    """out = x W + b, with W of shape (I, O) and b of shape (O,).

    A Network (lesson 05) keeps the parameters of all its layers in one vector, and their gradients in another: there
    W, b, dW, db are views into them. So change what is in these arrays, never the arrays: ``self.dW[...] = ...``.
    """

    def __init__(self, n_in, n_out):
        self.shapes = {"W": (n_in, n_out), "b": (n_out,)}
        self.W, self.b = np.zeros((n_in, n_out)), np.zeros(n_out)
        self.dW, self.db = np.zeros((n_in, n_out)), np.zeros(n_out)

    def initialize(self, rng):
        """Draw the first weights: of variance 2/I (He et al. 2015, lesson 03). The biases stay 0."""
        self.W[...] = rng.normal(0, np.sqrt(2 / len(self.W)), self.W.shape)

    def forward(self, x):
        """Return out = x W + b, (N, O), for x, (N, I); keep what ``backward`` will need.

        out[n, o] = Σ_i x[n, i] W[i, o] + b[o]. Do not change x. Lesson 02.
        """
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout, param_grads=True):
        """Return dx, (N, I), for dout, (N, O); fill dW, (I, O), and db, (O,), which are overwritten.

        Fill them in place (``self.dW[...] = ...``), and only if ``param_grads``: if not, they stay as they are.
        The 1/N of the mean is in dout already. Do not change dout. Lesson 02.
        """
        if param_grads:
            self.dW[...] = self.x.T @ dout
            self.db[...] = dout.sum(axis=0)
        return dout @ self.W.T


class LeakyReLU:
    """out = x where x > 0, alpha·x elsewhere. The slope at x = 0 is alpha."""

    shapes = {}  # it has no parameters

    def __init__(self, alpha=0.2):
        self.alpha = alpha

    def forward(self, x):
        """Return out, (N, I), for x, (N, I): x where x > 0, alpha·x elsewhere. Do not change x. Lesson 03."""
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dout, param_grads=True):
        """Return dx, (N, I), for dout, (N, I). There is nothing to fill: ``param_grads`` is ignored. Lesson 03."""
        return np.where(self.x > 0, dout, self.alpha * dout)


class Sigmoid:
    """out = σ(x) = 1/(1 + exp(-x)) = (1 + tanh(x/2))/2."""

    shapes = {}

    def forward(self, x):
        """Return out = σ(x), (N, I), for x, (N, I), without overflow for any x. Do not change x. Lesson 03."""
        self.out = 0.5 + 0.5 * np.tanh(0.5 * x)
        return self.out

    def backward(self, dout, param_grads=True):
        """Return dx, (N, I), for dout, (N, I). There is nothing to fill: ``param_grads`` is ignored. Lesson 03."""
        return dout * self.out * (1 - self.out)
