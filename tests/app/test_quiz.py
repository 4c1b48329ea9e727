"""The quiz is one page that needs nothing else, shows what was asked for, and knows the answers."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from commands import answer, refusal
from matplotlib.image import imread
from small_runs import TYPED

from tinygan import synthetic
from tinygan.app.cli import main

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.fixture
def digits_run(few_digits, tmp_path):
    run = tmp_path / "run"
    assert main(["train", "--data", "digits", "--steps", "6", *TYPED, "--out", str(run)]) == 0
    return run


def contents(path):
    """[(image as bytes (28, 28), was it made?)] of a page."""
    images = json.loads(re.search(r"const IMAGES = (\[.*?\]);", path.read_text(encoding="utf-8"))[1])
    pictures = [imread(io.BytesIO(base64.b64decode(each["png"]))) for each in images]
    return [(np.round(255 * picture[..., 0]), each["made"]) for picture, each in zip(pictures, images, strict=True)]


def test_a_quiz_shows_test_images_and_samples_and_says_which_is_which(digits_run, capsys, tmp_path):
    capsys.readouterr()
    code, out, err = answer(capsys, "quiz", digits_run, "--count", 40)
    assert (code, err) == (0, "") and f"{digits_run / 'quiz.html'}" in out and "40 images" in out
    assert main(["sample", str(digits_run), "--count", "40", "--out", str(tmp_path / "x.npy")]) == 0
    made = np.round(255 * np.load(tmp_path / "x.npy"))
    real = synthetic.digits(120, np.random.default_rng(1)).x.reshape(-1, 28, 28)
    shown = contents(digits_run / "quiz.html")
    assert len(shown) == 40 and 10 < sum(is_made for _, is_made in shown) < 30
    for place, (image, is_made) in enumerate(shown):
        among_real = (real == image).all(axis=(1, 2)).any()
        assert (image == made[place]).all() if is_made else among_real
        assert among_real != is_made


def test_a_quiz_is_the_same_for_the_same_seed_and_loads_nothing(digits_run):
    pages = []
    for seed in (0, 0, 1):
        assert main(["quiz", str(digits_run), "--seed", str(seed)]) == 0
        pages.append((digits_run / "quiz.html").read_text(encoding="utf-8"))
    assert pages[0] == pages[1] != pages[2]
    assert not re.search(r"https?:|src=\"(?!data:)|<link|@import|fetch\(|\$\w", pages[0].replace("${", ""))


def test_the_name_of_a_run_is_text_and_not_a_part_of_the_page(digits_run):
    run = digits_run.rename(digits_run.with_name("<b>&$name"))
    assert main(["quiz", str(run)]) == 0
    page = (run / "quiz.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;$name" in page and "<b>" not in page


@pytest.mark.parametrize(
    "typed, fact",
    [
        ("--count 4", "at least 5"),
        ("--count 150", "120 test images"),
        ("--out x.png", ".html"),
        ("--data ring", "other data"),
    ],
)
def test_a_quiz_that_cannot_be_had_is_refused(digits_run, capsys, typed, fact):
    capsys.readouterr()
    assert fact in refusal(capsys, "quiz", digits_run, *typed.split())
    assert not (digits_run / "quiz.html").exists()


def test_a_quiz_of_points_is_refused(ring, capsys):
    assert "points" in refusal(capsys, "quiz", ring)
