"""Lost numbers, full disks and vanished folders end a run in a line, and cost nothing that was safe."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pytest
from commands import answer, at_step, fail_writing, refusal, train
from small_runs import assert_same_folder, step_of

from tinygan.app import checkpoint
from tinygan.app.cli import main
from tinygan.training import Training

pytestmark = pytest.mark.usefixtures("quickly")


# ---- numbers ---------------------------------------------------------------------------------------


def test_a_lost_number_stops_the_run_and_keeps_the_last_good_checkpoint(folder, tmp_path, capsys, monkeypatch, recwarn):
    def spoil(training):
        if training.step == 4:
            training.gan.generator.params[-1] = np.nan

    whole_step = Training.train_step
    monkeypatch.setattr(Training, "train_step", lambda t: (spoil(t), whole_step(t)))
    run = tmp_path / "run"
    code, _, err = answer(capsys, *train(folder, run, "--checkpoint-every", 2))
    fault, advice, kept = err.splitlines()
    assert code == 1 and "step 5" in fault and "not a finite number" in fault
    assert "lr" in advice and "batch" in advice
    assert f"{run / 'checkpoint.npz'}" in kept and "step 4" in kept
    arrays, values = checkpoint.load(run / "checkpoint.npz")
    assert values["step"] == 4
    assert all(np.isfinite(arrays[name]).all() for name in ("generator", "discriminator", "average"))
    assert not list(recwarn), [str(w.message) for w in recwarn]


@pytest.mark.parametrize("penalty, lr", [("none", "1e+12"), ("r1", "1e+09")])
def test_a_run_that_blows_up_leaks_no_warning_and_says_what_to_change(folder, tmp_path, capsys, recwarn, penalty, lr):
    typed = ["--steps", "50", "--batch", "6", "--lr", lr, "--penalty", penalty]
    code, out, err = answer(capsys, "train", "--data", folder, *typed, "--out", tmp_path / "run")
    assert code == 1 and not list(recwarn), [str(w.message) for w in recwarn]
    fault, advice, kept = err.splitlines()
    assert "not a finite number" in fault and lr in advice and ("r1" in advice) == (penalty == "none")
    assert "untrained" in kept


# ---- disks -----------------------------------------------------------------------------------------


def test_a_full_disk_stops_the_run_with_the_last_checkpoint_intact(folder, tmp_path, reference, capsys):
    resource = pytest.importorskip("resource", reason="this system has no limit on the size of files")
    run = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (reference / "checkpoint.npz").stat().st_size - 30_000  # the last frame does not fit
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        err = refusal(capsys, *train(folder, run, "--checkpoint-every", 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{run / 'checkpoint.npz'}: " in err and "File too large" in err and "step 5 is safe" in err
    assert err.endswith(f"tinygan train --resume {shlex.quote(str(run))}\n")
    assert step_of(run) == 5
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, reference)


def test_a_picture_that_cannot_be_written_yet_is_drawn_later(folder, tmp_path, reference, capsys, monkeypatch):
    """No room for pictures until step 5 is reached."""
    room = []
    fail_writing(monkeypatch, lambda path: not room and path.suffix == ".png")
    with at_step(5, lambda: room.append("now")):
        code, _, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert (code, err) == (0, "")
    assert_same_folder(tmp_path / "run", reference)


@pytest.mark.parametrize("name", ["step_0000006.png", "curves.png", "film.html", "history.csv"])
def test_a_picture_that_can_never_be_written_is_one_line_and_the_training_safe(
    folder, tmp_path, reference, capsys, monkeypatch, name
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        fail_writing(patch, lambda path: path.name == name)
        err = refusal(capsys, *train(folder, run))
    for fact in (f"{name}: ", "No space left on device", "step 6 is safe", f"{run / 'checkpoint.npz'}"):
        assert fact in err
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, reference)


# ---- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["removed", "moved"])
def test_a_folder_that_vanishes_is_one_line(folder, tmp_path, reference, capsys, what):
    run, away = tmp_path / "run", tmp_path / "away"
    vanish = {"removed": lambda: shutil.rmtree(run), "moved": lambda: run.rename(away)}[what]
    with at_step(4, vanish):
        err = refusal(capsys, *train(folder, run, "--checkpoint-every", 3))
    assert f"{run / 'checkpoint.npz'}: " in err and "No such file or directory" in err
    assert not run.exists()
    if what == "moved":
        assert step_of(away) == 3
        assert main(["train", "--resume", str(away)]) == 0
        assert_same_folder(away, reference)
