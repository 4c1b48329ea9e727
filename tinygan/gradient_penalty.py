"""The gradient penalties: they keep the discriminator's slope small. Their gradient is backprop through backprop.

The penalty is a function of g = ∂D/∂x, which is itself made by a backward pass. Differentiating it
needs no new machinery but one directional derivative (Pearlmutter 1994): where a penalty changes
with g at the rate v = ∂penalty/∂g, held fixed,

    ∂penalty/∂θ = Σ_n v_n · ∂g_n/∂θ = ∂/∂θ [ d/dε Σ_n D(x_n + ε v_n) ]  at ε = 0,

so it is enough to push v forward through the layers (``Layer.tangent``) and to go backward through
that once (``Layer.tangent_backward``). Lesson 13 derives it line by line.

Shapes: N batch, I inputs; x, g, v are (N, I).
"""

from __future__ import annotations

import numpy as np


class R1:
    """½γ·mean_n ‖∂D/∂x(x_real_n)‖² (Mescheder et al. 2018, eq. 9), every ``every``-th step.

    Lazy as in Karras et al. 2020 (StyleGAN2), appendix B: on the steps on which it is computed it
    counts ``every``-fold, so that its mean strength does not depend on ``every``.
    """

    def __init__(self, gamma=0.1, every=1):
        self.gamma, self.every, self.calls = gamma, every, 0

    def __call__(self, discriminator, x_real, x_fake):
        self.calls += 1
        if (self.calls - 1) % self.every:
            return 0.0
        weight = self.gamma * self.every

        def penalty(g):
            value = 0.5 * weight * np.dot(g.ravel(), g.ravel()) / len(g)
            g *= weight / len(g)  # ∂value/∂g = weight·g/N, in place
            return value, g

        return add_gradient_penalty(discriminator, x_real, penalty)


class WGANGP:
    """λ·mean_n (‖∂D/∂x(x̂_n)‖ - 1)², x̂ = ε x_real + (1 - ε) x_fake (Gulrajani et al. 2017, eq. 3).

    ε is uniform on [0, 1], one for each sample. Where the norm is zero it has no direction to grow
    in, and the sample adds to the value but not to the gradient.
    """

    def __init__(self, rng, strength=10.0):
        self.rng, self.strength = rng, strength

    def __call__(self, discriminator, x_real, x_fake):
        e = self.rng.random((len(x_real), 1), dtype=np.float64).astype(x_real.dtype)
        between = e * x_real + (1 - e) * x_fake

        def penalty(g):
            norm = np.sqrt(np.sum(g * g, axis=1, keepdims=True))
            direction = g / np.where(norm > 0, norm, 1)
            value = self.strength * np.mean((norm - 1) ** 2)
            return value, 2 * self.strength * (norm - 1) * direction / len(g)

        return add_gradient_penalty(discriminator, between, penalty)


def add_gradient_penalty(network, x, penalty):
    """Add ∂penalty/∂params to ``network.grads`` and return the penalty's value.

    ``penalty(g)`` returns (value, v) with v = ∂value/∂g, for g = ∂(Σ D)/∂x of shape (N, I); it may
    write v into g. g_n is the slope of D at x_n as long as no other sample has a part in D(x_n);
    behind a ``Pack`` it is the slope of the one logit of x_n's pack.
    """
    slope = np.zeros_like(network.forward(x))
    slope[:, 0] = 1  # D is the logit; behind it may be guesses (codes.py)
    slopes = []
    for layer in reversed(network.layers):  # backward from ones: slope = ∂(ΣD)/∂out of each layer
        slopes.append(slope)
        slope = layer.backward(slope, param_grads=False)
    value, v = penalty(slope)
    for layer in network.layers:  # forward again: out moves by out_v when x moves along v
        v = layer.tangent(v)
    dout = None  # and backward through that, where ∂(ΣD)/∂out is also what a change of out_v does to ΣD
    for layer, dout_v in zip(reversed(network.layers), slopes, strict=True):
        dout = layer.tangent_backward(dout_v, dout)
    return value
