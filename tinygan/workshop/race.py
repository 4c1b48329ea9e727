"""The race: a reader's training beside the package's: the same weights, the same time, and where the time goes.

It runs in a process of its own (``python -m tinygan.workshop.race FOLDER SAMPLES``), which writes what it has found as
one line of JSON, and what the reader's trained generator draws to the file SAMPLES.
"""

from __future__ import annotations

import ast
import cProfile
import importlib
import json
import os
import pstats
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np

from tinygan.doctor import Stopped
from tinygan.doctor.sandbox import call
from tinygan.gradcheck import relative_error
from tinygan.optimizers import MovingAverage
from tinygan.recipes import PRESETS, build_gan
from tinygan.synthetic import digits
from tinygan.workshop.apart import channel, environment

STEPS, DRAWN = 10, 10_000  # steps whose weights are compared; samples that are scored
ROUNDS, BLOCK = 15, 20  # rounds of the clock, and steps in each
SECONDS = 240
SIZES = (28, 28)


# ---- the two trainings ---------------------------------------------------------------------------------------


class Ours:
    """The package's training, step by step, with a reader's sizes."""

    def __init__(self, train, dtype):
        config = replace(PRESETS["default"], hidden=(train.HIDDEN,) * 2, latent_dim=train.LATENT_DIM, lr=train.LR)
        self.gan = build_gan(config, SIZES, np.random.default_rng(0), dtype)
        self.average = MovingAverage(self.gan.generator.params, config.average)

    def run(self, batches, latents, look=lambda *losses: None):
        """Take a step for each batch."""
        for x_real, z in zip(batches, latents, strict=True):
            x_fake = self.gan.generator.forward(z)
            d = self.gan.discriminator_step(x_real, x_fake)
            g_loss = self.gan.generator_step(x_fake)
            self.average.update(self.gan.generator.params)
            look(d.loss, g_loss)


class Theirs:
    """A reader's training, which begins with the same weights."""

    def __init__(self, train, ours, dtype):
        self.train = train
        self.gan = train.make_gan(np.random.default_rng(0), dtype)
        for mine, theirs in (
            (self.gan.generator, ours.gan.generator),
            (self.gan.discriminator, ours.gan.discriminator),
        ):
            if mine.params.shape != theirs.params.shape:
                raise Stopped(
                    f"your networks have {mine.params.size:,} parameters where the recipe has {theirs.params.size:,}; "
                    "to compare, take the sizes and layers of train.py as they came"
                )
            mine.params[...] = theirs.params
        self.average = train.MovingAverage(self.gan.generator.params)

    def run(self, batches, latents, look=lambda *losses: None):
        """Take a step for each batch."""

        def told(step, *losses):
            look(*losses)

        self.train.train(self.gan, self.average, cycle(batches), cycle(latents), len(batches), told)


def inputs(train, steps, dtype, seed=0):
    """Return real batches of drawn digits, and latents, for so many steps."""
    rng = np.random.default_rng(seed)
    x = digits(max(250, train.BATCH), rng).x.astype(dtype) / 255
    batches = [x[rng.integers(len(x), size=train.BATCH)] for _ in range(steps)]
    return batches, [rng.standard_normal((train.BATCH, train.LATENT_DIM)).astype(dtype) for _ in range(steps)]


# ---- what is compared ----------------------------------------------------------------------------------------


def compare_weights(train):
    """Return {name: relative errors} of weights and losses in float64, after each step; of the average, at the end."""
    ours = Ours(train, np.float64)
    runs, paths = (ours, Theirs(train, ours, np.float64)), []
    for run in runs:
        path = []

        def look(d_loss, g_loss, gan=run.gan, path=path):
            path.append([gan.generator.params.copy(), gan.discriminator.params.copy(), np.array([d_loss, g_loss])])

        run.run(*inputs(train, STEPS, np.float64), look)
        paths.append(path)
    steps = list(zip(*paths, strict=True))
    errors = {
        name: [relative_error(theirs[i], mine[i]) for mine, theirs in steps]
        for i, name in enumerate(("generator", "discriminator", "losses"))
    }
    return errors | {"moving average": [relative_error(runs[1].average.params, runs[0].average.params)]}


def compare_times(train):
    """Return the median milliseconds of a step, (ours, theirs), in float32, by turns on the same machine."""
    ours = Ours(train, np.float32)
    theirs = Theirs(train, ours, np.float32)
    given, times = inputs(train, BLOCK, np.float32), {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for run, taken in times.items():
            start = time.perf_counter()
            run.run(*given)
            taken.append((time.perf_counter() - start) / BLOCK * 1000)
    return [statistics.median(taken[2:]) for taken in times.values()]


def profile(train, folder):
    """Return [(share, function)] of a reader's functions in which the time is spent, the largest first."""
    ours = Ours(train, np.float32)
    theirs, given = Theirs(train, ours, np.float32), inputs(train, 3 * BLOCK, np.float32)
    watch = cProfile.Profile()
    watch.runcall(theirs.run, *given)
    spent, calls = {}, pstats.Stats(watch).stats
    for (file, line, name), (_, _, own, _, callers) in calls.items():
        if Path(file).parent == folder:
            spent[file, line, name] = spent.get((file, line, name), 0) + own
        else:  # NumPy's functions count where they are called
            for caller, (*_, below, _) in callers.items():
                if Path(caller[0]).parent == folder:
                    spent[caller] = spent.get(caller, 0) + below
    total = sum(spent.values())
    rows = sorted(((each / total, f"{Path(f).name}, {place(f, n)}") for (f, n, _), each in spent.items()), reverse=True)
    return [row for row in rows[:6] if row[0] > 0.02]


def place(file, line):
    """Return "Dense.backward" for a line of a file."""
    for outer in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        for inner in (outer, *getattr(outer, "body", [])):
            if isinstance(inner, ast.FunctionDef) and inner.lineno <= line <= inner.end_lineno:
                return inner.name if inner is outer else f"{outer.name}.{inner.name}"
    return f"line {line}"


def wide(train):
    """Return which of a reader's functions turn float32 into float64: ["Dense.backward", ...]."""
    gan, found = train.make_gan(np.random.default_rng(0)), []

    def narrow(x, name):
        if x.dtype != np.float32:
            found.append(name)
        return x.astype(np.float32)

    for network, width in ((gan.generator, train.LATENT_DIM), (gan.discriminator, train.PIXELS)):
        x = np.ones((2, width), np.float32)
        for layer in network.layers:
            x = narrow(layer.forward(x), f"{type(layer).__name__}.forward")
        for layer in reversed(network.layers):
            x = narrow(layer.backward(x), f"{type(layer).__name__}.backward")
    narrow(gan.loss(np.ones((2, 1), np.float32), 1)[1], getattr(gan.loss, "__name__", "the loss"))
    return list(dict.fromkeys(found))


def draw(train, folder, out):
    """Write what the trained generator of a folder draws, bytes (n, 784); return {"data", "steps"}, or None."""
    path = folder / "run" / "generator.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as kept:
        params, data, steps = kept["params"], str(kept["data"]), int(kept["steps"])
    generator = train.Network(train.generator_layers(), np.random.default_rng(0))
    if params.shape != generator.params.shape:
        raise Stopped(f"{path} has {params.size:,} weights, and your generator {generator.params.size:,}: train again")
    generator.params[...] = params
    rng = np.random.default_rng(0)
    chunks = [generator.forward(rng.standard_normal((500, train.LATENT_DIM), np.float32)) for _ in range(DRAWN // 500)]
    samples = np.concatenate([np.round(np.clip(each, 0, 1) * 255).astype(np.uint8) for each in chunks])
    np.save(out, samples)
    return {"data": data, "steps": steps}


# ---- the process ---------------------------------------------------------------------------------------------


def main(folder, out):
    """Run the race, and write what was found as JSON."""
    ours, folder = channel(), Path(folder).resolve()
    sys.path.insert(0, str(folder))

    def found():
        train = importlib.import_module("train")
        with np.errstate(all="ignore"):
            return {
                "weights": compare_weights(train),
                "times": compare_times(train),
                "profile": profile(train, folder),
                "wide": wide(train),
                "drawn": draw(train, folder, out),
            }

    try:
        answer = call(found, seconds=SECONDS)
    except Stopped as error:
        answer = {"error": str(error)}
    ours.write(json.dumps(answer))
    ours.flush()


def race(folder, out):
    """Return what ``main`` finds, from a process of its own; {"error": a sentence} where it does not end well."""
    command = [sys.executable, "-B", "-m", "tinygan.workshop.race", os.fspath(folder), os.fspath(out)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            encoding="utf-8",
            timeout=SECONDS + 20,
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"no end within {SECONDS} seconds: is there an endless loop?"}
    except ValueError:
        return {"error": "the program ended before the race did: is there an exit() in it?"}


if __name__ == "__main__":
    main(*sys.argv[1:])
