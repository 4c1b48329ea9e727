"""One game in three implementations, so that the benchmarks compare equals: tinygan, PyTorch and JAX.

Each is built from a ``recipes.Config``, the images and the first weights, and has

    update(x_real, z_d, z_g)   one step of D and one of G, on arrays of its own kind (``native``)
    run(steps)                 as many of these updates on shuffled batches and fresh noise
    weights()                  [W, b, W, b, ...] as NumPy arrays, the generator's, then the discriminator's

The game is the non-saturating one with Adam; tinygan and PyTorch also know R1. PyTorch and JAX are
written as one writes them who cares for speed: the data in memory as bytes, no gradient that is not
needed, real and generated images judged in one batch. They are imported only here, when asked for.

Shapes: M images, N batch, I = 784 pixels, L latent_dim; W (I, O), b (O,). Images are bytes, (M, I).
"""

from __future__ import annotations

import os

import numpy as np

from tinygan.data import Minibatches
from tinygan.recipes import build_gan

PIXELS = 784


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def parameters(gan):
    """[W, b, ...] of the generator, then of the discriminator: views of the real ones."""
    return [w for network in (gan.generator, gan.discriminator) for w, _ in network.views().values()]


def first_weights(config, dtype=np.float32):
    """What all implementations start from, by tinygan's initialization and the config's seed."""
    return parameters(build_gan(config, (28, 28), np.random.default_rng(config.seed), dtype))


class TinyGAN:
    """Ours: what ``training.Training.train_step`` does, but with new latents for G, as the others draw them."""

    def __init__(self, config, x, weights, dtype=np.float32):
        self.rng = np.random.default_rng(config.seed)
        self.gan = build_gan(config, (28, 28), self.rng, dtype)
        for mine, first in zip(parameters(self.gan), weights, strict=True):
            mine[...] = first
        self.batches = Minibatches(x, config.batch, self.rng, dtype)
        self.z = np.empty((config.batch, config.latent_dim), dtype)

    @staticmethod
    def native(array):
        return array

    def update(self, x_real, z_d, z_g):
        generator = self.gan.generator
        self.gan.discriminator_step(x_real, generator.forward(z_d))
        self.gan.generator_step(generator.forward(z_g))

    def draw(self):
        return self.rng.standard_normal(out=self.z, dtype=self.z.dtype)

    def run(self, steps):
        generator = self.gan.generator
        for _ in range(steps):  # z is one array, drawn anew for each player: not ``update``
            self.gan.discriminator_step(self.batches.next(), generator.forward(self.draw()))
            self.gan.generator_step(generator.forward(self.draw()))

    def weights(self):
        return parameters(self.gan)


class PyTorch:
    """PyTorch, eager."""

    def __init__(self, config, x, weights, dtype=np.float32, fused=False):
        import torch

        torch.set_num_threads(cores())
        torch.manual_seed(config.seed)
        self.torch, self.config, self.steps = torch, config, 0
        self.dtype = {np.float32: torch.float32, np.float64: torch.float64}[dtype]
        self.data = torch.from_numpy(x)
        self.order, self.drawn = torch.randperm(len(x)), 0

        hidden = config.hidden
        self.generator = self.network(config.latent_dim, *hidden, PIXELS)
        self.generator.append(torch.nn.Sigmoid())
        self.discriminator = self.network(PIXELS, *reversed(hidden), 1)
        with torch.no_grad():
            for mine, first in zip(self.parameters(), weights, strict=True):
                mine.copy_(torch.from_numpy(first.T))  # Linear keeps W as (O, I)

        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), config.lr, (config.beta1, 0.999), fused=fused)
            for network in (self.generator, self.discriminator)
        )
        self.real = torch.ones(config.batch, 1, dtype=self.dtype)
        self.real_and_fake = torch.cat([self.real, torch.zeros_like(self.real)])

    def network(self, *sizes):
        nn, slope, layers = self.torch.nn, self.config.slope, []
        for n_in, n_out in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(n_in, n_out, dtype=self.dtype), nn.LeakyReLU(slope, inplace=True)]
        return nn.Sequential(*layers[:-1])

    def parameters(self):
        return [*self.generator.parameters(), *self.discriminator.parameters()]

    def native(self, array):
        return self.torch.from_numpy(array)

    def update(self, x_real, z_d, z_g):
        torch, config = self.torch, self.config
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits

        with torch.no_grad():
            x_fake = self.generator(z_d)
        logits = self.discriminator(torch.cat([x_real, x_fake]))
        loss = 2 * cross_entropy(logits, self.real_and_fake)  # the mean over 2N, twice: two means over N
        if config.penalty == "r1" and self.steps % config.penalty_every == 0:
            x_real = x_real.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.discriminator(x_real).sum(), x_real, create_graph=True)
            loss = loss + 0.5 * config.gamma * config.penalty_every * slope.square().sum() / len(x_real)
        self.d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimizer.step()

        self.discriminator.requires_grad_(False)
        loss = cross_entropy(self.discriminator(self.generator(z_g)), self.real)
        self.g_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        self.steps += 1

    def batch(self):
        if self.drawn + self.config.batch > len(self.order):
            self.order, self.drawn = self.torch.randperm(len(self.order)), 0
        rows = self.order[self.drawn : self.drawn + self.config.batch]
        self.drawn += self.config.batch
        return self.data.index_select(0, rows).to(self.dtype).div_(255)

    def draw(self):
        return self.torch.randn(self.config.batch, self.config.latent_dim, dtype=self.dtype)

    def run(self, steps):
        for _ in range(steps):
            self.update(self.batch(), self.draw(), self.draw())

    def weights(self):
        return [p.detach().numpy().T for p in self.parameters()]


class JAX:
    """JAX: gathering, noise, both gradients and both Adams in one ``jit`` with donated buffers."""

    def __init__(self, config, x, weights, dtype=np.float32):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", dtype == np.float64)
        self.jax, self.config, self.native = jax, config, jnp.asarray
        self.data, self.key = jnp.asarray(x), jax.random.key(config.seed)
        self.rng, self.steps, self.per_epoch = np.random.default_rng(config.seed), 0, len(x) // config.batch

        arrays = [jnp.array(w) for w in weights]  # copies: donated buffers are overwritten
        layers = list(zip(arrays[::2], arrays[1::2], strict=True))
        players = layers[: len(layers) // 2], layers[len(layers) // 2 :]
        zeros = [jax.tree.map(jnp.zeros_like, players) for _ in range(2)]
        self.state = {"players": players, "m": zeros[0], "v": zeros[1], "t": jnp.zeros((), jnp.int32)}

        def forward(network, x):
            for W, b in network[:-1]:
                x = jax.nn.leaky_relu(x @ W + b, config.slope)
            W, b = network[-1]
            return x @ W + b

        def generate(g, z):
            return jax.nn.sigmoid(forward(g, z))

        def d_loss(d, x_real, x_fake):
            logits = forward(d, jnp.concatenate([x_real, x_fake]))
            real, fake = jnp.split(logits, 2)
            return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()

        def g_loss(g, d, z):
            return jax.nn.softplus(-forward(d, generate(g, z))).mean()

        def adam(params, grads, m, v, t):
            b1, b2 = config.beta1, 0.999
            m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
            v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, grads)
            lr, root = config.lr / (1 - b1**t), jnp.sqrt(1 - b2**t)
            step = jax.tree.map(lambda p, m, v: p - lr * m / (jnp.sqrt(v) / root + 1e-8), params, m, v)
            return step, m, v

        def update(state, x_real, z_d, z_g):
            (g, d), (g_m, d_m), (g_v, d_v) = state["players"], state["m"], state["v"]
            t = (state["t"] + 1).astype(dtype)
            d_grads = jax.grad(d_loss)(d, x_real, generate(g, z_d))
            d, d_m, d_v = adam(d, d_grads, d_m, d_v, t)
            g_grads = jax.grad(g_loss)(g, d, z_g)
            g, g_m, g_v = adam(g, g_grads, g_m, g_v, t)
            return {"players": (g, d), "m": (g_m, d_m), "v": (g_v, d_v), "t": state["t"] + 1}

        def step(state, data, order, key):
            start = state["t"] % self.per_epoch * config.batch
            rows = jax.lax.dynamic_slice(order, (start,), (config.batch,))
            x_real = data[rows].astype(dtype) / 255
            shape = (2, config.batch, config.latent_dim)
            z_d, z_g = jax.random.normal(jax.random.fold_in(key, state["t"]), shape, dtype)
            return update(state, x_real, z_d, z_g)

        self._update, self._step = (jax.jit(function, donate_argnums=0) for function in (update, step))

    def update(self, x_real, z_d, z_g):
        self.state = self._update(self.state, x_real, z_d, z_g)

    def run(self, steps):
        for _ in range(steps):
            if self.steps % self.per_epoch == 0:
                self.order = self.native(self.rng.permutation(len(self.data)))
            self.state = self._step(self.state, self.data, self.order, self.key)
            self.steps += 1
        self.jax.block_until_ready(self.state)

    def weights(self):
        return [np.asarray(array) for player in self.state["players"] for layer in player for array in layer]
