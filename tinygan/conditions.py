"""Conditions: the generator is told what to draw, the discriminator what it should be looking at.

A label is K numbers, of which one is 1. It goes into the generator beside z, so that the generator
needs nothing new: its latents are (N, L + K). It goes into the discriminator beside the sample, by
the layer ``Condition`` (Mirza and Osindero 2014).

Shapes: N batch, I inputs, L latent_dim, K classes.
"""

from __future__ import annotations

import numpy as np

from tinygan.layers import Layer


def one_hot(labels, classes, dtype=np.float32):
    """Return labels (N,) as rows (N, K) with a 1 in the place of the class."""
    return np.eye(classes, dtype=dtype)[labels]


def with_labels(z, labels, classes):
    """Return latents z (N, L) with the label of each appended, (N, L + K)."""
    return np.concatenate([z, one_hot(labels, classes, z.dtype)], axis=1)


def labels_in(z, latent_dim):
    """Return the labels (N,) in latents (N, L + K)."""
    return z[:, latent_dim:].argmax(axis=1)


def class_counts(labels):
    """Return how many of the labels (N,) are 0, 1, 2, ..., as a tuple; ValueError where these are no classes."""
    if labels is None:
        raise ValueError("the data have no labels")
    counts = np.bincount(labels)
    if len(counts) < 2:
        raise ValueError("the data have one class only")
    if (counts == 0).any():
        absent = int(np.flatnonzero(counts == 0)[0])
        raise ValueError(f"no example has the label {absent}: number the {np.count_nonzero(counts)} classes from 0")
    return tuple(counts.tolist())


def draw_labels(rng, n, counts):
    """Return n labels (n,), each class as likely as it is frequent in ``counts`` (K,)."""
    return rng.choice(len(counts), n, p=np.divide(counts, sum(counts)))


class Condition(Layer):
    """(N, I) -> (N, I + K): every row gets its label appended, from ``labels``, (B, K), which are set before.

    N is B or a multiple of it: real and generated samples of one batch have the same labels. Labels
    are given and nothing to be differentiated by: dx is for x alone, and a gradient penalty acts on the
    pixels alone.
    """

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.labels = None

    def forward(self, x):
        if self.labels is None or len(x) % len(self.labels):
            given = "no" if self.labels is None else len(self.labels)
            raise ValueError(f"{self}: {given} labels for {len(x)} samples")
        n_inputs = x.shape[1]
        out = self.work_array("out", (len(x), n_inputs + self.classes), x.dtype)
        out[:, :n_inputs] = x
        out[:, n_inputs:].reshape(-1, *self.labels.shape)[...] = self.labels
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        return dout[:, : -self.classes]

    def tangent(self, v):
        return np.pad(v, ((0, 0), (0, self.classes)))  # v moves x, and labels stand still

    def tangent_backward(self, dout_v, dout=None):
        return None if dout is None else dout[:, : -self.classes]

    def __repr__(self):
        return f"Condition({self.classes})"
