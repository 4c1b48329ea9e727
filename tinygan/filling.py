"""Filling in: a trained generator is asked for the sample whose known part is right, and the rest is read off.

The generator stands still; its z goes downhill (Yeh et al. 2017). ``Network.backward`` returns the
gradient for z anyway. Beside it stand the controls that any filling has to be compared with.

Shapes: N samples, I inputs of a sample, L latent_dim, M training examples, S starts. x (N, I) holds
anything where ``known`` (N, I), of 0 and 1, is 0.
"""

from __future__ import annotations

import numpy as np

from tinygan.data import as_floats
from tinygan.optimizers import Adam

CHUNK = 200  # samples handled at once, so that no table of distances fills the memory


def known_error(out, x, known):
    """Return half the mean squared difference at the known entries, a mean over the samples, and d(loss)/d(out).

    Each sample counts the same, however many of its entries are known (at least one).
    """
    errors, difference = known_errors(out, x, known)
    return np.mean(errors), difference / len(out)


def known_errors(out, x, known):
    """Return that of each sample, (N,), and its derivative with respect to this sample, (N, I)."""
    share = known / known.sum(axis=1, keepdims=True)
    difference = np.where(known > 0, out - x, 0)
    return 0.5 * np.sum(share * difference * difference, axis=1), share * difference


class Descent:
    """Finds the z of each sample (N, I) whose G(z) fits where the sample is known.

    z          (S·N, L), the starts: S for each sample, in S blocks of N
    realism    weight of what the generator pays its ``discriminator`` in the game ``objective``;
               0 needs neither

    Every row goes its own way: its loss is its own, and Adam's steps do not depend on the others.
    """

    STEPS, LR = 300, 0.05

    def __init__(self, generator, x, known, z, discriminator=None, objective=None, realism=0.0):
        self.generator, self.discriminator, self.objective = generator, discriminator, objective
        self.realism, self.z = realism, z.copy()
        self.x, self.known = x, known.astype(x.dtype)
        self.starts = len(z) // len(x)
        self.rows_x, self.rows_known = (np.tile(part, (self.starts, 1)) for part in (x, self.known))
        self.adam = Adam(self.LR, beta1=0.9)

    def gradients(self):
        """Return the loss, a mean over the rows, and d(loss)/dz (S·N, L)."""
        out = self.generator.forward(self.z)
        loss, dout = known_error(out, self.rows_x, self.rows_known)
        if self.realism:
            price, dlogits = self.objective.generator(self.discriminator.forward(out))
            loss += self.realism * price
            dout += self.realism * self.discriminator.backward(dlogits, param_grads=False)
        return loss, self.generator.backward(dout, param_grads=False)

    def step(self):
        """Take one step of all z; return the loss before it."""
        loss, dz = self.gradients()
        dz *= len(dz)  # of the sum over the rows, so that none feels how many there are
        self.adam.step(self.z.reshape(-1), dz.reshape(-1))
        return loss

    def run(self, steps=None):
        """Take so many steps, or STEPS, ever smaller ones, and yield the loss before each."""
        steps = steps or self.STEPS
        for t in range(steps):
            self.adam.lr = self.LR * (1 - t / steps)
            yield self.step()

    def best(self):
        """Return G(z) of the start that fits each sample best where it is known, (N, I)."""
        out = self.generator.forward(self.z)
        errors = known_errors(out, self.rows_x, self.rows_known)[0].reshape(self.starts, -1)
        return out.reshape(self.starts, *self.x.shape)[errors.argmin(axis=0), np.arange(len(self.x))]

    def filled(self):
        """Return the samples (N, I), with what ``best`` has where they are not known."""
        return fill(self.x, self.known, self.best())


def fill(x, known, guess):
    """Return x where it is known, and the guess elsewhere."""
    return np.where(known > 0, x, guess)


# ---- what is missing -------------------------------------------------------------------------------


def missing_at_random(rng, n, n_inputs, share):
    """Return ``known`` (n, n_inputs): in each sample this share of the entries, drawn anew, is 0."""
    count = round(share * n_inputs)
    order = rng.random((n, n_inputs)).argsort(axis=1)
    return (order >= count).astype(np.float32)


def missing_block(n, shape, name):
    """Return ``known`` (n, I): of images the lower "half", or the "center", half as high and half as wide, is 0."""
    height, width = shape[:2]
    known = np.ones(shape, np.float32)
    if name == "half":
        known[height // 2 :] = 0
    else:
        known[height // 4 : height - height // 4, width // 4 : width - width // 4] = 0
    return np.tile(known.reshape(1, -1), (n, 1))


# ---- controls ------------------------------------------------------------------------------------


def fill_with_mean(x, known, train):
    """Return x filled with the mean of the training examples (M, I)."""
    return fill(x, known, as_floats(train).mean(axis=0))


def fill_with_nearest(x, known, train):
    """Return x filled with what the training example has that is nearest to the known part."""
    train = as_floats(train)
    squares = train * train
    nearest = []
    for start in range(0, len(x), CHUNK):
        k = known[start : start + CHUNK].astype(train.dtype)
        part = k * np.where(k > 0, x[start : start + CHUNK], 0)
        nearest.append((k @ squares.T - 2 * part @ train.T).argmin(axis=1))  # Σ k (x - t)², but for Σ k x²
    return fill(x, known, train[np.concatenate(nearest)])


def fill_by_regression(x, known, mean, covariance, ridge=1e-2):
    """Return x filled with the linear function of its known part that fits data with this mean and covariance best.

    It is μ_h + Σ_hk (Σ_kk + ridge·I)⁻¹ (x_k - μ_k), k the known and h the hidden entries; the small
    ridge is for entries that hardly ever change.
    """
    guess = np.zeros_like(x)
    for mask, rows in patterns(known):
        weights = regression_weights(covariance, mask, ridge)
        guess[np.ix_(rows, ~mask)] = mean[~mask] + (x[np.ix_(rows, mask)] - mean[mask]) @ weights
    return fill(x, known, guess)


def regression_weights(covariance, mask, ridge):
    """Return (Σ_kk + ridge·I)⁻¹ Σ_kh, (known, hidden), for a mask (I,) that is True where known."""
    of_known = covariance[np.ix_(mask, mask)] + ridge * np.eye(mask.sum())
    return np.linalg.solve(of_known, covariance[np.ix_(mask, ~mask)])


def patterns(known):
    """Yield every mask (I,) that ``known`` has, and the rows that have it."""
    masks, which = np.unique(known > 0, axis=0, return_inverse=True)
    for i, mask in enumerate(masks):
        yield mask, np.flatnonzero(which.ravel() == i)


def mean_and_covariance(train):
    """Return the mean (I,) and the covariance (I, I), float64, of training examples (M, I)."""
    train = as_floats(train)
    mean = train.mean(axis=0)
    centered = train - mean
    return mean, (centered.T @ centered / len(train)).astype(np.float64)
