"""Batch normalization: every channel of a batch is shifted and scaled to mean 0 and variance 1.

It is the one layer here in which the samples of a batch feel each other. Therefore its derivative
has two terms more than a scaling has, and its use differs from its training: a sample that is made
alone has no batch to be normalized by, and running statistics stand in.

Shapes: N batch, C channels, I = H·W·C inputs; G groups of m samples. A mean is taken over the m
samples and the H·W pixels of a channel, which are M numbers.
"""

from __future__ import annotations

import numpy as np

from tinygan.layers import Layer


class BatchNorm(Layer):
    """out = gain·x̂ + b, x̂ = (x - μ)/σ, σ² = variance + ε, channel by channel (Ioffe and Szegedy 2015, alg. 1).

    channels  C; behind a Dense layer every output is a channel
    group     samples that are normalized together, m; None: the whole batch. With group=N a
              discriminator that sees N real and N generated samples at once keeps them apart

    ``mean`` and ``variance`` are running averages of μ and of the unbiased variance. They are renewed
    where parameters receive gradients, in ``backward`` unless ``param_grads`` is False, and they
    replace the batch's own while ``training`` is False (``Network.inference``).
    """

    momentum, eps = 0.1, 1e-5

    def __init__(self, channels, group=None):
        super().__init__()
        self.channels, self.group = channels, group
        self.shapes = {"gain": (channels,), "b": (channels,)}
        self.statistics = {"mean": (channels,), "variance": (channels,)}
        self.gain = self.b = self.dgain = self.db = self.mean = self.variance = None  # views, from the Network

    def initialize(self, rng):
        """Start as x̂ itself."""
        self.gain[...] = self.variance[...] = 1
        self.b[...] = self.mean[...] = 0

    def forward(self, x):
        self.check_input(x)
        self.coupled = self.training  # do samples feel each other?
        m = self.group if self.coupled and self.group else len(x)
        out, x_hat = (self.work_array(name, x.shape, x.dtype).reshape(-1, m, x.shape[1]) for name in ("out", "x_hat"))
        x, self.x_hat = x.reshape(x_hat.shape), x_hat
        mean, variance = self.mean, self.variance
        if self.coupled:
            mean = self.channel_mean(x)
            np.subtract(x, self.spread(mean), out=x_hat)
            variance = self.channel_mean(np.multiply(x_hat, x_hat, out=out))
        self.seen = mean, variance
        self.sigma = self.spread(np.sqrt(variance + self.eps))
        np.subtract(x, self.spread(mean), out=x_hat)  # x̂ = (x - μ)/σ, in place
        x_hat /= self.sigma
        np.multiply(x_hat, self.spread(self.gain), out=out)  # out = gain·x̂ + b, in place
        out += self.spread(self.b)
        return self.rows(out)

    def backward(self, dout, param_grads=True, input_grad=True):
        x_hat = self.kept("x_hat")
        dout = dout.reshape(x_hat.shape)
        if param_grads:
            self.dgain[...] = self.channel_sum(np.multiply(dout, x_hat, out=self.like_x("product")))
            self.db[...] = self.channel_sum(dout)
            self.renew_statistics()
        if input_grad:
            dx = self.jacobian(dout, "dx")
            dx *= self.spread(self.gain)
            return self.rows(dx)

    def jacobian(self, v, name):
        """Return J v, how x̂ moves when x moves along v, (G, m, I). J is symmetric: so is the backward pass.

        x reaches x̂ directly, through μ, and through σ: J v = (v - mean(v) - x̂·mean(x̂·v))/σ.
        """
        x_hat, moved = self.x_hat, self.like_x(name)
        if self.coupled:
            np.multiply(x_hat, v, out=moved)
            np.multiply(x_hat, self.spread(self.channel_mean(moved)), out=moved)
            np.subtract(v, moved, out=moved)
            moved -= self.spread(self.channel_mean(v))
        else:
            moved[...] = v
        moved /= self.sigma
        return moved

    def tangent(self, v):
        self.v = v.reshape(self.kept("x_hat").shape)
        self.moved = self.jacobian(self.v, "moved")
        return self.rows(self.moved * self.spread(self.gain))

    def tangent_backward(self, dout_v, dout=None):
        # T = Σ gain·dout_v·(J v), and J depends on x through 1/σ and twice through x̂:
        # ∂T/∂x = -gain/σ·[x̂·mean(dout_v·J v) + mean(x̂·v)·J dout_v + mean(x̂·dout_v)·J v].
        x_hat, v = self.kept("x_hat"), self.kept("v")
        dout_v, Jv = dout_v.reshape(x_hat.shape), self.moved
        self.dgain += self.channel_sum(dout_v * Jv)
        dx = np.zeros_like(x_hat)
        if self.coupled:
            Ju = self.jacobian(dout_v, "J dout_v")
            dx -= x_hat * self.spread(self.channel_mean(dout_v * Jv))
            dx -= self.spread(self.channel_mean(x_hat * v)) * Ju
            dx -= self.spread(self.channel_mean(x_hat * dout_v)) * Jv
            dx /= self.sigma
        if dout is not None:
            dout = dout.reshape(x_hat.shape)
            self.dgain += self.channel_sum(dout * x_hat)
            self.db += self.channel_sum(dout)
            dx += self.jacobian(dout, "J dout")
        return self.rows(dx * self.spread(self.gain))

    def renew_statistics(self):
        """Take μ and the unbiased variance M/(M - 1)·variance of the last forward into the running averages."""
        if self.coupled:
            M = self.x_hat[0].size // self.channels
            mean, variance = (seen.mean(axis=0) for seen in self.seen)
            self.mean += self.momentum * (mean - self.mean)
            self.variance += self.momentum * (variance * M / (M - 1) - self.variance)

    # ---- (N, I) as (G, m, I), and one number for every channel as one for every input ----------------

    def check_input(self, x):
        """Raise an error that says what is missing, where x cannot be normalized."""
        if self.gain is None:
            raise RuntimeError(f"{self} has no parameters yet: put it into a Network, which makes them")
        if x.ndim != 2 or x.shape[1] % self.channels:
            raise ValueError(f"{self} expects x of shape (N, a multiple of {self.channels}), got {x.shape}")
        m = self.group or len(x)
        if self.training and (len(x) % m or m * x.shape[1] == self.channels):
            raise ValueError(
                f"{self}: {len(x)} samples in groups of {m} cannot be normalized by their mean and variance"
            )

    def like_x(self, name):
        """Return the work array of this name in the shape of x̂, (G, m, I)."""
        G, m, n_inputs = self.x_hat.shape
        return self.work_array(name, (G * m, n_inputs), self.x_hat.dtype).reshape(G, m, n_inputs)

    def rows(self, x):
        """Return (G, m, I) as (N, I)."""
        return x.reshape(-1, x.shape[2])

    def spread(self, values):
        """Return one number for each channel, (C,) or (G, C), as one for each input, (1 or G, 1, I)."""
        n_inputs = self.x_hat.shape[2]
        return np.tile(values, n_inputs // self.channels).reshape(-1, 1, n_inputs)

    def channel_mean(self, x):
        """Return the mean of each channel in each group, (G, C)."""
        return x.mean(axis=1).reshape(len(x), -1, self.channels).mean(axis=1)

    def channel_sum(self, x):
        """Return the sum of each channel over everything, (C,)."""
        return x.sum(axis=(0, 1)).reshape(-1, self.channels).sum(axis=0)

    def __repr__(self):
        return f"BatchNorm({self.channels})"
