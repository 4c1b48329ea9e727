"""Lesson 21: another way, autoencoders. A code that must be told, a code that must look random, and blur."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.autoencoder import GaussianCode, build_autoencoder, kl_divergence
from tinygan.data import Minibatches, as_floats
from tinygan.gan import draw_latents
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.losses import least_squares, sigmoid
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import mode_report, precision_recall
from tinygan.scoring.scores import RealImages, evenly
from tinygan.synthetic import MIXTURES, ring
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)

# %% the divergence is an integral
z = np.linspace(-30, 30, 200_001)


def density(mean, variance):
    return np.exp(-((z - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


print("N(mean, variance)    integral   closed form")
for mean, variance in ((0, 1), (1, 1), (0, 0.1), (-2, 4)):
    q = density(mean, variance)
    log_ratio = np.log(1 / variance) / 2 - (z - mean) ** 2 / (2 * variance) + z**2 / 2
    integral = np.sum(q * log_ratio) * (z[1] - z[0])
    closed, _ = kl_divergence(np.array([[mean, np.log(variance)]]))
    assert np.isclose(integral, closed, atol=1e-8)
    print(f"N({mean:2}, {variance:3})          {integral:8.4f}   {closed:8.4f}")

# %% through the noise
code, dout, layer = rng.normal(size=(4, 6)), rng.normal(size=(4, 3)), GaussianCode(None)


def cost():
    """A number that depends on drawn codes, with the same noise each time."""
    layer.rng = np.random.default_rng(7)
    return np.sum(dout * layer.forward(code))


cost()
error = relative_error(layer.backward(dout), numeric_gradient(cost, code))
print(f"through the noise: relative error ~{error:.0e}")

# Without it: the same gradient, estimated from how likely each drawn z was (the log-derivative trick).
m, draws = 0.5, 100_000 if not QUICK else 1000
noise = rng.standard_normal(draws)
drawn = m + noise  # z ~ N(m, 1); wanted: d/dm of the mean of z²
through, likely = 2 * drawn, drawn**2 * noise
print(
    f"d/dm E z² at m = 0.5 is {2 * m}: each draw says ~{through.mean():.2f} ± ~{through.std():.1f} through the noise,"
)
print(f"and ~{likely.mean():.2f} ± ~{likely.std():.1f} by its likelihood")

# %% the ring
DATA = ring(20_000, rng)
TOY = replace(PRESETS["points"], hidden=(64,) * 3, batch=128, gamma_end=None, init="xavier", average=0.99)


def gaussian(spread):
    """-log N(x; out, spread²), but for a constant, as a loss: a mean over all entries, and its gradient."""

    def loss(out, x):
        value, dout = least_squares(out, x)
        return value / spread**2, dout / spread**2

    return loss


def of_vae(spread, variational=True, steps=200 if QUICK else 3000):
    model = build_autoencoder((2, 64, 64, 64, 2), np.random.default_rng(0), variational, loss=gaussian(spread))
    for _ in model.fit(Minibatches(DATA.x, 128, np.random.default_rng(1)), steps):
        pass
    return model.decode(rng.standard_normal((2500, 2), dtype=np.float32))


def of_gan(extra=0, **choices):
    """Points of a GAN whose G takes so many extra steps for each of D's."""
    training = Training(replace(TOY, steps=20 if QUICK else 1000, **choices), DATA)
    for _ in training.run():
        for _ in range(extra):
            training.gan.generator_step(training.gan.generator.forward(training.draw()))
    return training.generate(draw_latents(rng, 2500, 2))


PLAYERS = {
    "VAE, spread 0.5": of_vae(0.5),
    "VAE, spread 0.05": of_vae(0.05),
    "autoencoder": of_vae(0.05, variational=False),
    "GAN, hasty": of_gan(extra=2, penalty="none", seed=1),
    "GAN with R1": of_gan(gamma=0.003),
}
print("                      modes   within 3σ   radius, least 5 %")
for name, points in PLAYERS.items():
    report, radius = mode_report(points, *MIXTURES["ring"]), np.linalg.norm(points, axis=1)
    print(f"{name:22}~{report.modes:<6} ~{report.high_quality:<10.2f} ~{np.quantile(radius, 0.05):.2f}")

# %% MNIST
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
if QUICK:
    train, test = (data._replace(x=data.x[:3000], labels=data.labels[:3000]) for data in (train, test))
classifier = Classifier.train(train, steps=30) if QUICK else load_classifier(train, print)
real, N = RealImages(classifier, train, test), 300 if QUICK else 2000
x_test, seen = as_floats(evenly(test.x, N)), classifier.features(evenly(train.x, N))
SIZES, STEPS = (784, 128, 128, 100), 20 if QUICK else 4000
MODELS = {"autoencoder": {"variational": False}, "VAE without divergence": {"beta": 0.0}, "VAE": {}}


def edges(images):
    """The mean difference of a pixel from its neighbor: what a blur takes away."""
    return np.abs(np.diff(images.reshape(-1, 28, 28), axis=2)).mean()


def measured(images):
    """Edges as a share of those of test images, Fréchet distance, precision, recall."""
    scores = edges(images) / edges(x_test), real.frechet(images), *precision_recall(seen, classifier.features(images))
    return "~{:<7.2f}~{:<9.1f}~{:<11.2f}~{:.2f}".format(*scores)


z_new = rng.standard_normal((N, 100), dtype=np.float32)
again, samples = {"test images": x_test}, {"test images": x_test}
print("                         pixel error   edges   Fréchet   precision   recall")
print(f"{'test images':39}{measured(x_test)}")
for name, choices in MODELS.items():
    model = build_autoencoder(SIZES, np.random.default_rng(0), **choices)
    for _ in model.fit(Minibatches(train.x, 64, np.random.default_rng(1)), STEPS):
        pass
    again[name], samples[name] = (sigmoid(model.decode(z)) for z in (model.encode(x_test), z_new))
    error = np.sqrt(np.mean((again[name] - x_test) ** 2))
    print(f"{name:25}~{error:<13.3f}{measured(samples[name])}", flush=True)
training = Training(replace(PRESETS["default"], steps=20 if QUICK else 4000), train)
for _ in training.run():
    pass
samples["GAN"] = training.generate(z_new)
for name, images in {"GAN": samples["GAN"], "VAE, test images again": again["VAE"]}.items():
    print(f"{name:39}{measured(images)}")

# %% which latents are used
code_mean = model.encode(x_test)
used = code_mean.var(axis=0) > 0.1
print(f"~{used.sum()} of {code_mean.shape[1]} latents say something: their mean has a variance above 0.1")

# %% blur and collapse, in one picture
fig = plt.figure(figsize=(8, 4.05), layout="constrained")
axes = fig.subplot_mosaic([[*PLAYERS], ["digits"] * len(PLAYERS)], height_ratios=[1, 1.85])
for name, points in PLAYERS.items():
    axes[name].plot(*DATA.x[:1000].T, ".", color="0.8", markersize=3)
    axes[name].plot(*points[:1000].T, "C3.", markersize=1.5)
    axes[name].set(title=name, xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), xticks=[], yticks=[], aspect="equal")
    axes[name].title.set_fontsize(8)
rows = [
    ("test images", x_test),
    *((f"{k}, again", again[k]) for k in ("autoencoder", "VAE")),
    *list(samples.items())[1:],
]
digits = np.stack([images[:20].reshape(20, 28, 28) for _, images in rows])
axes["digits"].imshow(digits.swapaxes(1, 2).reshape(28 * len(rows), -1), cmap="gray", vmin=0, vmax=1)
axes["digits"].set(yticks=14 + 28 * np.arange(len(rows)), yticklabels=[name for name, _ in rows], xticks=[])
fig.savefig(IMAGES / "21_blur.png", dpi=110)
