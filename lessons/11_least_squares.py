"""Lesson 11: least squares. What targets a, b, c ask for, the divergence behind them, and what it gains here."""

# %% setup
import os
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.layers import Dense, LeakyReLU
from tinygan.network import Network
from tinygan.objectives import LeastSquares, NonSaturating
from tinygan.optimizers import Adam
from tinygan.recipes import Config
from tinygan.scoring.metrics import mode_report
from tinygan.synthetic import MIXTURES, grid, ring
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
CODINGS = {
    "pearson (-1, 1, 0)": (-1, 1, 0),
    "the same + 1.5": (0.5, 2.5, 1.5),
    "0-1 (0, 1, 1)": (0, 1, 1),
    "c in the middle": (0, 1, 0.5),
    "c beyond b": (0, 1, 2),
}

# %% the best D
K = 6  # the whole world: six places, real and fake samples are counts on them
rng = np.random.default_rng(0)
real, fake = rng.integers(0, K, 40), rng.integers(0, K - 1, 30)  # place K - 1 has no fakes
p, q = np.bincount(real, minlength=K) / 40, np.bincount(fake, minlength=K) / 30
print("place             " + "".join(f"{x:8}" for x in range(K)))
print("p                 " + "".join(f"{v:8.3f}" for v in p))
print("q                 " + "".join(f"{v:8.3f}" for v in q))
for name, (a, b, c) in list(CODINGS.items())[::2]:
    scores, game = np.zeros((K, 1)), LeastSquares(a, b, c)  # D is a table: one free score for each place
    for _ in range(2000):
        _, dreal, dfake = game.discriminator(scores[real], scores[fake])
        np.add.at(scores, real, -dreal)  # plain descent with lr 1
        np.add.at(scores, fake, -dfake)
    formula = (b * p + a * q) / (p + q)
    print(f"{name:18}" + "".join(f"{v:8.3f}" for v in scores[:, 0]))
    assert np.allclose(scores[:, 0], formula, rtol=0, atol=1e-9)


# %% a grid of distributions
def theorem(p, q, a, b, c):
    """E_p[(D* - c)²] + E_q[(D* - c)²] with D* inserted; sums over the last axis."""
    best = (b * p + a * q) / (p + q)
    return np.sum((p + q) * (best - c) ** 2, axis=-1)


steps = 20  # all distributions on three places whose probabilities are whole twentieths, none of them 0
simplex = np.array([(i, j, steps - i - j) for i, j in product(range(1, steps), repeat=2) if i + j < steps]) / steps
P, Q = simplex[:, None], simplex[None]
pearson = np.sum((P + Q - 2 * Q) ** 2 / (P + Q), axis=-1)  # χ²(p + q, 2q)
print(f"{len(simplex)} distributions, {pearson.size:,} pairs; χ² from 0 to {pearson.max():.3f}")
print("targets (a, b, c)    largest |value - χ²|   value - (offset + (b - a)²/4 χ²)   best q is p")
for name, (a, b, c) in CODINGS.items():
    values = theorem(P, Q, a, b, c)
    offset = (b - c) ** 2 + (a - c) ** 2 - (b - a) ** 2 / 2
    away, error = np.abs(values - pearson).max(), np.abs(values - offset - (b - a) ** 2 / 4 * pearson).max()
    found = np.all(values.argmin(axis=1) == np.arange(len(simplex)))
    print(f"{name:20} {f'~{away:.0e}' if away < 1e-9 else f'{away:.3f}':>18} {f'~{error:.0e}':>22} {found!s:>22}")
    assert error < 1e-13 and found and (away < 1e-13) == (b - c == 1 and b - a == 2)

# %% a family of divergences
FAMILY = {
    "KL": lambda u: u * np.log(u),
    "reverse KL": lambda u: -np.log(u),
    "JS": lambda u: (u * np.log(u) - (u + 1) * np.log((u + 1) / 2)) / 2,
    "Pearson's χ²": lambda u: (u - 1) ** 2,
    "least squares": lambda u: (u - 1) ** 2 / (u + 1),
}
one, two = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.4, 0.1])
print("                 of p and q   of q and p   places in another order")
for name, f in FAMILY.items():
    values = [np.sum(y * f(x / y)) for x, y in ((one, two), (two, one), (np.roll(one, 1), np.roll(two, 1)))]
    print(f"{name:16}" + "".join(f"{value:10.4f}   " for value in values).rstrip())
    assert np.isclose(values[0], values[2])

# %% what a step feels
best, nudge = (p - q) / (p + q), 1e-6  # D* in the pearson coding, at the six places
half = [[0.5 * theorem(p, q + sign * nudge * np.eye(K)[k], -1, 1, 0) for k in range(K)] for sign in (1, -1)]
falls = (np.array(half[0]) - half[1]) / (2 * nudge)  # how ½χ² changes with q[k], D* following at once
assert np.allclose(falls, -best - best**2 / 2, atol=1e-6)
print("place                             " + "".join(f"{x:8}" for x in range(K)))
for name, row in {
    "D*, pearson coding": best,
    "change of ½χ² with q": falls,
    "G's loss there, D* frozen, pearson": best**2 / 2,
    "G's loss there, D* frozen, 0-1": (p / (p + q) - 1) ** 2 / 2,
}.items():
    print(f"{name:34}" + "".join(f"{v:8.3f}" for v in row))

fig, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
r = np.linspace(-1, 1, 201)
ax.plot(r, -r - r**2 / 2, "k", label="change of ½χ² with q: -r - r²/2")
ax.plot(r, (1 - r) ** 2 / 8, "C2", label="G's loss, 0-1: (1 - r)²/8")
ax.plot(r, r**2 / 2, "C1", label="G's loss, pearson: r²/2")
ax.set(xlabel="r = (p - q)/(p + q): only fakes -1, only data 1")
ax.legend(fontsize=8)
fig.savefig(IMAGES / "11_over_r.png", dpi=110)

# %% pulled back
N, MOVES = 200, 60 if QUICK else 1500
print(f"middle of the fakes that begin at x = 8 (data at 2, other fakes at -2), after moves of {MOVES}")
print(" " * 31 + "".join(f"{MOVES * i // 4:>8}" for i in range(5)))
fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
games = {"non-saturating": (NonSaturating(), "C0"), "least squares 0-1": (LeastSquares(), "C2"),
         "least squares pearson": (LeastSquares(-1, 1, 0), "C1")}  # fmt: skip
for ax, kind in zip(axes, ("a straight D", "a layered D"), strict=True):
    for name, (game, color) in games.items():
        rng = np.random.default_rng(3)
        hidden = [Dense(1, 32), LeakyReLU(), Dense(32, 32), LeakyReLU(), Dense(32, 1)]
        d = Network([Dense(1, 1)] if "straight" in kind else hidden, rng, np.float64)
        real, fake = rng.normal(2, 0.3, (N, 1)), rng.normal(np.repeat([[-2.0], [8.0]], N // 2, 0), 0.3)
        d_adam, g_adam, path = Adam(0.01, 0.5), Adam(0.01, 0.5), []
        for _ in range(MOVES + 1):  # the generator is the points themselves
            path.append(np.median(fake[N // 2 :]))
            logits = d.forward(np.concatenate([real, fake]))
            _, dreal, dfake = game.discriminator(logits[:N], logits[N:])
            d.backward(np.concatenate([dreal, dfake]), input_grad=False)
            d_adam.step(d.params, d.grads)
            dx = d.backward(game.generator(d.forward(fake))[1], param_grads=False)
            g_adam.step(fake.reshape(-1), dx.ravel())
        print(f"{kind.split()[1]:9}{name:22}" + "".join(f"{f'~{v:.1f}':>8}" for v in path[:: MOVES // 4]))
        ax.plot(path, color, label=name)
    ax.axhline(2, color="k", lw=0.5)
    ax.set(title=kind, xlabel="moves", ylim=(0, None))
axes[0].legend(title="x of the fakes beyond", fontsize=8)
fig.savefig(IMAGES / "11_pulled_back.png", dpi=110)

# %% side by side
SEEDS, STEPS = (3, 20) if QUICK else (3, 3000)
runs = {
    "non-saturating": {"objective": "non-saturating"},
    "least squares 0-1": {"objective": "least-squares", "coding": (0.0, 1.0, 1.0)},
    "least squares pearson": {"objective": "least-squares", "coding": (-1.0, 1.0, 0.0)},
}
common = Config(penalty="none", latent_dim=2, hidden=(64, 64), init="xavier", batch=128, beta1=0.5, lr=2e-3,
                average=0.99, decay_from=0.5, steps=STEPS).to_dict()  # fmt: skip
fig, axes = plt.subplots(2, 3, figsize=(8, 5.4), layout="constrained")
print(f"modes found, and share of samples within 3 sigma of one, seeds 0 to {SEEDS - 1}")
for row, make in zip(axes, (ring, grid), strict=True):
    dataset = make(20_000, np.random.default_rng(0))
    for ax, (name, changes) in zip(row, runs.items(), strict=True):
        reports = []
        for seed in range(SEEDS):
            training = Training(Config(**{**common, **changes, "seed": seed}), dataset)
            for _ in training.run():
                pass
            z = np.random.default_rng(1).standard_normal((2500, 2), np.float32)
            reports.append(mode_report(samples := training.generate(z).copy(), *MIXTURES[dataset.name]))
            if seed == 0:
                ax.plot(*dataset.x[:1000].T, ".", color="0.8", ms=2)
                ax.plot(*samples[:1000].T, "C3.", ms=1)
                ax.set_title(f"{dataset.name}, {name}", fontsize=8)
        cells = (", ".join(texts) for texts in zip(*((f"~{r[0]}", f"~{r[1]:.2f}") for r in reports), strict=True))
        print(f"{dataset.name}   {{:24}} {{:16}} {{}}".format(name, *cells))
fig.savefig(IMAGES / "11_points.png", dpi=110)
