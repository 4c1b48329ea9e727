"""The codes: D guesses from a sample what its generator was given, and both players pay where the guess is wrong.

A categorical code is one of K values, drawn at random and given to the generator like a label: one-hot,
behind z. Continuous codes are the first C numbers of z itself. The discriminator is not told them. Its
last layer has K + C outputs beside the logit, its guesses, which it makes of the same features.

What a right guess is worth is a lower bound of the mutual information between code and sample (InfoGAN,
Chen et al. 2016, eq. 4 and 5): the generator has to show its code in what it draws. No label is needed.

The code may show in anything. With ``agree`` it shows in the kind of the sample: D first sorts real samples, by what
stays when they are bent (``distortion.agreement``, clustering without any GAN), and the codes are groups of its kinds.

Shapes: N batch, I inputs of a sample, L latent_dim, K values of the categorical code, C continuous codes.
"""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from tinygan.conditions import labels_in
from tinygan.distortion import agreement, both_ways, mutual_information, softmax
from tinygan.gan import GAN, DiscriminatorResult
from tinygan.losses import least_squares, softmax_cross_entropy

SORTING = 2000  # steps before the game, in which D sorts real samples, where it has to read them alike,
KINDS = 5  # into so many kinds for each code
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
    ``t`` counts the steps before this one; both are set before each step. With a ``Distortion`` the categorical
    code is guessed from distorted samples. With ``agree`` D also pays for reading, from a real sample that is
    distorted in two ways, codes that disagree, and for the first SORTING steps it does nothing else.
    """

    def __init__(self, *players, codes, continuous, weight, distortion=None, agree=0.0):
        super().__init__(*players)
        self.codes, self.continuous, self.weight = codes, continuous, weight
        self.distortion, self.agree = distortion, agree
        self.kinds = slice(1 + codes + continuous, None)  # D's columns for them
        self.z, self.t = None, 0

    def discriminator_gradients(self, x_real, x_fake):
        """Fill discriminator.grads; as in a GAN, but that D pays for its guesses as well."""
        n = len(x_real)
        bent = self.distorted(x_fake)
        twice = [self.distortion.forward(x_real) for _ in range(2)] if self.agree else []
        out = self.discriminator.forward(np.concatenate([x_real, x_fake, *bent, *twice])).copy()
        dout = np.zeros_like(out)
        real_logits, fake_logits = out[:n, :1], out[n : 2 * n, :1]
        loss, dout[:n, :1], dout[n : 2 * n, :1] = self.objective.discriminator(real_logits, fake_logits)
        fakes = slice(n, 3 * n if bent else 2 * n)
        loss += self.guess(out[fakes], dout[fakes])  # real samples have no code
        if self.agree:
            loss += self.read_alike(out[-2 * n :], dout[-2 * n :])
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
        n, end, stop, loss = len(self.z), 1 + self.codes, 1 + self.codes + self.continuous, 0.0
        if self.codes:
            labels = labels_in(self.z, self.z.shape[1] - self.codes)
            loss, dout[-n:, 1:end] = softmax_cross_entropy(out[-n:, 1:end], labels)
        if self.continuous:
            squares, dmeans = gaussian_loss(out[:n, end:stop], self.z[:, : self.continuous])
            loss += NUMBERS * squares
            dout[:n, end:stop] = NUMBERS * dmeans
        dout[:, 1:] *= self.weight
        return self.weight * loss

    def read_alike(self, out, dout):
        """Return the weighted ``agreement`` about real samples, distorted twice, and write its gradient into dout."""
        total = 0.0
        for columns in (slice(1, 1 + self.codes), self.kinds):
            loss, *dlogits = agreement(*np.split(out[:, columns], 2))
            dout[:, columns] = self.agree * np.concatenate(dlogits)
            total += self.agree * loss
        return total

    def discriminator_step(self, x_real, x_fake):
        """Take one step down the discriminator's loss; return a DiscriminatorResult."""
        return self.sort(x_real) if self.is_sorting() else super().discriminator_step(x_real, x_fake)

    def generator_step(self, x_fake):
        """Take one step down the generator's loss; return that loss; while real samples are sorted, G waits."""
        return 0.0 if self.is_sorting() else super().generator_step(x_fake)

    def is_sorting(self):
        """Return whether this is a step before the game, in which D sorts real samples into kinds."""
        return bool(self.agree) and self.t < SORTING

    def has_sorted(self):
        """Return whether the game begins with this step, so that ``settle`` is due."""
        return bool(self.agree) and self.t == SORTING

    def sort(self, x_real):
        """Take a step of D towards kinds, and codes, that are read alike from real samples, (N, I), distorted twice."""
        twice = [self.distortion.forward(x_real) for _ in range(2)]
        out = self.discriminator.forward(np.concatenate(twice))
        dout = np.zeros_like(out)
        loss = self.read_alike(out, dout)
        self.discriminator.backward(dout, input_grad=False)
        self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        return DiscriminatorResult(loss, 0.0, *np.split(out[:, :1].copy(), 2))

    def settle(self, x_real):
        """Begin the game: join the kinds into as many groups as there are codes, and let the codes be these groups.

        The columns of the code are those that come nearest, by least squares, to the logarithm of p(group|x).
        """
        p, q, features = [], [], []
        for x in np.array_split(x_real, len(x_real) // 500 + 1):
            q.append(softmax(self.discriminator.forward(self.distortion.forward(x))[:, self.kinds]))
            p.append(softmax(self.discriminator.forward(self.distortion.forward(x))[:, self.kinds]))
            features.append(self.discriminator.layers[-1].x.copy())
        p, q, features = np.concatenate(p), np.concatenate(q), np.concatenate(features)
        groups = merged(both_ways(p, q), self.codes)
        log_p = np.log(p @ groups + 0.01)
        inputs = np.column_stack([features, np.ones(len(features))])
        solution, *_ = np.linalg.lstsq(inputs, log_p, rcond=1e-4)
        last, code = self.discriminator.layers[-1], slice(1, 1 + self.codes)
        last.W[:, code], last.b[code] = solution[:-1], solution[-1]
        # What comes now is much steeper: with Adam's memory of what was, the first steps would be far too large.
        self.d_optimizer.restore(0, {})


def merged(joint, n_groups):
    """Return the groups into which kinds are joined, one-hot, (kinds, n_groups), for P(kind, kind') (kinds, kinds).

    Those two are joined, again and again, after which the readings still say most about each other.
    """
    groups = np.eye(len(joint))
    while groups.shape[1] > n_groups:
        pairs = itertools.combinations(range(groups.shape[1]), 2)
        ways = (np.column_stack([np.delete(groups, pair, 1), groups[:, pair].sum(axis=1)]) for pair in pairs)
        groups = max(ways, key=lambda groups: mutual_information(groups.T @ joint @ groups)[0])
    return groups


def guesser(discriminator, codes):
    """Return the function that reads samples as ``guessed_labels`` does; None where there is no categorical code."""
    return partial(guessed_labels, discriminator, codes) if codes else None


def guessed_labels(discriminator, codes, x, chunk=500):
    """Return the value, 0 to ``codes`` - 1, that D reads off each sample x (N, I), (N,)."""
    with discriminator.inference():
        parts = (discriminator.forward(x[i : i + chunk])[:, 1 : 1 + codes] for i in range(0, len(x), chunk))
        return np.concatenate([guesses.argmax(axis=1) for guesses in parts])
