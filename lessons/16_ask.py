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
    both = dense.dW[L + k], dout[labels == k].sum(axis=0)
    assert np.allclose(*both, rtol=1e-12)
    cells = "   ".join("".join(f"{value:8.3f}" for value in values) for values in both)
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
N, COUNT = 64, 10
line, noise = Network([Condition(COUNT), Dense(COUNT, 1)], rng, np.float64), {"one draw": [], "two draws": []}
line.params[:] = 0  # a D that knows nothing, and sees nothing but labels
for _ in range(1000):
    for name in noise:
        shown = rng.integers(COUNT, size=(2, N))
        of_fakes = shown[0] if name == "one draw" else shown[1]
        line.layers[0].labels = one_hot(np.concatenate([shown[0], of_fakes]), COUNT)
        logits = line.forward(np.zeros((2 * N, 0)))
        _, dreal, dfake = NonSaturating().discriminator(*np.split(logits, 2))
        line.backward(np.concatenate([dreal, dfake]))
        noise[name].append(np.sum(line.layers[1].dW ** 2))
for name, squares in noise.items():
    print(f"{name:10} of labels: length of D's gradient {np.sqrt(np.mean(squares)):.2f}")
print(f"expected from two: {np.sqrt((1 - 1 / COUNT) / (2 * N)):.2f}")

# %% the ring
MODES, CENTERS, DATA = 8, MIXTURES["ring"].centers, ring(20_000, np.random.default_rng(0))
TOY = replace(PRESETS["points"], hidden=(64,) * 3, batch=128, gamma=0.003, gamma_end=None, init="xavier")
z_test, asked = np.random.default_rng(1).standard_normal((2500, 2), dtype=np.float32), np.arange(2500) % MODES


def play(config, told="GD", g_steps=1, turns=5 if QUICK else 1000, moved=False):
    """2,500 points of G's average after a game in which those of G and D are told the label that stand in ``told``.

    With ``moved`` the label is appended behind G and not in front of D: to D, it is a part of x.
    """
    rng = np.random.default_rng(config.seed)
    gan = build_gan(config, (2,), rng, classes=MODES)
    condition, *layers = gan.discriminator.layers
    if moved:
        weights = gan.generator.params, gan.discriminator.params
        gan.generator = Network([*gan.generator.layers, condition], np.random.default_rng())
        gan.discriminator = Network(layers, np.random.default_rng())
        gan.generator.params[:], gan.discriminator.params[:] = weights
    average, batches = MovingAverage(gan.generator.params, config.average), Minibatches(DATA.x, config.batch, rng)

    def draw(labels, z=None):
        """Points that are asked for; zeros are a label that says nothing."""
        z = rng.standard_normal((config.batch, 2), dtype=np.float32) if z is None else z
        hot = one_hot(labels, MODES)
        condition.labels = hot * np.float32("D" in told)
        return gan.generator.forward(np.hstack([z, hot * np.float32("G" in told)]))

    for _ in range(turns):
        x_real, labels = batches.next(), DATA.labels[batches.rows]
        x_fake = draw(labels)
        gan.discriminator_step(with_labels(x_real, labels, MODES) if moved else x_real, x_fake)
        gan.generator_step(x_fake)
        for _ in range(g_steps - 1):
            gan.generator_step(draw(labels))
        average.update(gan.generator.params)
    gan.generator.params[:] = average.params
    return draw(asked, z_test)[:, :2].copy()


def measured(*game, **choices):
    """Modes of each seed; then means: share within 3σ, width of a mode over the true one, share as asked."""
    rows = []
    for seed in range(3):
        points = play(replace(TOY, seed=seed, **choices), *game)
        report = mode_report(points, *MIXTURES["ring"])
        seen = np.argmin(np.sum((points[:, None] - CENTERS) ** 2, axis=2), axis=1)
        widths = report.spread[np.isfinite(report.spread)]
        width = np.median(widths) if len(widths) else 0
        rows.append((report.modes, report.high_quality, width, np.mean(seen == asked)))
    return " ".join(f"~{row[0]}" for row in rows), *(f"~{value:.2f}" for value in np.mean(rows, axis=0)[1:])


print("three seeds                 modes       within 3σ   width   as asked")
for name, penalty, g_steps in (("hasty", "none", 3), ("with R1", "r1", 1)):
    for told, who in {"": "nobody is told", "G": "G alone is told", "GD": "both are told"}.items():
        print("{:8}{:20}{:12}{:12}{:8}{}".format(name, who, *measured(told, g_steps, penalty=penalty)), flush=True)

# %% R1 and the label
same = [play(replace(TOY, penalty="none"), moved=moved) for moved in (False, True)]
assert np.array_equal(*same)  # without a penalty it does not matter where the label is appended
print("three seeds         D's slope in x alone     and in the label's direction")
print("γ       turns       within 3σ   as asked     within 3σ   as asked")
for gamma in (0.003, 1.0, 100.0):
    for turns in (3, 4) if QUICK else (100, 400):
        rows = [measured("GD", 1, turns, moved, penalty="r1", gamma=gamma) for moved in (False, True)]
        cells = "".join(f"{row[1]:12}{row[3]:13}" for row in rows)
        print(f"{gamma:<8}{turns:<12}{cells}".rstrip(), flush=True)

# %% MNIST
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
classifier = Classifier.train(train, steps=30) if QUICK else load_classifier(train, print)
run = Training(replace(PRESETS["conditional"], steps=3 if QUICK else 2000), train)
for _ in run.run():
    pass
COLUMNS = 20 if QUICK else 300
z = np.tile(rng.standard_normal((COLUMNS, run.config.latent_dim), dtype=np.float32), (10, 1))  # the same in each row
wanted = np.arange(10).repeat(COLUMNS)
x = run.generate(with_labels(z, wanted, 10))
print("as asked, %    all" + "".join(f"{k:6}" for k in range(10)))
for name, images, labels in (("samples", x, wanted), ("test images", test.x, test.labels)):
    (_, share, _), (_, each, _) = agreement(classifier.predict(images), labels, 10)
    print(f"{name:12}" + "".join(f"{f'~{100 * value:.0f}':>6}" for value in (share, *each)))

shown = x.reshape(10, COLUMNS, 28, 28)[:, :14]
fig, ax = plt.subplots(figsize=(7, 5.1), layout="constrained")
ax.imshow(shown.swapaxes(1, 2).reshape(280, -1), cmap="gray", vmin=0, vmax=1)
ax.set(
    yticks=14 + 28 * np.arange(10), yticklabels=range(10), xticks=[], xlabel="one z in each column", ylabel="asked for"
)
fig.savefig(IMAGES / "16_asked.png", dpi=110)

# %% style and class
rows, columns = np.mgrid[:28, :28]


def slant(images):
    """Columns that a digit's ink goes to the right for each row down, (N,): a line fitted to its ink."""
    ink = images.reshape(-1, 28, 28) + 1e-6  # nobody is quite black
    ink = ink / ink.sum(axis=(1, 2), keepdims=True)
    down, right = (direction - (ink * direction).sum(axis=(1, 2), keepdims=True) for direction in (rows, columns))
    return (ink * down * right).sum(axis=(1, 2)) / (ink * down * down).sum(axis=(1, 2))


print("share of the variance, %   class    z    rest   z, shuffled")
for name, value in {"ink": x.mean(axis=1), "slant": slant(x)}.items():
    table = value.reshape(10, COLUMNS)
    by_class = table.mean(axis=1).var()
    centered = table - table.mean(axis=1, keepdims=True)
    by_z, by_chance = (t.mean(axis=0).var() for t in (centered, rng.permuted(centered, axis=1)))
    shares = by_class, by_z, table.var() - by_class - by_z, by_chance
    print(f"{name:25}" + "".join(f"{f'~{100 * share / table.var():.0f}':>7}" for share in shares))
