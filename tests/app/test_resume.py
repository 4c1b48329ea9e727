"""A run that was stopped goes on to the same end, bit for bit, with the same data, from the newest whole checkpoint."""

from __future__ import annotations

import os
import shlex
import signal

import pytest
from commands import answer, interrupted, refusal, train
from small_runs import TYPED, assert_same_folder, assert_same_state, images, step_of, write_folder

from tinygan.app import checkpoint
from tinygan.app.cli import main

pytestmark = pytest.mark.usefixtures("quickly")


# ---- stopped and taken up --------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 6])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(folder, tmp_path, reference, capsys, step, number):
    run = tmp_path / "a run"
    assert interrupted(step, train(folder, run), number) == 128 + number
    out, err = capsys.readouterr()
    assert err == "" and out.splitlines()[-1].endswith(f"tinygan train --resume {shlex.quote(str(run))}")
    assert step_of(run) == step
    code, out, err = answer(capsys, "train", "--resume", run)
    assert (code, err) == (0, "") and f"at step {step}" in out.splitlines()[0]
    assert_same_folder(run, reference)


def test_a_resumed_run_of_points_keeps_every_measure(ring, tmp_path):
    words = ["train", "--data", "ring", "--steps", "20", *TYPED, "--out", tmp_path / "run"]
    assert interrupted(12, words) == 128 + signal.SIGINT
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert_same_folder(tmp_path / "run", ring)


def test_a_finished_run_stays_as_it_is_and_gets_back_lost_pictures(finished_run, reference, capsys):
    saved = (finished_run / "checkpoint.npz").read_bytes()
    (finished_run / "film.gif").unlink()
    (finished_run / "samples" / "step_0000004.png").unlink()
    code, out, err = answer(capsys, "train", "--resume", finished_run)
    assert (code, err) == (0, "") and "finished at step 6" in out
    assert_same_folder(finished_run, reference)
    assert (finished_run / "checkpoint.npz").read_bytes() == saved


def test_checkpoints_come_as_often_as_was_asked(folder, tmp_path, monkeypatch):
    saved, save = [], checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *args: saved.append(args[2]["step"]) or save(*args))
    assert main(train(folder, tmp_path / "run", "--checkpoint-every", 2)) == 0
    assert saved == [0, 2, 4, 6]
    saved.clear()
    assert main(train(folder, tmp_path / "slow", "--checkpoint-every", "1000s")) == 0
    assert saved == [0, 6]


def test_resume_refuses_what_the_run_has_settled(finished_run, capsys):
    saved = (finished_run / "checkpoint.npz").read_bytes()
    for typed in (
        "--lr 0.1", "--epochs 12", "--minutes 1", "--seed 1", "--out there", "--preset default", "--latent-dim 9",
        "--centered", "--no-centered",
    ):  # fmt: skip
        err = refusal(capsys, "train", "--resume", finished_run, *typed.split())
        assert err.endswith(f" {typed.split()[0].replace('--no-', '--')}\n"), (typed, err)
    assert (finished_run / "checkpoint.npz").read_bytes() == saved


# ---- a later end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [6, 3])
def test_a_run_goes_on_to_a_later_step_as_if_asked_for_at_once(folder, tmp_path, capsys, first):
    """All but the marks of the shorter run: it has more rows and pictures of its beginning."""
    at_once, longer = tmp_path / "at once", tmp_path / "longer"
    assert main([*train(folder, at_once), "--steps", "500"]) == 0
    interrupted(first, train(folder, longer))
    assert step_of(longer) == first
    assert main(["train", "--resume", str(longer), "--steps", "500"]) == 0
    states = []
    for run in (longer, at_once):
        arrays, values = checkpoint.load(run / "checkpoint.npz")
        marks = ("history", "frames", "frame_steps", "sums")
        states.append(({name: array for name, array in arrays.items() if name not in marks}, values))
        assert arrays["frame_steps"][-1] == arrays["history"][-1, 0] == values["config"]["steps"] == 500
    assert_same_state(*states)


def test_a_step_that_would_make_another_run_of_it_is_refused(finished_run, ring, capsys):
    for steps in (5, 6):
        assert "step 6 already" in refusal(capsys, "train", "--resume", finished_run, "--steps", steps)
    assert "one length" in refusal(capsys, "train", "--resume", ring, "--steps", 30)
    assert step_of(ring) == 20 and step_of(finished_run) == 6


# ---- the same data ---------------------------------------------------------------------------------


def test_resume_refuses_other_data_and_finds_moved_ones(tmp_path, reference, capsys, monkeypatch):
    here = write_folder(tmp_path / "scribbles", images())
    run = tmp_path / "run"
    assert interrupted(3, train(here, run)) == 128 + signal.SIGINT
    moved = here.rename(tmp_path / "elsewhere")
    assert "--data FOLDER" in refusal(capsys, "train", "--resume", run)
    other = write_folder(tmp_path / "other", images(21))
    err = refusal(capsys, "train", "--resume", run, "--data", other)
    assert "other data" in err and str(other) in err
    assert step_of(run) == 3
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--resume", "run", "--data", "elsewhere"]) == 0
    assert_same_folder(run, reference)  # titles too: the data keep their name
    assert checkpoint.load(run / "checkpoint.npz")[1]["data"] == str(moved)


def test_resume_of_what_is_no_run_is_refused_and_leaves_no_trace(tmp_path, capsys):
    assert "no such run" in refusal(capsys, "train", "--resume", tmp_path / "absent")
    assert "no checkpoint.npz" in refusal(capsys, "train", "--resume", tmp_path)
    assert os.listdir(tmp_path) == []


# ---- from the newest whole checkpoint --------------------------------------------------------------


def stopped(folder, run, step=5):
    """The checkpoint of a run at this step, which has one at the step before beside it."""
    assert interrupted(step, train(folder, run, "--checkpoint-every", 1)) == 128 + signal.SIGINT
    return run / "checkpoint.npz"


@pytest.mark.parametrize("harm", ["missing", "truncated", "damaged", "foreign"])
def test_a_lost_checkpoint_is_named_and_the_one_before_it_used(folder, tmp_path, reference, capsys, harm):
    run = tmp_path / "run"
    newest = stopped(folder, run)
    content = newest.read_bytes()
    newest.write_bytes({"truncated": content[:1000], "foreign": b"hello"}.get(harm, b"PK" + content[:0:-1]))
    if harm == "missing":
        newest.unlink()
    capsys.readouterr()
    assert main(["sample", str(run), "--out", str(tmp_path / "x.npy")]) == 0
    assert "the one before it" in capsys.readouterr().out
    code, out, err = answer(capsys, "train", "--resume", run)
    assert (code, err) == (0, "")
    first, second = out.splitlines()[:2]
    assert first.startswith(f"{newest}: ") and "the one before it" in first and "step 4" in second
    assert_same_folder(run, reference)
    assert (run / "checkpoint.damaged.npz").exists() == (harm != "missing")


def test_checkpoints_that_are_both_lost_are_refused(folder, tmp_path, capsys):
    newest = stopped(folder, tmp_path / "run")
    for path in (newest, checkpoint.previous(newest)):
        path.write_bytes(path.read_bytes()[:1000])
    assert "damaged" in refusal(capsys, "train", "--resume", tmp_path / "run")


def test_a_checkpoint_of_a_later_version_is_refused_and_kept(folder, tmp_path, capsys, monkeypatch):
    newest = stopped(folder, tmp_path / "run")
    state = checkpoint.load(newest)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 2)
        checkpoint.save(newest, *state)
    later = newest.read_bytes()
    assert "format 2" in refusal(capsys, "train", "--resume", tmp_path / "run")
    assert newest.read_bytes() == later
