"""Runs that the tests of the command line share; ``quickly`` makes pictures cost nothing."""

import shutil
from pathlib import Path

import pytest
from commands import train
from small_runs import TYPED, draw_quickly, images, write_folder

from tinygan import synthetic
from tinygan.app import source
from tinygan.app.cli import main
from tinygan.scoring.classifier import Classifier


@pytest.fixture
def quickly(monkeypatch):
    """Fewer pictures, and fingerprints in their place."""
    draw_quickly(monkeypatch.setattr)


def made(words, run):
    """The folder of a run that nobody disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch.setattr)
        assert main([*words, "--out", str(run)]) == 0
    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Images in MNIST's files, without a test split."""
    return write_folder(tmp_path_factory.mktemp("data") / "scribbles", images())


@pytest.fixture(scope="session")
def reference(folder, tmp_path_factory):
    """A run of these images; nobody changes it."""
    return made(train(folder, "..."), tmp_path_factory.mktemp("reference") / "run")


@pytest.fixture
def finished_run(reference, tmp_path):
    """A copy of it, to be played with."""
    return Path(shutil.copytree(reference, tmp_path / "finished"))


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    """A run of points; nobody changes it."""
    return made(["train", "--data", "ring", "--steps", "20", *TYPED], tmp_path_factory.mktemp("ring") / "run")


@pytest.fixture
def few_digits(monkeypatch):
    """120 drawn digits for each split, and a classifier of them that has hardly learned."""
    digits = synthetic.digits
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(120, rng))
    monkeypatch.setattr(source, "load_classifier", lambda dataset, report: Classifier.train(dataset, steps=20))
