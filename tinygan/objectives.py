"""The objectives: a GAN is a game, in which each player has a loss of its own.

    loss, dreal, dfake = objective.discriminator(real_logits, fake_logits)
    loss, dfake        = objective.generator(fake_logits)

Logits are the discriminator's raw outputs, (N, 1). Each gradient is the derivative of the returned
loss with respect to the logits of the same name, and has their shape.

For display only: ``score`` is what D(x) means in that game, a probability in the classic games, the
raw output elsewhere. ``equilibrium`` is (D's loss, G's loss, mean score) where the fakes are as the
data and D is at its best (lessons 07 and 11); None stands for any number.
"""

from __future__ import annotations

import math

import numpy as np

from tinygan.losses import bce_with_logits, least_squares, sigmoid


class Minimax:
    """D tells real (1) from fake (0) by cross-entropy; G minimizes log(1 - D(G(z))).

    Goodfellow et al. 2014, eq. 1. The two losses add up to -E log D(x_real), which G cannot change.
    """

    score = staticmethod(sigmoid)
    equilibrium = 2 * math.log(2), -math.log(2), 0.5

    def discriminator(self, real_logits, fake_logits):
        real_loss, dreal = bce_with_logits(real_logits, 1)
        fake_loss, dfake = bce_with_logits(fake_logits, 0)
        return real_loss + fake_loss, dreal, dfake

    def generator(self, fake_logits):
        loss, dfake = bce_with_logits(fake_logits, 0)
        return -loss, -dfake


class NonSaturating(Minimax):
    """The same D; G minimizes -log D(G(z)).

    Goodfellow et al. 2014, section 3: the same equilibrium, but a generator whose samples are
    confidently rejected still receives a gradient.
    """

    equilibrium = 2 * math.log(2), math.log(2), 0.5

    def generator(self, fake_logits):
        return bce_with_logits(fake_logits, 1)


class LeastSquares:
    """D is pulled to b on real and to a on fake samples, G pulls its samples' logits to c.

    Mao et al. 2017, eq. 2 and 9. Two codings have names: "0-1" is (a, b, c) = (0, 1, 1), "pearson"
    is (-1, 1, 0). Where b - c = 1 and b - a = 2, as in the second, the game minimizes a Pearson χ²
    divergence; every other a ≠ b does so too, in other units and up to a constant (lesson 11).
    """

    codings = {"0-1": (0.0, 1.0, 1.0), "pearson": (-1.0, 1.0, 0.0)}

    def __init__(self, a=0.0, b=1.0, c=1.0):
        self.a, self.b, self.c = a, b, c
        middle = (a + b) / 2  # the best D's answer where both are equally likely
        self.equilibrium = ((b - a) / 2) ** 2, 0.5 * (middle - c) ** 2, middle

    @staticmethod
    def score(logits):
        return logits

    def discriminator(self, real_logits, fake_logits):
        real_loss, dreal = least_squares(real_logits, self.b)
        fake_loss, dfake = least_squares(fake_logits, self.a)
        return real_loss + fake_loss, dreal, dfake

    def generator(self, fake_logits):
        return least_squares(fake_logits, self.c)


class Wasserstein:
    """The critic raises real and lowers fake scores, G raises its own (Arjovsky et al. 2017, eq. 2 and 3).

    Only meaningful while the critic's slope is held near 1: by a gradient penalty, or by clipping
    its weights. Then minus the critic's loss estimates the distance between fake and real.
    """

    score = staticmethod(LeastSquares.score)
    equilibrium = 0.0, None, None

    def discriminator(self, real_logits, fake_logits):
        loss = np.mean(fake_logits) - np.mean(real_logits)
        dreal = np.full_like(real_logits, -1 / real_logits.size)
        dfake = np.full_like(fake_logits, 1 / fake_logits.size)
        return loss, dreal, dfake

    def generator(self, fake_logits):
        return -np.mean(fake_logits), np.full_like(fake_logits, -1 / fake_logits.size)
