"""A training leaves what is promised, and falls back on other data only where it may, and says so."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest
from commands import answer, interrupted, train
from small_runs import TYPED, assert_same_folder, images, step_of, write_folder

from tinygan import data, plots, synthetic
from tinygan.app import checkpoint, download, source
from tinygan.app import train as train_module
from tinygan.app.cli import main
from tinygan.training import Row, Training

pytestmark = pytest.mark.usefixtures("quickly")


# ---- what it leaves --------------------------------------------------------------------------------


def test_a_run_leaves_what_is_promised(reference):
    files = {str(path.relative_to(reference)) for path in reference.rglob("*") if path.is_file()}
    pictures = {str(Path("samples", f"step_{step:07d}.png")) for step in (0, 1, 2, 4, 6)}
    kept = {"checkpoint.npz", "checkpoint.previous.npz", ".lock"}
    assert files == pictures | kept | {"config.json", "history.csv", "curves.png", "film.gif", "film.html"}
    assert step_of(reference) == 6
    with open(reference / "history.csv", newline="") as file:
        columns, *rows = csv.reader(file)
    assert columns == [*Row._fields] and [row[0] for row in rows] == [*"123456"]
    described = json.loads((reference / "config.json").read_text())
    assert described.items() > {"data": "scribbles", "examples": 20, "latent_dim": 3, "batch": 6, "steps": 6}.items()


def test_every_picture_is_titled_with_the_data_and_the_curves_with_the_choices(folder, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(plots, "save_samples", lambda path, x, shape, title, _: titles.append(title) or path.touch())
    monkeypatch.setattr(plots, "save_curves", lambda path, rows, title, _: titles.append(title) or path.touch())
    monkeypatch.setattr(
        plots, "save_film", lambda a, b, x, shape, title, _: titles.append(title) or a.touch() or b.touch()
    )
    typed = ["--beta1", "0.5", "--gamma", "0.75", "--seed", "7"]
    assert main(train(folder, tmp_path / "run", *typed)) == 0
    *samples, curves, film = titles
    assert samples == [f"scribbles, step {step}" for step in (0, 1, 2, 4, 6)] and film == "scribbles"
    for fact in ("scribbles", "non-saturating", "r1 0.75", "adam 0.01", "β1 0.5", "batch 6", "seed 7"):
        assert fact in curves, curves


def test_the_same_command_gives_the_same_files_also_resumed_with_real_pictures(folder, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(Training, "FRAMES", 1)
    assert main(train(folder, tmp_path / "one")) == 0
    assert interrupted(4, train(folder, tmp_path / "two")) == 128 + signal.SIGINT
    assert step_of(tmp_path / "two") == 4
    assert main(["train", "--resume", str(tmp_path / "two")]) == 0
    for name, begins in {"curves.png": b"\x89PNG", "film.gif": b"GIF89a", "film.html": b"<"}.items():
        assert (tmp_path / "one" / name).read_bytes().lstrip().startswith(begins)
    assert_same_folder(tmp_path / "two", tmp_path / "one")


def test_too_few_test_images_cost_the_scores_but_not_the_training(tmp_path, capsys):
    few = write_folder(tmp_path / "few", images())
    write_folder(few, images(5), "test")
    code, out, err = answer(capsys, *train(few, tmp_path / "run"))
    assert (code, err) == (0, "") and step_of(tmp_path / "run") == 6
    assert "not scored" in out and "at least 10" in out


def test_runs_without_a_name_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = []
    monkeypatch.setattr(train_module, "train", lambda args, run, *rest: names.append(run.as_posix()))
    for _ in range(3):
        assert main(["train", "--data", "ring", *TYPED]) == 0
    assert names == ["runs/001", "runs/002", "runs/003"]


def test_minutes_are_training_time_and_go_on_after_an_interruption(tmp_path):
    run = tmp_path / "run"
    words = ["train", "--data", "ring", *TYPED, "--minutes", "0.005", "--out", run]
    assert interrupted(20, words) == 128 + signal.SIGINT
    spent = checkpoint.load(run / "checkpoint.npz")[1]["seconds"]
    assert 0 < spent < 0.3
    assert main(["train", "--resume", str(run)]) == 0
    assert 0.3 <= checkpoint.load(run / "checkpoint.npz")[1]["seconds"] < 0.3 + spent
    assert int(list(csv.DictReader(open(run / "history.csv", newline="")))[-1]["step"]) == step_of(run) > 20


# ---- what it learns from ---------------------------------------------------------------------------


@pytest.fixture
def no_mnist(monkeypatch):
    def no_network(*args, **kwargs):
        raise data.DataError("no network", download.BY_HAND)

    monkeypatch.delenv("TINYGAN_DATA", raising=False)
    monkeypatch.setattr(data, "find_mnist", lambda: None)
    monkeypatch.setattr(source, "download_mnist", no_network)


def test_auto_falls_back_on_drawn_digits_and_says_so_and_why(no_mnist, tmp_path, monkeypatch, capsys):
    digits, seen = synthetic.digits, []
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(100, rng))
    monkeypatch.setattr(train_module, "train", lambda args, run, training, dataset, about: seen.append(about))
    code, out, err = answer(capsys, "train", "--workers", 1, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    assert seen[0]["data"] == seen[0]["name"] == "digits"
    for fact in ("MNIST", "drawn digits", "no network", download.MIRRORS[0], f"{tmp_path / 'run'}"):
        assert fact in out, out
    assert all(len(line) <= 100 for line in out.splitlines() if str(tmp_path) not in line), out


def test_mnist_is_never_substituted(no_mnist, tmp_path, capsys):
    code, out, err = answer(capsys, "train", "--data", "mnist", "--out", tmp_path / "run")
    assert (code, out) == (2, "") and "no network" in err and download.MIRRORS[0] in err
    assert all(len(line) <= 100 for line in err.splitlines()), err
    assert not (tmp_path / "run").exists()


def test_a_dataset_whose_name_is_no_text_can_be_trained_on(tmp_path, capsys):
    strange = tmp_path / "lat\udce9"
    try:
        strange.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names of folders")
    scribbles = write_folder(strange / "\udce9", images())
    run = strange / "run"
    code, out, err = answer(capsys, *train(scribbles, run))
    assert (code, err) == (0, "") and "\ufffd" in out
    assert json.loads((run / "config.json").read_text())["data"] == "\ufffd"
    assert main(["train", "--resume", str(run), "--steps", "8"]) == 0
    assert main(["sample", str(run), "--out", str(strange / "x.npy")]) == 0
