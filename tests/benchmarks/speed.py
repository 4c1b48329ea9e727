"""How fast is a training step: a race between tinygan, PyTorch and JAX, after a proof that they do the same.

    TINYGAN_DATA=folder python tests/benchmarks/speed.py            the table, some five minutes
    python tests/benchmarks/speed.py --rounds 1 --seconds 0.5       a trial
    taskset -c 0 python tests/benchmarks/speed.py                   on one core (Linux)

One step is one discriminator and one generator update with fresh noise, on real images from memory.
Every turn has a process of its own; in each round all implementations have theirs one after another,
and a ratio is the median of the ratios within the rounds. Peak is what NumPy's float32 product of
two 2048 x 2048 matrices reaches in the same rounds; of a step only the matrix products are counted.
What is not installed is left out, and the output says so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import metadata

import numpy as np
from frameworks import JAX, PIXELS, PyTorch, TinyGAN, cores, first_weights

from tinygan.data import DataError, find_mnist, load_mnist
from tinygan.recipes import Config
from tinygan.synthetic import digits

SIZES = {64: (128, 128), 128: (256, 256), 256: (512, 512)}  # batch: hidden layers
PLAYERS = {"tinygan": TinyGAN, "pytorch": PyTorch, "pytorch-fused": partial(PyTorch, fused=True), "jax": JAX}
PACKAGES = {"pytorch": "torch", "pytorch-fused": "torch", "jax": "jax"}
PEAK = "sgemm"
PARITY_STEPS, PARITY_TOLERANCE = 10, 1e-10


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of every turn, after its warm-up")
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES), help="batches")
    parser.add_argument("--only", nargs="+", choices=[*PLAYERS, PEAK], default=[*PLAYERS, PEAK])
    args = parser.parse_args()
    if args.rounds < 1 or args.seconds <= 0:
        parser.error("--rounds and --seconds must be greater than zero")

    names = [name for name in args.only if installed(name)]
    print(about(names))
    for name in names:
        if name in PACKAGES:
            for penalty in ("none", "r1") if "pytorch" in name else ("none",):
                prove_parity(name, penalty)
    print()
    print(table(race(names, args.sizes, args.rounds, args.seconds)))


# ---- between equals ----------------------------------------------------------------------------


def config_for(batch, penalty="none"):
    return Config(batch=batch, hidden=SIZES[batch], latent_dim=100, penalty=penalty, lr=2e-4, beta1=0.5)


def prove_parity(name, penalty):
    """Stop unless ten steps in float64 lead from the same weights to the same weights."""
    difference = in_new_process(parity, name, penalty)
    print(f"parity: after {PARITY_STEPS} steps in float64, penalty {penalty}, weights of {name} and tinygan "
          f"differ by at most {difference:.1e}")  # fmt: skip
    if not difference < PARITY_TOLERANCE:
        sys.exit(f"speed.py: more than {PARITY_TOLERANCE}: this would not be a race between equals")


def parity(name, penalty):
    """The largest difference of any weight, from the same weights, batches and noise."""
    config, x, rng = config_for(64, penalty), load_images().x, np.random.default_rng(1)
    first = first_weights(config, np.float64)
    sides = [PLAYERS[side](config, x, first, np.float64) for side in ("tinygan", name)]
    for step in range(PARITY_STEPS):
        x_real = x[step * 64 : (step + 1) * 64] / 255
        z_d, z_g = rng.standard_normal((2, 64, config.latent_dim))
        for side in sides:
            side.update(*map(side.native, (x_real, z_d, z_g)))
    ours, theirs = (side.weights() for side in sides)
    assert all(np.abs(w - start).max() > 1e-4 for w, start in zip(ours, first, strict=True)), "no training"
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


# ---- the race ----------------------------------------------------------------------------------


def race(names, sizes, rounds, seconds):
    """{size: {name: [steps/s (of PEAK: FLOP/s) of every round]}}."""
    results = {size: {name: [] for name in names} for size in sizes}
    for i in range(rounds):
        for size in sizes:
            for name in names:
                results[size][name].append(in_new_process(turn, name, size, seconds))
                done = f"\rround {i + 1}/{rounds}, batch {size}, {name:<15}"
                print(done, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


def turn(name, size, seconds):
    """Steps per second of one implementation in this process; of PEAK, FLOP per second."""
    if name == PEAK:
        a, b = np.random.default_rng(0).standard_normal((2, 2048, 2048), dtype=np.float32)
        return 2 * 2048**3 * rate(lambda steps: np.matmul(a, b), seconds, steps=1)
    config = config_for(size)
    return rate(PLAYERS[name](config, load_images().x, first_weights(config)).run, seconds)


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


def flops(size):
    """Floating-point operations in the matrix products of one step: two for every weight and example.

    D's step: G forward (N), D forward and its weights' gradients (2N), and back through D except to
    the images. G's step: G and D forward, back through D to the images, G's weights' gradients, and
    back through G except to the latents.
    """
    sizes = 100, *SIZES[size], PIXELS
    g_first, g = sizes[0] * sizes[1], sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
    sizes = PIXELS, *reversed(SIZES[size]), 1
    d_first, d = sizes[0] * sizes[1], sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
    d_step = g + 2 * d + 2 * d + 2 * (d - d_first)
    g_step = g + d + d + g + (g - g_first)
    return 2 * size * (d_step + g_step)


def in_new_process(function, *args):
    """function(*args), in an interpreter of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def load_images(split="train"):
    """The ``data.Dataset`` to run on: MNIST where it is to be had without a download, else drawn digits."""
    if find_mnist():
        return load_mnist(split)
    n, seed = (20_000, 0) if split == "train" else (10_000, 1)
    return digits(n, np.random.default_rng(seed))


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
    for size, rates in results.items():
        peaks = [peak / flops(size) for peak in rates.get(PEAK, [])]  # as steps/s
        for name in PLAYERS:
            if name in rates:
                mine = rates[name]
                cells = f"{size}, {'-'.join(map(str, SIZES[size]))}", name, f"{statistics.median(mine):,.0f}"
                cells += f"{min(mine):,.0f} to {max(mine):,.0f}", ratio(mine, rates.get("pytorch"))
                cells += ratio(mine, rates.get("jax")), ratio(mine, peaks, ".0%")
                lines.append(f"| {' | '.join(cells)} |")
        if peaks:
            peak, step = statistics.median(rates[PEAK]) / 1e9, flops(size) / 1e6
            limit = f"the peak: {peak:,.0f} GFLOP/s, {step:,.0f} MFLOP a step"
            lines.append(f"| | {limit} | {statistics.median(peaks):,.0f} | | | | 100% |")
    return "\n".join(lines)


def ratio(mine, theirs, form=".2f"):
    """The median over the rounds of mine/theirs; nothing if they did not run."""
    return format(statistics.median(a / b for a, b in zip(mine, theirs, strict=True)), form) if theirs else ""


if __name__ == "__main__":
    main()
