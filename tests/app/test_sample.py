"""Samples are those of the averaged generator, in the form that was asked for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import answer, refusal
from small_runs import TINY, images, points, trained

from tinygan.app import checkpoint, runs
from tinygan.app.cli import main
from tinygan.gan import generate

pytestmark = pytest.mark.usefixtures("quickly")


def test_samples_of_images_are_float32_of_28_by_28_in_0_to_1(reference, tmp_path):
    for seed in (0, 0, 1):
        out = tmp_path / f"{seed}.npy"
        before = out.read_bytes() if out.exists() else None
        assert main(["sample", str(reference), "--count", "30", "--seed", str(seed), "--out", str(out)]) == 0
        x = np.load(out, allow_pickle=False)
        assert x.dtype == np.float32 and x.shape == (30, 28, 28)
        assert x.min() >= 0 and x.max() <= 1 and x.std() > 0.01
        assert before in (None, out.read_bytes()), "the same seed gave other samples"
    assert (np.load(tmp_path / "0.npy") != np.load(tmp_path / "1.npy")).any()
    assert sorted(os.listdir(tmp_path)) == ["0.npy", "1.npy"]


def test_samples_are_those_of_the_averaged_generator(reference):
    """The last snapshot, again: the same latents through the weights in the checkpoint."""
    trained = runs.load_generator(reference, print)
    assert (trained.step, trained.name, trained.shape) == (6, "scribbles", (28, 28))
    latents = np.random.default_rng([trained.config.seed, 1]).standard_normal((64, 3), dtype=np.float32)
    frames = checkpoint.load(reference / "checkpoint.npz")[0]["frames"]
    np.testing.assert_array_equal(np.round(trained.generator.forward(latents) * 255), frames[-1])
    assert Path(trained.source).is_absolute()


def test_samples_behind_batch_norm_are_those_of_the_last_snapshot(tmp_path):
    training = trained(replace(TINY, channels=(3, 2), batch_norm=True), images())
    about = {"name": "scribbles", "data": "scribbles", "sha256": ""}
    runs.Saver(tmp_path, training, about, (30, "seconds")).save()
    generator = runs.load_generator(tmp_path, print).generator
    again = generate(generator, training.latents)
    np.testing.assert_array_equal(np.round(again * 255), training.frames[-1][1])


def test_samples_of_points_are_pairs(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    about = {"name": "ring", "data": "ring", "sha256": ""}
    runs.Saver(run, trained(TINY, points()), about, (30, "seconds")).save()
    assert main(["sample", str(run), "--count", "5", "--out", str(tmp_path / "x.npy")]) == 0
    x = np.load(tmp_path / "x.npy")
    assert x.dtype == np.float32 and x.shape == (5, 2)


def test_a_picture_of_samples_lies_in_the_run_unless_told_otherwise(finished_run, capsys, monkeypatch):
    monkeypatch.undo()
    code, out, err = answer(capsys, "sample", finished_run, "--count", 3)
    assert (code, err) == (0, "") and len(out.splitlines()) == 1
    for fact in ("3 samples", "step 6", f"{finished_run / 'sample.png'}"):
        assert fact in out
    assert (finished_run / "sample.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "typed, fact",
    [
        ("--out x.jpg", ".png or .npy"),
        ("--count 0", "at least 1"),
        ("--seed one", "whole number"),
        ("--out absent/x.npy", "No such file or directory"),
        ("--count 1000000000000", "out of memory"),
        ("--count 100000000000000000000", "at most 1,000,000,000,000"),
    ],
)
def test_samples_that_cannot_be_had_are_refused(reference, tmp_path, capsys, monkeypatch, typed, fact):
    monkeypatch.chdir(tmp_path)
    assert fact in refusal(capsys, "sample", reference, *typed.split())
    assert os.listdir() == []


@pytest.mark.parametrize("change", ["no average", "a longer average", "a later choice", "no name", "no shape"])
def test_a_checkpoint_that_does_not_fit_is_refused(finished_run, capsys, change):
    arrays, values = checkpoint.load(finished_run / "checkpoint.npz")
    if change == "no average":
        del arrays["average"]
    if change == "a longer average":
        arrays["average"] = np.append(arrays["average"], arrays["average"][:1])
    if change == "a later choice":
        values["config"]["dropout"] = 0.5
    if change == "no name":
        del values["name"]
    if change == "no shape":  # as in a checkpoint from before there were images of other sizes
        del values["shape"]
    checkpoint.save(finished_run / "checkpoint.npz", arrays, values)
    before = (finished_run / "checkpoint.npz").read_bytes()
    for words in (["sample", finished_run], ["train", "--resume", finished_run]):
        assert "does not fit this version of tinygan" in refusal(capsys, *words)
    assert (finished_run / "checkpoint.npz").read_bytes() == before
