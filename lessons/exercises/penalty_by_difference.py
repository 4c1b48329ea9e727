"""Exercise: R1 without tangents, by two ordinary gradients and their difference, as Pearlmutter began.

    tinygan check lessons/exercises/penalty_by_difference.py

With v = γ g / N held fixed, ∂penalty/∂θ = ∂/∂θ Σ_n [D(x_n + h v_n) - D(x_n - h v_n)] / 2h for a small h. The check is
in float64. backward(dout, input_grad=False) overwrites discriminator.grads, and a penalty has to add to them.
"""

import numpy as np


class R1ByDifference:
    """½γ·mean_n ‖g_n‖² with g_n = ∂D/∂x at x_real_n."""

    def __init__(self, gamma=0.1):
        self.gamma = gamma

    def slopes(self, discriminator, x):
        """g (N, I), without a change of discriminator.grads."""
        ones = np.ones_like(discriminator.forward(x))
        return discriminator.backward(ones, param_grads=False).copy()

    def by_definition(self, discriminator, x_real, x_fake):
        """What the value must be."""
        norms = np.linalg.norm(self.slopes(discriminator, x_real), axis=1)
        return 0.5 * self.gamma * np.mean(norms**2)

    def __call__(self, discriminator, x_real, x_fake):
        """Add the penalty's gradient to discriminator.grads (P,), and return its value."""
        raise NotImplementedError("fill in")
