"""Lesson 18: a hundred labels. A discriminator with a logit for each class reads what nobody has labeled."""

# %% setup
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.data import Dataset
from tinygan.gan import draw_latents, generate
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.losses import sigmoid, softmax_cross_entropy
from tinygan.recipes import load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import frechet, moments
from tinygan.semi_supervised import FewLabels, Recipe, any_class, draw_labeled, feature_matching, log_sum_exp

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


# %% a class more
def softmax(logits):
    """Return the probabilities of the classes, (N, K), as in exercise 1 of lesson 04."""
    e = np.exp(logits)
    return e / e.sum(axis=1, keepdims=True)


NAMES = "knows nothing", "a 2, surely", "a 0 or a 1", "nothing at all"
logits = np.array([[0.0, 0, 0], [-2, -2, 5], [3, 3, -4], [-6, -6, -6]])
with_fake = softmax(np.hstack([logits, np.zeros((4, 1))]))  # "fake" has the logit 0
s, p = log_sum_exp(logits)
assert np.allclose(sigmoid(s)[:, 0], 1 - with_fake[:, -1])
print("                     logits      0      1      2   fake    σ(log Z)")
for name, row, chances, real in zip(NAMES, logits, with_fake, sigmoid(s)[:, 0], strict=True):
    cells = "".join(f"{value:7.3f}" for value in chances)
    print(f"{name:15}" + "{:4.0f}{:4.0f}{:4.0f}".format(*row) + f"{cells}{real:12.3f}")

# %% what an image without a label says
loss, dreal = any_class(logits, 1)
assert relative_error(dreal, numeric_gradient(lambda: any_class(logits, 1)[0], logits)) < 1e-8
_, dfake = any_class(logits, 0)
_, dlabeled = softmax_cross_entropy(logits, np.full(4, 2))
print("-N d(loss)/d(logits)    it is real             it is a fake           it is a 2")
for name, *rows in zip(NAMES, dreal, dfake, dlabeled, strict=True):
    print(f"{name:20}" + "   ".join("".join(f"{round(-4 * value, 3) + 0.0:7.3f}" for value in row) for row in rows))


# %% two moons
def moons(n, rng):
    """Two half circles that reach into each other, (n, 2) in [0, 1], and which of them."""
    labels, angle = rng.permutation(np.arange(n) % 2), rng.uniform(0, np.pi, n)
    x = np.where(labels, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)]).T
    x = (x + rng.normal(0, 0.1, (n, 2)) + [1.5, 1.25]) / [4, 3]
    return Dataset("moons", x.astype(np.float32), labels, (2,))


def trained(dataset, rows, recipe, seed=0):
    """A run to its end."""
    run = FewLabels(dataset, rows, recipe, seed)
    for _ in range(recipe.steps):
        run.step()
    return run


points, unseen = moons(5000, rng), moons(2000, rng)
SMALL = Recipe(hidden=(64, 64, 64), g_hidden=(64, 64), latent_dim=2, noise=(0.01, 0.2), steps=10 if QUICK else 1000)
draws = [draw_labeled(points.labels, 3, np.random.default_rng(draw)) for draw in range(5)]
runs = {"six points": [], "and 5,000 without a label": []}
print("wrong, %, of five draws")
for name, found in runs.items():
    for rows in draws:
        few = points._replace(x=points.x[rows], labels=points.labels[rows])
        run = trained(few, np.arange(6), SMALL) if name == "six points" else trained(points, rows, SMALL)
        found.append((run, 100 * np.mean(run.predict(unseen.x) != unseen.labels)))
    print(f"{name:28}" + "".join(f"{f'~{wrong:.1f}':>7}" for _, wrong in found), flush=True)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharex=True, sharey=True)
plane = np.stack(np.meshgrid(np.linspace(0, 1, 120), np.linspace(0, 1, 120)), axis=2).reshape(-1, 2)
for ax, (name, found) in zip(axes, runs.items(), strict=True):
    run, wrong = found[1]  # of the second draw
    classes = run.predict(plane.astype(np.float32)).reshape(120, 120)
    ax.contourf(*plane.T.reshape(2, 120, 120), classes, levels=[-1, 0.5, 2], colors=["#cfe2f3", "#fce5cd"])
    if name != "six points":
        ax.plot(*points.x[:1000].T, ".", color="#888888", markersize=2)
        fakes = generate(run.generator, draw_latents(rng, 300, 2))
        ax.plot(*fakes.T, "x", color="#674ea7", markersize=4, label="generated")
    for k, color in enumerate(("#0b5394", "#b45f06")):
        mine = points.x[draws[1]][points.labels[draws[1]] == k]
        ax.plot(*mine.T, "o", color=color, markersize=8, label=f"labeled {k}")
    ax.set(title=name, xlabel=f"{wrong:.1f} % wrong", xlim=(0, 1), ylim=(0, 1))
axes[1].legend(loc="upper right")
fig.savefig(IMAGES / "18_moons.png", dpi=110)

# %% moved as one
real_features, fake_features = rng.normal(1, 1, (5, 3)), rng.normal(0, 1, (5, 3))
_, dfake = feature_matching(real_features, fake_features)
print("d(loss)/d(features) of a generated sample")
for n in range(2):
    print(f"{n}:", " ".join(f"{value:7.3f}" for value in dfake[n]))
assert (dfake == dfake[0]).all()

# %% a hundred labels
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
judge = Classifier.train(train, steps=30) if QUICK else load_classifier(train, print)  # has seen all labels
rows = draw_labeled(train.labels, 10, rng)
SHORT = Recipe(hidden=(300, 150), g_hidden=(300,), steps=3 if QUICK else 1000)
COUNT = 100 if QUICK else 5000
known = moments(judge.features(train.x))
hundred = Dataset("labeled", train.x[rows], train.labels[rows], train.shape)
print("                               wrong, %   Fréchet distance")
pictures = []
for name, data, which, recipe in (
    ("these 100 images alone", hundred, np.arange(100), SHORT),
    ("all images, the usual game", train, rows, SHORT._replace(matching=False)),
    ("all images, feature matching", train, rows, SHORT),
):
    run = trained(data, which, recipe)
    wrong = np.mean(run.predict(test.x) != test.labels)
    samples = generate(run.generator, draw_latents(np.random.default_rng(1), COUNT, recipe.latent_dim))
    pictures.append((name, samples[:60]))
    print(
        f"{name:28} {f'~{100 * wrong:.1f}':>10}{f'~{frechet(moments(judge.features(samples)), known):.0f}':>19}",
        flush=True,
    )

fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, (name, samples) in zip(axes, pictures[1:], strict=True):
    ax.imshow(samples.reshape(5, 12, 28, 28).swapaxes(1, 2).reshape(140, -1), cmap="gray", vmin=0, vmax=1)
    ax.set(title=name, xticks=[], yticks=[])
fig.savefig(IMAGES / "18_samples.png", dpi=110)
