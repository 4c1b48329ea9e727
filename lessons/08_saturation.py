"""Lesson 08: saturation. Where the generator's gradient is flat, which samples sit there, what it costs."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.gan import GAN
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU
from tinygan.network import Network
from tinygan.objectives import LeastSquares, Minimax, NonSaturating
from tinygan.optimizers import SGD, Adam

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
GAMES = {"minimax": Minimax(), "non-saturating": NonSaturating(), "least squares": LeastSquares()}
COLOURS = dict(zip(GAMES, ("C3", "C0", "C2"), strict=True))

# %% three slopes
print("derivative of G's loss with respect to the logit s of one fake")
print("     s   " + "   ".join(f"{name:>14}" for name in GAMES))
for s in (-20, -10, -5, -2, 0, 2, 5, 10, 20):
    logit = np.full((1, 1), float(s))
    slopes = [game.generator(logit)[1].item() for game in GAMES.values()]
    print(f"{s:6}   " + "   ".join(f"{slope:14.2e}" for slope in slopes))
    for game, slope in zip(GAMES.values(), slopes, strict=True):
        measured = numeric_gradient(lambda game=game, logit=logit: game.generator(logit)[0], logit).item()
        assert abs(slope - measured) < 1e-8 * max(1, abs(s)), (s, slope, measured)

s = np.linspace(-12, 12, 241)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained")
for name, game in GAMES.items():
    loss, slope = np.array([[float(np.squeeze(v)) for v in game.generator(np.full((1, 1), x))] for x in s]).T
    for ax, curve in zip(axes, (loss, slope, np.abs(slope)), strict=True):
        ax.plot(s, curve, COLOURS[name], label=name)
axes[0].set(title="G's loss", ylim=(-8, 8))
axes[1].set(title="its slope", ylim=(-4, 4))
axes[2].set(title="size of the slope", yscale="log", ylim=(1e-5, 30))
for ax in axes:
    ax.set_xlabel("logit s of a fake: rejected ... accepted")
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
axes[0].legend(fontsize=8)
fig.savefig(IMAGES / "08_slopes.png", dpi=110)

# %% who sits there
rng = np.random.default_rng(0)
groups = {"rejected": (-4, 0), "undecided": (0.9, 0), "beyond": (7, 0)}
real = rng.normal((2, 0), (0.4, 0.9), (600, 2))
fakes = np.concatenate([rng.normal(center, (0.3, 0.9), (200, 2)) for center in groups.values()])
first = np.concatenate([fakes[:100], fakes[200:300]])  # what D learns from; "beyond" has just come up


def arrows(game, steps=300 if QUICK else 3000):
    """A straight D, trained by its own loss; then (logits (600, 1), -d(g_loss)/dx (600, 2)) of all fakes."""
    d, adam = Network([Dense(2, 1)], np.random.default_rng(1), np.float64), Adam(0.02)
    for _ in range(steps):
        logits = d.forward(np.concatenate([real, first]))
        _, dreal, dfake = game.discriminator(logits[:600], logits[600:])
        d.backward(np.concatenate([dreal, dfake]), input_grad=False)
        adam.step(d.params, d.grads)
    logits = d.forward(fakes).copy()
    dlogits = game.generator(logits)[1]
    dx = d.backward(dlogits, param_grads=False)
    assert relative_error(dx, dlogits @ d.layers[0].W.T) < 1e-12  # slope of the loss times slope of D
    return logits, -dx * len(fakes)  # without the 1/N: per sample


fig, axes = plt.subplots(3, 1, figsize=(8, 5.4), layout="constrained", sharex=True)
print("means over a group              logit s   slope of the loss   pull along x")
for ax, (name, game) in zip(axes, GAMES.items(), strict=True):
    logits, pull = arrows(game)
    slope = game.generator(logits)[1] * len(fakes)
    for i, group in enumerate(groups):
        at = slice(200 * i, 200 * i + 200)
        print(f"{name:17}{group:12}{logits[at].mean():10.2f}{slope[at].mean():20.3f}{pull[at, 0].mean():15.3f}")
    shown = pull[::10] * 2 / np.abs(pull).max()  # longest arrow: 2 units
    ax.plot(*real[::3].T, "k.", ms=2, label="real")
    ax.plot(*fakes[::10].T, ".", color=COLOURS[name], label="fake")
    ax.quiver(*fakes[::10].T, *shown.T, angles="xy", scale_units="xy", scale=1, width=0.003, color=COLOURS[name])
    ax.set(title=name, ylabel="y", xlim=(-6, 10.5), ylim=(-2.6, 2.6))
axes[2].set_xlabel("x")
axes[0].legend(fontsize=8, loc="lower left")
fig.savefig(IMAGES / "08_who.png", dpi=110)

# %% a D that is too good
LOOKS = (0, 1, 2, 5, 10, 20, 50) if QUICK else (0, 10, 30, 100, 300, 1000, 3000)
draw = np.random.default_rng(2).standard_normal


def gan_in_the_plane(game, mean, penalty=None, g_optimizer=None):
    """Data N(0, 0.5²) around the origin; G(z) = (mean, 0) + 0.5 z at first."""
    rng = np.random.default_rng(0)
    d = Network([Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, 1)], rng)
    gan = GAN(Network([Dense(2, 2)], rng), d, game, g_optimizer, Adam(1e-3, 0.5), penalty)
    gan.generator.params[:] = [0.5, 0, 0, 0.5, mean, 0]
    return gan


def frozen(gan):
    """Only D learns. Rows of (steps, mean real logit - mean fake logit, length of G's gradient)."""
    rows = []
    for step in range(LOOKS[-1] + 1):
        if step in LOOKS:
            x_real, z = draw((2, 4096, 2), np.float32)
            x_fake = gan.generator.forward(z)
            seen = gan.discriminator_gradients(x_real / 2, x_fake)
            gan.generator_gradients(x_fake)
            gap = seen.real_logits.mean() - seen.fake_logits.mean()
            rows.append((step, gap, np.linalg.norm(gan.generator.grads)))
        x_real, z = draw((2, 256, 2), np.float32)
        gan.discriminator_step(x_real / 2, gan.generator.forward(z))
    return np.array(rows)


fig, axes = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained", sharey=True)
cases = {"far apart": (5, None), "far apart, with R1": (5, R1(0.1)), "overlapping": (0.5, None)}
print("after so many steps of D:       " + "".join(f"{n:>9}" for n in LOOKS))
for ax, (title, (mean, penalty)) in zip(axes, cases.items(), strict=True):
    print(title)
    for name, game in GAMES.items():
        n, gap, length = frozen(gan_in_the_plane(game, mean, penalty)).T
        print(f"  {name:15} real - fake  " + "".join(f"{f'~{v:.1f}':>9}" for v in gap))
        print(" " * 18 + "G's gradient  " + "".join(f"{f'~{v:.0e}':>9}" for v in length))
        ax.plot(n, length, ".-", color=COLOURS[name], label=name)
    ax.set(title=title, xscale="symlog", yscale="log", xlabel="steps of D, G frozen")
axes[0].set_ylabel("length of G's gradient")
axes[0].legend(fontsize=8)
fig.savefig(IMAGES / "08_frozen.png", dpi=110)
plt.close("all")

# %% and then the game
HEAD, STEPS = (50, 40) if QUICK else (1000, 2000)
print(f"distance of the fakes' middle from the data's, D with {HEAD} steps of advance")
print("steps of both                 " + "".join(f"{STEPS * i // 4:>9}" for i in range(5)))
for optimizer in (SGD(0.02), Adam(0.002, 0.5)):
    for name, game in GAMES.items():
        optimizer.t, gan = 0, gan_in_the_plane(game, 5, None, optimizer)
        path = []
        for step in range(HEAD + STEPS + 1):
            x_real, z = draw((2, 256, 2), np.float32)
            x_fake = gan.generator.forward(z)
            gan.discriminator_step(x_real / 2, x_fake)
            if step >= HEAD:
                path.append(np.hypot(*gan.generator.layers[0].b))
                gan.generator_step(x_fake)
        kind = type(optimizer).__name__
        print(f"{kind:6} {name:22} " + "".join(f"{f'~{v:.2f}':>9}" for v in path[:: STEPS // 4]))
