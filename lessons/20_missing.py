"""Lesson 20: what is missing. A descent on z, a network that learns to fill in, and what both must be compared with."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.data import as_floats
from tinygan.filling import (
    Descent,
    fill,
    fill_by_regression,
    fill_with_mean,
    fill_with_nearest,
    mean_and_covariance,
    missing_at_random,
    missing_block,
)
from tinygan.gain import build_gain, column_means, fill_from_nearest_rows, incomplete_moments
from tinygan.gan import draw_latents
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.layers import Dense, Sigmoid, Tanh
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.synthetic import fill_waves, waves
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


def error(filled, x, known):
    """Root of the mean squared difference where it is not known."""
    return np.sqrt(np.mean((filled - x)[known == 0] ** 2))


# %% dz
generator = Network([Dense(2, 6), Tanh(), Dense(6, 5), Sigmoid()], rng, np.float64)
discriminator = Network([Dense(5, 4), Tanh(), Dense(4, 1)], rng, np.float64)
x, z = rng.random((3, 5)), rng.normal(size=(6, 2))
known = missing_at_random(rng, 3, 5, 0.4)
descent = Descent(generator, np.where(known > 0, x, np.nan), known, z, discriminator, NonSaturating(), realism=0.3)
dz = descent.gradients()[1].copy()
measured = numeric_gradient(lambda: descent.gradients()[0], descent.z)
print(f"six rows, two starts for each of three samples: relative error of dz ~{relative_error(dz, measured):.0e}")

# %% a generator, and images with gaps
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
if QUICK:
    train = train._replace(x=train.x[:3000], labels=train.labels[:3000])
classifier = Classifier.train(train, steps=30) if QUICK else load_classifier(train, print)
training = Training(replace(PRESETS["default"], steps=20 if QUICK else 4000), train)
for _ in training.run():
    pass
training.generate(training.latents)  # the averaged weights are in training.shown
N = 20 if QUICK else 100
x, labels = as_floats(test.x[:N]), test.labels[:N]
HIDDEN = {
    "50 %": missing_at_random(rng, N, 784, 0.5),
    "75 %": missing_at_random(rng, N, 784, 0.75),
    "the lower half": missing_block(N, (28, 28), "half"),
}

# %% who fills in best?
moments = mean_and_covariance(train.x)
print(f"hidden: error, class as it should be   {'       '.join(HIDDEN)}")
pictures = {}


def descend(known, starts=4, realism=0.0):
    z = draw_latents(np.random.default_rng(1), starts * N, 100)
    down = Descent(training.shown, x, known, z, training.gan.discriminator, training.gan.objective, realism)
    for _ in down.run(10 if QUICK else None):
        pass
    return down.filled()


FILLERS = {
    "nobody": lambda known: fill(x, known, np.zeros_like(x)),
    "the mean image": lambda known: fill_with_mean(x, known, train.x),
    "the nearest training image": lambda known: fill_with_nearest(x, known, train.x),
    "linear regression": lambda known: np.clip(fill_by_regression(x, known, *moments), 0, 1),
    "the generator, one start": lambda known: descend(known, starts=1),
    "the generator, four starts": descend,
    "four starts, and 0.01 of D": lambda known: descend(known, realism=0.01),
    "the true images": lambda known: x,
}
for name, filler in FILLERS.items():
    pictures[name] = [filler(known) for known in HIDDEN.values()]
    cells = [
        f"~{error(filled, x, known):.3f} ~{np.mean(classifier.predict(filled) == labels):.2f}"
        for filled, known in zip(pictures[name], HIDDEN.values(), strict=True)
    ]
    print(f"{name:28}   {'    '.join(cells)}", flush=True)

shown = ["nobody", "the mean image", "the nearest training image", "linear regression", "the generator, four starts"]
rows = np.array([pictures[name][i][:8] for name in [*shown, "the true images"] for i in (1, 2)])
fig, ax = plt.subplots(figsize=(7, 2.3), layout="constrained")
tiles = rows.reshape(len(shown) + 1, 16, 28, 28).swapaxes(1, 2).reshape(28 * (len(shown) + 1), -1)
ax.imshow(tiles, cmap="gray", vmin=0, vmax=1)
ax.set(yticks=14 + 28 * np.arange(len(shown) + 1), yticklabels=[*shown, "the true images"], xticks=[])
ax.set_title("75 % hidden, and the lower half", fontsize=9)
fig.savefig(IMAGES / "20_filled.png", dpi=110)

# %% a table
table = waves(400 if QUICK else 3000, rng)
print(f"largest correlation between two columns: ~{np.abs(np.corrcoef(table.T) - np.eye(8)).max():.2f}")
low, unit = table.min(axis=0), np.ptp(table, axis=0)
scaled = ((table - low) / unit).astype(np.float32)


def learn(known, **choices):
    gain = build_gain(8, np.random.default_rng(0), hidden=64, **choices)
    for _ in gain.fit(scaled, known, 20 if QUICK else 3000):
        pass
    return gain.filled(scaled, known) * unit + low


TABLE_FILLERS = {
    "the column's mean": lambda known: fill(table, known, column_means(table, known)),
    "linear regression (EM)": lambda known: fill_by_regression(table, known, *incomplete_moments(table, known), 1e-6),
    "the nearest row": lambda known: fill_from_nearest_rows(table, known),
    "GAIN": learn,
    "GAIN, its last weights": lambda known: learn(known, average=0.0),
    "without its adversary": lambda known: learn(known, alpha=None),
    "without, half hidden": lambda known: learn(known, alpha=None, hide=0.5),
    "the best possible": lambda known: fill_waves(table, known),
}
gaps = {share: missing_at_random(rng, *table.shape, share) for share in (0.25, 0.5, 0.75)}
print("hidden                    25 %     50 %     75 %    (error in standard deviations)")
guessed = {}
for name, filler in TABLE_FILLERS.items():
    guessed[name] = [filler(known) for known in gaps.values()]
    spread = table.std(axis=0)
    errors = [error(g / spread, table / spread, k) for g, k in zip(guessed[name], gaps.values(), strict=True)]
    print(f"{name:24}" + "".join(f"  ~{value:.3f}" for value in errors), flush=True)

shown = ["the nearest row", "GAIN, its last weights", "GAIN", "without, half hidden", "the best possible"]
fig, axes = plt.subplots(1, len(shown), figsize=(9, 2.5), layout="constrained", sharex=True, sharey=True)
known = gaps[0.5]
for ax, name in zip(axes, shown, strict=True):
    rows = (known[:, 0] == 0) & (known[:, 4] == 0)
    ax.plot(table[:, 0], table[:, 4], ".", color="0.85", markersize=2)
    ax.plot(guessed[name][1][rows, 0], guessed[name][1][rows, 4], "C3.", markersize=1.5)
    ax.set(title=name, aspect="equal", xlabel="cos t")
    ax.title.set_fontsize(8)
axes[0].set_ylabel("sin t")
fig.savefig(IMAGES / "20_table.png", dpi=110)
