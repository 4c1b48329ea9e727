"""Lesson 17: codes nobody gave. D guesses what G was given, and both pay where the guess is wrong."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.codes import InfoGAN, gaussian_loss, guessed_labels
from tinygan.conditions import with_labels
from tinygan.data import Minibatches, as_floats
from tinygan.distortion import Distortion
from tinygan.gan import draw_latents
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.optimizers import MovingAverage
from tinygan.recipes import PRESETS, build_gan, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import best_matching, mode_report
from tinygan.scoring.scores import matched
from tinygan.synthetic import MIXTURES, ring
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

# %% the bound
x = np.linspace(-12, 12, 2401)


def expected(values, p):
    """The mean of values over x: an integral."""
    return np.sum(p * values) * (x[1] - x[0])


def log_of_true(s, guess):
    """E[log Q(c|x)] at each x, where log(P/(1 - P)) is s for the code 1, and the guesser takes it for ``guess``."""
    P = 1 / (1 + np.exp(-s))
    return -P * np.logaddexp(0, -guess) - (1 - P) * np.logaddexp(0, guess)


GUESSERS = {"knows P(c|x)": 1, "too timid": 0.3, "too sure": 3, "says 1/2": 0, "mixes them up": -1}
DISTANCES = 0, 1, 2, 4
table = {"I(c; x), nats": [], **{name: [] for name in GUESSERS}}
for distance in DISTANCES:
    left, right = (np.exp(-((x - c) ** 2) / 2) / np.sqrt(2 * np.pi) for c in (-distance / 2, distance / 2))
    p, s = (left + right) / 2, distance * x  # log(right/left) is a straight line
    information = np.log(2) + expected(log_of_true(s, s), p)
    table["I(c; x), nats"].append(information)
    for name, factor in GUESSERS.items():
        bound = np.log(2) + expected(log_of_true(s, factor * s), p)
        gap = expected(log_of_true(s, s) - log_of_true(s, factor * s), p)  # the mean of KL(P(c|x), Q(c|x))
        assert gap >= 0 and np.isclose(bound, information - gap)
        table[name].append(bound)
print("curves apart by " + "".join(f"{distance:8}" for distance in DISTANCES))
for name, values in table.items():
    print(f"{name:16}" + "".join(f"{value:8.3f}" for value in values))

# %% the loss of a number
N, C = 6, 2
means, values = rng.standard_normal((2, N, C))


def naive_loss():
    """The same, number by number, as it is defined."""
    density = np.exp(-0.5 * (values - means) ** 2) / np.sqrt(2 * np.pi)
    return -sum(np.log(density[n, c]) for n in range(N) for c in range(C)) / N


loss, dmeans = gaussian_loss(means, values)
constant = C * 0.5 * np.log(2 * np.pi)
assert np.isclose(loss + constant, naive_loss())
error = relative_error(dmeans, numeric_gradient(naive_loss, means))
print(f"{loss:.4f}, and the constant {constant:.4f}; gradient {dmeans.shape}, relative error ~{error:.0e}")

# %% who pays
DATA, SAMPLES = ring(20_000, np.random.default_rng(0)), 2500
TOY = replace(PRESETS["points"], hidden=(64,) * 3, batch=128, gamma=0.003, gamma_end=None, init="xavier", codes=8)
TURNS = 5 if QUICK else 1000


class DPaysAlone(InfoGAN):
    """D learns to guess, and G has nothing from being guessed."""

    def generator_gradients(self, x_fake):
        weight, self.weight = self.weight, 0.0
        loss = super().generator_gradients(x_fake)
        self.weight = weight
        return loss


def play(config, g_steps=1, kind=InfoGAN):
    """A game: points of G's average, the codes that they were made of, and D."""
    rng, counts = np.random.default_rng(config.seed), (1,) * config.codes
    gan = build_gan(config, (2,), rng, classes=config.codes)
    gan.__class__ = kind
    average, batches = MovingAverage(gan.generator.params, config.average), Minibatches(DATA.x, config.batch, rng)

    def draw(n=config.batch, rng=rng):
        gan.z = draw_latents(rng, n, 2, counts)
        return gan.generator.forward(gan.z)

    for _ in range(TURNS):
        x_fake = draw()
        gan.discriminator_step(batches.next(), x_fake)
        gan.generator_step(x_fake)
        for _ in range(g_steps - 1):
            gan.generator_step(draw())
        average.update(gan.generator.params)
    gan.generator.params[:] = average.params
    points = draw(SAMPLES, np.random.default_rng(1))
    return points, gan.z[:, 2:].argmax(axis=1), gan.discriminator


def measured(g_steps=1, kind=InfoGAN, **choices):
    """Of three seeds: modes of each; then means: within 3σ, guessed right, code against mode in fakes and in data."""
    rows, modes = [], []
    for seed in range(3):
        config = replace(TOY, seed=seed, **choices)
        points, given, d = play(config, g_steps, kind)
        report = mode_report(points, *MIXTURES["ring"])
        modes.append(f"~{report.modes}")
        seen = np.argmin(np.sum((points[:, None] - MIXTURES["ring"].centers) ** 2, axis=2), axis=1)
        real, labels = DATA.x[:SAMPLES], DATA.labels[:SAMPLES]
        guessed, read = (guessed_labels(d, config.codes, each) for each in (points, real))
        rows.append(
            (
                report.high_quality,
                np.mean(guessed == given),
                np.mean(matched(given, seen) == seen),
                np.mean(matched(read, labels) == labels),
            )
        )
    return " ".join(modes), *(f"~{value:.2f}" for value in np.mean(rows, axis=0))


HEAD = "{:24}{:10}{:11}{:11}{:12}{}"
print(HEAD.format("three seeds", "modes", "within 3σ", "D guesses", "drawn mode", "read mode"))
print(HEAD.format("D alone pays", *measured(kind=DPaysAlone)), flush=True)
for weight in (0.1, 1.0):
    print(HEAD.format(f"both pay, λ = {weight}", *measured(code_weight=weight)), flush=True)

# %% a remedy?
print(HEAD.format("three seeds", "modes", "within 3σ", "D guesses", "drawn mode", "read mode"))
print(HEAD.format("hasty, D alone pays", *measured(3, DPaysAlone, penalty="none")), flush=True)
for codes in (2, 8, 16):
    print(HEAD.format(f"hasty, {codes} codes", *measured(3, codes=codes, penalty="none")), flush=True)

# %% MNIST
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
classifier = Classifier.train(train, steps=30) if QUICK else load_classifier(train, print)
bent = Distortion(rng, train.shape, 1.0).forward(np.repeat(as_floats(train.x[:3]), 6, axis=0))


def read_by(run):
    """(code that D reads from each test image, share of them in which it is that of their class)."""
    read = guessed_labels(run.gan.discriminator, 10, as_floats(test.x))
    return read, np.mean(matched(read, test.labels) == test.labels)


def table_of(run):
    """Print how often each code is read from each class; return the codes in the order of their classes."""
    read, share = read_by(run)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (read, test.labels), 1)
    stands_for = best_matching(counts)
    order = np.argsort(stands_for)
    print("class       " + "".join(f"{k:6}" for k in range(10)))
    for code in order:
        print(f"code ~{code} = {stands_for[code]} " + "".join(f"{f'~{count}':>6}" for count in counts[code]))
    print(f"read by D: ~{share:.3f} of the test images", flush=True)
    return order


alone = replace(PRESETS["infogan"], sort=0, distort=1.0, steps=3 if QUICK else 2000)
run = Training(alone, train)
for _ in run.run():
    pass
table_of(run)

# %% sorted first
config = replace(PRESETS["infogan"], sort=3 if QUICK else 1000, steps=3 if QUICK else 4000)
run = Training(config, train)
for _ in run.run():
    pass
share = np.mean(matched(run.groups, train.labels) == train.labels)
print(f"sorted: ~{share:.3f} of the training images")
order = table_of(run)

# %% rows and columns
COLUMNS, K, L = 14, config.codes, config.latent_dim
z = draw_latents(rng, COLUMNS, L)
same, values = np.tile(z[:1], (COLUMNS, 1)), np.linspace(-2, 2, COLUMNS)
panels = {"one z in each column": z}
for vary in range(config.continuous):
    panels[f"continuous code {vary}, from −2 to 2"] = same.copy()
    panels[f"continuous code {vary}, from −2 to 2"][:, vary] = values
fig, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), layout="constrained", squeeze=False)
for ax, (label, shown) in zip(axes[0], panels.items(), strict=True):
    x = run.generate(with_labels(np.tile(shown, (K, 1)), order.repeat(COLUMNS), K))
    ax.imshow(x.reshape(K, COLUMNS, 28, 28).swapaxes(1, 2).reshape(28 * K, -1), cmap="gray", vmin=0, vmax=1)
    ax.set(yticks=14 + 28 * np.arange(K), yticklabels=order, xticks=[], xlabel=label, ylabel="code")
fig.savefig(IMAGES / "17_codes.png", dpi=110)

fig, ax = plt.subplots(figsize=(5, 2.7), layout="constrained")
ax.imshow(bent.reshape(3, 6, 28, 28).swapaxes(1, 2).reshape(84, -1), cmap="gray", vmin=0, vmax=1)
ax.set_axis_off()
fig.savefig(IMAGES / "17_bent.png", dpi=110)
