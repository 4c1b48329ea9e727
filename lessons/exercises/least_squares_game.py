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

    def discriminator_by_definition(self, real_logits, fake_logits):
        """What D's loss must be."""
        return half_mean_square(real_logits - self.b) + half_mean_square(fake_logits - self.a)

    def generator_by_definition(self, fake_logits):
        """What G's loss must be."""
        return half_mean_square(fake_logits - self.c)

    def discriminator(self, real_logits, fake_logits):
        """Return (loss, d(loss)/d(real_logits), d(loss)/d(fake_logits))."""
        raise NotImplementedError("fill in")

    def generator(self, fake_logits):
        """Return (loss, d(loss)/d(fake_logits))."""
        raise NotImplementedError("fill in")
