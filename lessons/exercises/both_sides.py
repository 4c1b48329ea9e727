"""Exercise: R1 asks for a small slope at the data only. Ask for it at the fakes too, in one pass for both.

    tinygan check lessons/exercises/both_sides.py

½γ·mean_n ‖g_n‖² at x_real plus ½γ·mean_n ‖g_n‖² at x_fake (Mescheder et al. 2018, eq. 9 and 10). Both go through D
as one batch of 2N points; say what the mean is over.

Shapes: N batch, I inputs; x_real, x_fake are (N, I), x, g, v (2N, I).
"""

import numpy as np

from tinygan.gradient_penalty import add_gradient_penalty


def slopes(discriminator, x):
    """g = ∂D/∂x at x, (N, I)."""
    return discriminator.backward(np.ones_like(discriminator.forward(x)), param_grads=False).copy()


class BothSides:
    def __init__(self, gamma=0.1):
        self.gamma = gamma

    def by_definition(self, discriminator, x_real, x_fake):
        """What the value must be."""
        g_real, g_fake = slopes(discriminator, x_real), slopes(discriminator, x_fake)
        return 0.5 * self.gamma * (np.mean(np.sum(g_real**2, axis=1)) + np.mean(np.sum(g_fake**2, axis=1)))

    def __call__(self, discriminator, x_real, x_fake):
        x = np.concatenate([x_real, x_fake])

        def penalty(g):
            """Return (value, v) with v = ∂value/∂g, of the shape of g."""
            raise NotImplementedError("fill in")

        return add_gradient_penalty(discriminator, x, penalty)
