"""A run's folder from somebody else, whatever is in its checkpoint or beside it, is refused in one line or harmless.

Harmless: every command ends by itself, or at the first Ctrl-C, with no traceback and no warning, and
no file outside of the folder is touched.
"""

from __future__ import annotations

import copy
import os
import shutil
import signal

import numpy as np
import pytest
from commands import answer, interrupted, refusal, train
from small_runs import draw_quickly, images, write_folder

from tinygan import plots
from tinygan.app import checkpoint
from tinygan.app.cli import main
from tinygan.training import Training

NAN, INF, HUGE, DEEP = float("nan"), float("inf"), 10**400, [[[[]]]]

CHOICES = {
    "objective": ["minimax", "least-squares", "wasserstein", "", None, DEEP],
    "coding": [[], ["a", "b", "c"], [1, 2], [NAN, 0, 1], [1e308, -1e308, 0], HUGE, "abc"],
    "penalty": ["none", "clip", "wgan-gp", "", 7],
    "gamma": [0, -1, NAN, INF, HUGE, 1e-320, 1e12],
    "gamma_end": [0, -1, NAN, INF, 1e-320, "x"],
    "penalty_every": [0, -1, 10**9, 0.5],
    "latent_dim": [0, -1, 10**9, 3.0],
    "hidden": [[], [0], [-5, -4], [10**9, 10**9], ["5", "4"], [5, 4, 1], "54", [1] * 10_000],
    "conditional": [True, 1, "yes", None],
    "codes": [1, 4, -1, 10**9, "x"],
    "continuous": [1, 3, 4, -1, None],
    "code_weight": [0, -1, NAN, 2.0, "x"],
    "distort": [-1, 1, 3, NAN, None],
    "sort": [-1, 1, 10**9, 0.5, None],
    "workers": [0, -1, 10**9, 2.0],
    "channels": [[1], [0], [10**9], [1] * 10_000, "54", None],
    "batch_norm": [True, 1, "yes", None],
    "centered": [True, 1, "yes", None],
    "init": ["xavier", "spread", "", None],
    "slope": [0, 1, -1, 2, NAN],
    "g_slope": [0, 1, -1, 2, NAN, "x"],
    "batch": [0, -1, 1, 10**6, 10**12, True],
    "optimizer": ["sgd", "adagrad", "", None],
    "lr": [0, -1, NAN, INF, HUGE, 1e12],
    "beta1": [1, -1, 0.999999, NAN],
    "decay_from": [-1, 0, 2, NAN],
    "average": [0, 1, -1, NAN],
    "d_steps": [0, -1, 10**9, 1000],
    "pack": [0, -1, 2, 3, 10**9],
    "steps": [0, -1, None, 1, 10**12, HUGE],
    "epochs": [0, -1, 1e12, HUGE],
    "minutes": [0, -1, 1e12, NAN],
    "seed": [-1, 0.5, 2**64, HUGE],
}
LIMITS = {"steps", "epochs", "minutes"}
VALUES = {
    "config": [None, [], {}, "config"],
    "shape": [None, [], [2], [3], [784], [28, 28, 3], [14, 56], [4, 196], [10**9, 10**9], [28.0, 28], "ab", DEEP, HUGE],
    "class_counts": [None, [], [5], [5, 0], [5, -1], [2.0, 3.0], [HUGE, 1], [1] * 10_000, "ab", DEEP],
    "step": [-1, 5, 6, 10**12, HUGE, NAN, "3"],
    "seconds": [-1, 1e308, INF, NAN, 0, 1e12],
    "drawn": [-5, 10**12, HUGE, 1.5],
    "d_optimizer.t": [-5, 0, 10**12, HUGE],
    "g_optimizer.t": [-1, 0.5],
    "average.t": [-10, -9, -1, 10**12],
    "penalty.calls": [-1, HUGE],
    "rng": [None, {}, {"bit_generator": "MT19937"}, "PCG64"],
    "name": ["grid", "", "a\0b", "\ud800", "\x1b[2J", "../..", {}, None, 7, "x" * 5000],
    "data": ["grid", "", "a\0b", "\ud800", "\x1b[2J", "/dev/zero", "/", {}, None],
    "sha256": ["", None],
}
ARRAYS = {
    "generator": [lambda a: a * NAN, lambda a: np.full_like(a, 3e38), lambda a: a[:0]],
    "discriminator": [lambda a: a * INF, lambda a: np.full_like(a, 3e38)],
    "average": [lambda a: a * NAN, lambda a: np.full_like(a, 3e38), lambda a: a[1:]],
    "order": [lambda a: a * 0, lambda a: a - 1, lambda a: a.astype(float)],
    "sums": [lambda a: a * NAN, lambda a: a * 0 - 1, lambda a: a * 0 + 1e308, lambda a: a[:3]],
    "history": [
        *(lambda a, x=x: np.column_stack([a[:, 0], a[:, 1:] * x]) for x in (NAN, INF, 0, -1, 1e300, 1e-300)),
        *(lambda a, x=x: np.column_stack([a[:, :9], a[:, 9:] * x]) for x in (NAN, INF, 0, -1, 1e300, 1e-300)),
        *(lambda a, x=x: a * 0 + x for x in (NAN, INF, 0, -1, 1e300)),
        *(lambda a: a[:0], lambda a: a[:, :3]),
    ],
    "frames": [lambda a: a[:0], lambda a: a[..., :1], lambda a: a[0], lambda a: a.astype("S3"), lambda a: a.view("u1")],
    "frame_steps": [lambda a: a[:0], lambda a: a - 10**9, lambda a: a[::-1], lambda a: a * 0 + 2**62],
    "d_optimizer.m": [lambda a: a * NAN, lambda a: np.full_like(a, 3e38)],
    "d_optimizer.v": [lambda a: a * 0 - 1, lambda a: np.full_like(a, INF)],
    "g_optimizer.m": [lambda a: a[1:]],
    "g_optimizer.v": [lambda a: a * 0 - 1],
}


def in_config(name, value):
    limits = dict.fromkeys(LIMITS) if name in LIMITS and value is not None else {}
    return lambda arrays, values: values["config"].update({**limits, name: value})


def in_values(name, value):
    return lambda arrays, values: values.update({name: value})


def in_arrays(name, change):
    def forge(arrays, values):
        with np.errstate(all="ignore"):
            arrays[name] = change(arrays[name])

    return forge


FORGED = {  # "where name": [forgery, ...]
    f"{where} {name}": [forge(name, change) for change in changes]
    for where, table, forge in (
        ("config", CHOICES, in_config),
        ("values", VALUES, in_values),
        ("arrays", ARRAYS, in_arrays),
    )
    for name, changes in table.items()
}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    draw_quickly(monkeypatch.setattr)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Ctrl-C after ten steps; a run that takes twenty, or for ever over one, does not end."""
    train_step, draw = Training.train_step, Training.draw

    def counted(training, name, most):
        count = vars(training).setdefault(name, 0) + 1
        setattr(training, name, count)
        assert count < most, "it does not end"
        return count

    def step(training):
        if counted(training, "steps_taken", 20) == 10:
            signal.raise_signal(signal.SIGINT)
        train_step(training)

    monkeypatch.setattr(Training, "train_step", step)
    monkeypatch.setattr(Training, "draw", lambda t: (counted(t, "batches_drawn", 15_000), draw(t))[1])


@pytest.fixture(scope="module")
def genuine(tmp_path_factory):
    """[(arrays, values)] of a run of points and of one of images, stopped at step 3 of 6."""
    folder, states = tmp_path_factory.mktemp("genuine"), []
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch.setattr)
        for data in ("ring", write_folder(folder / "scribbles", images())):
            run = folder / f"run {len(states)}"
            assert interrupted(3, train(data, run, "--preset", "default", "--beta1", "0.5")) == 128 + signal.SIGINT
            states.append(checkpoint.load(run / "checkpoint.npz"))
    return states


def answers(capsys, recwarn, run):
    """Whether each command answers a run as it must; returns the exit codes."""
    codes = []
    for command in (["sample", run, "--count", "10"], ["score", run, "--count", "20"], ["train", "--resume", run]):
        code = main([str(word) for word in command])
        out, err = capsys.readouterr()
        assert code in (0, 1, 2, 130), (command, code)
        assert len(err.splitlines()) <= (3 if code == 1 else 1 if code == 2 else 0), (command, err)
        assert "\x1b" not in out + err and "\0" not in out + err
        codes.append(code)
    assert not [str(warning.message) for warning in recwarn if not issubclass(warning.category, DeprecationWarning)]
    return codes


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_checkpoint_is_refused_in_one_line_or_harmless(tmp_path, genuine, capsys, recwarn, what):
    for i, forge in enumerate(FORGED[what]):
        for kind, (arrays, values) in enumerate(genuine):
            arrays, values = dict(arrays), copy.deepcopy(values)
            forge(arrays, values)
            run = tmp_path / f"{i} {kind}"
            run.mkdir()
            checkpoint.save(run / "checkpoint.npz", arrays, values)
            answers(capsys, recwarn, run)


def test_there_is_a_forgery_of_everything_in_a_checkpoint(genuine):
    for arrays, values in genuine:
        assert set(VALUES) == set(values) and set(ARRAYS) == set(arrays)
        assert set(CHOICES) == set(values["config"])


def test_what_is_not_forged_is_answered(tmp_path, genuine, capsys, recwarn):
    codes = []
    for i, state in enumerate(genuine):
        (tmp_path / str(i)).mkdir()
        checkpoint.save(tmp_path / str(i) / "checkpoint.npz", *state)
        codes.append(answers(capsys, recwarn, tmp_path / str(i)))
    assert codes == [[0, 0, 0], [0, 2, 0]], "the images have no test split to be scored with"


SEEN = [
    in_values("name", "\ud800 a\0b \x1b[2J\t日本 $\\frac$"),
    in_values("name", "x" * 500),
    in_arrays("frames", lambda a: a * 0 + 255),
    in_arrays("history", lambda a: np.column_stack([a[:, :9], a[:, 9:] * 1e300])),
    in_arrays("history", lambda a: np.column_stack([a[:, :9], a[:, 9:] * NAN])),
]


@pytest.mark.breadth
def test_forgeries_are_harmless_where_pictures_are_really_drawn(tmp_path, genuine, capsys, recwarn, monkeypatch):
    film = plots.save_film
    monkeypatch.undo()
    monkeypatch.setattr(Training, "FRAMES", 1)
    monkeypatch.setattr(plots, "save_film", film)  # which takes seconds, and has the titles of the others
    for i, forge in enumerate(SEEN):
        arrays, values = dict(genuine[1][0]), copy.deepcopy(genuine[1][1])
        forge(arrays, values)
        (tmp_path / str(i)).mkdir()
        checkpoint.save(tmp_path / str(i) / "checkpoint.npz", arrays, values)
        answers(capsys, recwarn, tmp_path / str(i))


# ---- what lies beside it ---------------------------------------------------------------------------

PLANTED = [".lock", "samples", "sample.png", "config.json", "history.csv", "curves.png", "film.gif", "film.html"]
PLANTED += ["checkpoint.previous.npz", "checkpoint.damaged.npz", "neighbors.png"]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_link_destroys_nothing(finished_run, tmp_path, capsys, name):
    """Whatever is written into a run's folder, the file that a link there leads to stays as it is."""
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "thesis.txt"
    victim.write_text("precious")
    planted = finished_run / name
    if planted.is_dir():
        shutil.rmtree(planted)
    planted.unlink(missing_ok=True)
    planted.symlink_to(outside if name == "samples" else victim)
    for command in (["train", "--resume", finished_run, "--steps", 8], ["sample", finished_run]):
        code, _, err = answer(capsys, *command)
        refused = name in (".lock", "samples") and command[0] == "train"
        assert (code, len(err.splitlines())) == ((2, 1) if refused else (0, 0)), err
    assert victim.read_text() == "precious" and os.listdir(outside) == ["thesis.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_planted_pipe_keeps_nobody_waiting(finished_run, capsys):
    (finished_run / ".lock").unlink()
    os.mkfifo(finished_run / ".lock")
    assert ".lock: is no plain file; remove it" in refusal(capsys, "train", "--resume", finished_run)
