"""Exercise: the least-squares game with any targets a, b, c, without calling tinygan.losses.

    tinygan check lessons/exercises/least_squares_game.py

The discriminator pays ½ mean((real - b)²) + ½ mean((fake - a)²), the generator ½ mean((fake - c)²). The two
halves of a batch may differ in size.
"""

import numpy as np


def half_mean_square(difference):
    return np.mean(difference**2) / 2


class LeastSquares:
    def __init__(self, a=-1.0, b=1.0, c=0.0):
        self.a, self.b, self.c = a, b, c

    def discriminator(self, real_logits, fake_logits):
        """Return (loss, d(loss)/d(real_logits), d(loss)/d(fake_logits))."""
        raise NotImplementedError("fill in")

    def generator(self, fake_logits):
        """Return (loss, d(loss)/d(fake_logits))."""
        raise NotImplementedError("fill in")
