"""Lesson 16: what you ask for. Two networks that are told a label: what they learn, what the label must not do."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.conditions import Condition, one_hot, with_labels
from tinygan.data import Minibatches
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.optimizers import MovingAverage
from tinygan.recipes import PRESETS, build_gan, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import mode_report
from tinygan.scoring.scores import agreement
from tinygan.synthetic import MIXTURES, ring
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

# %% what D can see
x = np.linspace(-10, 10, 2001)
left, right = (np.exp(-((x - c) ** 2) / 2) / np.sqrt(2 * np.pi) for c in (-2, 2))
p = 0.5 * np.array([left, right])  # p(x, y) = p(y) p(x|y), a row for each class
GENERATORS = {  # q(x|y)
    "draws what is asked": (left, right),
    "does not listen": (p.sum(axis=0),) * 2,
    "mixes the classes up": (right, left),
    "draws class 0 only": (left, left),
}


def js(p, q):
    """Jensen-Shannon divergence of two densities, which may have rows: an integral, and a sum over the rows."""
    m = (p + q) / 2
    return 0.5 * np.sum(p * np.log(p / m) + q * np.log(q / m)) * (x[1] - x[0])


print("                        D sees x   D sees x and y   class 0   class 1")
for name, drawn in GENERATORS.items():
    q = 0.5 * np.array(drawn)
    each = js(left, drawn[0]), js(right, drawn[1])
    assert np.isclose(js(p, q), 0.5 * each[0] + 0.5 * each[1])  # a game for each class
    print("{:22}{:10.3f}{:17.3f}{:10.3f}{:10.3f}".format(name, js(p.sum(axis=0), q.sum(axis=0)), js(p, q), *each))

# %% a bias for each class
L, K = 2, 3
z, labels = rng.standard_normal((6, L)), np.array([2, 0, 1, 0, 0, 2])
network = Network([Dense(L + K, 4)], rng, np.float64)
dense, dout = network.layers[0], rng.standard_normal((6, 4))


def naive_told(z, labels):
    """The same as a lookup: no one-hot, and a bias that depends on the class."""
    bias = dense.W[L:] + dense.b  # (K, O)
    return z @ dense.W[:L] + bias[labels]


assert relative_error(network.forward(with_labels(z, labels, K)), naive_told(z, labels)) < 1e-15
network.backward(dout)
print("class   samples   dW's row of it                     dout, summed over its samples")
for k in range(K):
    row, total = dense.dW[L + k], dout[labels == k].sum(axis=0)
    assert np.allclose(row, total, rtol=1e-12)
    cells = "   ".join("".join(f"{value:8.3f}" for value in values) for values in (row, total))
    print(f"{k:5}{np.sum(labels == k):10} {cells}")

# %% dx for x alone
condition = Condition(K)
d = Network([condition, Dense(2 + K, 5), Dense(5, 1)], rng, np.float64)
condition.labels = one_hot(labels, K, np.float64)
x_real, x_fake = rng.standard_normal((2, 6, 2))
both = np.concatenate([x_real, x_fake])
seen = condition.forward(both)
assert (seen[:6, 2:] == seen[6:, 2:]).all()  # both halves are shown the same labels
dx = d.backward(np.ones_like(d.forward(both)))
error = relative_error(dx, numeric_gradient(lambda: d.forward(both).sum(), both))
print(f"D sees {seen.shape}, dx is {dx.shape}, relative error ~{error:.0e}")

# %% one draw of labels or two
N, COUNT, TIMES = 64, 10, 20 if QUICK else 1000
line, noise = Network([Condition(COUNT), Dense(COUNT, 1)], rng, np.float64), {"one draw": [], "two draws": []}
line.params[:] = 0  # a D that knows nothing, and sees nothing but labels
for _ in range(TIMES):
    for name in noise:
        shown = rng.integers(COUNT, size=(2, N))
        of_fakes = shown[0] if name == "one draw" else shown[1]
        line.layers[0].labels = one_hot(np.concatenate([shown[0], of_fakes]), COUNT)
        logits = line.forward(np.zeros((2 * N, 0)))
        _, dreal, dfake = NonSaturating().discriminator(*np.split(logits, 2))
        line.backward(np.concatenate([dreal, dfake]))
        noise[name].append(np.sum(line.layers[1].dW**2))
for name, squares in noise.items():
    print(f"{name:10} of labels: length of D's gradient {np.sqrt(np.mean(squares)):.2f}")
print(f"expected from two: {np.sqrt((1 - 1 / COUNT) / (2 * N)):.2f}")

# %% the ring
STEPS = 5 if QUICK else 1500
MODES, DATA = 8, ring(20_000, np.random.default_rng(0))
TOY = replace(PRESETS["points"], hidden=(64,) * 3, batch=128, gamma=0.003, gamma_end=None, init="xavier")
z_test, asked = np.random.default_rng(1).standard_normal((2500, 2), dtype=np.float32), np.arange(2500) % MODES


def play(config, told="GD", g_steps=1):
    """The average's 2,500 points after STEPS turns; of G and D those are told the label that stand in ``told``."""
    rng = np.random.default_rng(config.seed)
    gan = build_gan(config, (2,), rng, classes=MODES)
    average, batches = MovingAverage(gan.generator.params, config.average), Minibatches(DATA.x, config.batch, rng)
    condition = gan.discriminator.layers[0]

    def draw(labels):
        """Points that are asked for; zeros are a label that says nothing."""
        z = rng.standard_normal((config.batch, 2), dtype=np.float32)
        hot = one_hot(labels, MODES)
        condition.labels = hot * ("D" in told)
        return gan.generator.forward(np.hstack([z, hot * ("G" in told)]))

    for _ in range(STEPS):
        x_real, labels = batches.next(), DATA.labels[batches.rows]
        x_fake = draw(labels)
        gan.discriminator_step(x_real, x_fake)
        gan.generator_step(x_fake)
        for _ in range(g_steps - 1):
            gan.generator_step(draw(labels))
        average.update(gan.generator.params)
    gan.generator.params[:] = average.params
    return gan.generator.forward(np.hstack([z_test, one_hot(asked, MODES) * ("G" in told)]))


centers = MIXTURES["ring"].centers
print("three seeds                 modes     within 3σ   as asked")
for penalty in ("none", "r1"):
    for g_steps in (3, 1):
        for told, who in {"": "nobody is told", "G": "G alone is told", "GD": "both are told"}.items():
            rows = []
            for seed in range(3):
                points = play(replace(TOY, penalty=penalty, seed=seed), told, g_steps)
                seen = np.argmin(np.sum((points[:, None] - centers) ** 2, axis=2), axis=1)
                report = mode_report(points, *MIXTURES["ring"])
                rows.append((report.modes, report.high_quality, np.mean(seen == asked)))
            print(penalty, g_steps, who, np.round(rows,3).tolist(), flush=True)
