"""Lesson 08: saturation. Where the generator's gradient is flat, which samples sit there, what it costs."""

# %% setup
import itertools
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.gan import GAN
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU, Sigmoid
from tinygan.network import Network
from tinygan.objectives import LeastSquares, Minimax, NonSaturating
from tinygan.optimizers import SGD, Adam

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
GAMES = {"minimax": Minimax(), "non-saturating": NonSaturating(), "least squares": LeastSquares()}
COLORS = dict(zip(GAMES, ("C3", "C0", "C2"), strict=True))

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

# %% who sits there
rng = np.random.default_rng(0)
GROUPS = {"rejected": (-4, "^"), "near": (0.9, "o"), "beyond": (7, "D")}  # where it is, and its marker
real = rng.normal((2, 0), (0.4, 0.9), (600, 2))
fakes = np.concatenate([rng.normal((x, 0), (0.3, 0.9), (200, 2)) for x, _ in GROUPS.values()])
first = np.concatenate([fakes[:100], fakes[200:300]])  # what D learns from; "beyond" has just come up


def arrows(game, steps=300):
    """A straight D, trained by its own loss; then D, logits (600, 1) and -d(g_loss)/dx (600, 2) of all fakes."""
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
    return d, logits, -dx * len(fakes)  # without the 1/N: per sample


fig, axes = plt.subplots(3, 1, figsize=(8, 6), layout="constrained", sharex=True)
means = {}
print("means over a group              logit s   slope of the loss   pull along x")
for ax, (name, game) in zip(axes, GAMES.items(), strict=True):
    d, logits, pull = arrows(game)
    slope = game.generator(logits)[1] * len(fakes)
    means[name] = logits.reshape(3, 200).mean(axis=1)
    for i, (group, (_, marker)) in enumerate(GROUPS.items()):
        at = slice(200 * i, 200 * i + 200)
        print(f"{name:17}{group:12}{logits[at].mean():10.2f}{slope[at].mean():20.3f}{pull[at, 0].mean():15.3f}")
        ax.plot(*fakes[at][::10].T, marker, ms=5, color=COLORS[name], label=group)
    shown = pull[::10] * 2 / np.abs(pull).max()  # longest arrow: 2 units
    ax.quiver(*fakes[::10].T, *shown.T, angles="xy", scale_units="xy", scale=1, width=0.003, color=COLORS[name])
    ax.plot(*real[::3].T, "k.", ms=2, label="real")
    y, w, bias = np.array([-2.6, 2.7]), d.layers[0].W[:, 0], d.layers[0].b
    levels = {0.5: "s = ½", 1: "s = c"} if name == "least squares" else {-8: -8, -4: -4, 0: "s = 0", 4: 4, 8: 8}
    for level, label in levels.items():
        x = (level - bias - w[1] * y) / w[0]  # where D's logit is that level
        ax.plot(x, y, "-" if isinstance(label, str) else ":", color="0.4", lw=1)
        ax.text(x[1], 2.85, label, ha="center", fontsize=8)
    ax.set(title=name, ylabel="y", xlim=(-6, 10.5), ylim=(-2.6, 3.7))
axes[2].set_xlabel("x")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncol=4, fontsize=8)
fig.savefig(IMAGES / "08_who.png", dpi=110)

# %% and on the curves
s = np.linspace(-20, 20, 801)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained")
for name, game in GAMES.items():
    logits = np.concatenate([means[name], s])  # the three groups, then the curve
    loss, slope = np.array([[np.squeeze(v) for v in game.generator(np.full((1, 1), x))] for x in logits]).T
    for ax, values in zip(axes, (loss, slope, np.abs(slope)), strict=True):
        ax.plot(s, values[3:], COLORS[name], label=name)
        for x, value, (_, marker) in zip(logits, values, GROUPS.values(), strict=False):
            ax.plot(x, value, marker, color=COLORS[name], ms=6, mec="k", mew=0.6)
axes[0].set(title="G's loss", ylim=(-20, 20))
axes[1].set(title="its slope", ylim=(-3, 3))
axes[2].set(title="size of the slope", yscale="log", ylim=(1e-9, 100))
for ax in axes:
    ax.set_xlabel("logit s of a fake: rejected ... accepted")
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
axes[1].legend(fontsize=7, loc="upper left")
fig.savefig(IMAGES / "08_slopes.png", dpi=110)

# %% a D that is too good
LOOKS = (0, 1, 2, 5, 10, 20, 50) if QUICK else (0, 10, 30, 100, 300, 1000, 3000)
draw = np.random.default_rng(2).standard_normal


def play_d(gan, n=256):
    """One half step of D: data N(0, 0.5²) around the origin against the fakes; returns these fakes."""
    x_real, z = draw((2, n, 2), np.float32)
    x_fake = gan.generator.forward(z)
    gan.discriminator_step(x_real / 2, x_fake)
    return x_fake


def gan_in_the_plane(game, mean, penalty=None, g_optimizer=None):
    """G(z) = (mean, 0) + 0.5 z at first, and a D with 64 hidden units twice."""
    rng = np.random.default_rng(0)
    d = Network([Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, 1)], rng)
    gan = GAN(Network([Dense(2, 2)], rng), d, game, g_optimizer, Adam(1e-3, 0.5), penalty)
    gan.generator.params[:] = [0.5, 0, 0, 0.5, mean, 0]
    return gan


def frozen(gan):
    """Only D learns. Rows of (step, mean real - mean fake logit, mean |slope| of the loss, length of G's gradient)."""
    rows = []
    for step in range(LOOKS[-1] + 1):
        if step in LOOKS:
            x_real, z = draw((2, 4096, 2), np.float32)
            x_fake = gan.generator.forward(z)
            seen = gan.discriminator_gradients(x_real / 2, x_fake)
            gan.generator_gradients(x_fake)
            gap = seen.real_logits.mean() - seen.fake_logits.mean()
            slope = np.abs(gan.objective.generator(seen.fake_logits)[1]).sum()
            rows.append((step, gap, slope, np.linalg.norm(gan.generator.grads)))
        play_d(gan)
    return np.array(rows)


fig, axes = plt.subplots(1, 3, figsize=(9.5, 3), layout="constrained", sharey=True)
cases = {"far apart": (5, None), "far apart, with R1": (5, R1(0.1)), "overlapping": (0.5, None)}
print("steps of D:" + " " * 20 + "".join(f"{n:>9}" for n in LOOKS))
for ax, (title, (mean, penalty)) in zip(axes, cases.items(), strict=True):
    print(title)
    for name, game in GAMES.items():
        n, gap, slope, length = frozen(gan_in_the_plane(game, mean, penalty)).T
        print(f"  {name:15} real - fake " + "".join(f"{f'~{v:.1f}':>9}" for v in gap))
        print(" " * 18 + "mean |slope|" + "".join(f"{f'~{v:.0e}':>9}" for v in slope))
        print(" " * 18 + "G's gradient" + "".join(f"{f'~{v:.0e}':>9}" for v in length))
        ax.plot(n, length, ".-", color=COLORS[name], label=name)
    ax.set(title=title, xscale="symlog", yscale="log", xlabel="steps of D, G frozen")
axes[0].set_ylabel("length of G's gradient")
axes[0].legend(fontsize=8)
fig.savefig(IMAGES / "08_frozen.png", dpi=110)


# %% two kinds of vanishing
def watched(activation, init, game, head_start, steps=20 if QUICK else 1000):
    """A G of 8 Dense; D goes on learning. ‖dW‖ and ‖W - first W‖ / ‖first W‖ by layer: (2, steps, 8)."""
    sizes = [2, *[20] * 7, 2]
    layers = [layer for pair in itertools.pairwise(sizes) for layer in (Dense(*pair, init), activation())]
    gan = gan_in_the_plane(game, 5)
    gan.generator = g = Network(layers[:-1], np.random.default_rng(1))
    layers[-2].b[...] = 5, 0
    for _ in range(head_start):
        play_d(gan)
    dense, optimizer = layers[::2], SGD(0.005)
    first = [layer.W.copy() for layer in dense]
    gradients, moves = [], []
    for _ in range(steps):
        gan.generator_gradients(play_d(gan))
        optimizer.step(g.params, g.grads)
        gradients.append([np.linalg.norm(layer.dW) for layer in dense])
        moves.append([np.linalg.norm(layer.W - W) / np.linalg.norm(W) for layer, W in zip(dense, first, strict=True)])
    return np.array([gradients, moves])


fig, axes = plt.subplots(2, 3, figsize=(9.5, 4.6), layout="constrained", sharex=True, sharey=True)
players = {
    "sigmoids in G": (Sigmoid, "xavier", NonSaturating(), 0),
    "D ahead, minimax": (LeakyReLU, "he", Minimax(), LOOKS[-1]),
    "D ahead, non-saturating": (LeakyReLU, "he", NonSaturating(), LOOKS[-1]),
}
print(" " * 28 + "median ‖dW‖            moved after a tenth of the steps")
print(" " * 26 + "layer 1    layer 8    layer 1    layer 8")
for column, (title, player) in zip(axes.T, players.items(), strict=True):
    both = watched(*player)
    tenth = both.shape[1] // 10
    numbers = [f"~{v:.0e}" for v in (*np.median(both[0], axis=0)[[0, -1]], *both[1, tenth, [0, -1]])]
    print("{:25} {}     {}     {}     {}".format(title, *numbers))
    for ax, values in zip(column, both, strict=True):
        logs = np.log10(values + 1e-12).T
        colors = ax.pcolormesh(np.arange(len(values)) + 1, np.arange(1, 9), logs, vmin=-6, vmax=1)
        ax.set(xscale="log", yticks=range(1, 9), ylim=(8.5, 0.5))
    column[0].set_title(title)
axes[0, 0].set_ylabel("‖dW‖")
axes[1, 0].set_ylabel("weights moved by")
fig.colorbar(colors, ax=axes, label="power of ten")
fig.supxlabel("step")
fig.supylabel("layer of G")
fig.savefig(IMAGES / "08_layers.png", dpi=110)
plt.close("all")

# %% and then the game
HEAD, STEPS = (50, 40) if QUICK else (1000, 2000)
print(f"distance of the fakes' middle from the data's, D with a head start of {HEAD} steps")
print("steps of both                 " + "".join(f"{STEPS * i // 4:>9}" for i in range(5)))
for kind in (lambda: SGD(0.02), lambda: Adam(0.002, 0.5)):
    for name, game in GAMES.items():
        gan = gan_in_the_plane(game, 5, None, kind())
        for _ in range(HEAD):
            play_d(gan)
        path = []
        for _ in range(STEPS + 1):
            path.append(np.hypot(*gan.generator.layers[0].b))
            gan.generator_step(play_d(gan))
        looks = "".join(f"{f'~{v:.2f}':>9}" for v in path[:: STEPS // 4])
        print(f"{type(gan.g_optimizer).__name__:6} {name:22} {looks}")
