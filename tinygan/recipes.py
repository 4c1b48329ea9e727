"""Recipes exist so that every choice of a run has a name, and one place.

``Config`` holds the choices, ``PRESETS`` the ones worth naming, and ``build_gan`` makes of them the
two networks, the objective and the optimisers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from tinygan import optimizers
from tinygan.gan import GAN
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU, Sigmoid
from tinygan.network import Network
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
INITS = ("he", "xavier", "spread")


class Range(NamedTuple):
    """The numbers of a kind from ``low`` to ``high``; in ``ends``, as in "(]", a round bracket leaves out its end."""

    kind: type
    low: float
    high: float
    ends: str = "[]"

    def fault(self, value):
        """What a value must be and is not, in words that can stand behind its name; or ""."""
        if isinstance(value, bool) or not isinstance(value, (int, self.kind)):
            must = "a whole number" if self.kind is int else "a number"
        elif not (value > self.low if self.ends[0] == "(" else value >= self.low):
            must = f"{'greater than' if self.ends[0] == '(' else 'at least'} {self.low:,}"
        elif not (value < self.high if self.ends[1] == ")" else value <= self.high):
            must = f"{'less than' if self.ends[1] == ')' else 'at most'} {self.high:,}"
        else:
            return ""
        return f"must be {must}, got {value!r:.50}"


LARGEST = 10**12  # nobody means more, and what is computed with it stays finite
LARGEST_LAYER = 10**7  # two of these have more weights between them than any memory holds
COUNT, POSITIVE = Range(int, 1, LARGEST), Range(float, 0, LARGEST, "(]")

NAMES = {"objective": OBJECTIVES, "penalty": PENALTIES, "init": INITS, "optimizer": OPTIMIZERS}
RANGES = {  # of the other choices; of each number, where a choice has several
    "coding": Range(float, -LARGEST, LARGEST),
    "gamma": Range(float, 0, LARGEST),
    "gamma_end": POSITIVE,
    "penalty_every": COUNT,
    "latent_dim": Range(int, 1, LARGEST_LAYER),
    "hidden": Range(int, 1, LARGEST_LAYER),
    "slope": Range(float, 0, 1),
    "batch": COUNT,
    "lr": POSITIVE,
    "beta1": Range(float, 0, 1, "[)"),
    "decay_from": Range(float, 0, 1),
    "average": Range(float, 0, 1, "[)"),
    "d_steps": Range(int, 1, 1000),  # all of them are one step, which can only be interrupted at its end
    "pack": COUNT,
    "steps": COUNT,
    "epochs": POSITIVE,
    "minutes": POSITIVE,
    "seed": Range(int, 0, 2**128 - 1),
}
LENGTHS = {"coding": (3, 3), "hidden": (0, 100)}  # the least and the most numbers, where a choice has several
OPTIONAL = ("gamma_end", "steps", "epochs", "minutes")  # they may be None


def fault_of(name, value):
    """What is wrong with this value of a choice, in words that can stand behind its name; or ""."""
    if name in NAMES:
        return "" if value in tuple(NAMES[name]) else f"must be one of {', '.join(NAMES[name])}, got {value!r:.50}"
    if value is None and name in OPTIONAL:
        return ""
    if name not in LENGTHS:
        return RANGES[name].fault(value)
    least, most = LENGTHS[name]
    if not isinstance(value, tuple) or not least <= len(value) <= most:
        return f"must be a tuple of {least} to {most} numbers, got {value!r:.50}"
    return next(filter(None, map(RANGES[name].fault, value)), "")


@dataclass(frozen=True)
class Config:
    """Every choice that a run depends on; with the seed it determines the run bit for bit.

    Exactly one of ``steps``, ``epochs``, ``minutes`` limits the run. Minutes count training time,
    without measurements and pictures; a run that the clock ends is not repeatable to the bit.

    Raises ValueError, a line that begins with the choice's name, for what no run can have.
    """

    objective: str = "non-saturating"
    coding: tuple[float, float, float] = LeastSquares.codings["0-1"]  # a, b, c of least squares
    penalty: str = "r1"
    gamma: float = 1.0  # strength of the penalty: γ of R1, λ of WGAN-GP, the bound of clipping
    gamma_end: float | None = None  # what R1's γ falls to by the end, geometrically; None: it stays, and so does 0
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

    def __post_init__(self):
        for name, value in vars(self).items():
            if fault := fault_of(name, value):
                raise ValueError(f"{name}: {fault}")
        if self.batch % self.pack:
            raise ValueError(f"batch: {self.batch} cannot be divided into packs of {self.pack} samples")

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
    layers, n_in = [], config.latent_dim
    for n_hidden in config.hidden:
        layers += [Dense(n_in, n_hidden, config.init), LeakyReLU(config.slope)]
        n_in = n_hidden
    layers += [Dense(n_in, n_out, "xavier"), Sigmoid()] if images else [Dense(n_in, n_out, config.init)]
    return Network(layers, rng, dtype)


def build_discriminator(config, n_in, rng, dtype=np.float32):
    """pack·n_in -> hidden, reversed... -> one logit."""
    layers, n_in = [], n_in * config.pack
    for n_hidden in reversed(config.hidden):
        layers += [Dense(n_in, n_hidden, config.init), LeakyReLU(config.slope)]
        n_in = n_hidden
    return Network([*layers, Dense(n_in, 1, "xavier")], rng, dtype)


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
        config.pack,
    )
