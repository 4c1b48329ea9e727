"""The workers: several processes that take every step of a training together, each on its share of the batch.

A network is a vector, so there is little to share. All that has one number for each parameter (the
parameters, the optimizers' state, the average) lies in memory that every process sees. Each process
is a ``Training``, draws the same random numbers as the others, and computes the gradients of the
mean over its own share of the batch, n_k samples of N. The mean over the batch is a mean of these:

    ∂(mean over the batch)/∂θ = Σ_k n_k/N · ∂(mean over share k)/∂θ

In an update each worker adds up this sum for its own part of the vector, and takes the optimizer's
step there. Nothing is sent. The workers only have to meet: before the update, when all gradients are
there, and after it, when all parts are new. Lesson 15 tells why these are processes, and what is won.

Worker 0 leads. It is the process that was there before, and its training looks to the caller like
any other. The others follow it, and hold nothing that would be missed.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from tinygan.data import Minibatches
from tinygan.optimizers import Optimizer
from tinygan.sharing import Leader, Memory, one_thread
from tinygan.training import Training

# ---- the parts -----------------------------------------------------------------------------------


def deal(n, workers, unit=1):
    """Return a slice of n things for each worker, as even as can be without dividing a ``unit`` of them."""
    ends = [n // unit * k // workers * unit for k in range(workers)] + [n]
    return [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]


class Together(Optimizer):
    """An optimizer's step by all workers: each takes it in its part of the vector, with the gradients of all.

    rule      the Optimizer
    slots     its state vectors, {name: (P,)}, shared
    grads     (W, P), the gradients of each of W workers, shared
    weights   (W,), each worker's n_k/N
    part      a slice of the vector
    crew      whom to meet
    """

    def __init__(self, rule, slots, grads, weights, part, crew):
        super().__init__(rule.lr)
        self.rule, self.slots, self.part, self.crew = rule, rule.slots, part, crew
        self.weights, self.grads = weights.astype(grads.dtype), grads[:, part]
        self.mean, self.work = np.empty((2, self.grads.shape[1]), grads.dtype)
        for name, whole in slots.items():
            setattr(self, name, whole)
            setattr(rule, name, whole[part])

    def step(self, params, grads):
        self.crew.meet()  # now the gradients of all are there
        self.t += 1
        self.rule.t, self.rule.lr = self.t, self.lr
        np.matmul(self.weights, self.grads, out=self.mean)
        self.rule.update(params[self.part], self.mean, self.work)
        self.crew.meet()  # now all parts are new

    def restore(self, t, slots):
        self.t = t
        for name in self.slots:
            getattr(self, name)[:] = slots[name]


class AverageTogether:
    """A moving average that all workers update, each its part; ``params``, (P,), is the whole, shared."""

    def __init__(self, rule, params, part):
        self.rule, self.t, self.params, self.part = rule, 0, params, part
        rule.params, rule._work = params[part], rule._work[part]

    def update(self, params):
        self.rule.t = self.t
        self.rule.update(params[self.part])
        self.t = self.rule.t


class Dealt:
    """Random numbers for a whole batch, of which a worker is given those of its share."""

    def __init__(self, rng, batch, share):
        self.rng, self.batch, self.share = rng, batch, share

    def random(self, shape, dtype):
        return self.rng.random((self.batch, *shape[1:]), dtype)[self.share]


# ---- a worker ------------------------------------------------------------------------------------


class Worker(Training):
    """A Training that does share k of every step, while others do theirs."""

    def __init__(self, k, config, dataset, memory, crew, dtype=np.float32):
        super().__init__(config, dataset, dtype=dtype)
        self.k, self.crew = k, crew
        shares = deal(config.batch, config.workers, config.pack)
        self.share = shares[k]
        self.weights = np.array([share.stop - share.start for share in shares]) / config.batch
        self.batches = Minibatches(dataset.x, config.batch, self.rng, dtype, self.share)
        if config.penalty == "wgan-gp":
            self.gan.penalty.rng = Dealt(self.rng, config.batch, self.share)
        if config.distort:
            self.gan.distortion.rng = Dealt(self.rng, config.batch, self.share)
        if config.sort:
            self.groups = memory.holding("groups", self.groups)  # the leader sorts for all
        self.clock = memory.array("clock", (1,), float)
        self.means = memory.array("means", (config.workers, 5), float)
        self.gan.d_optimizer, _ = self.share_player("discriminator", self.gan.d_optimizer, memory)
        self.gan.g_optimizer, part = self.share_player("generator", self.gan.g_optimizer, memory)
        self.average = AverageTogether(self.average, memory.holding("average", self.average.params), part)

    def share_player(self, player, rule, memory):
        """Move a player's vectors into the memory; return (its optimizer, the part that is ours)."""
        network, workers = getattr(self.gan, player), len(self.weights)
        grads = memory.array(f"{player}.grads", (workers, len(network.params)), network.params.dtype)
        slots = {name: memory.holding(f"{player}.{name}", 0 * network.params) for name in rule.slots}
        network.use(memory.holding(player, network.params), grads[self.k])
        part = deal(len(network.params), workers, unit=16)[self.k]  # a cache line of 16 numbers has one owner
        return Together(rule, slots, grads, self.weights, part, self.crew), part

    def train_step(self):
        if self.k == 0:
            self.clock[0] = self.seconds
        self.crew.depart()
        self.seconds = self.clock[0]  # what follows the clock, like lr, does so in all workers alike
        super().train_step()

    def draw(self):
        return super().draw()[self.share]

    def of_whole_batch(self, means):
        self.means[self.k] = means
        self.crew.arrive()
        return self.weights @ self.means if self.k == 0 else means

    def check_finite(self, d_loss, g_loss):
        if self.k == 0:
            super().check_finite(d_loss, g_loss)


def follow(k, crew, config, dataset, memory, state, dtype):
    """Be worker k, in a process of its own, until the leader ends it."""
    training = Worker(k, config, dataset._replace(x=memory.array("x")), memory, crew, dtype)
    if state:
        training.restore(*state)
    crew.arrive()
    with np.errstate(all="ignore"):
        while True:
            training.train_step()


@contextmanager
def team(config, dataset, state=None, memory=None, dtype=np.float32):
    """Within this context, a Training whose steps are taken by ``config.workers`` processes; this one is the leader.

    state     (arrays, values) of ``Training.state``, to continue from
    memory    one that holds ``dataset.x`` by the name "x" already, so that it need not be copied

    Raises WorkerError where processes cannot be started, and from ``train_step`` where one is lost.
    """
    memory = Memory() if memory is None else memory
    with one_thread(), Leader(config.workers - 1) as crew:
        if "x" not in memory:
            memory.holding("x", dataset.x)
        training = Worker(0, config, dataset._replace(x=memory.array("x")), memory, crew, dtype)
        if state:
            training.restore(*state)
        crew.start(follow, config, dataset._replace(x=None), memory, state, dtype)
        crew.arrive(patience=60)
        yield training
