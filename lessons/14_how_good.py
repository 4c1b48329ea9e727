"""Lesson 14: how good is it? A classifier, and what each measure of samples sees and does not see."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.gan import draw_latents
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import frechet, moments, nearest_neighbors, parzen, precision_recall, squared_distances
from tinygan.scoring.scores import RealImages, evenly
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
N, MANY = (300, 500) if QUICK else (5000, 10_000)
rng = np.random.default_rng(0)


def show(ax, x, title):
    ax.imshow(x.reshape(-1, 28, 28).swapaxes(0, 1).reshape(28, -1), cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
    ax.set_title(title, fontsize=9, loc="left")


# %% data
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
if QUICK:
    train, test = (data._replace(x=data.x[:3000], labels=data.labels[:3000]) for data in (train, test))
train_x, test_x = (data.x.astype(np.float32) / 255 for data in (train, test))


# %% a classifier
def moved(x, columns):
    return np.roll(x.reshape(-1, 28, 28), columns, axis=2).reshape(-1, 784)


classifier = Classifier.train(train, steps=300) if QUICK else load_classifier(train)
right = np.mean(classifier.predict(test_x) == test.labels)
print(f"right on ~{100 * right:.1f} % of the test images")

x, labels = test_x[:500], test.labels[:500]
same_class = labels[:, None] == train.labels[:20_000]
print("median distance of a test image from    in pixels   in features")
itself, others = [], []
for view in (lambda x: x, classifier.features):
    itself.append(np.median(np.linalg.norm(view(moved(x, 1)) - view(x), axis=1)))
    distances = squared_distances(view(x), view(train_x[:20_000]))
    others.append(np.median(np.sqrt(np.where(same_class, np.inf, distances).min(axis=1))))
print("itself, moved by one pixel              ~{:<8.1f}   ~{:.1f}".format(*itself))
print("the nearest image of another digit      ~{:<8.1f}   ~{:.1f}".format(*others))

# %% Fréchet in one dimension
a, b, coin = rng.normal(0, 1, 100_000), rng.normal(1, 2, 100_000), rng.choice([-1.0, 1.0], 100_000)


def naive_frechet(a, b):
    """The formula for one number: (difference of means)² + (difference of standard deviations)²."""
    return (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2


print("N(0, 1) against        Fréchet   cheapest transport")
for name, other in {"N(1, 4)": b, "±1, like a coin": coin}.items():
    distance = frechet(moments(a[:, None]), moments(other[:, None]))
    assert np.isclose(distance, naive_frechet(a, other), atol=1e-9)
    print(f"{name:20}   {distance:.2f}      {np.mean((np.sort(a) - np.sort(other)) ** 2):.2f}")


# %% how many samples
def blurred(x):
    """Each pixel becomes the mean of the 3 × 3 around it."""
    tiles = x.reshape(-1, 28, 28)
    shifts = [np.roll(tiles, (i, j), axis=(1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return (sum(shifts) / 9).reshape(-1, 784)


real = RealImages(classifier, train, test)  # computes the Moments of all training images
spread = np.trace(real.moments.covariance)
shuffled, sizes = rng.permutation(test_x), (100, 300, 1000, 3000, len(test_x))
print("samples   tr Σ / n   test images   blurred")
rows = [(n, spread / n, real.frechet(shuffled[:n]), real.frechet(blurred(shuffled[:n]))) for n in sizes]
print(*("{:<7,}   ~{:<7.2f}   ~{:<10.2f}   ~{:.1f}".format(*row) for row in rows), sep="\n")

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
n, mean_part, of_test, of_blurred = np.array(rows).T
ax.loglog(n, of_blurred, "C3o-", label="test images, blurred")
ax.loglog(n, of_test, "C0o-", label="test images")
ax.loglog(n, mean_part, "k--", lw=1, label="tr Σ / n")
ax.set(xlabel="number of samples", ylabel="Fréchet distance")
ax.legend(fontsize=8)
fig.savefig(IMAGES / "14_bias.png", dpi=110)

# %% a GAN
training = Training(replace(PRESETS["default"], steps=50 if QUICK else 2000), train)
for _ in training.run():
    pass
gan = training.generate(draw_latents(np.random.default_rng(1), MANY, 100))

# %% every measure, every sample
known = evenly(train_x, MANY)
candidates = {
    "test images": evenly(test_x, N),
    "training images": known[:N],
    "the same, moved a pixel": moved(known[:N], 1),
    "100 of them, repeated": np.resize(known[:100], (N, 784)),
    "test images, blurred": blurred(evenly(test_x, N)),
    "test images, with noise": np.clip(evenly(test_x, N) + rng.normal(0, 0.3, (N, 784)), 0, 1).astype("f4"),
    "a GAN, after 2000 steps": gan[:N],
}
real_features = classifier.features(evenly(train_x, N))
print(f"{N:,} samples              Fréchet   confidence   precision   recall   nearest")
for name, x in candidates.items():
    quality, variety = precision_recall(real_features, classifier.features(x))
    sure = classifier.probabilities(x).max(axis=1).mean()
    nearest, _ = nearest_neighbors(evenly(x, 300), train.x)
    figures = name, real.frechet(x), sure, quality, variety, np.median(nearest)
    print("{:23}    ~{:<6.1f}   ~{:<9.2f}   ~{:<8.2f}   ~{:<5.2f}   ~{:.1f}".format(*figures))


# %% Parzen
def k_means(x, centers, iterations=3):
    """Lloyd 1982: each image goes to its nearest center, each center to the mean of its images."""
    for _ in range(iterations):
        nearest = squared_distances(x, centers).argmin(axis=1)
        used = np.unique(nearest)
        centers[used] = [x[nearest == i].mean(axis=0) for i in used]
    return centers


samples = {
    "training images": known,
    "training images, blurred": blurred(known),
    "k-means centers": k_means(train_x[: 4 * MANY], known[: MANY // 10].copy()),
    "a GAN, after 2000 steps": gan,
    "the GAN's, blurred": blurred(gan),
}
fig, axes = plt.subplots(len(samples), 1, figsize=(7, 3.2), layout="constrained")
print("samples                             nats    ±     σ")
for ax, (name, x) in zip(axes, samples.items(), strict=True):
    result = parzen(x, real.valid[:1000], evenly(test.x, 2000))
    print("{:24}   {:>6,}   ~{:.0f}   ~{:.0f}   {:.3f}".format(name, len(x), *result))
    show(ax, x[:20], f"{name}: {result.mean:.0f} nats")
fig.savefig(IMAGES / "14_parzen.png", dpi=110)

# %% remembered?
distances, indices = nearest_neighbors(gan[:20], train.x)
fig, (top, bottom) = plt.subplots(2, 1, figsize=(7, 1.4), layout="constrained")
show(top, gan[:20], "samples")
show(bottom, train_x[indices], "the nearest training image of each")
fig.savefig(IMAGES / "14_nearest.png", dpi=110)
print(f"nearest to a training image: ~{distances.min():.1f}; farthest: ~{distances.max():.1f}")
