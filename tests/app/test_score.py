"""A score says what was measured on which run, by its own data only, for people and for programs."""

from __future__ import annotations

import json

import pytest
from commands import answer, fail_writing, refusal
from small_runs import TYPED

from tinygan.app.cli import main

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.fixture
def digits_run(few_digits, tmp_path):
    run = tmp_path / "run"
    assert main(["train", "--data", "digits", "--steps", "6", *TYPED, "--out", str(run)]) == 0
    return run


def test_a_score_names_the_run_and_its_step_and_says_what_it_is_doing(ring, capsys):
    code, out, err = answer(capsys, "score", ring, "--count", 500)
    assert (code, err) == (0, "")
    first, second, *table = out.splitlines()
    assert "500 samples" in first and all(fact in second for fact in ("ring", "500 samples", f"{ring}", "step 20"))
    assert {"modes", "high_quality", "missing", "mode_kl", "spread"} <= {line.split()[0] for line in table if line}
    assert table[-1].startswith("Not trained yet")


def test_a_score_for_programs_is_json_and_nothing_else(ring, capsys):
    code, out, err = answer(capsys, "score", ring, "--count", 500, "--json")
    assert code == 0 and len(err.splitlines()) == 1
    assert json.loads(out)["modes"]["real"] == 8


def test_a_score_of_images_has_all_lines_and_a_picture_of_neighbors(digits_run, capsys, monkeypatch):
    capsys.readouterr()
    code, out, err = answer(capsys, "score", digits_run, "--count", 100)
    assert (code, err) == (0, "")
    for fact in ("100 samples", f"{digits_run}", "step 6", "frechet", "recall", "nearest", "parzen_sigma", "real, %"):
        assert fact in out
    assert (digits_run / "neighbors.png").read_bytes().startswith(b"\x89PNG")


def test_the_short_table_stands_at_the_end_of_a_training(few_digits, tmp_path, capsys):
    words = ["train", "--data", "digits", "--steps", 6, *TYPED, "--out", tmp_path / "run"]
    _, out, _ = answer(capsys, *words)
    assert "frechet" in out and "samples, %" in out and "parzen" not in out
    assert "120 samples" in out, "there are no more test images to compare with"


def test_no_more_samples_are_compared_than_there_are_test_images(digits_run, capsys):
    capsys.readouterr()
    _, out, _ = answer(capsys, "score", digits_run, "--count", 500)
    assert "120 samples" in out and "500" not in out
    for count in (120, 500):
        _, out, _ = answer(capsys, "score", digits_run, "--count", count, "--json")
        scores = json.loads(out)
        if count == 120:
            alone = scores
    assert scores == alone, "those that are left out must not count"


@pytest.mark.parametrize("source", ["grid", "digits"])
def test_a_score_by_other_data_is_refused(ring, capsys, few_digits, source):
    err = refusal(capsys, "score", ring, "--data", source)
    assert f"{ring}" in err and source in err and "other data" in err


def test_a_score_that_cannot_be_is_refused_on_standard_error(reference, capsys):
    code, out, err = answer(capsys, "score", reference)
    assert (code, out) == (2, "") and "holds no t10k" in err and len(err.splitlines()) == 1


def test_a_score_needs_no_place_for_its_picture(digits_run, capsys, monkeypatch):
    fail_writing(monkeypatch, lambda path: path.name == "neighbors.png")
    capsys.readouterr()
    code, out, err = answer(capsys, "score", digits_run, "--count", 100)
    assert (code, err) == (0, "") and "parzen_sigma" in out
    assert "neighbors.png" in out.splitlines()[-1] and "No space left on device" in out.splitlines()[-1]
