"""Exercise: what a code costs, when it is a Gaussian and should look like N(0, 1). Its gradient, derived by hand.

    tinygan check lessons/exercises/kl_divergence.py

Here the code is [mean, σ], with σ itself in the place of the log variance; σ may have either sign, as only σ² counts.
Shapes: N batch, L latents; code (N, 2L). The cost is a sum over the latents and a mean over the batch, and is given
here divided by L, so that it is a mean over all entries.
"""

import numpy as np


def kl_divergence_by_definition(code):
    """What the loss must be."""
    mean, sigma = np.split(code, 2, axis=-1)
    return 0.5 * np.mean(mean**2 + sigma**2 - 1 - np.log(sigma**2))


def kl_divergence(code):
    """Return (the loss, d(loss)/d(code)) for code (N, 2L)."""
    raise NotImplementedError("fill in")
