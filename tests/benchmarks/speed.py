"""How fast is a training step: a race between tinygan, PyTorch and JAX, after a proof that they do the same.

    TINYGAN_DATA=folder python tests/benchmarks/speed.py            the tables, some ten minutes
    python tests/benchmarks/speed.py --rounds 1 --seconds 0.5       a trial
    python tests/benchmarks/speed.py --busy 2                       beside two programs that never rest
    taskset -c 0 python tests/benchmarks/speed.py                   on one core (Linux)

One step is one discriminator and one generator update with fresh noise, on real images from memory:
three sizes of the plain game, and the recipe of ``tinygan train``, which has R1 on every fourth step
and the generator's average. tinygan-2 has two workers, and so on up to the cores of this machine.
Every turn has a process of its own; in each round all implementations have theirs one after another,
and a ratio is the median of the ratios within the rounds. Peak is what NumPy's float32 product of
two 2048 x 2048 matrices reaches in the same rounds; of a step only the matrix products are counted.
The last line times the command itself, with history, snapshots and all: what a user gets.
What is not installed is left out, and the output says so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import numpy as np
from frameworks import JAX, PIXELS, PyTorch, TinyGAN, cores, first_weights

from tinygan.app import runs
from tinygan.data import DataError, find_mnist
from tinygan.recipes import PRESETS, Config, load_data

PLAIN = Config(penalty="none", average=0.0, lr=2e-4, beta1=0.5, steps=10**9)
GAMES = {
    "64": PLAIN,
    "128": replace(PLAIN, batch=128, hidden=(256, 256)),
    "256": replace(PLAIN, batch=256, hidden=(512, 512)),
    "recipe": PRESETS["default"],
}
TEAMS = {f"tinygan-{n}": partial(TinyGAN, workers=n) for n in (2, 4, 8, 16) if n <= cores()}
RIVALS = {"pytorch": PyTorch, "pytorch-fused": partial(PyTorch, fused=True), "jax": JAX}
PLAYERS = {"tinygan": TinyGAN, **TEAMS, **RIVALS}
PACKAGES = {"pytorch": "torch", "pytorch-fused": "torch", "jax": "jax"}
PEAK = "sgemm"
PARITY_STEPS, PARITY_TOLERANCE = 10, 1e-10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of every turn, after its warm-up")
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES), help="by their batch")
    parser.add_argument("--steps", type=int, default=3000, help="of the command; 0: without")
    parser.add_argument("--busy", type=int, default=0, help="programs that compute without end beside it")
    parser.add_argument("--only", nargs="+", choices=[*PLAYERS, PEAK], default=[*PLAYERS, PEAK])
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds <= 0:
        parser.error("--rounds and --seconds must be greater than zero")

    names = [name for name in args.only if installed(name)]
    print(about(names))
    for name in names:
        for penalty in ("none", "r1") if name in RIVALS else ():
            prove_parity(name, penalty)
    print()
    with beside(args.busy):
        print(table(race(names, args.games, args.rounds, args.seconds)))
        for workers in (1, *(n for n in (2, 4, 8, 16) if n <= cores()), "auto") if args.steps else ():
            print(command(args.steps, workers))


@contextmanager
def beside(n):
    """Within this context, n processes compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for other in others:
            other.kill()


# ---- between equals ----------------------------------------------------------------------------


def prove_parity(name, penalty):
    """Stop unless ten steps in float64 lead from the same weights to the same weights."""
    difference = in_new_process(parity, name, penalty)
    print(f"parity: after {PARITY_STEPS} steps in float64, penalty {penalty}, weights of {name} and tinygan "
          f"differ by at most {difference:.1e}")  # fmt: skip
    if not difference < PARITY_TOLERANCE:
        sys.exit(f"speed.py: more than {PARITY_TOLERANCE}: this would not be a race between equals")


def parity(name, penalty):
    """The largest difference of any weight, from the same weights, batches and noise."""
    config, x, rng = GAMES[{"none": "64", "r1": "recipe"}[penalty]], load_images().x, np.random.default_rng(1)
    first = first_weights(config, np.float64)
    sides = [PLAYERS[side](config, x, first, np.float64) for side in ("tinygan", name)]
    for step in range(PARITY_STEPS):
        x_real = x[step * 64 : (step + 1) * 64] / 255
        z = rng.standard_normal((64, config.latent_dim))
        for side in sides:
            side.update(*map(side.native, (x_real, z)))
    ours, theirs = (side.weights() for side in sides)
    assert all(np.abs(w - start).max() > 1e-4 for w, start in zip(ours, first, strict=False)), "no training"
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


# ---- the race ----------------------------------------------------------------------------------


def race(names, games, rounds, seconds):
    """{game: {name: [steps/s (of PEAK: FLOP/s) of every round]}}."""
    results = {game: {name: [] for name in names} for game in games}
    for i in range(rounds):
        for game in games:
            for name in names:
                results[game][name].append(in_new_process(turn, name, game, seconds))
                done = f"\rround {i + 1}/{rounds}, {game}, {name:<15}"
                print(done, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def turn(name, game, seconds):
    """Steps per second of one implementation in this process; of PEAK, FLOP per second."""
    if name == PEAK:
        a, b = np.random.default_rng(0).standard_normal((2, 2048, 2048), dtype=np.float32)
        return 2 * 2048**3 * rate(lambda steps: np.matmul(a, b), seconds, steps=1)
    player = PLAYERS[name](GAMES[game], load_images().x, first_weights(GAMES[game]))
    try:
        return rate(player.run, seconds)
    finally:
        player.close()


def rate(run, seconds, steps=20):
    """How often a second ``run(steps)`` does one of its steps, once warm."""

    def repeat(seconds):
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            run(steps)
            done += steps
        return done / elapsed

    run(steps)  # what is compiled is compiled now
    repeat(seconds / 4)
    return repeat(seconds)


def flops(config):
    """Floating-point operations in the matrix products of one step: two for every weight and example.

    G forward (N). D's step: D forward and its weights' gradients (2N), and back through D except to
    the images. G's step: D forward, back through D to the images, G's weights' gradients, and back
    through G except to the latents. R1, every k-th time: D forward, back to the images, the tangents
    forward, and the weights' gradients.
    """
    sizes = config.latent_dim, *config.hidden, PIXELS
    g_first, g = sizes[0] * sizes[1], sum(a * b for a, b in pairwise(sizes))
    sizes = PIXELS, *reversed(config.hidden), 1
    d_first, d = sizes[0] * sizes[1], sum(a * b for a, b in pairwise(sizes))
    d_step = 2 * d + 2 * d + 2 * (d - d_first)
    g_step = d + d + g + (g - g_first)
    penalty = 4 * d / config.penalty_every if config.penalty == "r1" else 0
    return 2 * config.batch * (g + d_step + g_step + penalty)


def command(steps, workers):
    """A line: what ``tinygan train`` takes, with history and snapshots, scores and pictures."""
    with tempfile.TemporaryDirectory() as folder:
        run, start = Path(folder, "run"), time.perf_counter()
        words = f"train --steps {steps} --workers {workers} --out".split()
        subprocess.run([sys.executable, "-m", "tinygan", *words, run], check=True, stdout=subprocess.DEVNULL)
        seconds, values = time.perf_counter() - start, runs.load(run)[1]
    rate = f"{steps / values['seconds']:,.0f} steps/s in {values['seconds']:.1f} s of training"
    return f"tinygan train --steps {steps} --workers {workers}: {seconds:.1f} s from start to end, {rate}"


def in_new_process(function, *args):
    """function(*args), in an interpreter of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def load_images(split="train"):
    """The ``data.Dataset`` to run on: MNIST where it is to be had without a download, else drawn digits."""
    return load_data("auto", split)


# ---- the table ---------------------------------------------------------------------------------


def installed(name):
    """Whether there is what this implementation needs; says so if not."""
    package = PACKAGES.get(name)
    if package is None:
        return True
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        print(f"{name} is left out: {package} is not installed")
        return False


def about(names):
    """One line: the machine, the versions, the data."""
    packages = sorted({"numpy", *(PACKAGES[name] for name in names if name in PACKAGES)})
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    try:
        data = "MNIST" if find_mnist() else "drawn digits (set TINYGAN_DATA for MNIST)"
    except DataError as error:
        sys.exit(f"{sys.argv[0]}: {error}")
    return f"{cpu()}, {cores()} cores, Python {platform.python_version()}, {versions}; {data}"


def cpu():
    """The processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(results):
    """Markdown: medians over the rounds, and medians of the ratios within a round."""
    lines = ["| batch, layers | implementation | steps/s | lowest to highest | × pytorch | × jax | of peak |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for game, rates in results.items():
        config = GAMES[game]
        shown = f"{config.batch}, {'-'.join(map(str, config.hidden))}{', recipe' if game == 'recipe' else ''}"
        peaks = [peak / flops(config) for peak in rates.get(PEAK, [])]  # as steps/s
        for name in PLAYERS:
            if name in rates:
                mine = rates[name]
                cells = shown, name, f"{statistics.median(mine):,.0f}"
                cells += f"{min(mine):,.0f} to {max(mine):,.0f}", ratio(mine, rates.get("pytorch"))
                cells += ratio(mine, rates.get("jax")), ratio(mine, peaks, ".0%")
                lines.append(f"| {' | '.join(cells)} |")
        if peaks:
            peak, step = statistics.median(rates[PEAK]) / 1e9, flops(config) / 1e6
            limit = f"the peak: {peak:,.0f} GFLOP/s, {step:,.0f} MFLOP a step"
            lines.append(f"| | {limit} | {statistics.median(peaks):,.0f} | | | | 100% |")
    return "\n".join(lines)


def ratio(mine, theirs, form=".2f"):
    """The median over the rounds of mine/theirs; nothing if they did not run."""
    return format(statistics.median(a / b for a, b in zip(mine, theirs, strict=True)), form) if theirs else ""


if __name__ == "__main__":
    main()
