"""Few labels: a discriminator that learns to read from a hundred labels, and from what is real in all other images.

D has a logit for each class. A class more, "fake", has the logit 0, so that the probability of "real" is Z/(Z + 1)
with Z = Σ exp(logits): the sigmoid of log Z. Labeled samples say which class, unlabeled and generated ones whether
any (Salimans et al. 2016, sections 3.1 and 5).

    run = FewLabels(dataset, draw_labeled(dataset.labels, 10, rng), Recipe())
    for _ in range(run.recipe.steps):
        run.step()
    run.predict(test.x)

Shapes: N batch, M labeled samples, I inputs of a sample, K classes, F features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.conditions import class_counts
from tinygan.data import DataError, Minibatches, as_floats
from tinygan.distortion import Distortion, agreement
from tinygan.gan import draw_latents, generate
from tinygan.layers import Dense, Layer, LeakyReLU, Sigmoid
from tinygan.losses import bce_with_logits, softmax_cross_entropy
from tinygan.network import Network
from tinygan.normalization import BatchNorm
from tinygan.optimizers import Adam, MovingAverage

# ---- losses --------------------------------------------------------------------------------------


def log_sum_exp(logits):
    """Return s = log Σ_k exp(logits[n, k]), (N, 1), for any finite logits (N, K), and ds/d(logits), (N, K).

    The slope is the softmax: a logit is felt as much as its class is likely.
    """
    largest = logits.max(axis=1, keepdims=True)
    e = np.exp(logits - largest)  # the largest is 1, so that exp cannot overflow and Σ cannot vanish
    total = e.sum(axis=1, keepdims=True)
    return largest + np.log(total), e / total


def any_class(logits, target):
    """Return the cross-entropy of "real", D(x) = Z/(Z + 1) with Z = Σ_k exp(logits[n, k]), and d(loss)/d(logits).

    logits (N, K); target (N, 1), or one number for all: 1 for real samples, 0 for fakes. Salimans et al. 2016,
    section 5.
    """
    s, slope = log_sum_exp(logits)
    loss, ds = bce_with_logits(s, np.broadcast_to(np.asarray(target, s.dtype), s.shape))  # Z/(Z + 1) = σ(log Z)
    return loss, ds * slope


def class_or_fake(labeled_logits, labels, unlabeled_logits, fake_logits):
    """Return D's loss and its gradients with respect to the three logits, (M, K), (N, K) and (N, K).

    -mean log p(label | x, real) + ½ (-mean log D(x_real) - mean log(1 - D(x_fake))): Salimans et al. 2016, section
    5, with half the weight of the second term, as in their code.
    """
    class_loss, dlabeled = softmax_cross_entropy(labeled_logits, labels)
    real_loss, dunlabeled = any_class(unlabeled_logits, 1)
    fake_loss, dfake = any_class(fake_logits, 0)
    return class_loss + 0.5 * (real_loss + fake_loss), dlabeled, 0.5 * dunlabeled, 0.5 * dfake


def feature_matching(real_features, fake_features):
    """Return ‖mean f(x_real) - mean f(x_fake)‖² of features (N, F), and d(loss)/d(fake_features), (N, F).

    Salimans et al. 2016, section 3.1. All rows of the gradient are equal: the fakes are moved as one.
    """
    difference = fake_features.mean(axis=0) - real_features.mean(axis=0)  # (F,)
    n = len(fake_features)
    return np.sum(difference * difference), np.tile(2 / n * difference, (n, 1))


# ---- networks ------------------------------------------------------------------------------------

POOL = 1 << 20  # numbers that a Noise draws at once


class Noise(Layer):
    """out = x + sigma·ε with ε ~ N(0, 1), another ε in each forward; out = x within ``Network.inference``.

    rng  numpy Generator that draws ε
    """

    def __init__(self, sigma, rng):
        super().__init__()
        self.sigma, self.rng = sigma, rng

    def forward(self, x):
        if not self.training:
            return x
        # Trick: drawing takes as long as a matrix product. A million numbers are drawn once, and each pass takes a
        # piece of them that begins anywhere.
        drawn = self._work.get("drawn")
        if drawn is None or len(drawn) < 2 * x.size:
            drawn = self.sigma * self.rng.standard_normal(max(POOL, 2 * x.size), dtype=x.dtype)
            self._work["drawn"] = drawn
        start = self.rng.integers(len(drawn) - x.size)
        noise = drawn[start : start + x.size].reshape(x.shape)
        return np.add(x, noise, out=self.work_array("out", x.shape, x.dtype))

    def backward(self, dout, param_grads=True, input_grad=True):
        return dout  # ε does not depend on x

    def tangent(self, v):
        return v

    def tangent_backward(self, dout_v, dout=None):
        return dout

    def __repr__(self):
        return f"Noise({self.sigma})"


class Recipe(NamedTuple):
    """Every choice of a run, but the data and the seed."""

    hidden: tuple[int, ...] = (500, 250, 250)  # of D, the last of them are its features
    g_hidden: tuple[int, ...] = (256,)
    latent_dim: int = 100
    noise: tuple[float, float] = (0.3, 0.5)  # σ on D's pixels, and behind each hidden layer
    matching: bool = True  # G matches features; False: G minimizes -log D(G(z))
    distort: float = 0.0  # how strongly real images are bent at random before D sees them
    agree: float = 0.0  # weight of the agreement about unlabeled images, each bent in two ways
    batch: int = 100
    lr: float = 5e-3
    beta1: float = 0.5
    decay_from: float = 0.5  # share of the run after which lr falls linearly to zero
    average: float = 0.999  # decay of the moving average of D's weights, which is what reads
    steps: int = 6_000


def noisy_layers(recipe, pixels, classes, rng):
    """Return the layers I pixels in [0, 1] -> hidden... -> K logits, with noise before each Dense layer."""
    on_pixels, on_hidden = recipe.noise
    layers = [Noise(on_pixels, rng)]
    sizes = pixels, *recipe.hidden
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [Dense(n_in, n_out), LeakyReLU(0), Noise(on_hidden, rng)]
    return [*layers, Dense(sizes[-1], classes, "xavier")]


def normalized_layers(recipe, pixels):
    """Return the layers latent_dim -> g_hidden... -> I pixels in [0, 1], with batch normalization."""
    layers, sizes = [], (recipe.latent_dim, *recipe.g_hidden)
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [Dense(n_in, n_out), BatchNorm(n_out), LeakyReLU(0)]
    return [*layers, Dense(sizes[-1], pixels, "xavier"), Sigmoid()]


# ---- a run ---------------------------------------------------------------------------------------


def draw_labeled(labels, each, rng):
    """Return which examples keep their label: ``each`` of every class, (K·each,).

    Raises DataError where a class has fewer, ValueError where these labels (N,) are no classes.
    """
    counts = class_counts(labels)
    if each < 1 or min(counts) < each:
        scarce = counts.index(min(counts))
        raise DataError(
            f"{each} labels of each class cannot be drawn: class {scarce} has {counts[scarce]} examples",
            "ask for fewer, and for 1 at least",
        )
    return np.concatenate([rng.choice(np.flatnonzero(labels == k), each, replace=False) for k in range(len(counts))])


class FewLabels:
    """A run: D and G, their optimizers, the averaged D that reads, the batches, the random numbers.

    dataset  a ``data.Dataset`` of images; only the labels of ``rows`` are looked at
    rows     (M,) which examples have a label, see ``draw_labeled``
    recipe   a ``Recipe``
    """

    def __init__(self, dataset, rows, recipe, seed=0, dtype=np.float32):
        self.rng = rng = np.random.default_rng(seed)
        self.recipe = recipe
        self.labels = dataset.labels[rows]
        pixels, classes = dataset.x.shape[1], int(self.labels.max()) + 1
        self.discriminator = Network(noisy_layers(recipe, pixels, classes, rng), rng, dtype)
        self.reader = Network(noisy_layers(recipe, pixels, classes, rng), np.random.default_rng(0), dtype)
        self.generator = Network(normalized_layers(recipe, pixels), rng, dtype)
        normalize(self.discriminator, as_floats(dataset.x[rng.integers(len(dataset.x), size=500)]).astype(dtype))
        self.lengths = hidden_lengths(self.discriminator)
        self.average = MovingAverage(self.discriminator.params, recipe.average)
        self.d_optimizer, self.g_optimizer = Adam(recipe.lr, recipe.beta1), Adam(recipe.lr, recipe.beta1)
        self.labeled = Minibatches(dataset.x[rows], min(recipe.batch, len(rows)), rng, dtype)
        self.unlabeled = Minibatches(dataset.x, recipe.batch, rng, dtype)
        self.distortion = Distortion(rng, dataset.shape, recipe.distort) if recipe.distort else None
        self.t = 0

    def step(self):
        """Take a step of D and a step of G; return both losses."""
        recipe = self.recipe
        remaining = (1 - self.t / recipe.steps) / (1 - recipe.decay_from)
        self.d_optimizer.lr = self.g_optimizer.lr = recipe.lr * min(1.0, max(0.0, remaining))
        x_labeled, x_real = self.real(self.labeled), self.real(self.unlabeled, 2 if recipe.agree else 1)
        z = draw_latents(self.rng, recipe.batch, recipe.latent_dim)
        x_fake = self.generator.forward(z.astype(x_real.dtype))
        d_loss = self.discriminator_gradients(x_labeled, self.labels[self.labeled.rows], x_real, x_fake)
        self.d_optimizer.step(self.discriminator.params, self.discriminator.grads)
        keep(self.lengths)
        g_loss = self.generator_gradients(x_real, x_fake)
        self.g_optimizer.step(self.generator.params, self.generator.grads)
        self.average.update(self.discriminator.params)
        self.t += 1
        return d_loss, g_loss

    def real(self, batches, times=1):
        """Return the next batch, distorted so many times where that is wanted: (times·N, I), or (N, I) as it is."""
        x = batches.next()
        return np.concatenate([self.distortion.forward(x) for _ in range(times)]) if self.distortion else x

    def discriminator_gradients(self, x_labeled, labels, x_real, x_fake):
        """Fill discriminator.grads with the derivative of ``class_or_fake``, and of ``agreement``; return the loss.

        With ``agree`` the second half of x_real shows the same images as the first, distorted in another way.
        """
        parts = len(x_labeled), len(x_labeled) + len(x_real)
        logits = self.discriminator.forward(np.concatenate([x_labeled, x_real, x_fake]))
        of_labeled, of_real, of_fake = np.split(logits, parts)
        loss, dlabeled, dreal, dfake = class_or_fake(of_labeled, labels, of_real, of_fake)
        if self.recipe.agree:
            more, *slopes = agreement(*np.split(of_real, 2))
            loss += self.recipe.agree * more
            dreal = dreal + self.recipe.agree * np.concatenate(slopes)
        self.discriminator.backward(np.concatenate([dlabeled, dreal, dfake]), input_grad=False)
        return loss

    def generator_gradients(self, x_real, x_fake):
        """Fill generator.grads with the derivative of ``feature_matching``, or of -mean log D(x_fake); return the loss.

        ``x_fake`` is what the generator's last forward returned; D stays as it is.
        """
        layers = self.discriminator.layers
        if self.recipe.matching:
            layers = layers[:-2]  # up to the features: without the noise on them, and the logits
            loss, dout = feature_matching(through(layers, x_real).copy(), through(layers, x_fake))
        else:
            loss, dout = any_class(through(layers, x_fake), 1)
        for layer in reversed(layers):
            dout = layer.backward(dout, param_grads=False)
        self.generator.backward(dout, input_grad=False)
        return loss

    def predict(self, x):
        """Return the class that the averaged D reads from each image, bytes or floats in [0, 1]: (N, I) -> (N,)."""
        self.reader.params[:] = self.average.params
        return generate(self.reader, as_floats(x)).argmax(axis=1)


def normalize(network, x):
    """Scale the weights of each Dense layer so that on samples x (N, I) its outputs have mean 0 and variance 1.

    Salimans and Kingma 2016, section 3.
    """
    for layer in network.layers:
        if isinstance(layer, Dense):
            out = layer.forward(x)
            std = out.std(axis=0)
            layer.b[...] = -out.mean(axis=0) / std
            layer.W /= std
        x = layer.forward(x)


def hidden_lengths(network):
    """Return [(W, the length of each of its columns)], of all Dense layers but the last."""
    hidden = [layer for layer in network.layers if isinstance(layer, Dense)][:-1]
    return [(layer.W, np.linalg.norm(layer.W, axis=0)) for layer in hidden]


def keep(lengths):
    """Give the weights of each hidden unit their length again: else they grow until the noise is not felt any more.

    It is weight normalization (Salimans and Kingma 2016, eq. 2) with a g that is not learned.
    """
    for W, length in lengths:
        W *= length / np.sqrt(np.einsum("io,io->o", W, W))


def through(layers, x):
    """Return the output of the last of these layers, for x the input of the first."""
    for layer in layers:
        x = layer.forward(x)
    return x
