"""GAIN: a network that learns to fill in from examples which all have something missing (Yoon et al. 2018).

The generator sees what is known, and which entries that are, and returns a guess for all of them.
The discriminator says of every single entry whether it was known or filled in; a hint tells it
most of that, so that it looks at the rest. Known entries are also compared with the guess.

Shapes: N batch, I entries of an example. x, known, hint, guess, logits (N, I); ``known`` and what is
seen of it are 0 and 1; x lies between 0 and 1, and holds anything (but nan) where it is not known.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.filling import fill, patterns, regression_weights
from tinygan.layers import Sigmoid
from tinygan.losses import bce_with_logits, least_squares
from tinygan.network import Network, mlp
from tinygan.optimizers import Adam, MovingAverage


def loss_where(where, loss, out, target):
    """Return the loss of these entries only, and d(loss)/d(out), zero elsewhere; none cost nothing."""
    dout = np.zeros_like(out)
    if not where.any():
        return 0.0, dout
    value, dout[where] = loss(out[where], target[where])
    return value, dout


class Result(NamedTuple):
    """The discriminator's loss, what the generator pays it, and the generator's error at what is known."""

    d_loss: float
    price: float
    error: float


class GAIN:
    """Both networks, and what each of them pays.

    hint     share of the known entries of which D is told that they are (the paper's 0.9)
    alpha    weight of the error at the known entries beside the game; None: no game, only this error.
             The error is half the mean square: 200 is the 100 of the authors' code, which takes the whole
    hide     share of the known entries that G is not shown and still asked for (0 in the paper): with
             alpha None, a denoising network, which learns to fill in by guessing what it could be told
    average  decay of the moving average of G's weights, which fills in (0 in the paper: the last weights do)
    """

    def __init__(
        self, generator, discriminator, g_optimizer, d_optimizer, rng, hint=0.9, alpha=200.0, hide=0.0, average=0.999
    ):
        self.generator, self.discriminator = generator, discriminator
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.rng, self.hint, self.alpha, self.hide = rng, hint, alpha, hide
        self.average = MovingAverage(generator.params, average)

    def guess(self, x, known):
        """Return G's guess for all entries, from x where it is known and small noise elsewhere."""
        noise = self.rng.uniform(0, 0.01, x.shape).astype(x.dtype)
        return self.generator.forward(np.concatenate([fill(x, known, noise), known], axis=1))

    def hints(self, known):
        """Return 1 for most of the known entries, and 0 for the others and for all that is filled in.

        As in the authors' code. The paper has ½ where D is told nothing, and 0 where it is told that an
        entry is filled in: such an entry D rejects without a look, and G learns nothing from it.
        """
        return known * (self.rng.random(known.shape) < self.hint)

    def discriminator_gradients(self, filled, known, hint):
        """Fill discriminator.grads; return the loss: which entries were known?"""
        logits = self.discriminator.forward(np.concatenate([filled, hint], axis=1))
        loss, dlogits = bce_with_logits(logits, known)
        self.discriminator.backward(dlogits, input_grad=False)
        return loss

    def generator_gradients(self, x, known, shown, guess, hint):
        """Fill generator.grads; return (price, error). ``guess`` is what the last forward made of what is ``shown``."""
        error, dguess = loss_where(known > 0, least_squares, guess, x)
        if self.alpha is None:
            self.generator.backward(dguess, input_grad=False)
            return 0.0, error
        # The guess goes to D where nothing was shown, and is to be taken for known there.
        is_filled = shown == 0
        logits = self.discriminator.forward(np.concatenate([fill(x, shown, guess), hint], axis=1))
        price, dlogits = loss_where(is_filled, bce_with_logits, logits, np.ones_like(logits))
        share = float(is_filled.mean())  # so that the price is a mean over all entries: the known ones cost nothing
        dfilled, _ = np.split(self.discriminator.backward(dlogits, param_grads=False), 2, axis=1)
        self.generator.backward(self.alpha * dguess + share * is_filled * dfilled, input_grad=False)
        return share * price, error

    def step(self, x, known):
        """Take one step of D and one of G; return a Result."""
        shown = known * (self.rng.random(known.shape) >= self.hide).astype(known.dtype)
        guess, hint = self.guess(x, shown), self.hints(shown)
        d_loss = 0.0
        if self.alpha is not None:
            d_loss = self.discriminator_gradients(fill(x, shown, guess), shown, hint)
            self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        price, error = self.generator_gradients(x, known, shown, guess, hint)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        self.average.update(self.generator.params)
        return Result(d_loss, price, error)

    def fit(self, x, known, steps, batch=128):
        """Take so many steps with random batches of examples (M, I), yielding each Result."""
        for _ in range(steps):
            rows = self.rng.integers(len(x), size=batch)
            yield self.step(x[rows], known[rows].astype(x.dtype))

    def filled(self, x, known, chunk=500):
        """Return examples (n, I) with the guess where they are not known, by G with its averaged weights."""
        last = self.generator.params.copy()
        self.generator.params[:] = self.average.params
        parts = ((x[i : i + chunk], known[i : i + chunk].astype(x.dtype)) for i in range(0, len(x), chunk))
        filled = np.concatenate([fill(*part, self.guess(*part)) for part in parts])
        self.generator.params[:] = last
        return filled


def build_gain(n_inputs, rng, hidden=None, lr=1e-3, dtype=np.float32, **choices):
    """Return an untrained GAIN for examples of so many entries; ``hidden`` units, by default as many as entries.

    Networks and optimizers are those of the authors' code, with LeakyReLU for ReLU, and logits behind D.
    """
    hidden = hidden or n_inputs
    sizes = 2 * n_inputs, hidden, hidden, n_inputs
    generator = Network([*mlp(sizes, "xavier", "xavier"), Sigmoid()], rng, dtype)
    discriminator = Network(mlp(sizes, "xavier", "xavier"), rng, dtype)
    return GAIN(generator, discriminator, Adam(lr, beta1=0.9), Adam(lr, beta1=0.9), rng, **choices)


# ---- controls, for examples that all have something missing ---------------------------------------


def column_means(x, known):
    """Return the mean of the known entries of each column, (I,)."""
    return np.sum(known * np.where(known > 0, x, 0), axis=0) / known.sum(axis=0)


def incomplete_moments(x, known, rounds=30, ridge=1e-6):
    """Return the mean (I,) and covariance (I, I) that make examples with gaps likeliest, if they are Gaussian.

    This is EM (Dempster et al. 1977, section 4.1.3).
    Again and again: fill each example by regression with the mean and covariance so far, and take those
    of the filled ones, with the variance added that the regression leaves open.
    """
    mean = column_means(x, known)
    filled = fill(x, known, mean).astype(np.float64)
    covariance = np.cov(filled.T, bias=True)
    for _ in range(rounds):
        left = np.zeros_like(covariance)
        for mask, rows in patterns(known):
            cross = covariance[np.ix_(mask, ~mask)]
            weights = regression_weights(covariance, mask, ridge)
            filled[np.ix_(rows, ~mask)] = mean[~mask] + (x[np.ix_(rows, mask)] - mean[mask]) @ weights
            left[np.ix_(~mask, ~mask)] += len(rows) * (covariance[np.ix_(~mask, ~mask)] - cross.T @ weights)
        mean = filled.mean(axis=0)
        covariance = np.cov(filled.T, bias=True) + left / len(x)
    return mean, covariance


def fill_from_nearest_rows(x, known, chunk=200):
    """Return x with each gap filled from the nearest row that knows this entry.

    Near is what differs little: a sum of squares, in standard deviations. An entry that one of two rows does
    not know counts 2, which is the mean for two random rows.
    """
    k = known.astype(np.float64)
    mean = column_means(x, known)
    spread = np.sqrt(column_means((x - mean) ** 2, known))
    part = np.where(k > 0, (x - mean) / np.where(spread > 0, spread, 1), 0)
    squares = k * (part * part - 1)  # two of them: 2 is taken off for an entry that both know
    filled = x.copy()
    for start in range(0, len(x), chunk):
        rows = slice(start, start + chunk)
        distances = squares[rows] @ k.T + k[rows] @ squares.T - 2 * part[rows] @ part.T
        for column in np.flatnonzero((k[rows] == 0).any(axis=0)):
            gaps = np.flatnonzero(k[rows][:, column] == 0)
            candidates = np.flatnonzero(k[:, column])
            filled[start + gaps, column] = x[candidates[distances[np.ix_(gaps, candidates)].argmin(axis=1)], column]
    return filled
