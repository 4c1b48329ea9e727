"""Processes that meet: whoever is lost is named within seconds, and nobody and nothing is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np
import processes
import pytest

from tinygan import sharing
from tinygan.sharing import Leader, Memory, WorkerError, blas_threads, one_thread


def add_forever(k, crew, memory, wrong=""):
    """A follower that adds k to its number whenever all meet."""
    numbers = memory.array("numbers")
    crew.arrive()
    while True:
        crew.depart()
        if wrong == "memory":
            raise MemoryError
        if wrong:
            raise ValueError(f"in two\nlines, {wrong}")
        numbers[k] += k
        crew.arrive()


@pytest.fixture
def patience(monkeypatch):
    """Less of it."""
    monkeypatch.setattr(sharing, "GLANCE", 0.05)
    monkeypatch.setattr(Leader.arrive, "__defaults__", (0.5,))


def steps(leader, n):
    """Meet n times."""
    for _ in range(n):
        leader.depart()
        leader.arrive()


def test_processes_see_one_memory_and_meet():
    memory = Memory()
    numbers = memory.array("numbers", (3,), np.int64)
    with Leader(2) as leader:
        leader.start(add_forever, memory)
        leader.arrive(60)
        for n in range(1, 100):
            steps(leader, 1)
            assert numbers.tolist() == [0, n, 2 * n]
    assert not any(process.is_alive() for process in leader.processes)
    assert numbers.tolist() == [0, 99, 198], "the memory is gone"


def test_an_array_is_zero_then_holds_what_it_is_given_and_starts_a_cache_line():
    memory = Memory()
    for name, dtype in (("a", np.uint8), ("b", np.float32), ("c", np.float64)):
        array = memory.array(name, (3, 5), dtype)
        assert not array.any() and array.dtype == dtype and array.ctypes.data % 64 == 0
        memory.holding(name, np.ones((3, 5), dtype))
        assert array.all() and memory.array(name).all()


@pytest.mark.parametrize("wrong, said", [("memory", "out of memory"), ("x", "ValueError in two lines, x")])
def test_a_follower_that_fails_says_why_in_one_line(wrong, said, capfd):
    memory = Memory()
    memory.array("numbers", (2,), np.int64)
    with Leader(1) as leader, pytest.raises(WorkerError) as caught:
        leader.start(add_forever, memory, wrong)
        leader.arrive(60)
        steps(leader, 1)
    assert str(caught.value).startswith("worker 1 ") and str(caught.value).endswith(said)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows has no such signals")
@pytest.mark.parametrize("name, said", [("SIGKILL", "was killed"), ("SIGSTOP", "does not answer")])
def test_a_follower_that_is_killed_or_stopped_is_named_within_seconds(name, said, patience):
    memory = Memory()
    memory.array("numbers", (3,), np.int64)
    with Leader(2) as leader:
        leader.start(add_forever, memory)
        leader.arrive(60)
        steps(leader, 10)
        os.kill(leader.processes[1].pid, getattr(signal, name))
        began = time.monotonic()
        with pytest.raises(WorkerError, match=f"^worker 2 {said}"):
            steps(leader, 10)
        assert time.monotonic() - began < 20
    assert not any(process.is_alive() for process in leader.processes), "one is left behind"


def test_polite_signals_are_the_leaders_alone():
    memory = Memory()
    numbers = memory.array("numbers", (2,), np.int64)
    with Leader(1) as leader:
        leader.start(add_forever, memory)
        leader.arrive(60)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            os.kill(leader.processes[0].pid, getattr(signal, name))
        steps(leader, 10)
    assert numbers[1] == 10


def test_a_slow_follower_is_waited_for_as_long_as_the_leader_is_slow_itself(patience, monkeypatch):
    with Leader(1) as leader:
        leader.processes = [threading.current_thread()]  # is alive
        leader.departed -= 60
        monkeypatch.setattr(sharing, "wait_for", lambda semaphore, look: [look() for _ in range(1000)])
        leader.arrive()
        leader.departed = time.monotonic()
        with pytest.raises(WorkerError, match="does not answer"):
            leader.arrive()
        leader.processes = []


# ---- nothing is left behind ------------------------------------------------------------------------

LEADS = """
import numpy, os, sys, time
from test_sharing import Leader, Memory, add_forever, steps
memory = Memory()
memory.array("numbers", (3,), numpy.int64)
with Leader(2) as leader:
    leader.start(add_forever, memory)
    leader.arrive(60)
    print(*[process.pid for process in leader.processes])
    print(*["sem." + semaphore._semlock.name[1:] for link in leader.links for semaphore in link], flush=True)
    while sys.argv[1] != "fails":
        steps(leader, 1)
    raise SystemError
"""


def is_alive(pid):
    """Whether there is such a process that is not a zombie whose parent has ended, too."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into Linux's /proc")
@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "SIGINT", "fails"])
def test_no_process_and_no_memory_outlives_the_leader(end):
    with processes.start("-c", LEADS, end) as leader:
        pids = [int(pid) for pid in leader.stdout.readline().split()]
        assert len(pids) == 2
        shared = set(leader.stdout.readline().split())
        assert len(shared) == 4
        if end != "fails":
            assert all(map(is_alive, pids)) and shared <= set(os.listdir("/dev/shm"))
            leader.send_signal(getattr(signal, end))
    deadline = time.monotonic() + 20
    while any(map(is_alive, pids)) or shared & set(os.listdir("/dev/shm")):
        assert time.monotonic() < deadline, "something is left behind"
        time.sleep(0.02)


# ---- where it cannot be ----------------------------------------------------------------------------


def test_where_processes_cannot_be_started_a_line_says_so(monkeypatch):
    for action in (
        lambda patch: patch.setattr(sys, "frozen", True, raising=False),
        lambda patch: patch.setattr(sys, "executable", None),
        lambda patch: patch.setattr(sharing.CONTEXT.Process, "start", fail(OSError(11, "no more processes"))),
    ):
        with monkeypatch.context() as patch, Leader(1) as leader, pytest.raises(WorkerError) as caught:
            action(patch)
            leader.start(add_forever, Memory())
        assert len(str(caught.value).splitlines()) == 1
    for name, call in (("Semaphore", lambda: Leader(1)), ("RawArray", lambda: Memory().array("x", (1,), float))):
        with monkeypatch.context() as patch, pytest.raises(WorkerError):
            patch.setattr(sharing.CONTEXT, name, fail(OSError(28, "No space left on device")))
            call()


def fail(error):
    def failing(*args, **kwargs):
        raise error

    return failing


def test_one_thread_of_blas_and_then_as_many_as_before():
    """In a process that has two."""
    code = """
from tinygan.sharing import *
get, set = blas_threads()
before = get()
with one_thread():
    print(before, get(), end=" ")
print(get())
"""
    done = processes.run("-c", code, env=processes.environment(OPENBLAS_NUM_THREADS="2"))
    before, within, after = map(int, done.stdout.split())
    assert (before, within, after) in [(2, 1, 2), (0, 0, 0)], "0 is a BLAS that cannot be told"


def test_a_blas_that_cannot_be_told_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(sharing, "BLAS_THREADS", ())
    assert blas_threads() == (int, int)
    with one_thread():
        pass
