"""Lesson 12: collapse and its remedies. What packs see, what an average hides, what R1 makes wide; each measured."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.data import Minibatches
from tinygan.gan import draw_latents, generate
from tinygan.losses import sigmoid
from tinygan.optimizers import MovingAverage
from tinygan.recipes import PRESETS, build_gan, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import frechet, mode_report, moments
from tinygan.synthetic import MIXTURES, ring, ring_centers
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
STEPS = 10 if QUICK else 1500


# %% packs
def power(p, m):
    """Probabilities of all ordered packs of m independent draws from p (K,): (K^m,)."""
    return p if m == 1 else np.multiply.outer(power(p, m - 1), p).ravel()


data = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0]) / 8  # eight modes, and a place beside them
fakes = {
    "two modes are missing": np.array([0, 0, 1, 1, 1, 1, 1, 1, 0]) / 6,
    "a quarter lies beside": np.array([3, 3, 3, 3, 3, 3, 3, 3, 8]) / 32,
    "shares 1 to 3": np.array([1, 1, 1, 1, 3, 3, 3, 3, 0]) / 16,
}
PACKS = np.arange(1, 5)
packed = {name: [power(q, m) for m in PACKS] for name, q in fakes.items()}
packed["a heap that travels, on average"] = [np.mean([power(q, m) for q in np.eye(9)[:8]], axis=0) for m in PACKS]
print("total variation, data against fakes     m = 1   m = 2   m = 3   m = 4")
for name, qs in packed.items():
    tv = np.array([np.abs(power(data, m) - q).sum() / 2 for m, q in zip(PACKS, qs, strict=True)])
    print(f"{name:40}" + "   ".join(f"{value:.3f}" for value in tv))
    assert name not in fakes or (tv <= 1 - (1 - tv[0]) ** PACKS + 1e-12).all()  # the bound

# %% pairs
fig, axes = plt.subplots(1, 5, figsize=(11.5, 2.7), layout="constrained")
for ax, (name, qs) in zip(axes, {"the data": [None, power(data, 2)], **packed}.items(), strict=True):
    ax.imshow(qs[1].reshape(9, 9), cmap="Greys", vmin=0, vmax=1 / 24)
    ax.set(title=name.partition(",")[0], xticks=[], yticks=[], xlabel="second of the pack", ylabel="first")
fig.savefig(IMAGES / "12_pairs.png", dpi=100)


# %% a game that turns
def turn(gamma=0.0, in_turn=True, steps=1000, h=0.2):
    """x descends and y climbs f = x·y; R1 costs y ½γy². Yields (x, y) after each step."""
    x, y = 1.0, 0.0
    for _ in range(steps):
        y_new = y + h * (x - gamma * y)
        x, y = x - h * (y_new if in_turn else y), y_new
        yield np.array([x, y])


RULES = {"at once": (0.0, False), "in turn": (0.0,)} | {f"in turn, γ = {g}": (g,) for g in (0.5, 2.0, 4.5)}
print("distance from the middle      a step multiplies it by   after 1000   its average")
for title, rule in RULES.items():
    average = MovingAverage(np.array([1.0, 0.0]), 0.99)
    for point in (path := list(turn(*rule))):
        average.update(point)
    far = np.linalg.norm([*path, average.params], axis=1)
    cells = "".join(f"{value:13.2g}" if value > 1e-3 else f"{0:13.3f}" for value in far[-2:])
    print(f"{title:36}{(far[199] / far[9]) ** (1 / 190):.3f}     {cells}")

# %% small games
DATA, MODES = ring(20_000, np.random.default_rng(0)), MIXTURES["ring"]
PLAIN = replace(PRESETS["points"], hidden=(64,) * 3, batch=128, penalty="none", gamma=0.003, init="xavier")
WITH_R1 = replace(PLAIN, penalty="r1")
PACKED, BOTH = (replace(config, pack=2) for config in (PLAIN, WITH_R1))
GAMES = {"plain": PLAIN, "packing 2": PACKED, "R1": WITH_R1, "packing 2 and R1": BOTH}
z_test = draw_latents(np.random.default_rng(1), 2500, 2)


def play(config, g_steps=1):
    """(the game after STEPS turns with a constant lr, its average's parameters)"""
    rng = np.random.default_rng(config.seed)
    gan = build_gan(config, (2,), rng)
    average = MovingAverage(gan.generator.params, config.average)
    batches = Minibatches(DATA.x, config.batch, rng)
    for _ in range(STEPS):
        x_fake = gan.generator.forward(draw_latents(rng, config.batch, 2))
        gan.discriminator_step(batches.next(), x_fake)
        gan.generator_step(x_fake)
        for _ in range(g_steps - 1):
            gan.generator_step(gan.generator.forward(draw_latents(rng, config.batch, 2)))
        average.update(gan.generator.params)
    return gan, average.params


def report(gan):  # modes, share within 3σ, KL from equal shares
    return mode_report(gan.generator.forward(z_test), *MODES)[:3]


# %% on the ring
print("three seeds:                  modes       within 3σ KL      its average: modes, within 3σ, KL")
for hurry in (3, 1):
    for game, config in GAMES.items():
        both = []
        for gan, average in (play(replace(config, seed=seed), hurry) for seed in range(3)):
            plays = report(gan)
            gan.generator.params[:] = average
            both.append((plays, report(gan)))
        cells = ("hasty: " * (hurry == 3) + game).ljust(28)
        for reports in zip(*both, strict=True):
            modes, (_, share, kl) = " ".join(f"~{row[0]}" for row in reports), np.mean(reports, axis=0)
            cells += f"  {modes:12}~{share:.2f}    ~{kl:.2f}   "
        print(cells.rstrip())

# %% the surface
PLANE = np.mgrid[-1.6:1.6:161j, -1.6:1.6:161j].astype(np.float32)[::-1]  # x, y


def slope(x):
    out = gan.discriminator.forward(x.astype(np.float32))
    return gan.discriminator.backward(np.ones_like(out), param_grads=False)


fig, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
print("D's slope, 0 to 0.4 away from a mode                             its average:")
print("γ       0        0.02     0.05     0.1      0.2      0.4         modes, within 3σ")
for ax, gamma in zip(axes, (0, 0.003, 0.1, 10), strict=True):
    gan, average = play(replace(WITH_R1, gamma=gamma))
    cells = f"{gamma:<8}"
    for far in (0, 0.02, 0.05, 0.1, 0.2, 0.4):
        x = MODES.centers[:, None] + far * ring_centers(24)  # all around each mode
        cells += f"~{np.linalg.norm(slope(x.reshape(-1, 2)), axis=1).mean():.2f}".ljust(9)
    surface = sigmoid(gan.discriminator.forward(PLANE.reshape(2, -1).T)).reshape(161, 161)
    ax.contourf(*PLANE, surface, np.linspace(0, 1, 21), cmap="PuOr", alpha=0.7)
    ax.plot(*gan.generator.forward(z_test[:300]).T, ".", color="C3", markersize=2)
    ax.set(title=f"γ = {gamma}", xticks=[], yticks=[], aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
    gan.generator.params[:] = average
    print(cells + "   ~{}, ~{:.2f}".format(*report(gan)), flush=True)
fig.savefig(IMAGES / "12_surfaces.png", dpi=100)

# %% MNIST, or drawn digits
train = load_data("auto")
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
classifier = Classifier.train(train, steps=30) if QUICK else load_classifier(train, print)
real = moments(classifier.features(train.x))

# %% before and after the average
LOOK = 4 if QUICK else 1000
z_test = draw_latents(np.random.default_rng(2), 500 if QUICK else 10_000, 100)
print(f"Fréchet distance after steps{'':17}" + "".join(f"{i * LOOK:8d}" for i in (1, 2, 3)))
for penalty in ("r1", "none"):
    run, values = Training(replace(PRESETS["default"], penalty=penalty, steps=3 * LOOK), train), []
    for _ in run.run():
        if run.step and run.step % LOOK == 0:
            samples = generate(run.gan.generator, z_test), run.generate(z_test)
            values.append([frechet(moments(classifier.features(x)), real) for x in samples])
    for who, row in zip(("the generator that plays", "its average"), np.transpose(values), strict=True):
        print(f"penalty {penalty}: {who:24}".ljust(45) + "".join(f"   {f'~{value:.1f}':>5}" for value in row))
