"""The kinds: images sorted into groups without a label, by what stays when they are bent.

A network reads every image twice, bent in two ways, and learns to read both alike (``agreement``). It begins with many
more kinds than groups are wanted, so that every way to write a two may be a kind of its own. Later in the training two
groups of kinds are joined, again and again, those that are taken for each other. This is clustering, and no GAN; what
it knows is that a bent image is still what it was.

    sorter = Sorter(dataset.x, dataset.shape, 10, 3000, rng)
    for _ in range(sorter.steps):
        sorter.step()
    groups = sorter.groups_of(dataset.x)

Shapes: N batch, I inputs of an image, K kinds, G groups.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from tinygan.data import Minibatches, as_floats
from tinygan.distortion import Distortion, agreement, both_ways, mutual_information
from tinygan.gan import generate
from tinygan.layers import Dense, LeakyReLU
from tinygan.losses import softmax
from tinygan.network import Network
from tinygan.normalization import BatchNorm
from tinygan.optimizers import Adam, MovingAverage

KINDS = 5  # for each group, at the beginning
HIDDEN, BATCH, LR, STRENGTH = (256, 256), 500, 5e-3, 0.5
JOINING = 0.5, 0.85  # the shares of the steps after which the first two groups are joined, and the last two


class Sorter:
    """A network that sorts images x (N, I) of this shape into ``n_groups``, in so many steps.

    groups  (K, G), to which group each kind belongs, one-hot; at the beginning each is its own
    joint   (K, K), P(kind, kind') of two readings of an image, a moving average over the last steps
    """

    def __init__(self, x, shape, n_groups, steps, rng, dtype=np.float32):
        kinds = KINDS * n_groups
        sizes = math.prod(shape), *HIDDEN, kinds
        self.network = Network(normalized_layers(sizes), rng, dtype)
        self.reader = Network(normalized_layers(sizes), np.random.default_rng(0), dtype)  # its weights are the average
        self.average, self.optimizer = MovingAverage(self.network.params, 0.99), Adam(LR, beta1=0.5)
        self.batches = Minibatches(x, BATCH, rng, dtype)
        self.distortion = Distortion(rng, shape, STRENGTH)
        self.groups, self.joint = np.eye(kinds, dtype=dtype), np.eye(kinds, dtype=dtype) / kinds
        self.n_groups, self.steps, self.t = n_groups, steps, 0

    def step(self):
        """Take a step towards groups that are read alike, and join those that are due; return the loss."""
        self.optimizer.lr = LR * min(1.0, 5 * (1 - self.t / self.steps))
        x = self.batches.next()
        out = self.network.forward(np.concatenate([self.distortion.forward(x) for _ in range(2)]))
        logits, others = np.split(out, 2)
        loss, *dlogits = agreement(logits, others, self.groups)
        self.network.backward(np.concatenate(dlogits), input_grad=False)
        self.optimizer.step(self.network.params, self.network.grads)
        self.average.update(self.network.params)
        self.joint += 0.02 * (both_ways(softmax(logits), softmax(others)) - self.joint)
        self.t += 1
        while self.groups.shape[1] > self.wanted():
            self.groups = joined(self.joint, self.groups)
        return loss

    def wanted(self):
        """Return how many groups there should be by now."""
        kinds, (start, end) = len(self.groups), JOINING
        done = min(1.0, max(0.0, (self.t / self.steps - start) / (end - start)))
        return round(kinds + done * (self.n_groups - kinds))

    def groups_of(self, x):
        """Return the group, 0 to G - 1, of each image, bytes or floats in [0, 1]: (N, I) -> (N,)."""
        self.reader.params[:] = self.average.params
        self.reader.statistics[:] = self.network.statistics
        parts = (generate(self.reader, as_floats(part)) for part in np.array_split(x, len(x) // 5000 + 1))
        return np.concatenate([(softmax(logits) @ self.groups).argmax(axis=1) for logits in parts])


def normalized_layers(sizes):
    """Return the layers of these sizes, images to hidden... to a logit for each kind, with batch normalization."""
    layers = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers += [Dense(n_in, n_out), BatchNorm(n_out), LeakyReLU(0)]
    return [*layers, Dense(*sizes[-2:], "xavier")]


def joined(joint, groups):
    """Return groups (K, G - 1): of all pairs that one is joined after which the readings say most about each other.

    joint (K, K) is P(kind, kind'), groups (K, G) one-hot.
    """
    pairs = itertools.combinations(range(groups.shape[1]), 2)
    ways = (np.column_stack([np.delete(groups, pair, 1), groups[:, pair].sum(axis=1)]) for pair in pairs)
    return max(ways, key=lambda groups: mutual_information(groups.T @ joint @ groups)[0])
