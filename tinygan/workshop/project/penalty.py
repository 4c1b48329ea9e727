"""The penalty R1: it keeps the discriminator's slope small where the data are (lesson 13).

Its gradient is backpropagation through backpropagation. With Dense and LeakyReLU that is short, because a LeakyReLU
consists of straight pieces: its slope does not change when x moves a little.
"""

import numpy as np
from layers import Dense


class R1:
    """½γ mean_n ‖∂D/∂x(x_n)‖² of the real samples, in every ``every``-th step, and there so many times as strong."""

    def __init__(self, gamma=0.25, every=4):
        self.gamma, self.every, self.calls = gamma, every, 0

    def __call__(self, discriminator, x_real):
        """Add the penalty's gradient to discriminator.grads; return its value."""
        self.calls += 1
        if (self.calls - 1) % self.every:
            return 0.0
        return add_r1(discriminator, x_real, self.gamma * self.every)


def add_r1(network, x, weight):
    """Return ½ weight mean_n ‖g_n‖², g = ∂(ΣD)/∂x, (N, I), and add its gradient to network.grads (dW += ...).

    network   a stack of Dense and LeakyReLU that ends in one logit D for each sample; x is (N, I)

    1. Forward, and backward from ones, with param_grads=False. Keep for each layer its upstream gradient,
       u = ∂(ΣD)/∂(out of this layer). What arrives at the end is g.
    2. The penalty changes with g at the rate v = weight·g/N. Hold v fixed: what is left to differentiate is Σ v·g,
       which is how ΣD moves when x moves along v.
    3. Go forward along v. Through a Dense v moves to v W, and its W adds vᵀ u to dW. Through a LeakyReLU it moves to
       v · slope, which is what its backward does. No bias has a part in g.

    Lesson 13.
    """
    upstream, upstreams = np.ones_like(network.forward(x)), []
    for layer in reversed(network.layers):
        upstreams.insert(0, upstream)
        upstream = layer.backward(upstream, param_grads=False)
    g = upstream
    v = weight / len(x) * g
    for layer, upstream in zip(network.layers, upstreams):
        if isinstance(layer, Dense):
            layer.dW += v.T @ upstream
            v = v @ layer.W
        else:
            v = layer.backward(v, param_grads=False)
    return 0.5 * weight * np.sum(g**2) / len(x)
