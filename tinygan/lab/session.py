"""The session: runs that go forward, back and into branches, every step to the bit.

A ``Branch`` is a ``Training`` with a list of ``Setting``s: from which step on it has which Config. It keeps
snapshots (``Training.state``); to go to any step it restores the nearest one before and takes the steps
between again, so that every step is what it was.
"""

from __future__ import annotations

import itertools
import math
from array import array
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np

from tinygan.data import Dataset
from tinygan.lab.looking import Eye
from tinygan.optimizers import Optimizer
from tinygan.recipes import Config, OneOf, Range, Several
from tinygan.training import NumericalError, Training

CHOICES = {each.name: each for each in fields(Config) if each.name not in ("epochs", "minutes", "workers")}
# What a run can change on its way: all that leaves its networks and its random numbers as they are.
LIVE = (
    "objective", "coding", "penalty", "gamma", "gamma_end", "penalty_every", "batch",
    "optimizer", "lr", "beta1", "decay_from", "average", "d_steps", "steps",
)  # fmt: skip
PLAYERS = ("both", "D", "G")  # who learns
BRANCHES = 6
COUNT = itertools.count(1)  # of the branches, since letters are used again
BUDGET = 48_000_000  # bytes of a branch's snapshots


class Setting(NamedTuple):
    """From this step on the run has this Config, and of the ``players`` both learn or one."""

    step: int
    config: Config
    players: str = "both"

    def changed(self, step, name, value):
        """Return the Setting that follows at ``step``, with one choice changed; ValueError where no run can have it."""
        if name == "players":
            if value not in PLAYERS:
                raise ValueError(f"players: must be one of {', '.join(PLAYERS)}, got {value!r}")
            return Setting(step, self.config, value)
        return Setting(step, replace(self.config, **{name: value}), self.players)


class Source(NamedTuple):
    """What runs learn from, and what their samples are measured with.

    dataset    a ``data.Dataset``
    words      how a command line names it and ``config``, "" where only this session knows it
    config     what runs begin with, if nothing is changed
    measure    as in ``Training``, or None
    floor      what ``measure`` gives for perfect samples
    neighbors  neighbors(samples) -> the nearest training images, or None
    state      (arrays, values) to begin from; None: untrained
    """

    dataset: Dataset
    words: str
    config: Config
    measure: object = None
    floor: tuple = (math.nan, math.nan)
    neighbors: object = None
    state: tuple | None = None


class Watched(Training):
    """A Training that remembers the means of its latest step: D's loss, penalty, G's loss, scores of real and fake."""

    def of_whole_batch(self, means):
        self.latest = means
        return means


class Rest(Optimizer):
    """The optimizer of a player that rests: it takes no step."""

    def update(self, params, grads, work):
        pass


@contextmanager
def resting(gan, players):
    """Within this context whoever does not play computes its gradient as ever, and is not changed by it."""
    kept = gan.d_optimizer, gan.g_optimizer
    if players == "G":
        gan.d_optimizer = Rest(gan.d_optimizer.lr)
    if players == "D":
        gan.g_optimizer = Rest(gan.g_optimizer.lr)
    try:
        yield
    finally:
        gan.d_optimizer, gan.g_optimizer = kept


def resumed(config, dataset, state, measure=None):
    """Return a Training with this Config that continues from a state, also from one of another Config.

    The optimizers start anew where they are others, or keep other vectors, than those of the state.
    """
    training = Watched(config, dataset, measure)
    (arrays, values), (mine, fresh) = state, training.state()
    vectors = [{name for name in each if "optimizer." in name} for each in (arrays, mine)]
    if vectors[0] != vectors[1] or values["config"]["optimizer"] != config.optimizer:
        values = values | {name: fresh[name] for name in ("d_optimizer.t", "g_optimizer.t")}
    training.restore(mine | arrays, values)
    return training


class Branch:
    """One run: where it is, where it was, and what it will be.

    name      a letter
    source    a ``Source``
    settings  [Setting, ...] by step; the first is that of the beginning
    state     (arrays, values) to begin from; by default an untrained one
    """

    def __init__(self, name, source, settings, state=None):
        self.name, self.source, self.settings = name, source, list(settings)
        self.id = next(COUNT)
        config, dataset = self.settings[0].config, source.dataset
        if config.batch > len(dataset.x):
            raise ValueError(f"batch: {config.batch:,} is more than {dataset.name} has, {len(dataset.x):,} examples")
        self.training = self.continued(config, state) if state else Watched(config, dataset, source.measure)
        if not self.training.frames:
            self.training.snapshot()  # as ``Training.run`` begins
        self.first = self.last = self.training.step
        self.losses = array("f")  # the means of each step from the first one on, five a step
        self.snapshots, self.every = {}, 64
        self.of_challenge, self._eye = False, None
        self.keep()

    def continued(self, config, state):
        """Return a Training with this Config that continues from a state."""
        return resumed(config, self.source.dataset, state, self.source.measure)

    # ---- forward and back ----------------------------------------------------------------------

    @property
    def step(self):
        """The step at which it is."""
        return self.training.step

    def setting(self, step=None):
        """Return the Setting of the step that follows ``step``; by default the one at which it is."""
        step = self.step if step is None else step
        return [each for each in self.settings if each.step <= step or each is self.settings[0]][-1]

    def advance(self):
        """Take one step; returns False where the run is at its end. NumericalError leaves it at the step before."""
        setting = self.setting()
        if setting.config != self.training.config:
            self.training = self.continued(setting.config, self.training.state())
        try:
            with resting(self.training.gan, setting.players):
                if next(self.training.run(), None) is None:
                    return False
        except NumericalError:
            self.goto(self.last)
            raise
        if self.step > self.last:
            self.last = self.step
            self.losses.extend(map(float, self.training.latest))
        if self.step % self.every == 0 and self.step not in self.snapshots:
            self.keep()
        return True

    def goto(self, step):
        """Go to a step that has been, or to the nearest one."""
        step = min(max(step, self.first), self.last)
        start = max(each for each in self.snapshots if each <= step)
        if not start <= self.step <= step:
            self.training = self.continued(self.setting(start).config, self.snapshots[start])
        while self.step < step:
            self.advance()

    def keep(self):
        """Keep a snapshot; arrays that have not changed are kept once. Too many are thinned out."""
        arrays, values = self.training.state()
        before = self.snapshots[max(self.snapshots)][0] if self.snapshots else {}
        same = {name: before[name] for name in before if np.array_equal(before[name], arrays[name])}
        self.snapshots[self.step] = {name: array.copy() for name, array in arrays.items()} | same, values
        while self.size() > BUDGET and len(self.snapshots) > 4:
            self.every *= 2
            self.snapshots = {s: kept for s, kept in self.snapshots.items() if s == self.first or s % self.every == 0}

    def size(self):
        """Return how many bytes the snapshots take."""
        arrays = {id(array): array.nbytes for kept, _ in self.snapshots.values() for array in kept.values()}
        return sum(arrays.values())

    # ---- what is seen --------------------------------------------------------------------------

    def eye(self):
        """Return the Eye for the networks as they are now."""
        if self._eye is None or self._eye.config != self.training.config:
            self._eye = Eye(self.training, self.source.dataset)
        return self._eye

    def arrays(self):
        """Return what an Eye needs: the parameters, (P,), as in ``Training.state``, but nothing else."""
        gan = self.training.gan
        players = {"generator": gan.generator.params, "discriminator": gan.discriminator.params}
        statistics = {"g_statistics": gan.generator.statistics, "d_statistics": gan.discriminator.statistics}
        return players | statistics | {"average": self.training.average.params}

    def means(self):
        """Return D's loss, penalty, G's loss, scores of real and fake for each step up to here, (M, 5)."""
        return np.array(self.losses[: 5 * (self.step - self.first)], np.float64).reshape(-1, 5)

    def curve(self, bins=150):
        """Return (steps (M,), means (M, 5)) of the losses up to now, at most ``bins`` of them."""
        means = self.means()
        starts = np.unique(np.linspace(0, len(means), bins + 1).astype(int)[:-1]) if len(means) else np.arange(0)
        sizes = np.diff([*starts, len(means)])
        sums = np.add.reduceat(means, starts) if len(means) else means
        return self.first + starts + sizes, sums / np.maximum(sizes, 1)[:, None]

    # ---- changes -------------------------------------------------------------------------------

    def change(self, name, value):
        """Change a choice, or who learns, from the step at which it is; what was to come after it is dropped."""
        if self.step < self.last:
            raise ValueError(f"{name}: step {self.step} is past; branch there")
        setting = self.setting().changed(self.step, name, value)
        self.settings = [each for each in self.settings if each.step < self.step] + [setting]

    def branch(self, name):
        """Return a new Branch with the same past, which begins where this one is."""
        other = Branch(name, self.source, [self.setting()], self.training.state())
        other.settings = [each for each in self.settings if each.step <= self.step]
        other.snapshots = {step: kept for step, kept in self.snapshots.items() if step <= self.step} | other.snapshots
        other.losses, other.first, other.every = self.losses[: 5 * (self.step - self.first)], self.first, self.every
        return other

    def changes(self):
        """Return [(step, name, value), ...]: what was changed, or will be, on the way; and who learned first."""
        first = self.settings[0]
        found = [(first.step, "players", first.players)] if first.players != "both" else []
        for before, after in zip(self.settings, self.settings[1:], strict=False):
            old, new = before.config.to_dict(), after.config.to_dict()
            found += [(after.step, name, new[name]) for name in new if new[name] != old[name]]
            if after.players != before.players:
                found.append((after.step, "players", after.players))
        return found

    def command(self):
        """Return what to type to have this run again, or "" for data that only this session knows."""
        usual, config = self.source.config.to_dict(), self.settings[0].config.to_dict()
        first = [(0, name, config[name]) for name in CHOICES if config[name] != usual[name]]
        sets = [
            f"--set {f'{step}:' if step else ''}{name}={text_of(value)}" for step, name, value in first + self.changes()
        ]
        return " ".join(["tinygan lab", self.source.words, *sets]) if self.source.words else ""


# ---- choices as text -----------------------------------------------------------------------------


def text_of(value):
    """Return a choice as it is typed."""
    if isinstance(value, tuple):
        return ",".join(map(text_of, value))
    return "" if value is None else str(value)


def read(name, text):
    """Return the value of a choice that was typed; ValueError, a line that begins with its name, if it is none."""
    if name == "players":
        return text
    if name not in CHOICES:
        raise ValueError(f"{name}: there is no such choice")
    each, text = CHOICES[name], text.strip()
    allowed = each.metadata["allowed"]
    if text == "" and each.default is None:
        return None
    try:
        if isinstance(allowed, Several):
            value = tuple(map(allowed.of.kind, filter(None, text.split(","))))
        elif isinstance(allowed, Range):
            value = allowed.kind(text)
        else:
            value = {str(known).lower(): known for known in allowed.names}.get(text.lower(), text)
    except ValueError:
        raise ValueError(f"{name}: must be {wanted(allowed)}, got {text!r:.50}") from None
    if fault := allowed.fault(value):
        raise ValueError(f"{name}: {fault}")
    return value


def wanted(allowed):
    """Return in words what kind of value a choice is."""
    if isinstance(allowed, Several):
        return "numbers with commas between them"
    if isinstance(allowed, OneOf):
        return f"one of {', '.join(map(str, allowed.names))}"
    return "a whole number" if allowed.kind is int else "a number"
