"""What often copied GAN scripts reach on MNIST, and which change does what: Fréchet distances over three seeds.

    python tests/benchmarks/tutorials.py                                 everything: hours on one core
    python tests/benchmarks/tutorials.py --what ranges --steps 6000      ten minutes
    python tests/benchmarks/tutorials.py --what repairs --steps 6000     half an hour
    python tests/benchmarks/tutorials.py --games yunjey --seeds 0        one run, minutes

The scripts are transcribed from their source into this package's parts: range of the pixels, output,
networks, first weights, optimizers, batch, order of the steps, one or two batches of latents a step.
What is not transcribed is how they draw their pictures. Each run is scored on its way with 10,000 samples.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from dataclasses import replace

import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.data import Minibatches
from tinygan.gan import GAN, draw_latents
from tinygan.layers import Dense, Layer, LeakyReLU, Scale, Sigmoid, Tanh
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.optimizers import Adam
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.scores import RealImages, score_images
from tinygan.training import Training

MARKS = 1_500, 6_000, 24_000


class BatchNorm(Layer):
    """out = γ (x - mean)/√(variance + ε) + β over the batch (Ioffe and Szegedy 2015), with γ in W and β in b."""

    def __init__(self, n, eps):
        super().__init__()
        self.eps = eps
        self.shapes = {"W": (n,), "b": (n,)}

    def initialize(self, rng):
        self.W[...] = 1

    def forward(self, x):
        self.root = np.sqrt(x.var(axis=0) + self.eps)
        self.x_hat = (x - x.mean(axis=0)) / self.root
        return self.W * self.x_hat + self.b

    def backward(self, dout, param_grads=True, input_grad=True):
        dW, db = np.sum(dout * self.x_hat, axis=0), dout.sum(axis=0)
        if param_grads:
            self.dW[...], self.db[...] = dW, db
        return self.W / self.root * (dout - db / len(dout) - self.x_hat * dW / len(dout))


# ---- three scripts -------------------------------------------------------------------------------


class Script:
    """One transcribed script; ``g``, ``d`` are lists of layers, ``z(rng)`` draws a batch of latents."""

    def __init__(self, train, seed):
        self.rng = np.random.default_rng(seed)
        generator, discriminator = Network(self.g(), self.rng), Network(self.d(), self.rng)
        self.gan = GAN(generator, discriminator, NonSaturating(), Adam(self.lr, self.beta1), Adam(self.lr, self.beta1))
        self.batches = Minibatches(train.x, self.batch, self.rng)

    def z(self, rng):
        return draw_latents(rng, self.batch, self.latent_dim)

    def step(self):
        # Two batches of latents: D's fakes and G's are different ones.
        self.gan.discriminator_step(self.batches.next(), self.gan.generator.forward(self.z(self.rng)))
        self.gan.generator_step(self.gan.generator.forward(self.z(self.rng)))

    def samples(self, n):
        rng = np.random.default_rng(1000)
        chunks = [self.gan.generator.forward(self.z(rng)).copy() for _ in range(-(-n // self.batch))]
        return np.concatenate(chunks)[:n]


class Yunjey(Script):
    """github.com/yunjey/pytorch-tutorial, tutorials/03-advanced/generative_adversarial_network/main.py"""

    batch, latent_dim, lr, beta1 = 100, 64, 2e-4, 0.9  # Adam's default momentum

    def g(self):
        stack = [Dense(64, 256, "uniform"), LeakyReLU(0), Dense(256, 256, "uniform"), LeakyReLU(0)]
        return [*stack, Dense(256, 784, "uniform"), Tanh(), Scale(0.5, 0.5)]

    def d(self):
        stack = [Dense(784, 256, "uniform"), LeakyReLU(0.2), Dense(256, 256, "uniform"), LeakyReLU(0.2)]
        return [Scale(2, -1), *stack, Dense(256, 1, "uniform")]


class LinderNoren(Script):
    """github.com/eriklindernoren/PyTorch-GAN, implementations/gan/gan.py

    Its ``BatchNorm1d(out_feat, 0.8)`` sets ε, and not the momentum, to 0.8. Half of D's loss is minimized there,
    which Adam does not feel.
    """

    batch, latent_dim, lr, beta1 = 64, 100, 2e-4, 0.5

    def g(self):
        layers = [Dense(100, 128, "uniform"), LeakyReLU(0.2)]
        for n_in, n_out in ((128, 256), (256, 512), (512, 1024)):
            layers += [Dense(n_in, n_out, "uniform"), BatchNorm(n_out, 0.8), LeakyReLU(0.2)]
        return [*layers, Dense(1024, 784, "uniform"), Tanh(), Scale(0.5, 0.5)]

    def d(self):
        stack = [Dense(784, 512, "uniform"), LeakyReLU(0.2), Dense(512, 256, "uniform"), LeakyReLU(0.2)]
        return [Scale(2, -1), *stack, Dense(256, 1, "uniform")]

    def step(self):
        # G first; then D, on the same fakes, which G has left behind.
        x_fake = self.gan.generator.forward(self.z(self.rng)).copy()
        self.gan.generator_step(x_fake)
        self.gan.discriminator_step(self.batches.next(), x_fake)


class Wiseodd(Script):
    """github.com/wiseodd/generative-models, GAN/vanilla_gan/gan_tensorflow.py: one hidden layer, pixels from 0 to 1."""

    batch, latent_dim, lr, beta1 = 128, 100, 1e-3, 0.9  # Adam's defaults

    def z(self, rng):
        return rng.uniform(-1, 1, (self.batch, self.latent_dim)).astype(np.float32)

    def g(self):
        return [Dense(100, 128, "he"), LeakyReLU(0), Dense(128, 784, "he"), Sigmoid()]

    def d(self):
        return [Dense(784, 128, "he"), LeakyReLU(0), Dense(128, 1, "he")]


class Recipe:
    """A ``Config`` in the form of a Script; ``head``, a function of the training set, makes a layer to put before D."""

    def __init__(self, config, train, seed, head=None):
        self.training = Training(replace(config, seed=seed, steps=MARKS[-1]), train)
        if head:
            self.training.gan.discriminator.layers.insert(0, head(train))

    def step(self):
        self.training.train_step()

    def samples(self, n):
        z = draw_latents(np.random.default_rng(1000), n, self.training.config.latent_dim)
        return self.training.generate(z)


def recipe(head=None, **changes):
    """Return what makes a Recipe of the preset "uncentered" with these changes."""
    return lambda train, seed: Recipe(replace(PRESETS["uncentered"], **changes), train, seed, head)


def scale(factor, shift):
    """Return what makes a Scale of any training set."""
    return lambda train: Scale(factor, shift)


def minus_mean(train):
    """Return a layer that takes the mean training image away."""
    return Scale(1, -(train.x.mean(axis=0, dtype=np.float64) / 255).astype(np.float32))


# ---- what is compared ----------------------------------------------------------------------------

SCRIPTS = {
    "yunjey": Yunjey,
    "wiseodd": Wiseodd,
    "tutorial": lambda train, seed: Recipe(PRESETS["tutorial"], train, seed),
    "uncentered": lambda train, seed: Recipe(PRESETS["uncentered"], train, seed),
    "default": lambda train, seed: Recipe(PRESETS["default"], train, seed),
    "lindernoren": LinderNoren,
}
REPAIRS = {
    "centered": {"centered": True},
    "R1": {"penalty": "r1"},
    "lr 2e-3": {"lr": 2e-3},
    "β1 0": {"beta1": 0.0},
    "He": {"init": "he"},
    "average": {"average": 0.999},
}
IN_TURN = list(REPAIRS)[1:]  # the default is not centered


def together(names):
    """Return the repairs of these names as one set of changes."""
    return {key: value for name in names for key, value in REPAIRS[name].items()}


REPAIRED = {
    "none": recipe(),
    **{f"only {name}": recipe(**changes) for name, changes in REPAIRS.items()},
    **{"+ " + IN_TURN[i]: recipe(**together(IN_TURN[: i + 1])) for i in range(1, len(IN_TURN))},
    **{f"all but {name}": recipe(**together(set(IN_TURN) - {name})) for name in IN_TURN[:-1]},
    "all, centered": recipe(**together(REPAIRS)),
}
RANGES = {  # what D is shown in the place of a pixel x
    "x": recipe(),
    "2x": recipe(scale(2, 0)),
    "x - mean": recipe(minus_mean),
    "x + 1/2": recipe(scale(1, 0.5)),
    "1 - x": recipe(scale(-1, 1)),
    "2x - 1": recipe(scale(2, -1)),
}
WHAT = {"scripts": SCRIPTS, "repairs": REPAIRED, "ranges": RANGES}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", choices=WHAT, default="scripts")
    parser.add_argument("--games", nargs="+", help="of these names only")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=MARKS[-1])
    args = parser.parse_args()
    train, test = (load_data("mnist", split) for split in ("train", "test"))
    real = RealImages(load_classifier(train, lambda line: print(line, file=sys.stderr)), train, test)
    marks = [mark for mark in MARKS if mark <= args.steps]
    print("Fréchet distance (classes missing) after", *(f"{mark:,}" for mark in marks), "steps, seed by seed")
    for name in args.games or WHAT[args.what]:
        for seed in args.seeds:
            game = WHAT[args.what][name](train, seed)
            line = f"{name:16} seed {seed}"
            for step in range(1, marks[-1] + 1):
                game.step()
                if step in marks:
                    rows = {row.name: row.value for row in score_images(game.samples(10_000), real, full=False)}
                    line += f"  {rows['frechet']:6.1f} ({len(rows['missing'])})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
