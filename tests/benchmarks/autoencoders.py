"""An autoencoder, a VAE and the GAN of the preset `default`, of the same sizes, by the same measures.

    python tests/benchmarks/autoencoders.py --time                  seconds of a step of each, in turn
    python tests/benchmarks/autoencoders.py runs/0 runs/1 ...       the table; finished GAN runs, one for each seed
    python tests/benchmarks/autoencoders.py --models VAE --steps N  some rows only, after N steps

All seconds are of this process alone, whatever else the machine does.

Samples of a VAE are decoded from z ~ N(0, 1). An autoencoder says nothing about its codes: they are drawn
from N(0, 1), too, and from the Gaussian that has the mean and the covariance of the training images' codes.
Reconstruction is the root of the mean squared difference of a pixel, over 300 test images; for the GAN,
which has no encoder, of 100 of them after a descent on z from four starts (``tinygan.filling``).
Half-way images are decoded from the mean code of two test images of different classes (of the GAN from
(z + z')/√2, which is N(0, 1) again): how sure is the classifier of them, and how many look real? The control is
the mean of their pixels.

Shapes: N samples, L latent_dim.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pathlib import Path

import numpy as np

from tinygan.app import runs
from tinygan.app.cache import load_classifier
from tinygan.autoencoder import build_autoencoder
from tinygan.data import DataError, Minibatches, as_floats, load_mnist
from tinygan.filling import Descent
from tinygan.gan import draw_latents, generate
from tinygan.losses import sigmoid
from tinygan.recipes import PRESETS
from tinygan.scoring.metrics import parzen, precision_recall
from tinygan.scoring.scores import RealImages, evenly
from tinygan.training import Training

N, CODES = 5000, 300
SIZES = (784, 128, 128, 100)  # the preset's, with the encoder in the place of D
MODELS = {  # latents, choices
    "autoencoder": (100, {"variational": False}),
    "VAE": (100, {}),
    "VAE without divergence": (100, {"beta": 0.0}),
    "autoencoder, L 10": (10, {"variational": False}),
    "VAE, L 10": (10, {}),
}


def trained(train, latents, choices, seed, steps):
    """A model after so many steps, and its Cost at the end, a mean over 500 steps."""
    rng = np.random.default_rng(seed)
    model = build_autoencoder((*SIZES[:-1], latents), rng, **choices)
    costs = list(model.fit(Minibatches(train.x, 64, rng), steps))
    return model, np.mean(costs[-500:], axis=0)


def fitted(codes, n, rng):
    """Codes (n, L) drawn from the Gaussian with the mean and the covariance of these."""
    return rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), n).astype(np.float32)


def pairs(test):
    """(CODES,) rows of images, and as many of others of another class."""
    order = np.random.default_rng(5).permutation(len(test.x))
    a, b = order[:CODES], order[CODES : 4 * CODES]
    other = [next(j for j in np.roll(b, -3 * i) if test.labels[j] != test.labels[row]) for i, row in enumerate(a)]
    return a, np.array(other)


def measures(real, samples, between):
    """Fréchet distance, precision, recall, nats; and of images half-way between two: confidence, precision."""
    view = real.classifier.features
    seen = view(evenly(real.train.x, len(samples)))
    quality, variety = precision_recall(seen, view(samples))
    sure = real.classifier.probabilities(between).max(axis=1).mean()
    passable, _ = precision_recall(seen, view(between))
    nats = parzen(samples, real.valid[:1000], real.test.x[:N]).mean
    return real.frechet(samples), quality, variety, nats, sure, passable


def of_autoencoder(real, name, seed, steps):
    """({row of the table: figures}, the Cost at the end of the training, its seconds)."""
    latents, choices = MODELS[name]
    start = time.process_time()
    model, cost = trained(real.train, latents, choices, seed, steps)
    seconds = time.process_time() - start
    rng = np.random.default_rng(seed + 1000)
    codes = {name: rng.standard_normal((N, latents), dtype=np.float32)}
    if not choices.get("variational", True):
        codes[f"{name}, codes fitted"] = fitted(model.encode(as_floats(real.train.x)), N, rng)
    x = as_floats(real.test.x)
    a, b = (x[rows] for rows in pairs(real.test))
    error = np.sqrt(np.mean((sigmoid(model.decode(model.encode(a))) - a) ** 2))
    between = sigmoid(model.decode((model.encode(a) + model.encode(b)) / 2))
    rows = {row: (error, *measures(real, sigmoid(model.decode(z)), between)) for row, z in codes.items()}
    return rows, cost, seconds


def of_gan(real, run, seed):
    """The figures of a finished run."""
    trained = runs.load_generator(Path(run), print)
    z = draw_latents(np.random.default_rng(seed + 1000), N + CODES, trained.config.latent_dim)
    samples = generate(trained.generator, z)
    between = generate(trained.generator, (z[:CODES] + z[-CODES:]) / np.float32(np.sqrt(2)))
    a = as_floats(real.test.x[pairs(real.test)[0][:100]])
    starts = draw_latents(np.random.default_rng(seed), 4 * len(a), trained.config.latent_dim)
    descent = Descent(trained.generator, a, np.ones_like(a), starts)
    for _ in descent.run():
        pass
    error = np.sqrt(np.mean((descent.best() - a) ** 2))
    return error, *measures(real, samples[:N], between)


def controls(real):
    """Rows of real images in the place of samples, and of means of pixels in that of half-way images."""
    x = as_floats(real.test.x)
    a, b = (x[rows] for rows in pairs(real.test))
    yield "test images, pixels", (0, *measures(real, evenly(x, N), (a + b) / 2))


HEAD = "pixel error", "Fréchet", "precision", "recall", "Parzen", "half-way: sure", "look real"
DIGITS = 3, 2, 3, 3, 1, 3, 3


def say(name, rows, extra=""):
    """Print a row of the table: mean, and the range over the seeds."""
    cells = []
    for values, digits in zip(np.array(rows).T, DIGITS, strict=True):
        spread = f" ({values.min():.{digits}f} to {values.max():.{digits}f})" if len(values) > 1 else ""
        cells.append(f"{values.mean():.{digits}f}{spread}")
    print(f"| {name} | {' | '.join(cells)} | {extra} |", flush=True)


def race(train, steps, rounds=6, chunk=200):
    """Print what a step of each takes: they are timed in turn, and the least of the rounds counts."""
    training = Training(PRESETS["default"], train)
    batches = Minibatches(train.x, 64, np.random.default_rng(0))
    models = {
        name: build_autoencoder(SIZES, np.random.default_rng(0), name == "VAE") for name in ("VAE", "autoencoder")
    }
    step_of = {"GAN": training.train_step}
    step_of |= {name: lambda model=model: model.step(batches.next()) for name, model in models.items()}
    least = {}
    for _ in range(rounds):
        for name, step in step_of.items():
            start = time.process_time()
            for _ in range(chunk):
                step()
            least[name] = min(least.get(name, np.inf), (time.process_time() - start) / chunk)
    for name, seconds in least.items():
        print(f"{name}: {1000 * seconds:.2f} ms a step, {steps * least['GAN'] / seconds:,.0f} in the time of the GAN's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", help="folders of finished runs of the preset `default`, seeds 0, 1, ...")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the other models")
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--time", action="store_true", help="only time the steps")
    args = parser.parse_args()
    try:
        train, test = load_mnist("train"), load_mnist("test")
    except DataError as error:
        sys.exit(f"autoencoders.py: {error}")
    if args.time:
        race(train, args.steps)
        return
    real = RealImages(load_classifier(train), train, test)
    print(f"| {N:,} samples | {' | '.join(HEAD)} | nats: to be told, to have such a code; seconds |")
    print("|---" * (len(HEAD) + 2) + "|")
    for name, figures in controls(real):
        say(name, [figures])
    if args.runs:
        rows = []
        for seed, run in enumerate(args.runs):
            rows.append(of_gan(real, run, seed))
            print(f"GAN, seed {seed}: {rows[-1]}", file=sys.stderr, flush=True)
        say("GAN, preset `default`", rows)
    for name in args.models:
        results = []
        for seed in args.seeds:
            results.append(of_autoencoder(real, name, seed, args.steps))
            print(f"{name}, seed {seed}: {results[-1]}", file=sys.stderr, flush=True)
        rows, costs, seconds = zip(*results, strict=True)
        told, code = np.mean(costs, axis=0)
        for row in rows[0]:
            say(row, [figures[row] for figures in rows], f"{told:.1f}, {code:.1f}; {np.mean(seconds):.0f} s")


if __name__ == "__main__":
    main()
