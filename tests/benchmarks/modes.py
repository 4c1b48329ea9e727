"""Which games keep all modes of the ring and the grid: modes and high-quality share over many seeds.

    python tests/benchmarks/modes.py                                   everything: hours on two cores
    python tests/benchmarks/modes.py --data ring --games r1 --seeds 3  one row, minutes
    python tests/benchmarks/modes.py --small --steps 5000              the networks and batches of lesson 09
    python tests/benchmarks/modes.py --data mnist --seeds 3 --steps 6000

Every game has the networks, batch, learning rate and number of steps of the preset "points" (on MNIST,
of "default") and differs in what the table says. The published rows are PacGAN's (Lin et al. 2018, table 1: some
400,000 steps, a generator of four layers of 400 with batch normalization) and VEEGAN's as quoted there.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than two threads

from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from tinygan import synthetic
from tinygan.app.cache import load_classifier
from tinygan.gan import GAN, draw_latents
from tinygan.gradient_penalty import R1, add_gradient_penalty
from tinygan.layers import Dense
from tinygan.losses import bce_with_logits
from tinygan.network import Network
from tinygan.objectives import LeastSquares, NonSaturating
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.metrics import frechet, missing, mode_report, moments
from tinygan.training import Training

# ---- games that the package does not have ----------------------------------------------------------


class Hinge:
    """D pays mean max(0, 1 - s_real) + mean max(0, 1 + s_fake), G pays -mean s_fake (Lim and Ye 2017)."""

    score = staticmethod(LeastSquares.score)

    def discriminator(self, real_logits, fake_logits):
        real, fake = 1 - real_logits, 1 + fake_logits
        loss = np.mean(np.maximum(real, 0)) + np.mean(np.maximum(fake, 0))
        dreal, dfake = -np.heaviside(real, 0) / real.size, np.heaviside(fake, 0) / fake.size
        return loss, dreal, dfake

    def generator(self, fake_logits):
        return -np.mean(fake_logits), np.full_like(fake_logits, -1 / fake_logits.size)


class SpectralDense(Dense):
    """out = x W/σ + b, where σ is W's largest singular value (Miyato et al. 2018), by one power iteration a pass.

    σ ≈ uᵀ W v, so ∂σ/∂W = u vᵀ, and of out = x W/σ + b: ∂L/∂W = (G - (Σ G ⊙ W/σ) u vᵀ)/σ with G = xᵀ dout.
    """

    def forward(self, x):
        if not hasattr(self, "v"):
            self.v = np.ones(self.W.shape[1], self.W.dtype)
        self.u = self.W @ self.v
        self.u /= np.linalg.norm(self.u)
        self.v = self.W.T @ self.u
        self.sigma = np.linalg.norm(self.v)
        self.v /= self.sigma
        self.x = x
        return x @ self.W / self.sigma + self.b

    def backward(self, dout, param_grads=True, input_grad=True):
        if param_grads:
            G = self.x.T @ dout
            through_sigma = np.sum(G * self.W) / self.sigma
            self.dW[...] = (G - through_sigma * np.outer(self.u, self.v)) / self.sigma
            self.db[...] = dout.sum(axis=0)
        return dout @ self.W.T / self.sigma if input_grad else None


class Relativistic:
    """D pays softplus of s_fake - s_real, pair by pair (Jolicoeur-Martineau 2018; G's part is in RelativisticGAN)."""

    score = staticmethod(NonSaturating.score)

    def discriminator(self, real_logits, fake_logits):
        loss, d = bce_with_logits(real_logits - fake_logits, 1)
        return loss, d, -d


class RelativisticGAN(GAN):
    """G pays softplus of s_real - s_fake, with the real samples of D's step."""

    def discriminator_gradients(self, x_real, x_fake):
        self.x_real = x_real
        return super().discriminator_gradients(x_real, x_fake)

    def generator_gradients(self, x_fake):
        real, fake = np.split(self.discriminator.forward(np.concatenate([self.x_real, x_fake])), 2)
        loss, dfake = bce_with_logits(fake - real, 1)
        dx = self.discriminator.backward(np.concatenate([0 * dfake, dfake]), param_grads=False)
        self.generator.backward(dx[len(x_fake) :], input_grad=False)
        return loss


class BothSides(R1):
    """½γ (mean over real + mean over fake samples) of ‖∂D/∂x‖²: R1 and R2 (Mescheder et al. 2018)."""

    def __call__(self, discriminator, x_real, x_fake):
        self.calls += 1
        if (self.calls - 1) % self.every:
            return 0.0
        weight = self.gamma * self.every / len(x_real)
        both = np.concatenate([x_real, x_fake])
        return add_gradient_penalty(discriminator, both, lambda g: (0.5 * weight * np.sum(g * g), weight * g))


def hinge(training):
    """Play the hinge game."""
    training.gan.objective = Hinge()


def spectral(training):
    """Divide the weights of D's layers by their largest singular value."""
    layers = training.gan.discriminator.layers
    layers = [SpectralDense(*layer.W.shape, layer.init) if isinstance(layer, Dense) else layer for layer in layers]
    training.gan.discriminator = Network(layers, training.rng)


def hinge_and_spectral(training):
    """Play the hinge game with such a D, as in SNGAN (Miyato et al. 2018)."""
    hinge(training)
    spectral(training)


def relativistic(training):
    """Let D and G see pairs."""
    gan = training.gan
    players = gan.generator, gan.discriminator, Relativistic(), gan.g_optimizer, gan.d_optimizer, gan.penalty
    training.gan = RelativisticGAN(*players)


def both_penalties(training):
    """Penalize D's slope at real and at fake samples."""
    r1 = training.gan.penalty
    training.gan.penalty = BothSides(r1.gamma, r1.every)


def r3gan(training):
    """Let D and G see pairs, with both penalties (R3GAN, Huang et al. 2024)."""
    both_penalties(training)
    relativistic(training)


# ---- all games -----------------------------------------------------------------------------------

POINTS = PRESETS["points"]
NO_PENALTY = {"penalty": "none"}
GAMES = {  # what differs from the preset, and what is done to the training
    "non-saturating": (NO_PENALTY, None),
    "minimax": (NO_PENALTY | {"objective": "minimax"}, None),
    "least squares, 0-1": (NO_PENALTY | {"objective": "least-squares"}, None),
    "least squares, pearson": (
        NO_PENALTY | {"objective": "least-squares", "coding": LeastSquares.codings["pearson"]},
        None,
    ),
    "packing 2": (NO_PENALTY | {"pack": 2}, None),
    "packing 4": (NO_PENALTY | {"pack": 4}, None),
    "r1": ({}, None),
    # 0.1 and five critic steps: as in the paper's own script for points; its 10 is for images
    "wgan-gp": ({"objective": "wasserstein", "penalty": "wgan-gp", "gamma": 0.1, "d_steps": 5}, None),
    "hinge": (NO_PENALTY, hinge),
    "spectral": (NO_PENALTY, spectral),
    "hinge, spectral": (NO_PENALTY, hinge_and_spectral),
    "hinge, r1": ({}, hinge),
    "r1 and r2": ({}, both_penalties),
    "relativistic": (NO_PENALTY, relativistic),
    "relativistic, r1 and r2": ({}, r3gan),
    # codes that D guesses (lesson 17), as many as the ring, or the grid, has modes
    "codes 8": (NO_PENALTY | {"codes": 8}, None),
    "codes 25": (NO_PENALTY | {"codes": 25}, None),
    "codes 8, r1": ({"codes": 8}, None),
    "codes 25, r1": ({"codes": 25}, None),
}
PUBLISHED = {
    "ring": ["GAN | 6.3 | 98.2 %", "PacGAN4 | 7.8 | 95.9 %", "VEEGAN | 8.0 | 52.9 %"],
    "grid": ["GAN | 17.3 | 94.8 %", "PacGAN4 | 24.8 | 93.6 %", "VEEGAN | 24.6 | 40 %"],
}


def play(task):
    """(modes, high-quality share, seconds) of one run; of MNIST (classes, Fréchet distance, seconds)."""
    data, game, changes = task
    preset = PRESETS["default"] if data == "mnist" else POINTS
    own, change = GAMES[game]
    config = replace(preset, **changes, **own)
    if data == "mnist":
        dataset = load_data("mnist")
    else:
        dataset = {"ring": synthetic.ring, "grid": synthetic.grid}[data](100_000, np.random.default_rng(0))
    training = Training(config, dataset)
    if change:
        change(training)
    for _ in training.run():
        pass
    n = 10_000 if data == "mnist" else 2500
    z = draw_latents(np.random.default_rng(config.seed + 1000), n, config.latent_dim, training.class_counts)
    samples = training.generate(z)
    if data == "mnist":
        classifier = load_classifier(dataset, lambda line: None)
        classes = 10 - len(missing(np.bincount(classifier.predict(samples), minlength=10)))
        return classes, frechet(*(moments(classifier.features(x)) for x in (samples, dataset.x))), training.seconds
    report = mode_report(samples, *synthetic.MIXTURES[data])
    return report.modes, report.high_quality, training.seconds


def mean(values, scale=1.0):
    """mean ± standard error."""
    values = np.array(values) * scale
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.1f} ± {error:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=[*PUBLISHED, "mnist"], default=list(PUBLISHED))
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=POINTS.steps)
    parser.add_argument("--small", action="store_true", help="three layers of 64 and batches of 128, as in lesson 09")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    small = {"hidden": (64, 64, 64), "batch": 128} if args.small else {}
    print("| data | game | modes | high quality | seconds |\n|---|---|---|---|---|")
    with get_context("spawn").Pool(args.processes) as pool:
        for data in args.data:
            scale, unit = (1, "Fréchet") if data == "mnist" else (100, "%")
            for game in args.games:
                tasks = [(data, game, small | {"seed": seed, "steps": args.steps}) for seed in range(args.seeds)]
                results = []
                for result in pool.imap(play, tasks):
                    modes, quality, _ = result
                    print(f"{data}, {game}, seed {len(results)}: {modes} modes, {quality:.4g}", file=sys.stderr)
                    results.append(result)
                modes, quality, seconds = zip(*results, strict=True)
                row = f"| {data} | {game} | {mean(modes)} | {mean(quality, scale)} {unit} | {np.mean(seconds):.0f} |"
                print(row, flush=True)
            for row in PUBLISHED.get(data, []):
                print(f"| {data} | published: {row} | |")


if __name__ == "__main__":
    main()
