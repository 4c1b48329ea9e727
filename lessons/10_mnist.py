"""Lesson 10: MNIST. The training script as tutorials have it, what the range of the pixels does, and our recipe."""

# %% setup
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from tinygan.app import checkpoint
from tinygan.app.cache import load_classifier
from tinygan.data import Dataset, Minibatches
from tinygan.gan import GAN, draw_latents, generate
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU, Scale, Sigmoid, Tanh
from tinygan.losses import sigmoid
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.optimizers import Adam, MovingAverage
from tinygan.plots import tiles
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.scores import Examiner, RealImages, score_images
from tinygan.training import Row, Training

QUICK = bool(os.environ.get("LESSON_QUICK"))  # the tests' form: same code, fewer steps
IMAGES = Path(os.environ.get("LESSON_IMAGES") or "runs/lessons")  # where the pictures go
IMAGES.mkdir(parents=True, exist_ok=True)
RUNS = Path(os.environ.get("LESSON_RUNS") or "runs")  # where `tinygan train --out runs/default` put its run
STEPS = 15 if QUICK else 1500

# %% the data
train, test = (load_data("auto", split) for split in ("train", "test"))
if train.name != "mnist":
    print("MNIST is not on this machine, so drawn digits stand in for it; `tinygan train` fetches it")
if QUICK:
    train, test = (Dataset(data.name, data.x[:2000], data.labels[:2000]) for data in (train, test))

# %% a measure
examiner = Examiner(train, test, latent_dim=100)
examiner.real = RealImages(Classifier.train(train, steps=30) if QUICK else load_classifier(train, print), train, test)
z_test = draw_latents(np.random.default_rng(2), 500 if QUICK else 10_000, 100)


def judged(samples):
    """Fréchet distance, number of classes missing, share of the largest class."""
    score = {row.name: row.value for row in score_images(samples, examiner.real, full=False)}
    return f"~{score['frechet']:.1f}     ~{len(score['missing'])}        ~{max(score['classes']):.2f}"


# %% the networks
def networks(init, rng, centered=False):
    """Generator 100 -> 128 -> 128 -> 784 pixels, discriminator 784 -> 128 -> 128 -> one logit."""
    g = [Dense(100, 128, init), LeakyReLU(0.2), Dense(128, 128, init), LeakyReLU(0.2), Dense(128, 784, "xavier")]
    d = [Dense(784, 128, init), LeakyReLU(0.2), Dense(128, 128, init), LeakyReLU(0.2), Dense(128, 1, "xavier")]
    if centered:  # D sees pixels from -1 to 1, and G ends in a Tanh
        return Network([*g, Tanh(), Scale(0.5, 0.5)], rng), Network([Scale(2, -1), *d], rng)
    return Network([*g, Sigmoid()], rng), Network(d, rng)


# %% the loop
def play(gan, rng, decay=0.0):
    """Train, then put what is to be shown, the average, into the generator."""
    batches = Minibatches(train.x, 64, rng)  # shuffled, pixels from 0 to 1
    average = MovingAverage(gan.generator.params, decay)
    for step in range(1, STEPS + 1):
        x_fake = gan.generator.forward(draw_latents(rng, 64, 100))
        d = gan.discriminator_step(batches.next(), x_fake)
        g_loss = gan.generator_step(x_fake)
        average.update(gan.generator.params)
        if step % (STEPS // 5) == 0:
            d_real, d_fake = (sigmoid(logits).mean() for logits in (d.real_logits, d.fake_logits))
            print(
                f"step {step:4d}  epoch {batches.epoch:.1f}  loss D ~{d.loss:.3f} G ~{g_loss:.3f}  "
                f"D(real) ~{d_real:.2f}  D(fake) ~{d_fake:.2f}"
            )
    gan.generator.params[:] = average.params


# %% as tutorials have it
rng = np.random.default_rng(0)
tutorial = GAN(*networks("xavier", rng, centered=True), NonSaturating(), Adam(2e-4, beta1=0.5), Adam(2e-4, beta1=0.5))
play(tutorial, rng)

# %% pixels from 0 to 1
rng = np.random.default_rng(0)
uncentered = GAN(*networks("xavier", rng), NonSaturating(), Adam(2e-4, beta1=0.5), Adam(2e-4, beta1=0.5))
play(uncentered, rng)

# %% what the first layer feels
x_real = Minibatches(train.x, 64, np.random.default_rng(1)).next()
black = np.all(x_real == 0, axis=0)
print(
    f"{np.mean(x_real == 0):.0%} of the pixels are 0, {np.mean(black):.0%} are 0 in all 64 images; the weights of these"
)
print("D sees      real part   fake part   of the first layer's gradient")
RANGES = {"x": (1, 0), "2x": (2, 0), "x + 1/2": (1, 0.5), "1 - x": (-1, 1), "2x - 1": (2, -1)}
RANGES["x - mean"] = 1, -(train.x.mean(axis=0) / 255).astype(np.float32)
for name, (factor, shift) in RANGES.items():
    generator, discriminator = networks("xavier", np.random.default_rng(0))
    discriminator.layers.insert(0, Scale(factor, shift))
    logits = discriminator.forward(np.concatenate([x_real, generator.forward(z_test[:64])]))
    _, dreal, dfake = NonSaturating().discriminator(logits[:64], logits[64:])
    parts = []
    for dlogits in (np.concatenate([dreal, 0 * dfake]), np.concatenate([0 * dreal, dfake])):
        discriminator.backward(dlogits)
        parts.append(np.sqrt(np.mean(discriminator.layers[1].dW[black] ** 2)))
    print(f"{name:10}  ~{parts[0]:.4f}     ~{parts[1]:.4f}")

# %% the recipe of this package
rng = np.random.default_rng(0)
recipe = GAN(*networks("he", rng), NonSaturating(), Adam(2e-3, beta1=0), Adam(2e-3, beta1=0), R1(0.25, every=4))
play(recipe, rng, decay=0.999)

# %% after so few steps
print(f"after {STEPS:,} steps        Fréchet    missing   largest class")
print("real digits               " + judged(test.x))
for name, gan in {"tutorial": tutorial, "uncentered": uncentered, "recipe": recipe}.items():
    print(f"{name:26}" + judged(generate(gan.generator, z_test)))

# %% three recorded runs
runs = {}  # their table has the columns of the one above
for preset in ("default", "tutorial", "uncentered"):
    config = replace(PRESETS[preset], steps=20) if QUICK else PRESETS[preset]
    runs[preset] = run = Training(config, train, examiner.measure)
    if not QUICK and (RUNS / preset / "checkpoint.npz").exists():
        run.restore(*checkpoint.load(RUNS / preset / "checkpoint.npz"))
    list(run.run())  # nothing is left to do if a finished run was restored
    print(f"{preset:26}" + judged(run.generate(z_test)))

# %% what the curves say
TITLES = {"d_loss": "D's loss", "g_loss": "G's loss", "quality": "Fréchet distance"}
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.8), layout="constrained")
for color, (preset, run) in zip(("C0", "C1", "C3"), runs.items(), strict=True):
    rows = [row for row in run.history if np.isfinite(row.quality)]
    column = {name: np.array(values) for name, values in zip(Row._fields, zip(*rows, strict=True), strict=True)}
    late = [np.searchsorted(column["step"], run.step / part) for part in (10, 4, 2, 1)]
    print(f"{preset + ', step':20}" + "".join(f"  {step:<8,}" for step in column["step"][late].astype(int)))
    for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
        ax.plot(column["step"], column[name], color, label=preset)
        ax.set(title=title, xlabel="step", xscale="log", yscale="linear" if name == "d_loss" else "log")
        print(f"    {title:16}" + "".join(f"  ~{v:<7.3g}" for v in column[name][late]))
axes[2].legend()
fig.savefig(IMAGES / "10_curves.png", dpi=110)

# %% pictures
for name, preset in (("10_samples", "default"), ("10_tutorial", "tutorial"), ("10_uncentered", "uncentered")):
    picture = tiles(runs[preset].frames[-1][1], train.shape, 16)
    plt.imsave(IMAGES / f"{name}.png", picture.repeat(2, axis=0).repeat(2, axis=1), cmap="gray")

fig, ax = plt.subplots(figsize=(4.4, 2.6), layout="constrained")
SHOWN = runs["default"].frames[:1] + runs["default"].frames[4::3]  # of 41, spaced by the logarithm of the step


def show(i):
    step, samples = SHOWN[i]
    ax.clear()
    ax.imshow(tiles(samples[:32], train.shape, 8), cmap="gray", vmin=0, vmax=255)
    ax.set_title(f"step {step:,}", fontsize=9)
    ax.set_axis_off()


FuncAnimation(fig, show, len(SHOWN)).save(IMAGES / "10_film.gif", PillowWriter(fps=2), dpi=80)
