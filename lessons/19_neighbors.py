"""Lesson 19: neighbors. Convolution from one entry, its transpose, batch normalization, and what they are worth."""

# %% setup
import os
import textwrap
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinygan.app import cache, checkpoint
from tinygan.convolution import Conv2D, ConvTranspose2D
from tinygan.data import Dataset
from tinygan.gan import draw_latents
from tinygan.gradcheck import numeric_gradient, relative_error
from tinygan.layers import Dense, LeakyReLU
from tinygan.network import Network, parameter_count
from tinygan.normalization import BatchNorm
from tinygan.plots import tiles
from tinygan.recipes import PRESETS, discriminator_layers, generator_layers, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.scores import RealImages
from tinygan.training import Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
RUNS = Path(os.environ.get("LESSON_RUNS") or "runs")  # where `tinygan train --out runs/mixture` put its run

rng = np.random.default_rng(0)
N, H, V, C, O = 2, 4, 6, 2, 3  # images of H x V pixels with C channels, and O channels of the output
K, S, P, h, w = 4, 2, 1, 2, 3  # kernel, stride, padding; size of the output's images
conv = Conv2D((H, V, C), O, K, S, P)
Network([conv], rng, dtype=np.float64)
image, dout = rng.normal(size=(N, H, V, C)), rng.normal(size=(N, h, w, O))
W = conv.W.reshape(K, K, C, O)
conv.b[...] = rng.normal(size=O)


# %% forward, number by number
def naive_forward(image, W, b):
    padded = np.pad(image, ((0, 0), (P, P), (P, P), (0, 0)))
    out = np.zeros((N, h, w, O))
    for n, y, x, o in np.ndindex(N, h, w, O):
        out[n, y, x, o] = b[o]
        for i, j, c in np.ndindex(K, K, C):
            out[n, y, x, o] += padded[n, S * y + i, S * x + j, c] * W[i, j, c, o]
    return out


out = conv.forward(image.reshape(N, -1)).copy()
assert np.allclose(out, naive_forward(image, W, conv.b).reshape(N, -1), rtol=1e-12)


# %% backward, number by number
def naive_backward(image, W, dout):
    padded = np.pad(image, ((0, 0), (P, P), (P, P), (0, 0)))
    dpadded, dW, db = np.zeros(padded.shape), np.zeros(W.shape), np.zeros(O)
    for n, y, x, o in np.ndindex(N, h, w, O):
        db[o] += dout[n, y, x, o]
        for i, j, c in np.ndindex(K, K, C):
            dW[i, j, c, o] += padded[n, S * y + i, S * x + j, c] * dout[n, y, x, o]
            dpadded[n, S * y + i, S * x + j, c] += dout[n, y, x, o] * W[i, j, c, o]
    return dW, db, dpadded[:, P:-P, P:-P]


dimage = conv.backward(dout.reshape(N, -1))
found = {"dW": (conv.dW, conv.W), "db": (conv.db, conv.b), "dimage": (dimage, image)}
for (name, (got, nudged)), naive in zip(found.items(), naive_backward(image, W, dout), strict=True):
    assert np.allclose(got, naive.reshape(got.shape), rtol=1e-10)
    measured = numeric_gradient(lambda: np.sum(dout.reshape(N, -1) * conv.forward(image.reshape(N, -1))), nudged)
    error = relative_error(got, measured.reshape(got.shape))
    print(f"{name:6}  {got.size:>3} numbers, the package's equal the loops'; against measured ones ~{error:.0e}")

# %% with numbers
small = Network([Conv2D((3, 3, 1), 1, kernel=2, stride=1, padding=0)], rng, dtype=np.float64).layers[0]
small.W[...] = [[1], [2], [0], [-1]]
print("out   ", small.forward(np.array([[1.0, 0, 2, 3, 1, 0, 0, 2, 1]])).reshape(2, 2).tolist())
print("dimage", small.backward(np.array([[1.0, -1, 2, 0]])).reshape(3, 3).tolist())
print("dW    ", small.dW.reshape(2, 2).tolist(), "  db", small.db.tolist())

# %% patches
patches = np.empty((N * h * w, K * K * C))
conv.unfold(image.reshape(N, -1), patches)
assert np.allclose(patches @ conv.W + conv.b, out.reshape(-1, O), rtol=1e-12)
print("28 x 28 pixels to 14 x 14 x 16      weights   products for one image")
print(f"Conv2D((28, 28, 1), 16)         {parameter_count([Conv2D((28, 28, 1), 16)]):11,} {14 * 14 * 16 * 16:24,}")
print(f"Dense(784, 3136)                {parameter_count([Dense(784, 3136)]):11,} {784 * 3136:24,}")

# %% the transpose
down, up = Conv2D((6, 6, 1), 1), ConvTranspose2D((3, 3, 1), 1)
Network([down, up], rng, np.float64)
up.W[...] = down.W
A, B = down.forward(np.eye(36)), up.forward(np.eye(9))  # all biases are 0
assert np.array_equal(B, A.T)
print(f"A {A.shape}: {np.count_nonzero(A)} of {A.size} entries are not zero, with {len(np.unique(A[A != 0]))} values")
matrices = {"Dense": rng.normal(size=A.shape) * A.std(), "Conv2D: A": A, "ConvTranspose2D: Aᵀ": B}
fig, axes = plt.subplots(1, 3, figsize=(7, 4.4), layout="constrained", width_ratios=[1, 1, 3])
for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
    ax.imshow(matrix, cmap="RdBu", vmin=-abs(A).max(), vmax=abs(A).max())
    ax.set(title=title, xticks=[], yticks=[], xlabel=f"{matrix.shape[1]} outputs", ylabel=f"{matrix.shape[0]} inputs")
fig.savefig(IMAGES / "19_matrix.png", dpi=90)

# %% the data
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
if QUICK:
    train, test = (Dataset(data.name, data.x[:2000], data.labels[:2000]) for data in (train, test))
real = test.x[:32] / 255.0


# %% what one output feels
def felt_by(layers, number):
    """|∂out[0, number]/∂x[0]| for each pixel of an image, (28, 28), with random weights."""
    network = Network(layers, np.random.default_rng(0), np.float64)
    dout = np.zeros_like(network.forward(real[:1]))
    dout[0, number] = 1
    return np.abs(network.backward(dout)).reshape(28, 28)


d = discriminator_layers(PRESETS["mixture"], (28, 28))
felt = {
    "a number of D's 14 x 14 x 16": felt_by(d[:2], (7 * 14 + 7) * 16),
    "a number of D's 7 x 7 x 32": felt_by(d[:4], (3 * 7 + 3) * 32),
    "D's logit": felt_by(d, 0),
    "a unit of a Dense layer": felt_by([Dense(784, 128)], 0),
}
fig, axes = plt.subplots(1, 4, figsize=(9, 2.8), layout="constrained")
for ax, (title, pixels) in zip(axes, felt.items(), strict=True):
    print(f"{title:29} {np.count_nonzero(pixels):3} pixels")
    ax.imshow(pixels, cmap="Greys")
    ax.set(xticks=[], yticks=[], title=textwrap.fill(title, 20))
fig.savefig(IMAGES / "19_felt.png", dpi=90)

# %% batch normalization
norm = BatchNorm(1)
Network([norm], rng, np.float64)
x, dx_hat = rng.normal(2, 3, size=(6, 1)), rng.normal(2, 1, size=(6, 1))
norm.forward(x)
sigma = np.sqrt(x.var() + norm.eps)
x_hat = (x - x.mean()) / sigma
by_pairs = np.zeros((6, 1))
for k, m in np.ndindex(6, 6):
    by_pairs[m] += dx_hat[k] * ((k == m) - 1 / 6 - x_hat[k] * x_hat[m] / 6) / sigma
assert np.allclose(norm.backward(dx_hat), by_pairs, rtol=1e-10)
measured = numeric_gradient(lambda: np.sum(dx_hat * norm.forward(x)), x)
by_mean, by_spread = dx_hat.mean(), x_hat * np.mean(x_hat * dx_hat)
print(f"relative error of dx         ~{relative_error((dx_hat - by_mean - by_spread) / sigma, measured):.0e}")
print(f"without the mean's term       {relative_error((dx_hat - by_spread) / sigma, measured):.2f}")
print(f"without the deviation's term  {relative_error((dx_hat - by_mean) / sigma, measured):.2f}")

# %% a penalty through it
print("mean ‖∂D/∂x‖² of 32 images      R1 computes       it means")
for title, layers in {
    "Dense, LeakyReLU, Dense": [Dense(784, 64), LeakyReLU(0.2), Dense(64, 1)],
    "Dense, BatchNorm, Dense": [Dense(784, 64), BatchNorm(64), Dense(64, 1)],
    "the same with a LeakyReLU": [Dense(784, 64), BatchNorm(64), LeakyReLU(0.2), Dense(64, 1)],
    "dcgan's D": discriminator_layers(replace(PRESETS["dcgan"], batch=32), (28, 28)),
}.items():
    network = Network(layers, np.random.default_rng(0), np.float64)
    network.forward(real)
    summed = network.backward(np.ones((32, 1)), param_grads=False).copy()  # ∂(Σ_m D(x_m))/∂x_n
    own = [network.backward(np.eye(32)[:, [n]], param_grads=False)[n].copy() for n in range(32)]  # ∂D(x_n)/∂x_n
    print(f"{title:28} {np.sum(summed**2) / 32:14.4f} {np.sum(np.square(own)) / 32:14.4f}")

# %% the networks
for preset in ("dcgan", "mixture"):
    for player, layers_of in (("G", generator_layers), ("D", discriminator_layers)):
        layers = layers_of(PRESETS[preset], (28, 28))
        print(f"{preset}'s {player}, {parameter_count(layers):,} parameters", *layers, sep="\n    ")


# %% torn
def pieces(images):
    """How many pieces the ink of each image has, (N,): pixels above ½, and their eight neighbors."""
    ink = np.pad(images.reshape(-1, 28, 28) > 0.5, ((0, 0), (1, 1), (1, 1)))
    label, before = ink * np.arange(1, 901, dtype=np.int16).reshape(30, 30), None  # to each pixel a number of its own
    while not np.array_equal(label, before):  # which the largest of its neighborhood replaces
        before = label
        nine = [np.roll(label, shift, axis=(1, 2)) for shift in np.ndindex(3, 3)]
        label = ink * np.roll(np.maximum.reduce(nine), (-1, -1), axis=(1, 2))
    return np.array([len(np.unique(image)) - 1 for image in label])


assert list(pieces(np.stack([np.eye(28), np.pad([[1, 0, 1]], ((3, 24), (3, 22)))]))) == [1, 2]  # corners; two dots

# %% three runs
mnist = RealImages(Classifier.train(train, steps=30) if QUICK else cache.load_classifier(train, print), train, test)
sure = np.percentile(mnist.classifier.probabilities(test.x).max(axis=1), 5)  # real ones: 95 of 100 are above
z = draw_latents(np.random.default_rng(2), 100 if QUICK else 10_000, 100)
runs, samples, torn, misshapen = {}, {"real digits": test.x[: len(z)] / np.float32(255)}, {}, {}
for preset in ("default", "dcgan", "mixture"):
    runs[preset] = run = Training(replace(PRESETS[preset], steps=2) if QUICK else PRESETS[preset], train)
    if not QUICK and (RUNS / preset / "checkpoint.npz").exists():
        run.restore(*checkpoint.load(RUNS / preset / "checkpoint.npz"))
    else:
        list(run.run())
    samples[preset] = run.generate(z)
print("               Fréchet   torn, %   of the others misshapen, %")
for name, x in samples.items():
    torn[name] = pieces(x) > 1
    misshapen[name] = ~torn[name] & (mnist.classifier.probabilities(x).max(axis=1) < sure)
    values = mnist.frechet(x), 100 * torn[name].mean(), 100 * misshapen[name].sum() / max(1, np.sum(~torn[name]))
    print(f"{name:13}", *(f"{f'~{value:.1f}':>9}" for value in values))

# %% pictures
faults = samples["default"][torn["default"]], samples["dcgan"][misshapen["dcgan"]]
for name, rows in (("samples", [samples[preset][:40] for preset in runs]), ("faults", [x[:20] for x in faults])):
    picture = tiles(np.concatenate(rows), (28, 28), 20).repeat(2, axis=0).repeat(2, axis=1)
    plt.imsave(IMAGES / f"19_{name}.png", picture, cmap="gray")
fig, axes = plt.subplots(1, 3, figsize=(11, 1.5), layout="constrained")
for ax, (preset, run) in zip(axes, runs.items(), strict=True):
    W = next(layer.W for layer in run.gan.discriminator.layers if layer.shapes)[:, :16]
    side = int(len(W) ** 0.5)
    filters = np.pad(W.T.reshape(16, side, side), ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    ax.imshow(tiles(filters, filters.shape[1:], 8), cmap="RdBu", vmin=-abs(W).max(), vmax=abs(W).max())
    ax.set(title=f"{preset}: {side} x {side} pixels", xticks=[], yticks=[])
fig.savefig(IMAGES / "19_filters.png", dpi=90)
