"""A network: a stack of layers, and one vector of parameters.

The stack is a loop forward and a reversed loop backward, which is the chain rule. The vector, of
length P, is what optimizers, moving averages, checkpoints and gradient checks work on; every
layer's W, b, dW, db are views into ``params`` and ``grads``, so that they are the same numbers.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np

from tinygan.layers import Dense, LeakyReLU


class Network:
    """A stack of layers whose parameters live in one vector.

    layers  in the order of the forward pass
    rng     numpy Generator that draws the first weights
    dtype   np.float32 to run, np.float64 to check; the same seed gives the same weights, rounded

    ``params`` and ``grads`` have shape (P,). ``views()`` names their pieces. ``statistics`` is one more
    such vector, of what layers keep that is not learnt by descent (``BatchNorm``); most have nothing.
    """

    def __init__(self, layers, rng, dtype=np.float32):
        self.layers = list(layers)
        count = parameter_count(self.layers)
        self.use(np.zeros(count, dtype), np.zeros(count, dtype))
        self.statistics = np.zeros(parameter_count(self.layers, "statistics"), dtype)
        deal_out(self.statistics, self.layers, "statistics")
        for layer in self.layers:
            if layer.shapes:
                layer.initialize(rng)

    def use(self, params, grads):
        """Live in these vectors, (P,), from now on: every layer's arrays become views into them."""
        self.params, self.grads = params, grads
        deal_out(params, self.layers, "shapes")
        deal_out(grads, self.layers, "shapes", prefix="d")

    def forward(self, x):
        """Return out, (N, O) of the last layer, for x, (N, I) of the first; valid until the next forward."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout, param_grads=True, input_grad=True):
        """Return d(loss)/dx, (N, I), for dout = d(loss)/d(out), (N, O), through the last forward.

        Overwrites ``grads`` (it does not add to them), or leaves every bit of them alone where
        ``param_grads`` is False. ``input_grad=False`` saves the last product, and returns None.
        """
        for layer in reversed(self.layers):
            dout = layer.backward(dout, param_grads, input_grad or layer is not self.layers[0])
        return dout if input_grad else None

    @contextmanager
    def inference(self):
        """Within this context no sample depends on the others of its batch, where it does in training."""
        for layer in self.layers:
            layer.training = False
        try:
            yield
        finally:
            for layer in self.layers:
                layer.training = True

    def views(self):
        """Return {"0.W": (view into params, view into grads), "0.b": ...}, in the order of the vector."""
        return {
            f"{i}.{name}": (getattr(layer, name), getattr(layer, "d" + name))
            for i, layer in enumerate(self.layers)
            for name in layer.shapes
        }

    def __repr__(self):
        return f"Network([{', '.join(map(repr, self.layers))}])"


def parameter_count(layers, kind="shapes"):
    """Return P, how many parameters a Network of these layers has; or how many ``statistics``."""
    return sum(math.prod(shape) for layer in layers for shape in getattr(layer, kind).values())


def deal_out(vector, layers, kind, prefix=""):
    """Give each layer the arrays whose shapes ``kind`` names, as views into one vector."""
    start = 0
    for layer in layers:
        for name, shape in getattr(layer, kind).items():
            stop = start + math.prod(shape)
            setattr(layer, prefix + name, vector[start:stop].reshape(shape))
            start = stop


def mlp(sizes, init="he", last="he", alpha=0.2):
    """Return the layers of a multilayer perceptron: Dense layers of these sizes, a LeakyReLU between any two.

    ``init`` chooses the first weights, ``last`` those of the last Dense layer, which no LeakyReLU follows.
    """
    *hidden, (n_in, n_out) = zip(sizes[:-1], sizes[1:], strict=True)
    layers = [layer for pair in hidden for layer in (Dense(*pair, init), LeakyReLU(alpha))]
    layers.append(Dense(n_in, n_out, last))
    return layers
