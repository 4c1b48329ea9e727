"""Recipes exist so that every choice of a run has a name, and one place.

``Config`` holds the choices, ``PRESETS`` the ones worth naming, and ``build_gan`` makes of them the
two networks, the objective and the optimisers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from tinygan import optimizers
from tinygan.gan import GAN
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Pack, Sigmoid
from tinygan.network import Network, mlp
from tinygan.objectives import LeastSquares, Minimax, NonSaturating, Wasserstein

OBJECTIVES = {
    "non-saturating": NonSaturating,
    "minimax": Minimax,
    "least-squares": LeastSquares,
    "wasserstein": Wasserstein,
}
OPTIMIZERS = {
    "sgd": optimizers.SGD,
    "momentum": optimizers.Momentum,
    "nesterov": optimizers.Nesterov,
    "adagrad": optimizers.Adagrad,
    "rmsprop": optimizers.RMSprop,
    "adam": optimizers.Adam,
}
PENALTIES = ("none", "r1", "wgan-gp", "clip")


@dataclass(frozen=True)
class Config:
    """Every choice that a run depends on; with the seed it determines the run bit for bit.

    Exactly one of ``steps``, ``epochs``, ``minutes`` limits the run. Minutes count training time,
    without measurements and pictures; a run that the clock ends is not repeatable to the bit.
    """

    objective: str = "non-saturating"
    coding: tuple[float, float, float] = LeastSquares.codings["0-1"]  # a, b, c of least squares
    penalty: str = "r1"
    gamma: float = 1.0  # strength of the penalty: γ of R1, λ of WGAN-GP, the bound of clipping
    gamma_end: float | None = None  # what R1's γ falls to by the end, geometrically; None: it stays
    penalty_every: int = 4  # R1 is computed on every such step, and counts that many times
    latent_dim: int = 100
    hidden: tuple[int, ...] = (128, 128)  # of the generator; the discriminator has them in reverse
    init: str = "he"
    slope: float = 0.2  # LeakyReLU's alpha
    batch: int = 64
    optimizer: str = "adam"
    lr: float = 2e-3
    beta1: float = 0.0  # Adam's
    decay_from: float = 1.0  # fraction of the run after which lr falls linearly to zero
    average: float = 0.999  # decay of the generator's moving average; 0 shows the generator itself
    d_steps: int = 1  # discriminator steps for each generator step
    pack: int = 1  # samples that the discriminator judges at once
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    seed: int = 0

    def to_dict(self):
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


# What is known to work, and what is known to fail; lessons 10 to 13 tell how it was found.
PRESETS = {
    # About a minute and about five on two cores.
    "default": Config(steps=24_000),
    "long": Config(gamma=0.1, hidden=(256, 256), average=0.9995, steps=70_000),
    # The networks and settings of many a tutorial, to watch them fail.
    "seed": Config(penalty="none", init="xavier", lr=2e-4, beta1=0.5, average=0.0, steps=24_000),
    "lsgan": Config(objective="least-squares", penalty="none", lr=1e-3, beta1=0.5, steps=24_000),
    "wgan-gp": Config(
        objective="wasserstein", penalty="wgan-gp", gamma=10.0, d_steps=5, lr=1e-3, steps=5_000
    ),
    # The ring and the grid.
    "points": Config(
        gamma=0.3, gamma_end=3e-3, latent_dim=2, hidden=(128, 128, 128), init="spread", batch=256, lr=2e-3,
        beta1=0.5, decay_from=0.0, steps=30_000,
    ),
}


def build_generator(config, n_out, rng, dtype=np.float32, images=True):
    """latent_dim -> hidden... -> n_out; images end in a Sigmoid, points do not."""
    sizes = config.latent_dim, *config.hidden, n_out
    if images:
        return Network([*mlp(sizes, config.init, "xavier", config.slope), Sigmoid()], rng, dtype)
    return Network(mlp(sizes, config.init, config.init, config.slope), rng, dtype)


def build_discriminator(config, n_in, rng, dtype=np.float32):
    """n_in (packed, if so chosen) -> hidden, reversed... -> one logit."""
    sizes = n_in * config.pack, *reversed(config.hidden), 1
    pack = [Pack(config.pack)] if config.pack > 1 else []
    return Network([*pack, *mlp(sizes, config.init, "xavier", config.slope)], rng, dtype)


def build_gan(config, n_inputs, rng, dtype=np.float32, images=True):
    """The GAN that ``config`` describes, for samples with ``n_inputs`` numbers."""
    objective = OBJECTIVES[config.objective]
    make = OPTIMIZERS[config.optimizer]
    extra = {"beta1": config.beta1} if config.optimizer == "adam" else {}
    penalties = {
        "none": None,
        "r1": R1(config.gamma, config.penalty_every),
        "wgan-gp": WGANGP(rng, config.gamma),
        "clip": None,  # not a term of the loss: the training loop does it
    }
    return GAN(
        build_generator(config, n_inputs, rng, dtype, images),
        build_discriminator(config, n_inputs, rng, dtype),
        objective(*config.coding) if config.objective == "least-squares" else objective(),
        make(config.lr, **extra),
        make(config.lr, **extra),
        penalties[config.penalty],
    )
