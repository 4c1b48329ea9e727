"""How many seconds until the samples are good: tinygan, PyTorch and JAX train one recipe, one classifier measures all.

    TINYGAN_DATA=folder python tests/benchmarks/time_to_quality.py           the table, some five minutes
    python tests/benchmarks/time_to_quality.py --seeds 1 --levels 100        a trial, on drawn digits

The recipe is the preset "default": network, objective, R1 every k-th step, Adam and the moving
average, from the same first weights. Every run has a process of its own, and the sides take turns.
The clock starts before the process does: interpreter, imports, reading the data, starting and
choosing workers and compiling count. What measuring takes (the classifier, the real images' features,
samples and distance) is the same code on all sides and is not counted on any. Every so many steps
the Fréchet distance of the averaged generator's samples is measured, always of the same latents; a
level is reached when it is first below.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
from frameworks import TinyGAN, first_weights
from speed import PLAYERS, about, in_new_process, installed, load_images

from tinygan.app.cache import load_classifier
from tinygan.gan import draw_latents
from tinygan.recipes import PRESETS
from tinygan.scoring.metrics import frechet, moments

LEVELS = 50.0, 20.0, 10.0
SAMPLES = 5000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each side")
    parser.add_argument("--levels", type=float, nargs="+", default=LEVELS, help="Fréchet distances to reach")
    parser.add_argument("--every", type=int, default=250, help="steps between two measurements")
    parser.add_argument("--only", nargs="+", choices=SIDES, default=list(SIDES))
    args = parser.parse_args()
    if min(args.seeds, args.every) < 1:
        parser.error("--seeds and --every must be greater than zero")
    levels = sorted(args.levels, reverse=True)

    names = [name for name in args.only if installed(name)]
    print(about(names))
    distance = make_distance()  # also leaves the classifier in the cache, for the runs to find it
    reference = distance(load_images("test").x[::2])  # MNIST's first half is the easier one
    print(f"Fréchet distance of {SAMPLES:,} samples, every {args.every} steps; test images: {reference:.2f}")
    print()

    curves = {name: [] for name in names}
    for seed in range(args.seeds):
        for name in names:
            curve = in_new_process(run, name, seed, min(levels), args.every, time.time())
            curves[name].append(curve)
            seconds, step, distance = curve[-1]
            print(f"{name}, seed {seed}: {distance:.2f} at step {step:,}, {seconds:.1f} s", file=sys.stderr)
    print(table(curves, levels))


def make_distance():
    """distance(x): the Fréchet distance of images x, (N, I), from all training images."""
    train = load_images()
    classifier = load_classifier(train)
    real = moments(classifier.features(train.x))
    return lambda x: frechet(moments(classifier.features(x)), real)


def run(name, seed, level, every, started):
    """[(seconds, step, Fréchet distance), ...] until it is below the level, or the recipe ends."""
    config = replace(PRESETS["default"], seed=seed)
    player = SIDES[name](config, load_images().x, first_weights(config))
    distance, measuring, curve = None, 0.0, []
    for step in range(every, config.steps + 1, every):
        player.run(every)
        paused = time.time()
        if distance is None:
            distance = make_distance()
            z = draw_latents(np.random.default_rng(1), SAMPLES, config.latent_dim)
        curve.append((paused - started - measuring, step, distance(player.generate(z))))
        if curve[-1][2] < level:
            break
        measuring += time.time() - paused
    player.close()
    return curve


SIDES = {"tinygan-auto": partial(TinyGAN, workers=None), **PLAYERS}


def table(curves, levels):
    """Markdown: for every level and side, medians over the seeds; inf where it was not reached."""
    lines = ["| Fréchet distance below | implementation | seconds | lowest to highest | steps | × tinygan-auto |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for level in levels:
        reached = {name: [first_below(curve, level) for curve in runs] for name, runs in curves.items()}
        for name, runs in reached.items():
            seconds, steps = zip(*runs, strict=True)
            median = statistics.median(seconds)
            cells = f"{level:g}", name, f"{median:.1f}", f"{min(seconds):.1f} to {max(seconds):.1f}"
            cells += f"{statistics.median(steps):,.0f}", against_ours(median, reached)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def first_below(curve, level):
    """(seconds, step) of the first measurement below the level."""
    never = math.inf, math.inf
    return next(((seconds, step) for seconds, step, distance in curve if distance < level), never)


def against_ours(median, reached):
    """This side's median seconds over those of tinygan-auto, or nothing where there is no such number."""
    ours = statistics.median(seconds for seconds, _ in reached.get("tinygan-auto", [(math.inf, 0)]))
    return f"{median / ours:.2f}" if math.isfinite(ours) else ""


if __name__ == "__main__":
    main()
