"""A network exists to be two things at once: a stack of layers, and one vector of parameters.

The stack is a loop forward and a reversed loop back, which is the chain rule. The vector, of length
P, is what optimisers, averages, checkpoints and gradient checks work on; every layer's W, b, dW, db
are views into ``params`` and ``grads``, so a change of the one is a change of the other.
"""

from __future__ import annotations

import math

import numpy as np


class Network:
    """A stack of layers whose parameters live in one vector.

    layers  in the order of the way forward
    rng     numpy Generator that draws the first weights
    dtype   np.float32 to run, np.float64 to check; the same seed gives the same weights, rounded

    ``params`` and ``grads`` have shape (P,). ``views()`` names their pieces.
    """

    def __init__(self, layers, rng, dtype=np.float32):
        self.layers = list(layers)
        size = sum(math.prod(shape) for layer in self.layers for shape in layer.shapes.values())
        self.params = np.zeros(size, dtype)
        self.grads = np.zeros(size, dtype)
        start = 0
        for layer in self.layers:
            for name, shape in layer.shapes.items():
                stop = start + math.prod(shape)
                setattr(layer, name, self.params[start:stop].reshape(shape))
                setattr(layer, "d" + name, self.grads[start:stop].reshape(shape))
                start = stop
            if layer.shapes:
                layer.initialise(rng)

    def forward(self, x):
        """(N, I) of the first layer -> (N, O) of the last, valid until the next forward."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout, param_grads=True, input_grad=True):
        """d(loss)/d(out), (N, O) -> d(loss)/dx, (N, I), through the last forward.

        Overwrites ``grads`` (it does not add to them), or leaves every bit of them alone where
        ``param_grads`` is False. ``input_grad=False`` saves the last product, and returns None.
        """
        for layer in reversed(self.layers):
            dout = layer.backward(dout, param_grads, input_grad or layer is not self.layers[0])
        return dout if input_grad else None

    def views(self):
        """{"0.W": (params view, grads view), "0.b": ...}, in the order of the vector."""
        return {
            f"{i}.{name}": (getattr(layer, name), getattr(layer, "d" + name))
            for i, layer in enumerate(self.layers)
            for name in layer.shapes
        }

    def __repr__(self):
        return f"Network([{', '.join(map(repr, self.layers))}])"
