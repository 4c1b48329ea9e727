"""A network: a stack of layers, and one vector of parameters (lesson 05).

The stack is a loop forward, and a reversed loop backward, which is the chain rule. The vector is what optimizers and
the moving average work on: they need not know that there are layers.

Shapes: N batch, I inputs of the first layer, O outputs of the last, P parameters.
"""

import math

import numpy as np


def one_vector(layers, dtype):
    """Return (params, grads), two vectors of zeros, (P,), and make every layer's arrays views into them.

    ``layer.shapes`` names the parameters of a layer: {"W": (I, O), "b": (O,)}, or {} where there are none. One after
    the other, in the order of the layers and of ``shapes``, each becomes a piece of ``params`` in its shape, as
    layer.W and layer.b, and its gradient the same piece of ``grads``, as layer.dW and layer.db (``setattr``). A view
    shares its numbers with the vector: a slice that is reshaped is one, a copy is none. Lesson 05.
    """
    size = sum(math.prod(shape) for layer in layers for shape in layer.shapes.values())
    params, grads = np.zeros(size, dtype), np.zeros(size, dtype)
    start = 0
    for layer in layers:
        for name, shape in layer.shapes.items():
            stop = start + math.prod(shape)
            setattr(layer, name, params[start:stop].reshape(shape))
            setattr(layer, "d" + name, grads[start:stop].reshape(shape))
            start = stop
    return params, grads


class Network:
    """A stack of layers whose parameters live in one vector: ``params``, (P,), and their gradients, ``grads``, (P,)."""

    def __init__(self, layers, rng, dtype=np.float32):
        self.layers = layers
        self.params, self.grads = one_vector(layers, dtype)
        for layer in layers:
            if layer.shapes:
                layer.initialize(rng)

    def forward(self, x):
        """Return out, (N, O), for x, (N, I): through the layers, one after the other. Lesson 05."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout, param_grads=True):
        """Return dx = d(loss)/dx, (N, I), for dout = d(loss)/d(out), (N, O), of the last forward; fill ``grads``.

        ``param_grads`` is handed on to every layer: if it is False, ``grads`` stay as they are. Lesson 05.
        """
        for layer in reversed(self.layers):
            dout = layer.backward(dout, param_grads)
        return dout
