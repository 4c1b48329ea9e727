"""One game in three implementations, so that the benchmarks compare equals: tinygan, PyTorch and JAX.

Each is built from a ``recipes.Config``, the images and the first weights, and has

    update(x_real, z)   one step of D and one of G, on arrays of its own kind (``native``)
    run(steps)          as many of these updates on shuffled batches and fresh noise
    generate(z)         samples of the average, for z and as a NumPy array
    weights()           [W, b, W, b, ...] as NumPy arrays: the generator's, the discriminator's, the average's

The game is the non-saturating one with Adam, with R1 or without, and the generator's average if the
config has one. PyTorch and JAX are written as one writes them who cares for speed: the data in memory
as bytes, no gradient that is not needed, one batch of generated images for both players, real and
generated images judged in one batch. They are imported only here, when asked for.

Shapes: M images, N batch, I = 784 pixels, L latent_dim; W (I, O), b (O,). Images are bytes, (M, I).
"""

from __future__ import annotations

import copy
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from tinygan.app.pace import cores, with_workers
from tinygan.data import Dataset
from tinygan.recipes import build_gan
from tinygan.training import Training
from tinygan.workers import team

PIXELS = 784


def parameters(*networks):
    """[W, b, ...] of one network after another: views of the real ones."""
    return [w for network in networks for w, _ in network.views().values()]


def first_weights(config, dtype=np.float32):
    """What all implementations start from, by tinygan's initialization and the config's seed."""
    gan = build_gan(config, (28, 28), np.random.default_rng(config.seed), dtype)
    return parameters(gan.generator, gan.discriminator)


class TinyGAN:
    """Ours: a ``training.Training``, which keeps its books besides; of several ``workers`` until ``close``.

    Without a number of workers the command's way to choose one is part of the start.
    """

    def __init__(self, config, x, weights, dtype=np.float32, workers=1):
        dataset, self.stack = Dataset("images", x, None, (28, 28)), ExitStack()
        config, _ = with_workers(replace(config, workers=workers), dataset)
        if config.workers > 1:
            self.training = self.stack.enter_context(team(config, dataset, dtype=dtype))
        else:
            self.training = Training(config, dataset, dtype=dtype)
        ours = self.weights()[: len(weights)]
        assert all(map(np.array_equal, ours, weights)), "not the first weights of the config's seed"

    @staticmethod
    def native(array):
        return array

    def update(self, x_real, z):
        """A step on these samples, for one worker."""
        training = self.training
        training.batches.next, training.draw = lambda: x_real, lambda: z
        training.train_step()

    def run(self, steps):
        for _ in range(steps):
            self.training.train_step()

    def generate(self, z):
        return self.training.generate(z)

    def weights(self):
        training = self.training
        training.shown.params[:] = training.average.params
        shown = [training.shown] if training.config.average else []
        return parameters(training.gan.generator, training.gan.discriminator, *shown)

    def close(self):
        self.stack.close()


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
        self.shown = copy.deepcopy(self.generator).requires_grad_(False) if config.average else None

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

    def update(self, x_real, z):
        torch, config = self.torch, self.config
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits

        x_fake = self.generator(z)
        logits = self.discriminator(torch.cat([x_real, x_fake.detach()]))
        loss = 2 * cross_entropy(logits, self.real_and_fake)  # the mean over 2N, twice: two means over N
        if config.penalty == "r1" and self.steps % config.penalty_every == 0:
            x_real = x_real.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.discriminator(x_real).sum(), x_real, create_graph=True)
            loss = loss + 0.5 * config.gamma * config.penalty_every * slope.square().sum() / len(x_real)
        self.d_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.d_optimizer.step()

        self.discriminator.requires_grad_(False)
        loss = cross_entropy(self.discriminator(x_fake), self.real)
        self.g_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.g_optimizer.step()
        self.discriminator.requires_grad_(True)
        self.steps += 1
        if self.shown:
            decay = min(config.average, (1 + self.steps) / (10 + self.steps))
            with torch.no_grad():
                torch._foreach_lerp_([*self.shown.parameters()], [*self.generator.parameters()], 1 - decay)

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
            self.update(self.batch(), self.draw())

    def generate(self, z):
        with self.torch.no_grad():
            return self.shown(self.torch.from_numpy(z)).numpy()

    def weights(self):
        shown = [*self.shown.parameters()] if self.shown else []
        return [p.detach().numpy().T for p in [*self.parameters(), *shown]]

    def close(self):
        pass


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
        if config.average:
            self.state["shown"] = jax.tree.map(jnp.copy, players[0])

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

        def with_penalty(d, x_real, x_fake):
            slope = jax.grad(lambda x: forward(d, x).sum())(x_real)
            penalty = 0.5 * config.gamma * config.penalty_every * jnp.square(slope).sum() / config.batch
            return d_loss(d, x_real, x_fake) + penalty

        def d_gradients(t, *given):
            if config.penalty == "none":
                return jax.grad(d_loss)(*given)
            return jax.lax.cond(t % config.penalty_every == 0, jax.grad(with_penalty), jax.grad(d_loss), *given)

        def judged(x_fake, d):
            return jax.nn.softplus(-forward(d, x_fake)).mean()

        def adam(params, grads, m, v, t):
            b1, b2 = config.beta1, 0.999
            m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
            v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, grads)
            lr, root = config.lr / (1 - b1**t), jnp.sqrt(1 - b2**t)
            step = jax.tree.map(lambda p, m, v: p - lr * m / (jnp.sqrt(v) / root + 1e-8), params, m, v)
            return step, m, v

        def update(state, x_real, z):
            (g, d), (g_m, d_m), (g_v, d_v) = state["players"], state["m"], state["v"]
            t = (state["t"] + 1).astype(dtype)
            x_fake, to_g = jax.vjp(lambda g: generate(g, z), g)
            d_grads = d_gradients(state["t"], d, x_real, x_fake)
            d, d_m, d_v = adam(d, d_grads, d_m, d_v, t)
            (g_grads,) = to_g(jax.grad(judged)(x_fake, d))
            g, g_m, g_v = adam(g, g_grads, g_m, g_v, t)
            new = {"players": (g, d), "m": (g_m, d_m), "v": (g_v, d_v), "t": state["t"] + 1}
            if config.average:
                decay = jnp.minimum(config.average, (1 + t) / (10 + t))
                new["shown"] = jax.tree.map(lambda old, now: old + (1 - decay) * (now - old), state["shown"], g)
            return new

        def step(state, data, order, key):
            start = state["t"] % self.per_epoch * config.batch
            rows = jax.lax.dynamic_slice(order, (start,), (config.batch,))
            x_real = data[rows].astype(dtype) / 255
            z = jax.random.normal(jax.random.fold_in(key, state["t"]), (config.batch, config.latent_dim), dtype)
            return update(state, x_real, z)

        self._update, self._step = (jax.jit(function, donate_argnums=0) for function in (update, step))
        self._generate = jax.jit(generate)

    def update(self, x_real, z):
        self.state = self._update(self.state, x_real, z)

    def run(self, steps):
        for _ in range(steps):
            if self.steps % self.per_epoch == 0:
                self.order = self.native(self.rng.permutation(len(self.data)))
            self.state = self._step(self.state, self.data, self.order, self.key)
            self.steps += 1
        self.jax.block_until_ready(self.state)

    def generate(self, z):
        return np.asarray(self._generate(self.state["shown"], z))

    def weights(self):
        networks = [*self.state["players"], self.state.get("shown", [])]
        return [np.asarray(array) for network in networks for layer in network for array in layer]

    def close(self):
        pass
