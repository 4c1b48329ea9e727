"""The folder of a run, in which an interrupted run can be resumed by another process.

One process at a time works in it, and from its first moment it holds a whole checkpoint.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.app import checkpoint, files
from tinygan.app.errors import CheckpointError, Damaged, UsageError
from tinygan.codes import guesser
from tinygan.data import printable
from tinygan.network import Network, parameter_count
from tinygan.recipes import LARGEST, Config, build_gan, discriminator_layers, generator_layers
from tinygan.synthetic import MIXTURES
from tinygan.training import check_fit, count

try:
    import fcntl

    def lock(file):
        """Lock an open file for this process; OSError where another has."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except ImportError:  # Windows
    import msvcrt

    def lock(file):
        """Lock an open file for this process; OSError where another has."""
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


LOCKED = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
UNFINISHED = ("checkpoint", "config", "history", "curves", "film", "samples/step_*")  # what a training writes


# ---- the folder --------------------------------------------------------------------------------


def refuse_existing(run):
    """UsageError if there is anything that a new run could overwrite."""
    try:
        if run.exists() and not (run.is_dir() and all(map(is_nothing_yet, run.iterdir()))):
            raise UsageError(f"--out {run} exists already and is left as it is; name another folder")
    except OSError as error:
        raise UsageError(f"--out {run}: {error.strerror}; name a folder that can be written") from None


def is_nothing_yet(path):
    """Is this what is left of a run that was killed in its first moment?"""
    return path.name == ".lock" or path.match(f"checkpoint{files.WRITING}*.npz")


def refuse_missing(run):
    """UsageError if this is not the folder of a run."""
    newest = run / "checkpoint.npz"
    if not (newest.exists() or checkpoint.previous(newest).exists()):
        raise UsageError(f"{run}: holds no checkpoint.npz" if run.exists() else f"{run}: there is no such run")


@contextmanager
def new(out=None):
    """Within this context, a new folder: ``out``, or the first of runs/001, runs/002, ... that is free."""
    candidates = [out] if out else (Path("runs", f"{i:03d}") for i in itertools.count(1))
    parent = out.parent if out else Path("runs")
    if out:
        refuse_existing(out)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for run in candidates:
            with suppress(FileExistsError):  # ``out`` may be there, empty; a number may be taken
                run.mkdir()
                break
    except OSError as error:
        where = out or error.filename
        raise UsageError(f"--out {where}: {error.strerror}; name a folder that can be written") from None
    with locked(run):
        refuse_existing(run)  # again, now that nobody else can change it
        yield run


@contextmanager
def locked(run):
    """Within this context no other process works here; the system unlocks, also when it ends by SIGKILL."""
    try:
        refuse_planted(run)
        file = open(run / ".lock", "ab")
    except OSError as error:
        raise UsageError(f"{run}: cannot be written ({error.strerror})") from None
    with file:
        try:
            lock(file)
        except OSError as error:
            if error.errno in LOCKED:
                raise UsageError(f"{run}: another process is at work in it; wait for it, or stop it") from None
            # else the file system knows no locks, and we go without
        files.remove_unfinished(run, UNFINISHED)
        yield


def refuse_planted(run):
    """UsageError if what somebody has put there would lead our writing elsewhere, or keep it waiting."""
    lock, samples = run / ".lock", run / "samples"
    if lock.is_symlink() or (lock.exists() and not lock.is_file()):
        raise UsageError(f"{lock}: is no plain file; remove it")
    if samples.is_symlink():
        raise UsageError(f"{samples}: is a link, which could lead anywhere; remove it")


class Interruption:
    """Within this context Ctrl-C, SIGTERM and a closed terminal ask politely, a second one insists.

    ``asked`` is the number of the signal, 0 as long as there was none. Signals that whoever started
    this process wants to be ignored (nohup) stay so.
    """

    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def __enter__(self):
        self.asked = 0
        heard = [s for s in self.signals if signal.getsignal(s) != signal.SIG_IGN]
        self.before = {s: signal.signal(s, self.ask) for s in heard}
        return self

    def ask(self, number, frame):
        self.asked = number
        self.__exit__()

    def __exit__(self, *exception):
        for each, handler in self.before.items():
            signal.signal(each, handler)


# ---- what is saved in it -----------------------------------------------------------------------


class Saver:
    """Writes the checkpoints of a training, with ``about`` (plain values) added, when it is time.

    every   (100, "steps") or (30, "seconds")
    """

    def __init__(self, run, training, about, every):
        self.path, self.training, self.about, self.every = run / "checkpoint.npz", training, about, every
        self.saved()

    def saved(self):
        self.step, self.time = self.training.step, time.monotonic()

    def save(self):
        arrays, values = self.training.state()
        checkpoint.save(self.path, arrays, {**values, **self.about})
        self.saved()

    def save_if_due(self):
        number, unit = self.every
        passed = self.training.step - self.step if unit == "steps" else time.monotonic() - self.time
        if passed >= number:
            self.save()


def load(run):
    """(arrays, values, remark) of the newest whole checkpoint; the remark, or "", says what is wrong."""
    refuse_missing(run)
    newest = run / "checkpoint.npz"
    if not newest.exists():
        time.sleep(0.1)  # a training may be between the two renames of its saving
    try:
        return *checkpoint.load(newest), ""
    except Damaged as error:
        try:
            arrays, values = checkpoint.load(checkpoint.previous(newest))
        except CheckpointError:
            raise error from None
        return arrays, values, f"{error}; the one before it is whole, and is used"


def set_aside(run):
    """Move a damaged checkpoint out of the way, so that it does not become the one before the next."""
    newest = run / "checkpoint.npz"
    with suppress(FileNotFoundError):
        os.replace(newest, newest.with_suffix(".damaged.npz"))


@contextmanager
def understanding(run):
    """Within this context, what goes wrong with the content of a checkpoint is said to be its fault."""
    try:
        yield
    except Exception as error:
        message = f"{run / 'checkpoint.npz'}: does not fit this version of tinygan"
        raise CheckpointError(f"{message} ({checkpoint.reason(error)})") from None


def config_of(arrays, values):
    """The Config of a checkpoint; an error of one kind or another if it is not that of its networks."""
    saved = values["config"]
    if foreign := saved.keys() ^ Config().to_dict().keys():
        raise ValueError(f"its choices differ in {', '.join(sorted(foreign))}")
    config = Config.from_dict(saved)
    shape, classes = shape_of(arrays, values), len(class_counts_of(config, values))
    players = {
        "generator": generator_layers(config, shape, classes),
        "discriminator": discriminator_layers(config, shape, classes),
    }
    for player, layers in players.items():
        if parameter_count(layers) != len(arrays[player]):  # before memory is taken for it
            n = len(arrays[player])
            raise ValueError(f"{player} has {n} parameters, expected {parameter_count(layers)}")
    return config


def shape_of(arrays, values):
    """Return the shape of an example; an error if the frames are not of that shape."""
    shape, frames = tuple(values["shape"]), arrays["frames"]
    sizes = all(isinstance(size, int) and 8 <= size <= 64 for size in shape[:2])
    if shape != (2,) and not (sizes and len(shape) in (2, 3) and shape[2:] in ((), (3,))):
        raise ValueError(f"its examples have the shape {shape}")
    if (frames.dtype, frames.shape[2:]) != (np.uint8 if len(shape) > 1 else np.float32, (math.prod(shape),)):
        raise ValueError(f"frames is {frames.dtype} {frames.shape}, where an example has the shape {shape}")
    return shape


def class_counts_of(config, values):
    """Return how many examples of each class there were, () where they did not count; or an error."""
    counts = values["class_counts"]
    if (
        not isinstance(counts, list)
        or not (counts if config.conditional else counts == [1] * config.codes)
        or not all(isinstance(n, int) and 0 < n <= LARGEST for n in counts)
    ):
        raise ValueError(f"class_counts is {counts!r:.50}")
    return tuple(counts)


def origin_of(arrays, values):
    """{"data", "name", "sha256"}: where a checkpoint's data came from; an error if they have no such name."""
    origin = {name: str(values[name]) for name in ("data", "name", "sha256")}
    if len(values["shape"]) == 1 and origin["name"] not in MIXTURES:
        raise ValueError(f"there are no points called {origin['name']!r}")
    return origin | {"name": printable(origin["name"])}


class Trained(NamedTuple):
    """What a run has come to: ``generator`` with the averaged weights, after ``step`` steps with ``config``.

    ``name`` is that of the data, ``source`` what --data said, ``sha256`` their fingerprint, ``shape``
    that of an example, ``class_counts`` how many there were of each class (1 of each value of a code), ()
    where there are none. ``guess``(x) returns the codes (n,) that D reads off samples (n, I); None without codes.
    """

    generator: Network
    config: Config
    name: str
    source: str
    sha256: str
    step: int
    shape: tuple
    class_counts: tuple
    guess: Callable | None


def load_gan(run, report):
    """Return the Trained of a run, and a GAN with that generator; ``report`` is called with a remark, if any."""
    arrays, values, remark = load(run)
    if remark:
        report(remark)
    with understanding(run):
        config, about = config_of(arrays, values), origin_of(arrays, values)
        shape = shape_of(arrays, values)
        counts = class_counts_of(config, values)
        gan = build_gan(config, shape, np.random.default_rng(0), classes=len(counts))
        generator, discriminator = gan.generator, gan.discriminator
        vectors = {"average": generator.params, "discriminator": discriminator.params}
        vectors |= {"g_statistics": generator.statistics, "d_statistics": discriminator.statistics}
        for name, mine in vectors.items():
            if mine.size:
                check_fit(name, arrays[name], mine, finite=True)
                mine[:] = arrays[name]
        step = count(values, "step")
        guess = guesser(discriminator, config.codes)
        about = about["name"], about["data"], about["sha256"]
        return Trained(generator, config, *about, step, shape, counts, guess), gan


def load_generator(run, report):
    """Return the Trained of a run, as ``load_gan`` does."""
    trained, _ = load_gan(run, report)
    return trained
