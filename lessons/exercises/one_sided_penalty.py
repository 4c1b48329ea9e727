"""Exercise: a penalty that is one-sided. Slopes above a bound cost something, those below are free.

    tinygan check lessons/exercises/one_sided_penalty.py

Shapes: N batch, I inputs; x_real, x_fake, g, v are (N, I).
"""

import numpy as np

from tinygan.gradient_penalty import add_gradient_penalty


def norms(g):
    """‖g_n‖ of each row, (N, 1)."""
    return np.linalg.norm(g, axis=1, keepdims=True)


class OneSided:
    """λ·mean_n max(0, ‖g_n‖ - bound)² with g_n = ∂D/∂x at x_real_n."""

    def __init__(self, strength=10.0, bound=0.03):
        self.strength, self.bound = strength, bound

    def by_definition(self, discriminator, x_real, x_fake):
        """What the value must be, sample by sample."""
        slope = discriminator.backward(np.ones_like(discriminator.forward(x_real)), param_grads=False)
        excess = [norm - self.bound for norm in norms(slope).ravel() if norm > self.bound]
        return self.strength * sum(e**2 for e in excess) / len(x_real)

    def __call__(self, discriminator, x_real, x_fake):
        def penalty(g):
            """Return (value, v) with v = ∂value/∂g, of the shape of g."""
            raise NotImplementedError("fill in")

        return add_gradient_penalty(discriminator, x_real, penalty)
