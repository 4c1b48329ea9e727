"""The training: a loop of a batch, a step of D, a step of G, and a row in the history.

A ``Training`` holds everything that a run consists of, so that it can be stopped after any step,
saved (``state``) and continued (``restore``). It prints nothing and draws nothing: the caller (the
command line, a lesson, a test) can look at it between the steps:

    training = Training(Config(steps=1000), dataset)
    for event in training.run():
        ...

Where reproducibility ends: the same configuration, seed and data give the same run bit for bit,
interrupted or not, on one machine with one NumPy, one number of threads and one of ``workers``.
Another machine, another BLAS, other threads or workers add in another order and differ in the last
bits, and two players who react to each other soon amplify a difference in the last bit. The clock is
never reproducible: ``seconds``, ``images_per_second``, and where a run limited by ``minutes`` ends.

Shapes: N batch, I inputs of a sample, L latent_dim.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from tinygan.codes import InfoGAN
from tinygan.conditions import Condition, one_hot, with_labels
from tinygan.data import Minibatches, as_bytes
from tinygan.gan import draw_latents, generate
from tinygan.kinds import Sorter
from tinygan.network import Network
from tinygan.optimizers import MovingAverage
from tinygan.recipes import LARGEST, Range, build_gan, counts_of, generator_layers


class NumericalError(ArithmeticError):
    """A loss or a parameter is no longer a finite number; the message says where, and what to do."""

    def __init__(self, fault, advice):
        self.fault, self.advice = fault, advice
        super().__init__(f"{fault}; {advice}")


class Row(NamedTuple):
    """One line of the history. Losses and scores are means since the line before.

    Where D takes several steps before G takes one, the last of them counts. ``d_loss`` is without
    the ``penalty``. ``d_real`` and ``d_fake`` are the mean score of real and of generated samples (a
    probability in the classic games), ``d_grad`` and ``g_grad`` the norms of the latest gradients,
    ``quality`` and ``captured`` what ``measure`` returned (nan where it was not asked).
    """

    step: int
    epoch: float
    seconds: float
    images_per_second: float
    d_loss: float
    penalty: float
    g_loss: float
    d_real: float
    d_fake: float
    d_grad: float
    g_grad: float
    quality: float
    captured: float


class Training:
    """A run: the GAN, the data's order, the averaged generator, the random numbers, the history.

    config     a ``recipes.Config``
    dataset    a ``data.Dataset``
    measure    optional; measure(generate) -> (quality, captured), asked at every snapshot, where
               generate(z) makes samples of latents; see ``scoring.scores.Examiner``
    dtype      np.float32 to run, np.float64 to check

    ``history`` is a list of ``Row``s, at most ROWS evenly spread over the run, and one at every
    snapshot. ``frames`` is a list of at most FRAMES + 1 snapshots (step, samples), always made from
    the same ``latents``, so that pictures can be compared: the first at step 0, the others from a
    thousandth of the run on, each at a step that is larger by the same factor. (A finished run that
    goes on to a later step keeps those it has.)
    Raises ValueError unless just one of steps, epochs and minutes limits the run.
    """

    ROWS, FRAMES = 200, 40

    def __init__(self, config, dataset, measure=None, dtype=np.float32):
        if [config.steps, config.epochs, config.minutes].count(None) != 2:
            raise ValueError("Config: a run needs one limit, either steps, epochs or minutes")
        self.config, self.measure = config, measure
        self.images, self.shape = dataset.is_image, dataset.shape
        self.rng = np.random.default_rng(config.seed)
        self.class_counts = counts_of(config, dataset.labels)
        self.classes, self.labels = len(self.class_counts), dataset.labels
        self.gan = build_gan(config, self.shape, self.rng, dtype, self.classes)
        self.conditions = [layer for layer in self.gan.discriminator.layers if isinstance(layer, Condition)]
        self.average = MovingAverage(self.gan.generator.params, config.average)
        # The generator that samples are drawn from; its weights are those of the average.
        self.shown = Network(generator_layers(config, self.shape, self.classes), np.random.default_rng(0), dtype)
        self.batches = Minibatches(dataset.x, config.batch, self.rng, dtype)
        self.groups = np.zeros(len(dataset.x) if config.sort else 0, np.int64)  # no other than 0: not sorted yet
        self.z = np.empty((config.batch, config.latent_dim), dtype)
        self.latents = self.shown_latents()

        self.total_steps = config.steps
        if config.epochs is not None:
            self.total_steps = math.ceil(config.epochs * len(dataset.x) / (config.batch * config.d_steps))
        self.step, self.seconds = 0, 0.0
        self.history, self.frames = [], []
        self.sums = np.zeros(6)  # since the last row: steps, D's loss, penalty, G's loss, scores of real and fake

    def progress(self):
        """Return how much of the run is done, from 0 to 1."""
        if self.total_steps is None:
            return min(1.0, self.seconds / (60 * self.config.minutes))
        return min(1.0, self.step / self.total_steps)

    def run(self):
        """Train to the end, yielding after every step: "step", "row" or "frame".

        A "row" is a step that also added to the history, a "frame" one that also took a snapshot. The steps of
        ``sort`` come first, and do not count.
        """
        if not self.frames:
            self.snapshot()
            yield "frame"
        if self.config.sort and not self.groups.any():
            yield from self.sort()
        while self.progress() < 1:
            before, start = self.progress(), time.perf_counter()
            with np.errstate(all="ignore"):  # check_finite says it better
                self.train_step()
                self.seconds += time.perf_counter() - start
                event = self.take_note(before, self.progress())
            yield event

    def sort(self):
        """Sort the data into as many groups as there are codes, without a label, yielding "step" after every step.

        The random numbers are not those of the game: a run that is interrupted while it sorts begins this anew.
        """
        config = self.config
        sorter = Sorter(self.batches.x, self.shape, config.codes, config.sort, np.random.default_rng([config.seed, 2]))
        for _ in range(sorter.steps):
            sorter.step()
            yield "step"
        self.groups[:] = sorter.groups_of(self.batches.x)

    def train_step(self):
        """Take one step of the training: d_steps of D, one of G."""
        config, gan = self.config, self.gan
        self.follow_schedules()
        for _ in range(config.d_steps):
            z, x_real = self.draw(), self.batches.next()
            z = self.told(z) if config.conditional else z
            if isinstance(gan, InfoGAN):
                gan.z = z
                gan.groups = self.groups[self.batches.rows] if config.sort else None
            x_fake = gan.generator.forward(z)
            d = gan.discriminator_step(x_real, x_fake)
            if config.penalty == "clip":
                np.clip(gan.discriminator.params, -config.gamma, config.gamma, out=gan.discriminator.params)
        g_loss = gan.generator_step(x_fake)
        self.average.update(gan.generator.params)
        self.step += 1

        score = gan.objective.score
        means = d.loss - d.penalty, d.penalty, g_loss, score(d.real_logits).mean(), score(d.fake_logits).mean()
        d_loss, penalty, g_loss, *scores = self.of_whole_batch(means)
        self.sums += 1, d_loss, penalty, g_loss, *scores
        self.check_finite(d_loss + penalty, g_loss)

    def follow_schedules(self):
        """Lower lr to zero, linearly from ``decay_from`` on, and γ to ``gamma_end``, by one factor in each step."""
        config, progress = self.config, self.progress()
        remaining = (1 - progress) / max(1 - config.decay_from, 1e-9)
        self.gan.d_optimizer.lr = self.gan.g_optimizer.lr = config.lr * min(1.0, remaining)
        if config.penalty == "r1" and config.gamma and config.gamma_end is not None:
            self.gan.penalty.gamma = config.gamma * (config.gamma_end / config.gamma) ** progress

    def draw(self):
        """Return new latents z ~ N(0, 1), (N, L), in one reused array; with a categorical code (N, L + K)."""
        z, codes = self.rng.standard_normal(out=self.z, dtype=self.z.dtype), self.config.codes
        return with_labels(z, self.rng.integers(codes, size=len(z)), codes) if codes else z

    def of_whole_batch(self, means):
        """Return these means over the samples of this process over those of all (see ``workers``)."""
        return means

    def told(self, z):
        """Return z with the labels of the batch, (N, L + K), of which D is told, too."""
        labels = self.labels[self.batches.rows]
        for condition in self.conditions:
            condition.labels = one_hot(labels, self.classes, z.dtype)
        return with_labels(z, labels, self.classes)

    def shown_latents(self):
        """Return the latents of the snapshots; with classes and images, a row for each class, a column for each z."""
        rng = np.random.default_rng([self.config.seed, 1])  # apart, so that looking changes nothing
        if not (self.images and self.classes):
            return draw_latents(rng, 64 if self.images else 1000, self.config.latent_dim, self.class_counts)
        side = max(8, min(self.classes, 10))
        z = np.tile(draw_latents(rng, side, self.config.latent_dim), (side, 1))
        return with_labels(z, np.arange(side).repeat(side) % self.classes, self.classes)

    def check_finite(self, d_loss, g_loss):
        """Raise NumericalError at the very step at which a number is no longer finite, and say where."""
        advice = f"try a smaller lr than {self.config.lr:g}, a larger batch than {self.config.batch}"
        if self.config.penalty != "r1":
            advice += ", or r1 as the penalty"
        for player in ("discriminator", "generator"):
            network = getattr(self.gan, player)
            if np.isfinite(np.dot(network.params, network.params)):  # one fast pass; nan and inf survive it
                continue
            for name, (values, _) in network.views().items():
                if not np.isfinite(values).all():
                    index, parameter = name.split(".")
                    where = f"{parameter} of the {player}'s layer {index}, {network.layers[int(index)]}"
                    raise NumericalError(f"step {self.step}: not a finite number, first in {where}", advice)
        if not (math.isfinite(d_loss) and math.isfinite(g_loss)):
            losses = f"D {d_loss:.3g}, G {g_loss:.3g}"
            raise NumericalError(f"step {self.step}: a loss is not a finite number ({losses})", advice)

    def take_note(self, before, now):
        """Add to the history and to the frames where a mark was passed; return which."""
        is_row = mark(before, self.ROWS) < mark(now, self.ROWS)
        is_frame = mark(stretched(before), self.FRAMES) < mark(stretched(now), self.FRAMES)
        if not (is_row or is_frame):
            return "step"
        measured = math.nan, math.nan
        if is_frame:
            self.snapshot()
            measured = map(float, self.measure(self.generate)) if self.measure else measured
        steps, *sums = self.sums.tolist()
        d_grad, g_grad = (float(np.linalg.norm(p.grads)) for p in (self.gan.discriminator, self.gan.generator))
        last = self.history[-1].seconds if self.history else 0.0
        seconds = max(self.seconds - last, 1e-9)  # a clock may stand still
        rate = steps * self.config.d_steps * self.config.batch / seconds
        means = (s / steps for s in sums)
        self.history.append(Row(self.step, self.batches.epoch, self.seconds, rate, *means, d_grad, g_grad, *measured))
        self.sums[:] = 0
        return "frame" if is_frame else "row"

    def snapshot(self):
        """Keep what the averaged generator makes of the fixed latents."""
        samples = self.generate(self.latents)
        kept = as_bytes(samples) if self.images else samples
        self.frames.append((self.step, kept))

    def generate(self, z):
        """Return samples (n, I) of the averaged generator from latents (n, L)."""
        self.shown.params[:] = self.average.params
        self.shown.statistics[:] = self.gan.generator.statistics
        return generate(self.shown, z)

    # ---- stop anywhere, resume exactly ---------------------------------------------------------

    def state(self):
        """Return everything that is needed to continue: ({name: array}, {name: plain value}).

        The arrays are the run's own, and change with its next step.
        """
        gan = self.gan
        shape = len(self.latents), self.batches.x.shape[1]
        kind = np.uint8 if self.images else np.float32
        arrays = {
            "generator": gan.generator.params,
            "discriminator": gan.discriminator.params,
            "average": self.average.params,
            "order": self.batches.order,
            "sums": self.sums,
            "history": np.array(self.history, np.float64).reshape(-1, len(Row._fields)),
            "frames": np.array([samples for _, samples in self.frames], kind).reshape(-1, *shape),
            "frame_steps": np.array([step for step, _ in self.frames], np.int64),
        }
        for player, network in (("d", gan.discriminator), ("g", gan.generator)):
            optimizer, unused = getattr(gan, f"{player}_optimizer"), np.zeros_like(network.params)
            for slot in optimizer.slots:
                arrays[f"{player}_optimizer.{slot}"] = getattr(optimizer, slot, unused)
            if network.statistics.size:
                arrays[f"{player}_statistics"] = network.statistics
        if self.config.sort:
            arrays["groups"] = self.groups
        values = {
            "shape": self.shape,
            "class_counts": list(self.class_counts),
            "config": self.config.to_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "drawn": self.batches.drawn,
            "d_optimizer.t": gan.d_optimizer.t,
            "g_optimizer.t": gan.g_optimizer.t,
            "average.t": self.average.t,
            "penalty.calls": getattr(gan.penalty, "calls", 0),
            "rng": self.rng.bit_generator.state,
        }
        return arrays, values

    def restore(self, arrays, values):
        """Continue from a ``state`` of a run with the same configuration and the same data.

        Raises an error for anything else; discard this object then.
        """
        gan = self.gan
        for name, mine in self.state()[0].items():
            growing = name in ("history", "frames", "frame_steps")
            check_fit(name, arrays[name], mine, growing, name in FINITE)
        gan.generator.params[:] = arrays["generator"]
        gan.discriminator.params[:] = arrays["discriminator"]
        self.average.params[:] = arrays["average"]
        for player, network in (("d", gan.discriminator), ("g", gan.generator)):
            if network.statistics.size:
                network.statistics[:] = arrays[f"{player}_statistics"]
        self.average.t = count(values, "average.t")
        for player, optimizer in (("d", gan.d_optimizer), ("g", gan.g_optimizer)):
            slots = {slot: arrays[f"{player}_optimizer.{slot}"] for slot in optimizer.slots}
            optimizer.restore(count(values, f"{player}_optimizer.t"), slots)
        if hasattr(gan.penalty, "calls"):
            gan.penalty.calls = count(values, "penalty.calls")
        self.batches.restore(arrays["order"], count(values, "drawn"))
        if self.config.sort:
            self.groups[:] = arrays["groups"]
            if not ((self.groups >= 0) & (self.groups < self.config.codes)).all():
                raise ValueError("groups has numbers that are no code")
        self.step, self.seconds = count(values, "step"), float(count(values, "seconds", float))
        self.sums[:] = arrays["sums"]
        if self.sums[0] < 0:
            raise ValueError("sums are of less than no steps")
        self.history = [Row(int(step), *rest) for step, *rest in arrays["history"].tolist()]
        if not all(0 < row.step <= self.step and math.isfinite(row.d_loss) for row in self.history):
            raise ValueError("history has rows that no run has")
        self.frames = list(zip(arrays["frame_steps"].tolist(), arrays["frames"], strict=True))
        self.rng.bit_generator.state = values["rng"]
        if self.progress() == 1 and not (self.history and self.frames):
            raise ValueError("it is finished, but has no history")


def mark(progress, n):
    """Return how many of n evenly spaced marks a run has passed."""
    return int(progress * n + 1e-9)  # the small number, because 0.575 * 40 is a little below 23


def stretched(progress):
    """Return progress on a logarithmic scale: 0 up to a thousandth of the run, 1 at its end."""
    return max(0.0, 1 + math.log(progress, 1000)) if progress else 0.0


FINITE = ("generator", "discriminator", "average", "sums", "d_statistics", "g_statistics")


def check_fit(name, array, like, growing=False, finite=False):
    """ValueError unless ``array`` has the dtype and shape of ``like``; its length may differ if growing."""
    skip = 1 if growing else 0
    if array.dtype != like.dtype or array.shape[skip:] != like.shape[skip:]:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {like.dtype} {like.shape}")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")


def count(values, name, kind=int):
    """The value of this name; ValueError unless it is a number of this kind that counts something."""
    if fault := Range(kind, 0, LARGEST).fault(values[name]):
        raise ValueError(f"{name} {fault}")
    return values[name]
