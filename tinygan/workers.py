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

import ctypes
import math
import multiprocessing
import signal
import sys
import types
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np

from tinygan.data import Minibatches
from tinygan.optimizers import Optimizer
from tinygan.training import NumericalError, Training

CONTEXT = multiprocessing.get_context("spawn")  # the one way to start a process that every system has
SPINS = 4000  # tries without sleep, about 0.2 ms: to be woken up takes longer than most waits
GLANCE = 0.2  # seconds of sleep between two looks at whether the others are still there
PATIENCE = 50  # such looks until a worker that does not come is given up: ten seconds


class WorkerError(RuntimeError):
    """The processes cannot be started, or one of them is lost. The message is one line."""


# ---- what they share -----------------------------------------------------------------------------


def deal(n, workers, unit=1):
    """Return a slice of n things for each worker, as even as can be without dividing a ``unit`` of them."""
    ends = [n // unit * k // workers * unit for k in range(workers)] + [n]
    return [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]


class Memory(dict):
    """Arrays that all workers see, by name. The leader makes them, the followers find them.

    The system knows no name for them: when the last process has ended, nothing is left behind.
    """

    def array(self, name, shape=None, dtype=None):
        """Return the array of this name, made of zeros where there is none yet."""
        if name not in self:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            self[name] = CONTEXT.RawArray("B", size + 64), shape, dtype
        block, shape, dtype = self[name]
        to_line = -ctypes.addressof(block) % 64  # vector instructions are faster from the start of a cache line
        return np.frombuffer(block, dtype, math.prod(shape), to_line).reshape(shape)

    def holding(self, name, values):
        """Return the array of this name with these values."""
        array = self.array(name, values.shape, values.dtype)
        array[...] = values
        return array


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


# ---- how they meet -------------------------------------------------------------------------------


class Link(NamedTuple):
    """Two semaphores between the leader and a follower. What one wrote before a release, the other sees behind it."""

    arrived: object
    go: object


def wait_for(semaphore, look):
    """Wait for a release: spin for a short while, then sleep, so that whoever is waited for can have the core."""
    for _ in range(SPINS):
        if semaphore.acquire(False):
            return
    while not semaphore.acquire(True, GLANCE):
        look()


class Crew:
    """How a worker meets the others: it arrives, and when all have, it departs."""

    def meet(self):
        self.arrive()
        self.depart()


class Leader(Crew):
    """Waits until all followers have arrived, and lets them go."""

    def __init__(self, links, fault):
        self.links, self.fault, self.processes = links, fault, []

    def arrive(self):
        for k, link in enumerate(self.links, start=1):
            self.looks = 0
            wait_for(link.arrived, lambda k=k: self.look_after(k))

    def depart(self):
        for link in self.links:
            link.go.release()

    def look_after(self, k):
        """Raise WorkerError if a follower has ended or does not come."""
        self.looks += 1  # and not the time: it goes on while all of them are stopped, as by Ctrl-Z
        process = self.processes[k - 1]
        if not process.is_alive():
            code = process.exitcode
            why = f"was killed (signal {-code}); out of memory?" if code < 0 else self.fault.value.decode()
            raise WorkerError(f"worker {k} {why or 'ended'}")
        if self.looks > PATIENCE:
            raise WorkerError(f"worker {k} has not answered for {PATIENCE * GLANCE:.0f} seconds")


class Follower(Crew):
    """Says that it has arrived, and waits until it may go."""

    def __init__(self, link):
        self.link = link

    def arrive(self):
        self.link.arrived.release()

    def depart(self):
        wait_for(self.link.go, self.look)

    def look(self):
        if not multiprocessing.parent_process().is_alive():
            sys.exit()


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


def follow(k, config, dataset, memory, link, fault, state, dtype):
    """Be worker k, in a process of its own, until the leader ends it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # are the leader's: it finishes its step
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        training = Worker(k, config, dataset._replace(x=memory.array("x")), memory, Follower(link), dtype)
        if state:
            training.restore(*state)
        training.crew.arrive()
        with np.errstate(all="ignore"):
            while True:
                training.train_step()
    except NumericalError:  # which the leader has seen, too
        pass
    except Exception as error:
        reason = "is out of memory" if isinstance(error, MemoryError) else f"failed: {type(error).__name__} {error}"
        fault.value = " ".join(reason.split()).encode()[:199]
        sys.exit(1)


@contextmanager
def team(config, dataset, state=None, memory=None, dtype=np.float32):
    """Within this context, a Training whose steps are taken by ``config.workers`` processes; this one is the leader.

    state     (arrays, values) of ``Training.state``, to continue from
    memory    one that holds ``dataset.x`` by the name "x" already, so that it need not be copied

    Each process should have one thread of BLAS (OPENBLAS_NUM_THREADS=1), set before NumPy is
    imported. Raises WorkerError where processes cannot be started, and from ``run`` where one is lost.
    """
    memory = Memory() if memory is None else memory
    try:
        links = [Link(CONTEXT.Semaphore(0), CONTEXT.Semaphore(0)) for _ in range(1, config.workers)]
        fault = CONTEXT.RawArray("c", 200)
        if "x" not in memory:
            memory.holding("x", dataset.x)
        crew = Leader(links, fault)
        training = Worker(0, config, dataset._replace(x=memory.array("x")), memory, crew, dtype)
    except OSError as error:
        raise WorkerError(f"memory cannot be shared ({error.strerror or error})") from None
    if state:
        training.restore(*state)
    try:
        for k, link in enumerate(links, start=1):
            given = k, config, dataset._replace(x=None, labels=None), memory, link, fault, state, dtype
            crew.processes.append(start(given))
        crew.arrive()
        yield training
    finally:
        for process in crew.processes:
            process.kill()
            process.join()


def start(given):
    """Start a process that follows."""
    if getattr(sys, "frozen", False) or not sys.executable:
        raise WorkerError("this Python, a part of another program, cannot start processes")
    process = CONTEXT.Process(target=follow, args=given, daemon=True)
    try:
        with nothing_but_ours():
            process.start()
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkerError(f"a process cannot be started ({error})") from None
    return process


@contextmanager
def nothing_but_ours():
    """Within this context a new process hears no Ctrl-C, and does not run the script that started it all again."""
    main, before = sys.modules["__main__"], None
    sys.modules["__main__"] = types.ModuleType("__main__")
    with suppress(ValueError):  # not in the main thread
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if before is not None:
            signal.signal(signal.SIGINT, before)
