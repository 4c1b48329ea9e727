"""The codes: D guesses from a sample what its generator was given, and both players pay where the guess is wrong.

A categorical code is one of K values, drawn at random and given to the generator like a label: one-hot,
behind z. Continuous codes are the first C numbers of z itself. The discriminator is not told them. Its
last layer has K + C outputs beside the logit, its guesses, which it makes of the same features.

What a right guess is worth is a lower bound of the mutual information between code and sample (InfoGAN,
Chen et al. 2016, eq. 4 and 5): the generator has to show its code in what it draws. No label is needed.

The code may show in anything. Where real samples have codes as well, the groups that ``kinds`` has sorted them into,
D also pays for wrong guesses about these, and so they say what a code looks like.

Shapes: N batch, I inputs of a sample, L latent_dim, K values of the categorical code, C continuous codes.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tinygan.conditions import labels_in
from tinygan.gan import GAN, DiscriminatorResult
from tinygan.losses import least_squares, softmax_cross_entropy

NUMBERS = 0.1  # what the loss of the continuous codes counts beside that of the categorical one; at 1 it drowns it


def gaussian_loss(means, values):
    """Return mean(-log Q(values|x)) without its constant, in nats, and d(loss)/d(means); all (N, C).

    Q is a Gaussian of width 1 around each guess, and so -log Q is ½ Σ_c (mean - value)².
    """
    loss, dmeans = least_squares(means, values)  # the mean over all N·C numbers
    return means.shape[1] * loss, means.shape[1] * dmeans


class InfoGAN(GAN):
    """A GAN in which both players also pay ``weight`` times the losses of the guesses about generated samples.

    D's outputs are (N, 1 + K + C): the logit, and the guesses. ``z``, (N, L + K), is what x_fake was made of, and
    ``groups``, (N,), the codes of x_real, or None where these have none; both are set before each step. With a
    ``Distortion`` the categorical code is guessed from distorted samples.
    """

    def __init__(self, *players, codes, continuous, weight, distortion=None):
        super().__init__(*players)
        self.codes, self.continuous, self.weight = codes, continuous, weight
        self.distortion = distortion
        self.z = self.groups = None

    def discriminator_gradients(self, x_real, x_fake):
        """Fill discriminator.grads; as in a GAN, but that D pays for its guesses as well."""
        n = len(x_real)
        out = self.discriminator.forward(np.concatenate([x_real, x_fake, *self.distorted(x_fake)])).copy()
        dout = np.zeros_like(out)
        real_logits, fake_logits = out[:n, :1], out[n : 2 * n, :1]
        loss, dout[:n, :1], dout[n : 2 * n, :1] = self.objective.discriminator(real_logits, fake_logits)
        loss += self.guess(out[n:], dout[n:])
        if self.groups is not None:
            loss += self.guess_code(out[:n], dout[:n], self.groups)
        self.discriminator.backward(dout, input_grad=False)
        penalty = self.penalty(self.discriminator, x_real, x_fake) if self.penalty else 0.0
        return DiscriminatorResult(loss + penalty, penalty, real_logits, fake_logits)

    def generator_gradients(self, x_fake):
        """Fill generator.grads; as in a GAN, but that G pays for what D cannot guess as well."""
        n = len(x_fake)
        out = self.discriminator.forward(np.concatenate([x_fake, *self.distorted(x_fake)]))
        dout = np.zeros_like(out)
        loss, dout[:n, :1] = self.objective.generator(out[:n, :1])
        loss += self.guess(out, dout)
        dx = self.discriminator.backward(dout, param_grads=False)
        dx_fake = dx[:n] + self.distortion.backward(dx[n:]) if self.distortion else dx
        self.generator.backward(dx_fake, input_grad=False)
        return loss

    def distorted(self, x_fake):
        """Return [] or [x_fake, each sample distorted], which D sees behind the others."""
        return [self.distortion.forward(x_fake)] if self.distortion else []

    def guess(self, out, dout):
        """Return the weighted loss of the guesses, and write its gradient into dout; rows as (x_fake, distorted)."""
        n, loss = len(self.z), 0.0
        if self.codes:
            loss += self.guess_code(out[-n:], dout[-n:], labels_in(self.z, self.z.shape[1] - self.codes))
        if self.continuous:
            squares, dmeans = gaussian_loss(out[:n, 1 + self.codes :], self.z[:, : self.continuous])
            loss += self.weight * NUMBERS * squares
            dout[:n, 1 + self.codes :] = self.weight * NUMBERS * dmeans
        return loss

    def guess_code(self, out, dout, labels):
        """Return the weighted loss of the guesses that the codes are ``labels``, (N,); write its gradient into dout."""
        guesses = slice(1, 1 + self.codes)
        loss, dguesses = softmax_cross_entropy(out[:, guesses], labels)
        dout[:, guesses] = self.weight * dguesses
        return self.weight * loss


def guesser(discriminator, codes):
    """Return the function that reads samples as ``guessed_labels`` does; None where there is no categorical code."""
    return partial(guessed_labels, discriminator, codes) if codes else None


def guessed_labels(discriminator, codes, x, chunk=500):
    """Return the value, 0 to ``codes`` - 1, that D reads off each sample x (N, I), (N,)."""
    with discriminator.inference():
        parts = (discriminator.forward(x[i : i + chunk])[:, 1 : 1 + codes] for i in range(0, len(x), chunk))
        return np.concatenate([guesses.argmax(axis=1) for guesses in parts])
