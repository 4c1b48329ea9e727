"""What the tests of runs share: data and choices that train in milliseconds, and what "the same run" means.

"The same" leaves out what is the clock's: the columns ``seconds`` and ``images_per_second`` of the
history, and the seconds that the run took.
"""

from __future__ import annotations

import csv
import hashlib
import math
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_same_bits

from tinygan import synthetic
from tinygan.app import album, checkpoint, runs
from tinygan.data import SPLITS, DataError, Dataset
from tinygan.recipes import Config
from tinygan.training import Row, Training

TINY = Config(latent_dim=3, hidden=(5, 4), batch=6, steps=6, lr=0.01)
TYPED = "--latent 3 --hidden 5,4 --batch 6 --lr 0.01".split()  # the same, on the command line
CLOCK = ("seconds", "images_per_second")


def points(n=50):
    return synthetic.ring(n, np.random.default_rng(0))


def images(n=20, shape=(28, 28), labeled=True):
    """Images that are no digits, but serve."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, math.prod(shape)), dtype=np.uint8)
    return Dataset("images", x, np.arange(n) % 10 if labeled else None, shape)


def idx(array):
    """The IDX file of a uint8 array."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_folder(folder, dataset, split="train"):
    """A folder with these images as one split, in plain IDX files; returns it."""
    folder.mkdir(exist_ok=True)
    images = dataset.x.reshape(-1, *dataset.shape)
    for kind, values in (("images-idx3", images), ("labels-idx1", dataset.labels.astype(np.uint8))):
        (folder / f"{SPLITS[split]}-{kind}-ubyte").write_bytes(idx(values))
    return folder


def trained(config=TINY, dataset=None, steps=None):
    """A Training that has done so many steps, or all."""
    training = Training(config, dataset or points())
    for _ in training.run():
        if training.step == steps:
            break
    return training


# ---- the same ------------------------------------------------------------------------------------


def assert_same_state(got, expected):
    """Two (arrays, values) of runs that must have gone the same way."""
    (arrays, values), (expected_arrays, expected_values) = got, expected
    assert arrays.keys() == expected_arrays.keys()
    for name, array in expected_arrays.items():
        cut = (lambda a: np.delete(a, [Row._fields.index(n) for n in CLOCK], 1)) if name == "history" else np.array
        assert_same_bits(name, cut(arrays[name]), cut(array))
    for name in values.keys() | expected_values.keys():
        if name not in ("seconds", "data"):  # the clock, and where the data were
            assert values.get(name) == expected_values.get(name), name


def assert_same_folder(got, expected):
    """Two run folders: the same files with the same bytes, and the same state in the checkpoint."""
    names = [sorted(str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()) for run in (got, expected)]
    extra = {".lock", "checkpoint.previous.npz", "checkpoint.damaged.npz"}
    assert set(names[0]) - extra == set(names[1]) - extra
    for name in set(names[1]) - extra - {"checkpoint.npz", "history.csv"}:
        assert (got / name).read_bytes() == (expected / name).read_bytes(), f"{name} differs"
    assert without_clock(got / "history.csv") == without_clock(expected / "history.csv")
    assert_same_state(*(checkpoint.load(run / "checkpoint.npz") for run in (got, expected)))


def without_clock(path):
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k not in CLOCK} for row in csv.DictReader(file)]


def forbid_folders(monkeypatch):
    """From now on no folder can be made; a mode of 555 would not stop root."""

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)


def draw_quickly(set_attribute=setattr):
    """Fewer pictures, and in place of each the fingerprint of all that it shows: pictures cost seconds."""
    from tinygan import plots  # only now: it takes a while, and not every test of a run draws

    def write(path, *shown):
        path.write_text(hashlib.sha256(repr(shown).encode()).hexdigest())

    def save_samples(path, samples, shape, title, background=None, columns=None):
        write(path, samples.tobytes(), shape, title, background is not None and background.tobytes(), columns)

    def save_curves(path, history, title, panels):
        write(path, [row._replace(**dict.fromkeys(CLOCK)) for row in history], title, panels)

    def save_film(gif_path, html_path, frames, shape, title, background=None):
        for path in (gif_path, html_path):
            write(path, [(step, samples.tobytes()) for step, samples in frames], shape, title)

    set_attribute(Training, "FRAMES", 10)  # of six steps: 0, 1, 2, 4, 6
    set_attribute(album, "gc", SimpleNamespace(collect=int))  # nothing here is large
    for function in (save_samples, save_curves, save_film):
        set_attribute(plots, function.__name__, function)


def step_of(run: Path) -> int:
    """The step that is safe."""
    return runs.load(run)[1]["step"]


def refusal(function, *args, **kwargs):
    """The message of the DataError that the call must raise, which must be one line."""
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    return message
