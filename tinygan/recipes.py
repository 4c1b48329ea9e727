"""The recipes: every choice of a run, by name.

``Config`` holds the choices, ``PRESETS`` the ones worth naming. ``build_gan`` makes of them the two
networks, the objective and the optimizers; ``load_data`` finds a dataset.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tinygan import data, optimizers, synthetic
from tinygan.codes import InfoGAN
from tinygan.conditions import Condition, class_counts
from tinygan.convolution import Conv2D, ConvTranspose2D
from tinygan.distortion import Distortion
from tinygan.gan import GAN
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import INITS, Dense, LeakyReLU, Pack, Scale, Sigmoid, Tanh
from tinygan.network import Network, mlp
from tinygan.normalization import BatchNorm
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


# ---- what a choice may be ------------------------------------------------------------------------


class Range(NamedTuple):
    """The numbers of a kind from ``low`` to ``high``; in ``ends``, as in "(]", a round bracket leaves out its end."""

    kind: type
    low: float
    high: float
    ends: str = "[]"

    def fault(self, value):
        """Return what a value must be and is not, in words that can stand behind its name; or ""."""
        if isinstance(value, bool) or not isinstance(value, (int, self.kind)):
            must = "a whole number" if self.kind is int else "a number"
        elif not (value > self.low if self.ends[0] == "(" else value >= self.low):
            must = f"{'greater than' if self.ends[0] == '(' else 'at least'} {self.low:,}"
        elif not (value < self.high if self.ends[1] == ")" else value <= self.high):
            must = f"{'less than' if self.ends[1] == ')' else 'at most'} {self.high:,}"
        else:
            return ""
        return f"must be {must}, got {value!r:.50}"


class Several(NamedTuple):
    """A tuple of ``least`` to ``most`` numbers, each in a Range."""

    of: Range
    least: int
    most: int

    def fault(self, value):
        """Return what is wrong with a value, as ``Range.fault`` does."""
        if not isinstance(value, tuple) or not self.least <= len(value) <= self.most:
            return f"must be a tuple of {self.least} to {self.most} numbers, got {value!r:.50}"
        return next(filter(None, map(self.of.fault, value)), "")


class OneOf(NamedTuple):
    """One of these names; or one of False and True."""

    names: tuple

    def fault(self, value):
        """Return what is wrong with a value, as ``Range.fault`` does."""
        known = any(value is name or (isinstance(value, str) and value == name) for name in self.names)
        return "" if known else f"must be one of {', '.join(map(str, self.names))}, got {value!r:.50}"


LARGEST = 10**12  # nobody means more, and what is computed with it stays finite
LARGEST_LAYER = 10**7  # two of these have more weights between them than any memory holds
COUNT, POSITIVE, SHARE = Range(int, 1, LARGEST), Range(float, 0, LARGEST, "(]"), Range(float, 0, 1)


def choice(default, allowed, help):
    """Return a field of ``Config``: its default, what it may be (a None that is the default, too), and its help."""
    return field(default=default, metadata={"allowed": allowed, "help": help})


# ---- the choices ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """Every choice that a run depends on; with the seed it determines the run bit for bit.

    Exactly one of ``steps``, ``epochs``, ``minutes`` limits the run. Minutes count training time,
    without measurements and pictures; a run that the clock ends is not repeatable to the bit.

    Raises ValueError, a line that begins with the choice's name, for what no run can have.
    """

    objective: str = choice("non-saturating", OneOf(tuple(OBJECTIVES)), "the game that is played")
    coding: tuple[float, float, float] = choice(
        LeastSquares.codings["0-1"],
        Several(Range(float, -LARGEST, LARGEST), 3, 3),
        "targets of least squares: of fakes, of real samples, and G's for its fakes",
    )
    penalty: str = choice("r1", OneOf(PENALTIES), "what keeps the discriminator's slope small")
    gamma: float = choice(
        0.25, Range(float, 0, LARGEST), "strength of the penalty: γ of R1, λ of WGAN-GP, the bound of clip"
    )
    gamma_end: float | None = choice(None, POSITIVE, "what R1's γ falls to by the end, by the same factor in each step")
    penalty_every: int = choice(4, COUNT, "R1 is computed on every such step, and counts that many times")
    latent_dim: int = choice(100, Range(int, 1, LARGEST_LAYER), "size of the latent z")
    hidden: tuple[int, ...] = choice(
        (128, 128), Several(Range(int, 1, LARGEST_LAYER), 0, 100), "the generator's layers, which D has in reverse"
    )
    channels: tuple[int, ...] = choice(
        (), Several(Range(int, 1, LARGEST_LAYER), 0, 20), "of the generator's small images, which D has in reverse"
    )
    batch_norm: bool = choice(False, OneOf((False, True)), "normalize batches as DCGAN does; needs channels")
    conditional: bool = choice(False, OneOf((False, True)), "draw what is asked for: both networks are told the label")
    codes: int = choice(0, Range(int, 0, 1000), "values of a code that G shows and D guesses: classes without labels")
    continuous: int = choice(0, Range(int, 0, 1000), "how many numbers of z D guesses as well")
    code_weight: float = choice(1.0, POSITIVE, "what both players pay for wrong guesses of codes, in losses")
    distort: float = choice(
        0.0, Range(float, 0, 2), "how strongly images are bent at random before D guesses their code"
    )
    sort: int = choice(
        0, Range(int, 0, LARGEST), "steps in which real images are sorted before the game; their groups are the codes"
    )
    centered: bool = choice(False, OneOf((False, True)), "D sees pixels from -1 to 1, and G ends in a Tanh")
    init: str = choice("he", OneOf(INITS), "first weights of the hidden layers")
    slope: float = choice(0.2, SHARE, "LeakyReLU's slope on the left")
    g_slope: float | None = choice(None, SHARE, "the same in the generator, if it is another")
    batch: int = choice(64, COUNT, "samples in a batch")
    optimizer: str = choice("adam", OneOf(tuple(OPTIMIZERS)), "the rule of both players")
    lr: float = choice(2e-3, POSITIVE, "learning rate of both players")
    beta1: float = choice(0.0, Range(float, 0, 1, "[)"), "Adam's momentum")
    decay_from: float = choice(1.0, SHARE, "share of the run after which lr falls linearly to zero")
    average: float = choice(
        0.999, Range(float, 0, 1, "[)"), "decay of the generator's EMA; 0 shows the generator itself"
    )
    # All of these are one step of the training, which can be interrupted at its end only.
    d_steps: int = choice(1, Range(int, 1, 1000), "discriminator steps for each generator step")
    pack: int = choice(1, COUNT, "samples that the discriminator judges at once")
    steps: int | None = choice(None, COUNT, "stop after so many steps")
    epochs: float | None = choice(None, POSITIVE, "stop after so many passes through the data")
    minutes: float | None = choice(None, POSITIVE, "stop after so much training time")
    workers: int | None = choice(None, Range(int, 1, 64), "processes that divide every batch among them")
    seed: int = choice(0, Range(int, 0, 2**128 - 1), "of all that is random")

    def __post_init__(self):
        for each in fields(self):
            value = getattr(self, each.name)
            is_left_out = value is None and each.default is None
            if fault := "" if is_left_out else each.metadata["allowed"].fault(value):
                raise ValueError(f"{each.name}: {fault}")
        if self.batch % self.pack:
            raise ValueError(f"batch: {self.batch} cannot be divided into packs of {self.pack} samples")
        if self.channels and self.pack > 1:
            raise ValueError("pack: a discriminator with channels judges images one by one")
        if self.conditional and self.pack > 1:
            raise ValueError("pack: a conditional discriminator judges samples one by one")
        if self.codes == 1:
            raise ValueError("codes: a code with one value says nothing; name at least 2")
        if self.conditional and self.codes:
            raise ValueError("codes: are for runs without labels; leave out conditional, or codes")
        if self.continuous > self.latent_dim:
            raise ValueError(f"continuous: z has {self.latent_dim} numbers, so that D cannot guess {self.continuous}")
        if self.distort and not self.codes:
            raise ValueError("distort: is for images whose code D guesses, and there is none; add codes")
        if self.sort and not 2 <= self.codes <= 20:
            raise ValueError(
                f"sort: makes groups for 2 to 20 codes, not for {self.codes}; choose codes, or leave it out"
            )
        if (self.codes or self.continuous) and self.pack > 1:
            raise ValueError("pack: a discriminator that guesses codes judges samples one by one")
        if self.batch_norm and not self.channels:
            raise ValueError("batch_norm: is for networks with channels")
        if self.workers and self.workers > self.most_workers():
            why = "batch_norm feels the whole batch" if self.batch_norm else f"of a batch of {self.batch}"
            raise ValueError(f"workers: must be at most {self.most_workers()}, since {why}, got {self.workers}")

    def to_dict(self):
        """Return the choices as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Return the Config of ``to_dict``, also after a way through JSON."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def has_one_length(self):
        """Return whether lr or γ falls until the end of the run, so that a longer one would differ from the start."""
        return self.decay_from < 1 or self.gamma_end is not None

    def most_workers(self):
        """Return among how many processes a batch can be divided: by packs, if its samples do not feel each other."""
        return 1 if self.batch_norm else self.batch // self.pack

    def extended(self, steps):
        """Return the Config of a run that goes on to ``steps``; ValueError where it would not be the same run."""
        if self.has_one_length():
            raise ValueError("this run's lr or gamma falls until its end, so it has one length; leave it out")
        return replace(self, steps=steps, epochs=None, minutes=None)


# What is known to work, and what is known to fail; lessons 10 to 13 tell how it was found.
PRESETS = {
    # About a minute and about five on two cores.
    "default": Config(steps=24_000),
    "long": Config(gamma=0.1, hidden=(256, 256), average=0.9995, steps=70_000),
    # DCGAN's optimizer on small Dense networks, as tutorials have it: slow. And with pixels from 0 to 1: it collapses.
    "tutorial": Config(
        penalty="none", centered=True, init="uniform", lr=2e-4, beta1=0.5, average=0.0, hidden=(256, 256), steps=24_000
    ),
    "uncentered": Config(penalty="none", init="xavier", lr=2e-4, beta1=0.5, average=0.0, steps=24_000),
    # Images inside: a mixture of Dense layers and convolutions.
    "mixture": Config(gamma=0.3, hidden=(256,), channels=(32, 16), g_slope=0.0, lr=3e-3, steps=8_000),
    # The networks of `mixture`, narrower, and told the label.
    "conditional": Config(
        conditional=True, gamma=0.3, hidden=(256,), channels=(16, 8), g_slope=0.0, lr=4e-3, steps=4_000
    ),
    # Kinds of digits that nobody has named: InfoGAN.
    "infogan": Config(
        codes=10,
        continuous=2,
        sort=3_000,
        latent_dim=20,
        steps=12_000,
    ),
    # DCGAN's networks and settings, in small.
    "dcgan": Config(
        penalty="none",
        hidden=(),
        channels=(64, 32),
        batch_norm=True,
        centered=True,
        init="dcgan",
        g_slope=0.0,
        batch=128,
        lr=2e-4,
        beta1=0.5,
        average=0.0,
        steps=4_000,
    ),
    "lsgan": Config(objective="least-squares", penalty="none", lr=1e-3, beta1=0.5, steps=24_000),
    "wgan-gp": Config(objective="wasserstein", penalty="wgan-gp", gamma=10.0, d_steps=5, lr=1e-3, steps=5_000),
    # The ring and the grid.
    "points": Config(
        gamma=0.3,
        gamma_end=3e-3,
        latent_dim=2,
        hidden=(128, 128, 128),
        init="spread",
        batch=256,
        beta1=0.5,
        decay_from=0.0,
        steps=30_000,
    ),
    # The ring in small networks, quick enough to be watched: `tinygan lab`.
    "lab": Config(gamma=0.1, latent_dim=2, hidden=(32, 32), init="spread", batch=150, beta1=0.5, steps=20_000),
}


# ---- what they make ------------------------------------------------------------------------------


def generator_layers(config, shape, classes=0):
    """Return the layers latent_dim -> hidden... -> samples of this shape; images end between 0 and 1, points anywhere.

    ``shape`` is that of one example: (2,), (28, 28) or (32, 32, 3). With ``classes`` each latent has so many
    numbers more, its label. With ``channels`` there are images behind the hidden layers, each twice as large
    as the one before. Raises ValueError where that cannot be.
    """
    slope = config.slope if config.g_slope is None else config.g_slope
    latent_dim, is_image = config.latent_dim + classes, len(shape) > 1
    for name in ("distort", "sort"):
        if getattr(config, name) and not is_image:
            raise ValueError(f"{name}: is for images, which these samples are not")
    end = []
    if is_image:
        end = [Tanh(), Scale(0.5, 0.5)] if config.centered else [Sigmoid()]
    if not config.channels:
        last = last_init(config) if is_image else config.init
        return [*mlp((latent_dim, *config.hidden, math.prod(shape)), config.init, last, slope), *end]

    height, width, colors = image_sides(config, shape)
    height, width = height >> len(config.channels), width >> len(config.channels)
    sizes = latent_dim, *config.hidden, height * width * config.channels[0]
    layers = []
    for (n, m), channels in zip(pairwise(sizes), (*config.hidden, config.channels[0]), strict=True):
        layers += [Dense(n, m, config.init), *normalization(config, channels), LeakyReLU(slope)]
    for n, m in pairwise(config.channels):
        layers += [
            ConvTranspose2D((height, width, n), m, init=config.init),
            *normalization(config, m),
            LeakyReLU(slope),
        ]
        height, width = 2 * height, 2 * width
    last = ConvTranspose2D((height, width, config.channels[-1]), colors, init=last_init(config))
    return [*layers, last, *end]


def discriminator_layers(config, shape, classes=0):
    """Return the layers samples (packed, if so chosen) -> hidden, reversed... -> one logit.

    With ``channels`` there are images in front, each half as large as the one before. With ``classes`` a
    label is appended to what the first Dense layer sees; but where these are ``codes``, D guesses them, and
    the continuous ones, beside the logit.
    """
    head = [Scale(2, -1)] if config.centered else []
    head += [Pack(config.pack)] if config.pack > 1 else []
    n_in = math.prod(shape) * config.pack
    if config.channels:
        height, width, n = image_sides(config, shape)
        for i, m in enumerate(reversed(config.channels)):
            # As in DCGAN: not behind the first layer, and real and generated samples apart.
            between = normalization(config, m, group=config.batch) if i else []
            head += [Conv2D((height, width, n), m, init=config.init), *between, LeakyReLU(config.slope)]
            height, width, n = height // 2, width // 2, m
        n_in = height * width * n
    if classes and not config.codes:
        head += [Condition(classes)]
        n_in += classes
    sizes = n_in, *reversed(config.hidden), 1 + config.codes + config.continuous
    return [*head, *mlp(sizes, config.init, last_init(config), config.slope)]


def normalization(config, channels, group=None):
    """Return the layers between a linear one and its LeakyReLU."""
    return [BatchNorm(channels, group)] if config.batch_norm else []


def image_sides(config, shape):
    """Return (height, width, colors) of images of this shape; ValueError where ``channels`` do not fit."""
    if len(shape) == 1:
        raise ValueError("channels: are for images, which these samples are not")
    height, width, colors = (*shape, 1)[:3]
    for side in (height, width):
        if side % 2 ** len(config.channels):
            raise ValueError(f"channels: {side} pixels cannot be halved {len(config.channels)} times; name fewer")
    return height, width, colors


def last_init(config):
    """Return the first weights of a last layer, which no LeakyReLU follows."""
    return config.init if config.init in ("uniform", "dcgan") else "xavier"


def build_gan(config, shape, rng, dtype=np.float32, classes=0):
    """Return the GAN that ``config`` describes, for samples of this shape: (2,), (28, 28) or (32, 32, 3)."""
    objective = OBJECTIVES[config.objective]
    make = OPTIMIZERS[config.optimizer]
    extra = {"beta1": config.beta1} if config.optimizer == "adam" else {}
    penalties = {
        "none": None,
        "r1": R1(config.gamma, config.penalty_every),
        "wgan-gp": WGANGP(rng, config.gamma),
        "clip": None,  # not a term of the loss: the training loop does it
    }
    players = (
        Network(generator_layers(config, shape, classes), rng, dtype),
        Network(discriminator_layers(config, shape, classes), rng, dtype),
        objective(*config.coding) if config.objective == "least-squares" else objective(),
        make(config.lr, **extra),
        make(config.lr, **extra),
        penalties[config.penalty],
    )
    if not (config.codes or config.continuous):
        return GAN(*players)
    distortion = Distortion(rng, shape, config.distort) if config.distort else None
    return InfoGAN(
        *players,
        codes=config.codes,
        continuous=config.continuous,
        weight=config.code_weight,
        distortion=distortion,
    )


def counts_of(config, labels):
    """Return how often each class, or each value of a code, is asked for, as a tuple; () where there is neither.

    ValueError for labels (N,) that are no classes, where the run is conditional.
    """
    return class_counts(labels) if config.conditional else (1,) * config.codes


# ---- what is learned from ------------------------------------------------------------------------

DATA = ("auto", "mnist", "digits", "ring", "grid")  # any other name is that of a folder


def load_data(name, split="train"):
    """Return the ``data.Dataset`` of this name, or in this folder or .npy file: its "train" or "test" split.

    "auto" is MNIST where it is on this machine, and drawn digits elsewhere. Raises DataError.
    """
    rng = np.random.default_rng(["train", "test"].index(split))
    if name == "auto":
        name = "mnist" if data.find_mnist() else "digits"
    if name == "mnist":
        return data.load_mnist(split)
    if name == "digits":
        return synthetic.digits(20_000 if split == "train" else 10_000, rng)
    if name in synthetic.MIXTURES:
        return {"ring": synthetic.ring, "grid": synthetic.grid}[name](100_000, rng)
    if name.endswith(".npy"):
        return data.load_array(name, split)
    return data.load_folder(name, split)
