"""Sharing: memory that several processes see, a way for them to meet, and how they are started and lost.

One process leads, the others follow. A follower says that it has arrived, and waits until it may go.
The leader waits until all have arrived, and lets them go. Nothing here knows what they work on.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import signal
import sys
import time
import types
from contextlib import contextmanager, suppress
from glob import glob

import numpy as np

CONTEXT = multiprocessing.get_context("spawn")  # the one way to start a process that every system has
SPINS = 4000  # tries without sleep, about 0.2 ms: to be woken up takes longer than most waits
GLANCE = 0.2  # seconds of sleep between two looks at whether the others are still there
PATIENCE = 10  # seconds until a worker that does not come is given up; and ten times what the leader's part took


BLAS_THREADS = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "openblas_{}_num_threads",
)


class WorkerError(RuntimeError):
    """The processes cannot be started, or one of them is lost. The message is one line."""


class Memory(dict):
    """Arrays that all workers see, by name. The leader makes them, the followers find them. Raises WorkerError.

    The system knows no name for them: when the last process has ended, nothing is left behind.
    """

    def array(self, name, shape=None, dtype=None):
        """Return the array of this name, made of zeros where there is none yet."""
        if name not in self:
            size = math.prod(shape) * np.dtype(dtype).itemsize
            try:
                self[name] = CONTEXT.RawArray("B", size + 64), shape, dtype
            except OSError as error:
                raise WorkerError(f"memory cannot be shared ({error.strerror or error})") from None
        block, shape, dtype = self[name]
        to_line = -ctypes.addressof(block) % 64  # vector instructions are faster from the start of a cache line
        return np.frombuffer(block, dtype, math.prod(shape), to_line).reshape(shape)

    def holding(self, name, values):
        """Return the array of this name with these values."""
        array = self.array(name, values.shape, values.dtype)
        array[...] = values
        return array


# ---- how they meet -------------------------------------------------------------------------------


def wait_for(semaphore, look):
    """Wait for a release: spin for a short while, then sleep, so that whoever is waited for can have the core."""
    for _ in range(SPINS):
        if semaphore.acquire(False):
            return
    while not semaphore.acquire(True, GLANCE):
        look()


class Follower:
    """``link``, (arrived, go), is two semaphores: what was written before a release is seen by who waited for it."""

    def __init__(self, link):
        self.arrived, self.go = link

    def arrive(self):
        self.arrived.release()

    def depart(self):
        wait_for(self.go, self.look)

    def meet(self):
        """Go on when all have come so far."""
        self.arrive()
        self.depart()

    def look(self):
        """End this process if the leader's has ended, in whatever way."""
        if not multiprocessing.parent_process().is_alive():
            sys.exit()


class Leader(Follower):
    """Starts ``n`` followers, who are killed when this context ends. Raises WorkerError where that cannot be."""

    def __init__(self, n):
        try:
            self.links = [(CONTEXT.Semaphore(0), CONTEXT.Semaphore(0)) for _ in range(n)]
            self.fault = CONTEXT.RawArray("c", 200)  # what a follower has to say when it fails
        except (OSError, ImportError) as error:
            raise WorkerError(f"processes cannot meet here ({error})") from None
        self.processes, self.departed = [], time.monotonic()

    def start(self, function, *given):
        """Start function(k, a Follower, *given) in a process of its own for k = 1, ..., n."""
        for k, link in enumerate(self.links, start=1):
            process = CONTEXT.Process(target=serve, args=(self.fault, function, k, Follower(link), *given), daemon=True)
            try:
                if getattr(sys, "frozen", False) or not sys.executable:
                    raise OSError("this Python is a part of another program")
                with undisturbed():
                    process.start()
            except (OSError, RuntimeError, ValueError) as error:
                raise WorkerError(f"a process cannot be started ({error})") from None
            self.processes.append(process)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.join()

    def arrive(self, patience=PATIENCE):
        patience += 10 * (time.monotonic() - self.departed)
        for k, (arrived, _) in enumerate(self.links, start=1):
            self.looks = patience / GLANCE  # not the time: that goes on while all are stopped, as by Ctrl-Z
            wait_for(arrived, lambda k=k: self.look(k))

    def depart(self):
        self.departed = time.monotonic()
        for _, go in self.links:
            go.release()

    def look(self, k):
        """Raise WorkerError if follower k has ended or does not come."""
        process = self.processes[k - 1]
        self.looks -= 1
        if not process.is_alive():
            killed = f"was killed (signal {-process.exitcode}); out of memory?" if process.exitcode < 0 else ""
            raise WorkerError(f"worker {k} {killed or self.fault.value.decode(errors='replace') or 'ended'}")
        if self.looks < 0:
            raise WorkerError(f"worker {k} does not answer; was it stopped?")


# ---- a process of their own ----------------------------------------------------------------------


@contextmanager
def undisturbed():
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


def serve(fault, function, *given):
    """Call function(*given) in a new process; what goes wrong there is told to the leader, who prints it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # are the leader's: it finishes its step
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        with one_thread():
            function(*given)
    except Exception as error:
        reason = "is out of memory" if isinstance(error, MemoryError) else f"failed: {type(error).__name__} {error}"
        fault.value = " ".join(reason.split()).encode()[:199]
        sys.exit(1)


@contextmanager
def one_thread():
    """Within this context NumPy's matrix products take one core, as far as OpenBLAS does them."""
    get, set = blas_threads()
    before = get()
    set(1)
    try:
        yield
    finally:
        set(before)


def blas_threads():
    """Return BLAS's own functions get() and set(n) of the number of its threads; of no effect where there are none."""
    with suppress(AttributeError, OSError):
        for path in (np.linalg._umath_linalg.__file__, *glob(f"{os.path.dirname(np.__file__)}.libs/*openblas*")):
            library = ctypes.CDLL(path)  # it is loaded already: this finds it, and what it was linked with
            for name in BLAS_THREADS:
                if hasattr(library, name.format("set")):
                    return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return int, int
