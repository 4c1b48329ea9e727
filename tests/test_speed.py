"""What speed rests on and a test can hold: a warm step allocates next to nothing, and imports are light.

How fast a step is, is not for a test to say: it depends on the machine and on who else uses it. See
tests/benchmarks/speed.py.
"""

from __future__ import annotations

import inspect
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import processes
import pytest
from helpers import NUMPYS_OWN_BUFFER

from tinygan.data import Dataset
from tinygan.gan import GAN
from tinygan.recipes import Config
from tinygan.training import Training

# ---- a warm step allocates nothing large ---------------------------------------------------------

BATCH, LATENT, HIDDEN = 1024, 96, (160, 128)
SMALLEST = 4 * BATCH * LATENT  # bytes of the smallest array that has a row for every sample: z
LARGE = SMALLEST // 2


def lines_that_allocate(call, at_least=LARGE):
    """{"file.py:line": bytes} of the lines during which memory grew by so much, at the peak, in call()."""
    found, line, before = {}, None, 0

    def trace(frame, event, _):
        # A line is over when the next one, or a function that it calls, or its caller goes on.
        nonlocal line, before
        now, peak = tracemalloc.get_traced_memory()
        if peak - before >= at_least:
            found[line] = max(found.get(line, 0), peak - before)
        frame = frame.f_back if event == "return" else frame
        while frame.f_code.co_filename.startswith("<"):  # NumPy 1 has lines between ours and its own C
            frame = frame.f_back
        line = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        tracemalloc.reset_peak()
        before = now
        return trace

    previous = sys.gettrace()
    tracemalloc.start()
    try:
        sys.settrace(trace)
        call()
    finally:
        sys.settrace(previous)
        tracemalloc.stop()
    return found


def warm_training(penalty):
    """A Training that computes its penalty in every step, and has trained for a few."""
    x = np.random.default_rng(0).integers(0, 256, (2000, 784), dtype=np.uint8)
    dataset = Dataset("noise", x, np.zeros(len(x), np.uint8))
    config = Config(penalty=penalty, penalty_every=1, batch=BATCH, latent_dim=LATENT, hidden=HIDDEN, lr=1e-4, steps=100)
    training = Training(config, dataset)
    for _ in range(3):
        training.train_step()
    return training


def test_large_means_less_than_any_array_of_a_batch_and_more_than_what_numpy_takes_anyway():
    logits = 4 * 2 * BATCH  # of real and of generated samples: a few such columns may be made anew
    buffers = 2 * 4 * NUMPYS_OWN_BUFFER  # one for each of two operands that are stretched to a common shape
    assert buffers + 6 * logits < LARGE < SMALLEST < 4 * BATCH * min(HIDDEN)


def joint_batch():
    """The line that joins real and fake samples: its new array was measured to cost nothing."""
    lines, first = inspect.getsourcelines(GAN.discriminator_gradients)
    return f"gan.py:{next(first + i for i, line in enumerate(lines) if 'np.concatenate([x_real, x_fake])' in line)}"


@pytest.mark.parametrize("penalty", ["none", "r1"])
def test_a_warm_training_step_allocates_nothing_large_but_the_joint_batch(penalty):
    step = warm_training(penalty).train_step
    first, again = lines_that_allocate(step), lines_that_allocate(step)
    lines = {line: first[line] for line in first.keys() & again.keys()}  # another thread takes nothing twice
    assert set(lines) == {joint_batch()}, f"lines that allocated {LARGE} bytes or more in one step: {lines}"


def test_a_line_that_allocates_in_the_step_is_found_and_named():
    training = warm_training("none")
    layer = training.gan.discriminator.layers[1]
    forward, seen = layer.forward, []

    def forward_without_work_arrays(x):
        line = sys._getframe().f_lineno + 1
        out = np.where(x > 0, x, 0.2 * x)
        forward(x)
        seen.append(f"test_speed.py:{line}")
        return out

    layer.forward = forward_without_work_arrays
    assert set(lines_that_allocate(training.train_step)) == {joint_batch(), *seen}
    assert len(seen) == 2, f"D looks twice in a step: at both batches, and at G's; but {len(seen)} times"


# ---- imports are light ---------------------------------------------------------------------------

CORE = "layers network losses objectives optimizers gan gradient_penalty conditions".split()
HEAVY = set("matplotlib numpy.random urllib.request http ssl email argparse multiprocessing".split())


def imported_by(statement):
    """The modules that a fresh interpreter has after this statement and has not without it."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*sys.modules.keys() - before)"
    run = processes.run("-c", script)
    assert run.returncode == 0, f"{statement}: {run.stderr}"
    return set(run.stdout.split())


def test_import_tinygan_imports_nothing_else():
    assert imported_by("import tinygan") == {"tinygan"}


def test_the_core_imports_itself_and_numpy_and_nothing_else():
    ours = imported_by(f"from tinygan import {', '.join(CORE)}")
    expected = (
        imported_by("import numpy, typing, math, __future__") | {"tinygan"} | {f"tinygan.{name}" for name in CORE}
    )
    assert ours <= expected, f"beyond NumPy the core imports {sorted(ours - expected)}"


def test_what_training_needs_imports_nothing_heavy():
    heavy = HEAVY & (imported_by("import tinygan.training") - imported_by("import numpy"))
    assert not heavy, f"import tinygan.training imports {sorted(heavy)}"


def test_the_heavy_modules_are_named_as_python_names_them():
    everything = "matplotlib.pyplot, numpy.random, urllib.request, ssl, argparse, multiprocessing"
    assert HEAVY <= imported_by(f"import {everything}")
