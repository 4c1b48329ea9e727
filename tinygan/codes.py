"""The codes: D guesses from a sample what its generator was given, and both players pay where the guess is wrong.

A categorical code is one of K values, drawn at random and given to the generator like a label: one-hot,
behind z. Continuous codes are the first C numbers of z itself. The discriminator is not told them. Its
last layer has K + C outputs beside the logit, its guesses, which it makes of the same features.

What a right guess is worth is a lower bound of the mutual information between code and sample (InfoGAN,
Chen et al. 2016, eq. 4 and 5): the generator has to show its code in what it draws. No label is needed.

Shapes: N batch, L latent_dim, K values of the categorical code, C continuous codes.
"""

from __future__ import annotations

import numpy as np

from tinygan.losses import least_squares, softmax_cross_entropy


def code_loss(guesses, labels, values):
    """Return mean(-log Q(code|x)) without its constants, in nats, and d(loss)/d(guesses), (N, K + C).

    guesses (N, K + C) are K logits of the categorical code and C means of the continuous ones, around
    which Q is a Gaussian of width 1; labels (N,) and values (N, C) are what the generator was given.
    """
    n_values = values.shape[1]
    n_labels = guesses.shape[1] - n_values
    loss, dguesses = 0.0, np.zeros_like(guesses)
    if n_labels:
        loss, dguesses[:, :n_labels] = softmax_cross_entropy(guesses[:, :n_labels], labels)
    if n_values:  # -log of a Gaussian is ½ Σ_c (mean - value)²; least_squares takes the mean over c
        squares, dmeans = least_squares(guesses[:, n_labels:], values)
        loss = loss + n_values * squares
        dguesses[:, n_labels:] = n_values * dmeans
    return loss, dguesses


class Coded:
    """The game of another objective, in which both players also pay ``weight`` times the code loss of the fakes.

    D's outputs are (N, 1 + K + C): the logit, and the guesses. ``z``, (N, L + K), is what the generator
    made the fakes of; it is set before.
    """

    def __init__(self, objective, codes, continuous, weight=1.0):
        self.objective, self.codes, self.continuous, self.weight = objective, codes, continuous, weight
        self.equilibrium = objective.equilibrium  # where every guess is right
        self.z = None

    def score(self, out):
        """Return what D(x) means, (N, 1)."""
        return self.objective.score(out[:, :1])

    def discriminator(self, real, fake):
        """Return D's loss and its derivatives by D's outputs of real and of generated samples, (N, 1 + K + C)."""
        loss, dreal, dfake = self.objective.discriminator(real[:, :1], fake[:, :1])
        code, dguesses = self.code_loss(fake)
        return loss + code, np.hstack([dreal, np.zeros_like(dguesses)]), np.hstack([dfake, dguesses])

    def generator(self, fake):
        """Return G's loss and its derivative by D's outputs of generated samples, (N, 1 + K + C)."""
        loss, dfake = self.objective.generator(fake[:, :1])
        code, dguesses = self.code_loss(fake)
        return loss + code, np.hstack([dfake, dguesses])

    def code_loss(self, fake):
        """Return the weighted code loss, and its derivative by the guesses."""
        labels, values = codes_in(self.z, self.codes, self.continuous)
        loss, dguesses = code_loss(fake[:, 1:], labels, values)
        return self.weight * loss, self.weight * dguesses


def codes_in(z, codes, continuous):
    """Return the codes in latents z (N, L + K): labels (N,), or None where K is 0, and values (N, C)."""
    labels = z[:, -codes:].argmax(axis=1) if codes else None
    return labels, z[:, :continuous]


def guessed_labels(discriminator, codes, x, chunk=500):
    """Return the value, 0 to ``codes`` - 1, that D reads off each sample x (N, I), (N,)."""
    with discriminator.inference():
        parts = (discriminator.forward(x[i : i + chunk])[:, 1 : 1 + codes] for i in range(0, len(x), chunk))
        return np.concatenate([guesses.argmax(axis=1) for guesses in parts])
