"""Exercise: R1 without tangents. Two ordinary gradients and a difference, as Pearlmutter began.

    tinygan check lessons/exercises/penalty_by_difference.py

With v = γ g / N held fixed, ∂penalty/∂θ = ∂/∂θ [Σ D(x + h v) - Σ D(x - h v)] / 2h for a small h. Choose h in
float64 as lesson 01 did. discriminator.backward overwrites grads, and this penalty has to add to them.
"""

import numpy as np


class R1ByDifference:
    """½γ·mean_n ‖g_n‖² with g_n = ∂D/∂x at x_real_n."""

    def __init__(self, gamma=0.1):
        self.gamma = gamma

    def __call__(self, discriminator, x_real, x_fake):
        """Add the gradient to discriminator.grads (P,), and return the value."""
        before = discriminator.grads.copy()
        out = discriminator.forward(x_real)
        g = discriminator.backward(np.ones_like(out), param_grads=False).copy()
        raise NotImplementedError(f"fill in, with {before.shape} and {g.shape}")
