"""Lesson 10: MNIST. The training script as the tutorials have it, then as it must be, and two recorded runs."""

# %% setup
import os
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

from tinygan.app import checkpoint
from tinygan.app.cache import load_classifier
from tinygan.data import Dataset, Minibatches
from tinygan.gan import GAN, generate
from tinygan.gradient_penalty import R1
from tinygan.layers import Dense, LeakyReLU, Sigmoid
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
z_test = np.random.default_rng(2).standard_normal((500 if QUICK else 10_000, 100), dtype=np.float32)


def judged(samples):
    """Fréchet distance, number of classes missing, share of the largest class."""
    score = {row.name: row.value for row in score_images(samples, examiner.real, full=False)}
    return f"~{score['frechet']:.1f}     ~{len(score['missing'])}        ~{max(score['classes']):.2f}"


# %% the networks
def networks(init, rng):
    """Generator 100 -> 128 -> 128 -> 784 pixels, discriminator 784 -> 128 -> 128 -> one logit."""
    g = [Dense(100, 128, init), LeakyReLU(0.2), Dense(128, 128, init), LeakyReLU(0.2), Dense(128, 784, "xavier")]
    d = [Dense(784, 128, init), LeakyReLU(0.2), Dense(128, 128, init), LeakyReLU(0.2), Dense(128, 1, "xavier")]
    return Network([*g, Sigmoid()], rng), Network(d, rng)


# %% the loop
def draw_z(rng):
    return rng.standard_normal((64, 100), dtype=np.float32)


def play(gan, rng, decay=0.0, talk=True):
    """Train, then put what is to be shown, the average, into the generator."""
    batches = Minibatches(train.x, 64, rng)  # shuffled, pixels from 0 to 1
    average = MovingAverage(gan.generator.params, decay)
    start = time.perf_counter()
    for step in range(1, STEPS + 1):
        x_fake = gan.generator.forward(draw_z(rng))
        d = gan.discriminator_step(batches.next(), x_fake)
        g_loss = gan.generator_step(x_fake)
        average.update(gan.generator.params)
        if talk and step % (STEPS // 5) == 0:
            d_real, d_fake = (sigmoid(logits).mean() for logits in (d.real_logits, d.fake_logits))
            rate = 64 * step / (time.perf_counter() - start)
            print(
                f"step {step:4d}  epoch {batches.epoch:.1f}  loss D ~{d.loss:.3f} G ~{g_loss:.3f}  "
                f"D(real) ~{d_real:.2f}  D(fake) ~{d_fake:.2f}  ~{rate:.0f} images/s"
            )
    gan.generator.params[:] = average.params


# %% as the tutorials have it
rng = np.random.default_rng(0)
literal = GAN(*networks("xavier", rng), NonSaturating(), Adam(2e-4, beta1=0.5), Adam(2e-4, beta1=0.5))
play(literal, rng)

# %% as it must be
rng = np.random.default_rng(0)
mended = GAN(*networks("he", rng), NonSaturating(), Adam(2e-3, beta1=0), Adam(2e-3, beta1=0), R1(1.0, every=4))
play(mended, rng, decay=0.999)

# %% which change does it
print("                          Fréchet    missing   largest class")
print("real digits               " + judged(test.x))
for title, init, lr, beta1, penalty, decay in (
    ("literal", "xavier", 2e-4, 0.5, None, 0.0),
    ("+ R1", "xavier", 2e-4, 0.5, R1(1.0, 4), 0.0),
    ("+ lr 2e-3", "xavier", 2e-3, 0.5, R1(1.0, 4), 0.0),
    ("+ β1 0", "xavier", 2e-3, 0.0, R1(1.0, 4), 0.0),
    ("+ He", "he", 2e-3, 0.0, R1(1.0, 4), 0.0),
    ("+ average: as it must be", "he", 2e-3, 0.0, R1(1.0, 4), 0.999),
    ("the same without R1", "he", 2e-3, 0.0, None, 0.999),
):
    rng = np.random.default_rng(0)
    gan = GAN(*networks(init, rng), NonSaturating(), Adam(lr, beta1), Adam(lr, beta1), penalty)
    play(gan, rng, decay, talk=False)
    print(f"{title:26}" + judged(generate(gan.generator, z_test)), flush=True)

# %% two recorded runs
runs = {}
print("after 24,000 steps        Fréchet    missing   largest class")
for preset in ("default", "uncentered"):
    config = replace(PRESETS[preset], steps=80) if QUICK else PRESETS[preset]
    runs[preset] = run = Training(config, train, examiner.measure)
    if not QUICK and (RUNS / preset / "checkpoint.npz").exists():
        run.restore(*checkpoint.load(RUNS / preset / "checkpoint.npz"))
    for _ in run.run():  # nothing is left to do if a finished run was restored
        pass
    print(f"{preset:26}" + judged(run.generate(z_test)))

# %% what the curves say
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.8), layout="constrained")
for color, (preset, run) in zip(("C0", "C3"), runs.items(), strict=True):
    column = {name: np.array(values) for name, values in zip(Row._fields, zip(*run.history, strict=True), strict=True)}
    frame = np.isfinite(column["quality"])
    for ax, name in zip(axes, ("d_loss", "g_loss", "quality"), strict=True):
        ax.plot(column["step"][frame], column[name][frame], color, label=preset)
        titles = {"d_loss": "D's loss", "g_loss": "G's loss", "quality": "Fréchet distance"}
        ax.set(title=titles[name], xlabel="step", yscale="linear" if name == "d_loss" else "log")
    d, g, q = (column[name][frame][[4, 9, 19, 39]] for name in ("d_loss", "g_loss", "quality"))
    print(f"{preset + ': after'.ljust(9)}      1/8      1/4      1/2      all of the run")
    for name, values in (("D's loss", d), ("G's loss", g), ("Fréchet", q)):
        print(f"    {name:12}" + "".join(f"  ~{v:<7.3g}" for v in values))
axes[0].legend()
fig.savefig(IMAGES / "10_curves.png", dpi=110)

# %% pictures
for name, preset, columns in (("10_samples", "default", 16), ("10_seed", "uncentered", 16)):
    picture = tiles(runs[preset].frames[-1][1], (28, 28), columns)
    plt.imsave(IMAGES / f"{name}.png", picture.repeat(2, axis=0).repeat(2, axis=1), cmap="gray")

fig, ax = plt.subplots(figsize=(4.4, 2.6), layout="constrained")
SHOWN = [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 25, 30, 40]  # of 40 snapshots, more of them at the beginning


def show(i):
    step, samples = runs["default"].frames[SHOWN[i]]
    ax.clear()
    ax.imshow(tiles(samples[:32], (28, 28), 8), cmap="gray", vmin=0, vmax=255)
    ax.set_title(f"step {step:,}", fontsize=9)
    ax.set_axis_off()


FuncAnimation(fig, show, len(SHOWN)).save(IMAGES / "10_film.gif", PillowWriter(fps=2), dpi=80)
