"""Lesson 07: the game. What the best D knows, players who chase each other, a GAN in one dimension."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from tinygan.gan import GAN
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU
from tinygan.losses import sigmoid
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.optimizers import Adam

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
EDGES = np.linspace(-5, 5, 101)
X = (EDGES[1:] + EDGES[:-1]) / 2  # the middles of 100 bins of width 0.1
COLUMN = X[:, None].astype(np.float32)
rng = np.random.default_rng(0)


def normal(mean, std):
    return np.exp(-0.5 * ((X - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def draw_real(n):
    return (rng.choice([-1.5, 1.5], (n, 1)) + 0.4 * rng.standard_normal((n, 1))).astype(np.float32)


def draw_z(n):
    return rng.standard_normal((n, 1), dtype=np.float32)


def mlp():
    network = Network([Dense(1, 32), LeakyReLU(), Dense(32, 32), LeakyReLU(), Dense(32, 1)], rng)
    network.layers[0].b[...] = rng.uniform(-3, 3, 32)  # zeros would put all bends at x = 0
    return network


def js(p, q):
    """The Jensen-Shannon divergence of two densities, as a sum over bins of width 0.1; 0 log 0 is 0."""
    ratios = [np.where(f > 0, 2 * f / np.maximum(p + q, 1e-300), 1) for f in (p, q)]
    return 0.1 * np.sum(p * np.log(ratios[0]) + q * np.log(ratios[1])) / 2


P, Q = (normal(-1.5, 0.4) + normal(1.5, 0.4)) / 2, normal(0.5, 1)  # densities of draw_real, and of a G


# %% a trained D
def train_d(discriminator, mean, std, draw_real=draw_real, draw_z=draw_z, steps=100 if QUICK else 3000):
    """Only D's half of the game, against a frozen G(z) = mean + std·z; returns the losses of both."""
    gan = GAN(Network([Dense(1, 1)], rng), discriminator, NonSaturating(), None, Adam(5e-3))
    gan.generator.params[:] = std, mean
    for step in range(steps):
        gan.d_optimizer.lr = 5e-3 * (1 - step / steps)
        gan.discriminator_step(draw_real(256), gan.generator.forward(draw_z(256)))
    x_fake = gan.generator.forward(draw_z(20_000))
    return gan.discriminator_gradients(draw_real(20_000), x_fake).loss, gan.generator_gradients(x_fake)


d_loss, _ = train_d(discriminator := mlp(), 0.5, 1)
D, best = sigmoid(discriminator.forward(COLUMN))[:, 0], P / (P + Q)
distance, lowest = 0.1 * np.sum((P + Q) / 2 * np.abs(D - best)), np.log(4) - 2 * js(P, Q)
print(f"|D - D*|, on average over real and fake samples: ~{distance:.3f}")
print(f"D's loss ~{d_loss:.3f}; log 4 - 2 JS = {lowest:.3f}")
assert QUICK or (distance < 0.02 and abs(d_loss - lowest) < 0.02)

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.fill_between(X, P, color="0.8", label="data p")
ax.plot(X, Q, "C3", label="fakes q")
ax.plot(X, D, "C0", label="trained D")
ax.plot(X, best, "k--", lw=1, label="D* = p/(p + q)")
ax.set(xlim=(-4, 4), ylim=(0, 1.2), xlabel="x")
ax.legend(fontsize=8, ncol=2)
fig.savefig(IMAGES / "07_best_d.png", dpi=110)

# %% x times y
fig, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained", sharex=True, sharey=True)
u, v = np.meshgrid(np.linspace(-2.5, 2.5, 11), np.linspace(-2.5, 2.5, 11))
print("f = x·y, steps of 0.2      after 0    15    30    45 steps")
for ax, title in zip(axes, ("both at once", "in turn"), strict=True):
    path = [(1.0, 0.0)]
    for _ in range(45):
        x, y = path[-1]
        y_new = y + 0.2 * x  # y climbs
        path.append((x - 0.2 * (y_new if title == "in turn" else y), y_new))  # x descends
    x, y = np.array(path).T
    print(f"{title + ': distance':27}", np.hypot(x, y)[::15].round(3))
    ax.quiver(u, v, -v, u, color="0.7")
    ax.plot(x, y, ".-")
    ax.set(title=title, xlabel="x, which descends", ylabel="y, which climbs", aspect="equal")
fig.savefig(IMAGES / "07_xy.png", dpi=110)
print("in turn: x² + y² + 0.2 x·y ", (x**2 + y**2 + 0.2 * x * y)[::15].round(3))

# %% two GANs
STEPS, FRAMES = (40, 4) if QUICK else (6000, 40)
z_shown, runs = draw_z(20_000), {"plain": [], "calm": []}
print("mean of the second half     D's loss   G's loss   JS")
for name, history in runs.items():
    beta1, penalty = (0.5, None) if name == "plain" else (0.0, R1(0.1))
    gan = GAN(mlp(), mlp(), NonSaturating(), Adam(1e-3, beta1), Adam(5e-3, beta1), penalty)
    for step in range(STEPS + 1):
        x_fake = gan.generator.forward(draw_z(256))
        d_loss = gan.discriminator_step(draw_real(256), x_fake).loss
        g_loss = gan.generator_step(x_fake)
        if step % (STEPS // FRAMES) == 0:
            q = np.histogram(gan.generator.forward(z_shown), EDGES, density=True)[0]
            history.append((step, d_loss, g_loss, js(P, q), q, sigmoid(gan.discriminator.forward(COLUMN))))
    means = np.mean([row[1:4] for row in history[FRAMES // 2 :]], axis=0)
    print("{:25}   ~{:.3f}     ~{:.3f}     ~{:.3f}".format(name, *means))

# %% their losses
fig, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for column, ax in enumerate(axes, 1):
    for name, history in runs.items():
        ax.plot([row[0] for row in history], [row[column] for row in history], label=name)
    ax.axhline((2 * np.log(2), np.log(2), 0)[column - 1], color="k", lw=0.5)
    ax.set(title=("D's loss", "G's loss", "JS(p, q)")[column - 1], xlabel="step")
axes[2].legend()
fig.savefig(IMAGES / "07_losses.png", dpi=110)


# %% a film
def show(i):
    for ax, (name, history) in zip(axes, runs.items(), strict=True):
        step, *_, q, D = history[i]
        ax.clear()
        ax.fill_between(X, P, color="0.8")
        ax.stairs(q, EDGES, color="C3")
        ax.plot(X, D, "C0")
        ax.set(title=f"{name}, step {step}", xlim=(-4, 4), ylim=(0, 1.2), xlabel="x")


fig, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
FuncAnimation(fig, show, FRAMES + 1).save(IMAGES / "07_film.gif", PillowWriter(fps=5), dpi=70)

# %% same losses
few, gap = draw_real(50), js(P, normal(0, 0.3))
print("generator    JS(p, q)   discriminator         D's loss   G's loss")
for g, divergence, d, losses in (
    ("perfect", 0, "large", train_d(mlp(), 0, 1, draw_z=draw_real)),
    ("in the gap", gap, "a line", train_d(Network([Dense(1, 1)], rng), 0, 0.3)),
    ("in the gap", gap, "large", train_d(mlp(), 0, 0.3)),
    ("perfect", 0, "large, on 50 points", train_d(mlp(), 0, 1, lambda n: rng.choice(few, n), draw_real)),
):
    print("{:12} {:.3f}      {:21} ~{:.3f}     ~{:.3f}".format(g, divergence, d, *losses))
