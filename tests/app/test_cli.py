"""The command line does what it says, answers every mistake in one line, and loses nothing whatever ends it.

Most tests call ``main`` in this process, with networks so small that a run takes a second; where
the process itself matters (signals, SIGKILL, locks, the terminal), a real one is started.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import shlex
import shutil
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np
import processes
import pytest
from small_runs import (
    QUICKLY,
    TINY,
    TYPED,
    assert_same_folder,
    assert_same_state,
    draw_quickly,
    forbid_folders,
    images,
    points,
    start,
    step_of,
    trained,
    write_folder,
)

from tinygan import data, plots, synthetic
from tinygan.app import checkpoint, download, output, runs, source
from tinygan.app import train as train_module
from tinygan.app.cli import main
from tinygan.scoring.classifier import Classifier
from tinygan.training import Training


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    draw_quickly(monkeypatch.setattr)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "scribbles", images())


def train(folder, out, *more):
    return ["train", "--data", str(folder), "--steps", "6", *TYPED, "--out", str(out), *map(str, more)]


@pytest.fixture(scope="module")
def reference(folder, tmp_path_factory):
    """A run that nobody disturbed."""
    run = tmp_path_factory.mktemp("reference") / "run"
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch.setattr)
        assert main(train(folder, run)) == 0
    return run


@pytest.fixture
def finished(reference, tmp_path):
    """A copy of it, to be played with."""
    return Path(shutil.copytree(reference, tmp_path / "finished"))


def answer(capsys, *arguments):
    """(exit code, what was printed, what was said on standard error) of a command."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as error:
        code = error.code
    return code, *capsys.readouterr()


def refusal(capsys, *arguments):
    """The one line on standard error, and exit code 2, with which a command must be refused."""
    code, _, err = answer(capsys, *arguments)
    assert code == 2 and err.endswith("\n") and len(err.splitlines()) == 1, (code, err)
    assert err.startswith("tinygan"), err
    return err


def at_step(monkeypatch, step, action):
    """Do this in the middle of that step."""
    whole_step = Training.train_step

    def train_step(training):
        if training.step + 1 == step:
            action()
        whole_step(training)

    monkeypatch.setattr(Training, "train_step", train_step)


# ---- train ---------------------------------------------------------------------------------------


def test_a_run_leaves_what_is_promised(reference):
    files = {str(path.relative_to(reference)) for path in reference.rglob("*") if path.is_file()}
    pictures = {str(Path("samples", f"step_{step:07d}.png")) for step in (0, 2, 4, 6)}
    kept = {"checkpoint.npz", "checkpoint.previous.npz", ".lock"}
    assert files == pictures | kept | {"config.json", "history.csv", "curves.png", "film.gif", "film.html"}
    assert step_of(reference) == 6
    with open(reference / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == list("123456")
    described = json.loads((reference / "config.json").read_text())
    assert described.items() > {"data": "scribbles", "examples": 20, "latent_dim": 3, "batch": 6, "steps": 6}.items()


def test_the_name_of_the_data_is_in_every_picture(folder, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(plots, "save_samples", lambda path, x, title, back: titles.append(title) or path.touch())
    monkeypatch.setattr(plots, "save_curves", lambda path, rows, title, name: titles.append(title) or path.touch())
    monkeypatch.setattr(plots, "save_film", lambda a, b, x, title, back: titles.append(title) or a.touch() or b.touch())
    assert main(train(folder, tmp_path / "run")) == 0
    start = "scribbles, non-saturating, seed 0"
    assert titles == [*(f"{start}, step {step}" for step in (0, 2, 4, 6)), start, start]


def test_the_same_command_gives_the_same_files_and_so_does_a_resumed_one_with_real_pictures(
    folder, tmp_path, monkeypatch
):
    monkeypatch.undo()
    monkeypatch.setattr(Training, "FRAMES", 2)
    for run in ("one", "two"):
        with monkeypatch.context() as patch:
            if run == "two":
                at_step(patch, 4, lambda: signal.raise_signal(signal.SIGINT))
            main(train(folder, tmp_path / run))
    assert step_of(tmp_path / "two") == 4
    assert main(["train", "--resume", str(tmp_path / "two")]) == 0
    for name, begins in {"curves.png": b"\x89PNG", "film.gif": b"GIF89a", "film.html": b"<"}.items():
        assert (tmp_path / "one" / name).read_bytes().lstrip().startswith(begins)
    assert_same_folder(tmp_path / "two", tmp_path / "one")


def test_every_option_is_heard(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        train_module, "train", lambda args, run, training, *rest: seen.update(training.config.to_dict())
    )
    typed = {
        "--objective": ("objective", "least-squares"), "--coding": ("coding", "-1,1,0"),
        "--epochs": ("epochs", 2.5), "--batch": ("batch", 12), "--latent": ("latent_dim", 7),
        "--hidden": ("hidden", "9,8"), "--optimizer": ("optimizer", "sgd"), "--lr": ("lr", 0.125),
        "--penalty": ("penalty", "wgan-gp"),
        "--gamma": ("gamma", 4.0), "--pack": ("pack", 3), "--seed": ("seed", 11),
    }  # fmt: skip
    command = [str(part) for option, (_, value) in typed.items() for part in (f"{option}={value}",)]
    assert main(["train", "--data", "ring", *command, "--out", str(tmp_path / "run")]) == 0
    expected = dict(typed.values()) | {
        "hidden": (9, 8),
        "coding": (-1.0, 1.0, 0.0),
    }
    assert {name: seen[name] for name in expected} == expected
    assert seen["steps"] is None and seen["minutes"] is None, "one limit takes the place of the others"


def test_too_few_test_images_cost_the_score_but_not_the_training(tmp_path, capsys):
    data_folder = write_folder(tmp_path / "few", images())
    test = write_folder(tmp_path / "test", images(5))
    for path in test.iterdir():
        path.rename(data_folder / path.name.replace("train", "t10k"))
    code, out, err = answer(capsys, *train(data_folder, tmp_path / "run"))
    assert (code, err) == (0, "") and step_of(tmp_path / "run") == 6
    assert "The samples are not scored: few: too few real images: scores need at least 10 of each split\n" in out


def test_runs_without_a_name_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = []
    monkeypatch.setattr(train_module, "train", lambda args, run, *rest: names.append(run.as_posix()))
    for _ in range(3):
        assert main(["train", "--data", "ring", *TYPED]) == 0
    assert names == ["runs/001", "runs/002", "runs/003"]


def test_minutes_are_training_time_and_go_on_after_an_interruption(tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        at_step(patch, 20, lambda: signal.raise_signal(signal.SIGINT))
        assert main(["train", "--data", "ring", *TYPED, "--minutes", "0.005", "--out", str(run)]) == 130
    spent = checkpoint.load(run / "checkpoint.npz")[1]["seconds"]
    assert 0 < spent < 0.3
    assert main(["train", "--resume", str(run)]) == 0
    assert 0.3 <= checkpoint.load(run / "checkpoint.npz")[1]["seconds"] < 0.3 + spent
    assert int(list(csv.DictReader(open(run / "history.csv", newline="")))[-1]["step"]) == step_of(run) > 20


def no_mnist(monkeypatch):
    def no_network(*args, **kwargs):
        raise data.DataError("no network", download.BY_HAND)

    monkeypatch.delenv("TINYGAN_DATA", raising=False)
    monkeypatch.setattr(data, "find_mnist", lambda: None)
    monkeypatch.setattr(source, "download_mnist", no_network)


def test_auto_says_in_short_lines_that_it_trains_on_drawn_digits_and_why_and_what_to_do(tmp_path, monkeypatch, capsys):
    no_mnist(monkeypatch)
    digits = synthetic.digits
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(100, rng))
    seen = []
    monkeypatch.setattr(
        train_module, "train", lambda args, run, training, dataset, about: seen.append((dataset.name, about))
    )
    code, out, err = answer(capsys, "train", "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    first, second, *rest, last = out.splitlines()
    assert last == f"Training on digits, 100 examples; the run's folder is {tmp_path / 'run'}"
    assert first == "MNIST is not available, so this trains on drawn digits instead."
    assert second == "Why: no network"
    assert rest[0].startswith("To have MNIST: fetch {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz")
    assert len(rest) <= 3 and all(len(line) <= 100 for line in rest)
    assert seen[0][0] == seen[0][1]["data"] == seen[0][1]["name"] == "digits"


def test_mnist_is_never_substituted(tmp_path, monkeypatch, capsys):
    no_mnist(monkeypatch)
    code, out, err = answer(capsys, "train", "--data", "mnist", "--out", tmp_path / "run")
    assert code == 2 and out == "", (code, out)
    fault, *remedy = err.splitlines()
    assert fault == "tinygan train: no network" and remedy[0].startswith("To have MNIST: fetch {train,t10k}-")
    assert all(len(line) <= 100 for line in remedy), remedy
    assert not (tmp_path / "run").exists()


# ---- refused in one line, with nothing made or overwritten ---------------------------------------


def idx(magic, *sizes, values=None):
    header = struct.pack(f">{len(sizes) + 1}i", magic, *sizes)
    return header + (bytes(int(np.prod(sizes))) if values is None else values)


BAD_FOLDERS = {
    "empty": ({}, "holds no train-images-idx3-ubyte"),
    "truncated": ({"images": idx(0x803, 3, 28, 28)[:-1]}, "ends after"),
    "wrong magic number": ({"images": idx(0x903, 3, 28, 28)}, "type code 9"),
    "different counts": ({"labels": idx(0x801, 2)}, "3 images in train-images-idx3-ubyte but 2 labels"),
    "not 28 x 28": ({"images": idx(0x803, 3, 32, 32)}, "(3, 32, 32), not (N, 28, 28)"),
}


@pytest.mark.parametrize("what", BAD_FOLDERS)
def test_data_that_cannot_be_trained_on_are_refused(tmp_path, capsys, what):
    files, why = BAD_FOLDERS[what]
    (tmp_path / "data").mkdir()
    if files:
        files = {"images": idx(0x803, 3, 28, 28), "labels": idx(0x801, 3)} | files
        for kind, content in files.items():
            name = f"train-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
            (tmp_path / "data" / name).write_bytes(content)
    err = refusal(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert why in err and str(tmp_path / "data") in err
    assert not (tmp_path / "run").exists()


BAD_OPTIONS = [
    ("--batch 0", "--batch: must be at least 1, got 0"),
    ("--batch 1.5", "--batch: must be a whole number"),
    ("--lr -1", "--lr: must be greater than 0, got -1.0"),
    ("--lr nan", "--lr: must be greater than 0, got nan"),
    ("--lr inf", "--lr: must be at most 1,000,000,000,000, got inf"),
    ("--lr fast", "--lr: must be a number"),
    *((f"--hidden {x}", f"as in 128,128, got '{x}'") for x in ("0", "128,", "128x128", "-5", "99999999,128")),
    ("--latent -3", "--latent-dim: must be at least 1, got -3"),
    ("--objective maximax", "--objective: must be one of"),
    ("--optimizer magic", "--optimizer: must be one of"),
    ("--penalty wrist-slap", "--penalty: must be one of"),
    ("--preset best", "--preset: must be one of"),
    ("--steps 0", "--steps: must be at least 1, got 0"),
    ("--epochs -1", "--epochs: must be greater than 0, got -1.0"),
    ("--minutes 0", "--minutes: must be greater than 0, got 0.0"),
    ("--steps 5 --minutes 5", "--minutes: not allowed with argument --steps"),
    ("--seed -1", "--seed: must be at least 0, got -1"),
    ("--pack 5 --batch 64", "--batch: 64 cannot be divided into packs of 5"),
    ("--coding 1,0,0", "--coding belongs to --objective least-squares"),
    ("--objective least-squares --coding 1,0", "--coding: must be 0-1, pearson, or three numbers"),
    *(
        (f"--checkpoint-every {x}", f"must be steps, as in 100, or seconds, as in 30s, got '{x}'")
        for x in ("0", "0s", "often", "5x", "s")
    ),
    ("--color red", "unknown: --color (see tinygan train --help)"),
    ("--data", "--data: expected one argument"),
    ("--data no/such/folder", "no folder no/such/folder; name one with MNIST's files, or one of auto, mnist, "),
    ("--data Ring", "no folder Ring; did you mean ring?"),
    ("ring", "ring needs the name of its option; did you mean --data ring?"),
    ("--latent 100000000000000000000", "--latent-dim: must be at most 10,000,000, got 100000000000000000000"),
    ("--hidden 10000000,10000000", "out of memory"),
    ("--epochs 1e306", "--epochs: must be at most"),
    ("--objective least-squares --coding nan,0,1", "--coding: must be 0-1, pearson, or three numbers"),
    ("--batch 100001", "--batch: 100,001 is more than ring has, 100,000 examples"),
    ("--gamma 1e-323", "--gamma-end: must be greater than 0, got 0.0"),
    ("--gamma 1 --penalty none", "--gamma is the strength of a penalty, and this run has none; add --penalty r1"),
    ("--gamma 1 --preset lsgan", "--gamma is the strength of a penalty, and this run has none; add --penalty r1"),
    ("--data digits --preset points", "--preset points is for --data ring and grid; "),
    ("--preset wgan-gp --coding 0-1", "--coding belongs to --objective least-squares, not to wasserstein"),
]


@pytest.mark.parametrize("typed, why", BAD_OPTIONS)
def test_what_cannot_be_meant_is_refused(tmp_path, capsys, typed, why):
    given = typed if "--data" in typed else f"--data ring {typed}"
    err = refusal(capsys, "train", *given.split(), "--out", tmp_path / "run")
    assert why in err and len(err) < 150, err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("typed", ["", "paint", "sample", "train 5"])
def test_what_is_no_command_is_refused(capsys, typed):
    assert "(see tinygan" in refusal(capsys, *typed.split())


def test_a_folder_that_holds_a_run_is_left_as_it_is(folder, finished, capsys):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    assert "exists already and is left as it is" in refusal(capsys, *train(folder, finished))
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made_is_refused(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("precious")
    assert "name a folder that can be written" in refusal(capsys, *train(folder, tmp_path / "file" / "run"))
    forbid_folders(monkeypatch)
    assert "Permission denied; name a folder" in refusal(capsys, *train(folder, tmp_path / "run"))
    assert (tmp_path / "file").read_text() == "precious"


def test_a_mistake_in_a_real_process_is_one_line_and_exit_code_2(tmp_path):
    for arguments in (["train", "--batch", "0"], ["sample", tmp_path / "absent"]):
        process = start(*arguments, cwd=tmp_path)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 2 and out == "" and len(err.splitlines()) == 1, err
    assert os.listdir(tmp_path) == []


def test_help_and_version_are_no_mistakes(capsys):
    for arguments in (["--help"], ["--version"], ["train", "--help"], ["sample", "--help"]):
        code, out, err = answer(capsys, *arguments)
        assert code == 0 and "tinygan" in out and err == ""


UNUSABLE = {"MPLBACKEND": {"MPLBACKEND": "garbage"}, "matplotlibrc": {"MATPLOTLIBRC": "latin"}}


@pytest.mark.parametrize("settings", UNUSABLE)
def test_settings_of_matplotlib_that_it_cannot_use_are_no_traceback(reference, tmp_path, settings):
    """A backend that does not exist is ignored; settings that are no text are named in one line."""
    (tmp_path / "latin").write_bytes(b"# \xe9\n")
    environment = processes.environment(**UNUSABLE[settings])
    process = start("sample", reference, "--out", tmp_path / "x.png", cwd=tmp_path, env=environment)
    out, err = process.communicate(timeout=60)
    if settings == "MPLBACKEND":
        assert (process.returncode, err) == (0, "") and (tmp_path / "x.png").exists()
    else:
        assert process.returncode == 2 and "tinygan sample: matplotlib cannot be used (" in err.splitlines()[-1]
        assert "Traceback" not in err


def test_what_cannot_be_printed_everywhere_is_no_mistake(tmp_path):
    """Windows has such encodings for files and pipes."""
    environment = processes.environment(PYTHONIOENCODING="ascii")
    process = start("train", "--data", "ring", "--steps", 6, *TYPED, cwd=tmp_path, code=QUICKLY, env=environment)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "share within 3? of the nearest mode" in out


TALKS = {
    "tinygan": ["--help"],
    "tinygan sample": ["sample", "RUN", "--out", "OUT"],
    "tinygan score": ["score", "RUN", "--count", "500", "--json"],
    "tinygan check": ["check"],
}


def talk(name, run, tmp_path, buffered, stdout):
    """(exit code, standard error) of a real process that prints into ``stdout``."""
    words = {"RUN": run, "OUT": tmp_path / "x.npy"}
    environment = processes.environment(**({} if buffered else {"PYTHONUNBUFFERED": "1"}))
    process = start(*(words.get(word, word) for word in TALKS[name]), stdout=stdout, env=environment)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
def test_a_full_disk_behind_the_output_is_named_as_it_is(ring, tmp_path, name, buffered):
    with open("/dev/full", "w") as full:
        code, err = talk(name, ring, tmp_path, buffered, full)
    assert code == 2 and err.endswith(f"{name}: No space left on device\n"), (code, err)
    assert "Error" not in err and "Exception" not in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_mistake_that_cannot_be_told_is_one_all_the_same(tmp_path):
    with open("/dev/full", "w") as full:
        assert start("sample", tmp_path / "absent", stderr=full).wait(timeout=60) == 2


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
def test_whoever_stops_reading_gets_no_complaint(ring, tmp_path, name, buffered):
    """As in ``tinygan check | true``."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        code, err = talk(name, ring, tmp_path, buffered, theirs)
    finally:
        os.close(theirs)
    assert code in (0, 1) and "Error" not in err and "Exception" not in err, (code, err)


def test_an_impatient_ctrl_c_is_no_traceback(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_module, "fetch", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    assert answer(capsys, *train(folder, tmp_path / "run")) == (130, "", "tinygan train: interrupted\n")


INTERRUPTED_IMPORT = """
import signal, sys

class Impatient:
    def find_spec(name, path=None, target=None):
        if name == "numpy":
            signal.raise_signal(signal.SIGINT)

if "ignored" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.meta_path.insert(0, Impatient)
sys.argv[1:] = ["--version"]
from tinygan.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("wish, code", [("heard", -signal.SIGINT), ("ignored", 0)])
def test_a_ctrl_c_while_numpy_is_imported_is_no_traceback(wish, code):
    process = start(wish, code=INTERRUPTED_IMPORT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")


def test_what_came_from_elsewhere_steers_no_terminal(folder, tmp_path, capsys, monkeypatch):
    def mirror(*args):
        raise data.DataError("mirror: HTTP Error 404: \x1b[2J\x9b2J", "\x1b]0;title\x07")

    monkeypatch.setattr(train_module, "fetch", mirror)
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert code == 2 and "HTTP Error 404" in err
    assert all(c.isprintable() or c == "\n" for c in out + err), err


def test_folders_whose_names_are_no_text_are_trained_on_and_in(tmp_path, capsys):
    strange = tmp_path / os.fsdecode(b"lat\xe9")
    try:
        strange.mkdir()
    except OSError:
        pytest.skip("this system has no such names of folders")
    scribbles = write_folder(strange / os.fsdecode(b"\xe9"), images())
    run = strange / "run"
    code, out, err = answer(capsys, *train(scribbles, run))
    assert (code, err) == (0, "") and "Training on \ufffd, 20 examples" in out
    assert json.loads((run / "config.json").read_text())["data"] == "\ufffd"
    assert main(["train", "--resume", str(run), "--steps", "8"]) == 0
    assert main(["sample", str(run), "--out", str(strange / "x.npy")]) == 0


def test_the_last_hint_can_be_typed_as_it_is(folder, tmp_path, capsys):
    run = tmp_path / "a run"
    code, out, _ = answer(capsys, *train(folder, run))
    assert code == 0 and shlex.split(out.splitlines()[-1].split("more: ")[1]) == ["tinygan", "sample", str(run)]


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_a_check_without_docstrings_is_refused_in_one_line(flag):
    process = processes.start(flag, "-m", "tinygan", "check")
    out, err = process.communicate(timeout=60)
    if flag == "-OO":
        assert process.returncode == 2 and out == "" and len(err.splitlines()) == 1 and "-OO" in err
    else:
        assert (process.returncode, err) == (0, "")


def test_a_check_says_that_it_runs_the_file(capsys):
    assert "which is run" in answer(capsys, "check", "--help")[1]


# ---- sample --------------------------------------------------------------------------------------


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


def test_samples_are_those_of_the_averaged_generator(reference, tmp_path):
    """The last snapshot, again: the same latents through the weights in the checkpoint."""
    generator, config, name, source, _, step = runs.load_generator(reference, print)
    assert step == 6
    latents = np.random.default_rng([config.seed, 1]).standard_normal((64, 3), dtype=np.float32)
    frames = checkpoint.load(reference / "checkpoint.npz")[0]["frames"]
    np.testing.assert_array_equal(np.round(generator.forward(latents) * 255), frames[-1])
    assert name == "scribbles" and Path(source).is_absolute()


def test_samples_of_points_are_pairs(tmp_path):
    runs_folder = tmp_path / "run"
    runs_folder.mkdir()
    about = {"name": "ring", "data": "ring", "sha256": ""}
    runs.Saver(runs_folder, trained(TINY, points()), about, (30, "seconds")).save()
    assert main(["sample", str(runs_folder), "--count", "5", "--out", str(tmp_path / "x.npy")]) == 0
    x = np.load(tmp_path / "x.npy")
    assert x.dtype == np.float32 and x.shape == (5, 2)


def test_a_picture_of_samples_lies_in_the_run_unless_told_otherwise(finished, capsys, monkeypatch):
    monkeypatch.undo()
    code, out, err = answer(capsys, "sample", finished, "--count", 3)
    assert (code, out, err) == (
        0,
        f"3 samples of {finished} at step 6 in {finished / 'sample.png'}\n",
        "",
    )
    assert (finished / "sample.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "typed, why",
    [
        ("--out x.jpg", "must end in .png or .npy"),
        ("--count 0", "must be at least 1"),
        ("--seed one", "must be a whole number"),
        ("--out absent/x.npy", "cannot be written (No such file or directory)"),
        ("--count 1000000000000", "out of memory"),
        ("--count 100000000000000000000", "--count: must be at most 1,000,000,000,000"),
    ],
)
def test_samples_that_cannot_be_had_are_refused(reference, tmp_path, capsys, monkeypatch, typed, why):
    monkeypatch.chdir(tmp_path)
    assert why in refusal(capsys, "sample", reference, *typed.split())
    assert os.listdir() == []


@pytest.mark.parametrize("change", ["no average", "a longer average", "a later choice", "no name"])
def test_a_checkpoint_that_does_not_fit_is_refused(finished, capsys, change):
    arrays, values = checkpoint.load(finished / "checkpoint.npz")
    if change == "no average":
        del arrays["average"]
    if change == "a longer average":
        arrays["average"] = np.append(arrays["average"], arrays["average"][:1])
    if change == "a later choice":
        values["config"]["dropout"] = 0.5
    if change == "no name":
        del values["name"]
    checkpoint.save(finished / "checkpoint.npz", arrays, values)
    before = (finished / "checkpoint.npz").read_bytes()
    for command in (["sample", finished], ["train", "--resume", finished]):
        assert "does not fit this version of tinygan" in refusal(capsys, *command)
    assert (finished / "checkpoint.npz").read_bytes() == before


# ---- score ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    run = tmp_path_factory.mktemp("ring") / "run"
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch.setattr)
        assert main(["train", "--data", "ring", "--steps", "20", *TYPED, "--out", str(run)]) == 0
    return run


def test_a_score_names_the_run_and_its_step_and_says_what_it_is_doing(ring, capsys):
    code, out, err = answer(capsys, "score", ring, "--count", 500)
    assert (code, err) == (0, "")
    first, second, *table = out.splitlines()
    assert first == "Scoring 500 samples, which takes a second ..."
    assert second == f"ring: 500 samples of {ring} at step 20, beside as many real examples"
    assert {"modes", "high_quality", "missing", "mode_kl", "spread"} <= {line.split()[0] for line in table if line}
    assert table[-1].startswith("Not trained yet: after 20 steps")


def test_a_score_for_programs_is_json_and_nothing_else(ring, capsys):
    code, out, err = answer(capsys, "score", ring, "--count", 500, "--json")
    assert code == 0 and err == "Scoring 500 samples, which takes a second ...\n"
    assert json.loads(out)["modes"]["real"] == 8


def test_a_score_of_images_has_all_lines_and_a_picture_of_neighbors(tmp_path, capsys, monkeypatch):
    digits = synthetic.digits
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(120, rng))
    monkeypatch.setattr(source, "load_classifier", lambda dataset, report: Classifier.train(dataset, steps=20))
    run = tmp_path / "run"
    code, out, err = answer(capsys, "train", "--data", "digits", "--steps", 6, *TYPED, "--out", run)
    assert (code, err) == (0, "")
    assert "Scoring 5,000 samples, which takes some seconds ..." in out and "samples, %" in out
    code, out, err = answer(capsys, "score", run, "--count", 100)
    assert (code, err) == (0, "")
    assert out.startswith("Scoring 100 samples, which takes up to a minute ...\n")
    assert f"digits: 100 samples of {run} at step 6" in out and "parzen_sigma" in out and "real, %" in out
    assert (run / "neighbors.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("source", ["grid", "digits"])
def test_a_score_by_other_data_is_refused(ring, capsys, monkeypatch, source):
    digits = synthetic.digits
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(20, rng))
    message = f"tinygan score: {ring} was begun with other data than {source}; name the same with --data\n"
    assert refusal(capsys, "score", ring, "--data", source) == message


def test_a_score_that_cannot_be_is_refused_on_standard_error(reference, capsys):
    assert answer(capsys, "score", reference)[1] == ""
    assert "holds no t10k" in refusal(capsys, "score", reference)


def test_a_score_needs_no_place_for_its_picture(tmp_path, capsys, monkeypatch):
    digits = synthetic.digits
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(120, rng))
    monkeypatch.setattr(source, "load_classifier", lambda dataset, report: Classifier.train(dataset, steps=20))
    run = tmp_path / "run"
    assert main(["train", "--data", "digits", "--steps", "6", *TYPED, "--out", str(run)]) == 0
    fail_writing(monkeypatch, lambda path: path.name == "neighbors.png")
    capsys.readouterr()
    code, out, err = answer(capsys, "score", run, "--count", 100)
    assert (code, err) == (0, "") and "parzen_sigma" in out
    assert out.splitlines()[-1].endswith("neighbors.png: cannot be written (No space left on device)")


# ---- stopped and resumed -------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 6])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_finishes_the_step_saves_and_says_how_to_go_on(
    folder, tmp_path, reference, capsys, monkeypatch, step, number
):
    run = tmp_path / "a run"
    with monkeypatch.context() as patch:
        at_step(patch, step, lambda: signal.raise_signal(number))
        code, out, err = answer(capsys, *train(folder, run))
    assert code == 128 + number and err == ""
    assert (
        out.splitlines()[-1] == f"Stopped at step {step}. To continue: tinygan train --resume {shlex.quote(str(run))}"
    )
    assert step_of(run) == step
    code, out, err = answer(capsys, "train", "--resume", run)
    again = f"continuing at step {step}\n" if step < 6 else "was finished at step 6; to go further, add --steps"
    assert (code, err) == (0, "") and f"{run}: {again}" in out
    assert_same_folder(run, reference)


def test_a_finished_run_stays_as_it_is_and_gets_back_lost_pictures(finished, reference, capsys):
    saved = (finished / "checkpoint.npz").read_bytes()
    (finished / "film.gif").unlink()
    (finished / "samples" / "step_0000004.png").unlink()
    code, out, err = answer(capsys, "train", "--resume", finished)
    assert (code, err) == (0, "") and "was finished at step 6" in out
    assert_same_folder(finished, reference)
    assert (finished / "checkpoint.npz").read_bytes() == saved


def test_checkpoints_come_as_often_as_was_asked(folder, tmp_path, monkeypatch):
    saved, save = [], checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *args: saved.append(args[2]["step"]) or save(*args))
    assert main(train(folder, tmp_path / "run", "--checkpoint-every", 2)) == 0
    assert saved == [0, 2, 4, 6]
    saved.clear()
    assert main(train(folder, tmp_path / "slow", "--checkpoint-every", "1000s")) == 0
    assert saved == [0, 6]


@pytest.mark.parametrize(
    "typed", ["--lr 0.1", "--epochs 12", "--minutes 1", "--seed 1", "--out there", "--preset default", "--latent-dim 9"]
)
def test_resume_refuses_what_the_run_has_settled(finished, capsys, typed):
    saved = (finished / "checkpoint.npz").read_bytes()
    err = refusal(capsys, "train", "--resume", finished, *typed.split())
    assert f"leave out {typed.split()[0]}\n" in err
    assert (finished / "checkpoint.npz").read_bytes() == saved


@pytest.mark.parametrize("first", [6, 3])
def test_a_run_goes_on_to_a_later_step_as_if_it_had_been_asked_for_at_once(
    folder, tmp_path, capsys, monkeypatch, first
):
    """All but the marks of the shorter run: it has more rows and pictures of its beginning."""
    at_once, longer = tmp_path / "at once", tmp_path / "longer"
    assert main([*train(folder, at_once), "--steps", "500"]) == 0
    with monkeypatch.context() as patch:
        at_step(patch, first, lambda: signal.raise_signal(signal.SIGINT))
        main(train(folder, longer))
    assert step_of(longer) == first
    code, out, err = answer(capsys, "train", "--resume", longer, "--steps", 500)
    assert (code, err) == (0, "") and f"continuing at step {first}\n" in out and "scribbles: 500 steps in" in out
    states = []
    for run in (longer, at_once):
        arrays, values = checkpoint.load(run / "checkpoint.npz")
        marks = ("history", "frames", "frame_steps", "sums")
        states.append(({name: array for name, array in arrays.items() if name not in marks}, values))
        assert arrays["frame_steps"][-1] == arrays["history"][-1, 0] == values["config"]["steps"] == 500
    assert_same_state(*states)


def test_a_run_goes_on_to_no_step_that_would_make_another_run_of_it(finished, tmp_path, capsys):
    for steps in (5, 6):
        err = refusal(capsys, "train", "--resume", finished, "--steps", steps)
        assert f"--steps {steps}: the run is at step 6 already; name a later one" in err
    ring = tmp_path / "ring"
    assert main(["train", "--data", "ring", "--steps", "3", *TYPED, "--out", str(ring)]) == 0
    err = refusal(capsys, "train", "--resume", ring, "--steps", 6)
    assert "--steps: this run's lr or gamma falls until its end, so it has one length; leave it out" in err
    assert step_of(ring) == 3 and step_of(finished) == 6


def test_resume_refuses_other_data_and_finds_moved_ones(tmp_path, reference, capsys, monkeypatch):
    here = write_folder(tmp_path / "scribbles", images())
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        at_step(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        assert main(train(here, run)) == 130
    moved = here.rename(tmp_path / "elsewhere")
    assert "if the data have moved: --data FOLDER" in refusal(capsys, "train", "--resume", run)
    other = write_folder(tmp_path / "other", images(21))
    err = refusal(capsys, "train", "--resume", run, "--data", other)
    assert "was begun with other data" in err and str(other) in err
    assert step_of(run) == 3
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--resume", "run", "--data", "elsewhere"]) == 0
    assert_same_folder(run, reference)  # titles too: the data keep their name
    assert checkpoint.load(run / "checkpoint.npz")[1]["data"] == str(moved)


def test_resume_of_what_is_no_run_is_refused_and_leaves_no_trace(tmp_path, capsys):
    assert "there is no such run" in refusal(capsys, "train", "--resume", tmp_path / "absent")
    assert "holds no checkpoint.npz" in refusal(capsys, "train", "--resume", tmp_path)
    assert os.listdir(tmp_path) == []


def stopped(folder, run, monkeypatch, step=5):
    """A run with a checkpoint at this step and one at the step before."""
    with monkeypatch.context() as patch:
        at_step(patch, step, lambda: signal.raise_signal(signal.SIGINT))
        assert main(train(folder, run, "--checkpoint-every", 1)) == 130
    return run / "checkpoint.npz"


@pytest.mark.parametrize("harm", ["missing", "truncated", "damaged", "foreign"])
def test_a_lost_checkpoint_is_named_and_the_one_before_it_used(folder, tmp_path, reference, capsys, monkeypatch, harm):
    newest = stopped(folder, tmp_path / "run", monkeypatch)
    content = newest.read_bytes()
    newest.write_bytes({"truncated": content[:1000], "foreign": b"hello"}.get(harm, b"PK" + content[:0:-1]))
    if harm == "missing":
        newest.unlink()
    capsys.readouterr()
    assert main(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "x.npy")]) == 0
    assert "the one before it is whole, and is used" in capsys.readouterr().out
    code, out, err = answer(capsys, "train", "--resume", tmp_path / "run")
    assert (code, err) == (0, "")
    first, second = out.splitlines()[:2]
    assert first.startswith(f"{newest}: ") and first.endswith("the one before it is whole, and is used")
    assert second == f"{tmp_path / 'run'}: continuing at step 4"
    assert_same_folder(tmp_path / "run", reference)
    assert (tmp_path / "run" / "checkpoint.damaged.npz").exists() == (harm != "missing")


def test_checkpoints_that_are_both_lost_are_refused(folder, tmp_path, capsys, monkeypatch):
    newest = stopped(folder, tmp_path / "run", monkeypatch)
    for path in (newest, checkpoint.previous(newest)):
        path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    assert "damaged" in refusal(capsys, "train", "--resume", tmp_path / "run")


def test_a_checkpoint_of_a_later_version_is_refused_and_kept(folder, tmp_path, capsys, monkeypatch):
    newest = stopped(folder, tmp_path / "run", monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 2)
        checkpoint.save(newest, *checkpoint_of(newest))
    later = newest.read_bytes()
    capsys.readouterr()
    assert "has format 2, but this version of tinygan reads 1" in refusal(capsys, "train", "--resume", tmp_path / "run")
    assert newest.read_bytes() == later


def checkpoint_of(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 1)
        return checkpoint.load(path)


# ---- a folder from somebody else ------------------------------------------------------------------

PLANTED = [".lock", "samples", "sample.png", "config.json", "history.csv", "curves.png", "film.gif", "film.html"]
PLANTED += ["checkpoint.previous.npz", "checkpoint.damaged.npz", "neighbors.png"]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_link_destroys_nothing(finished, tmp_path, capsys, name):
    """Whatever is written into a run's folder, the file that a link there leads to stays as it is."""
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "thesis.txt"
    victim.write_text("precious")
    planted = finished / name
    if planted.is_dir():
        shutil.rmtree(planted)
    planted.unlink(missing_ok=True)
    planted.symlink_to(outside if name == "samples" else victim)
    for command in (["train", "--resume", finished, "--steps", 8], ["sample", finished]):
        code, _, err = answer(capsys, *command)
        refused = name in (".lock", "samples") and command[0] == "train"
        assert (code, len(err.splitlines())) == ((2, 1) if refused else (0, 0)), err
    assert victim.read_text() == "precious" and os.listdir(outside) == ["thesis.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_planted_pipe_keeps_nobody_waiting(finished, capsys):
    (finished / ".lock").unlink()
    os.mkfifo(finished / ".lock")
    assert ".lock: is no plain file; remove it" in refusal(capsys, "train", "--resume", finished)


# ---- numbers, disks and folders that are lost ----------------------------------------------------


def test_a_lost_number_stops_the_run_and_keeps_the_last_good_checkpoint(folder, tmp_path, capsys, monkeypatch, recwarn):
    spoilt = []

    def spoil(training):
        if training.step == 4:
            training.gan.generator.params[-1] = np.nan
            spoilt.append(training)

    whole_step = Training.train_step
    monkeypatch.setattr(Training, "train_step", lambda t: (spoil(t), whole_step(t)))
    run = tmp_path / "run"
    code, _, err = answer(capsys, *train(folder, run, "--checkpoint-every", 2))
    assert code == 1 and spoilt
    fault, advice, kept = err.splitlines()
    assert fault.startswith("tinygan train: step 5: not a finite number, first in ")
    assert advice == "try a smaller lr than 0.01, a larger batch than 6"
    assert kept == f"{run / 'checkpoint.npz'} holds step 4, to be sampled and scored"
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
    assert fault.startswith("tinygan train: step ") and "not a finite number" in fault
    or_r1 = ", or r1 as the penalty" if penalty == "none" else ""
    assert advice == f"try a smaller lr than {lr}, a larger batch than 6{or_r1}"
    assert kept == "there is no checkpoint yet but that of the untrained start"


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
    assert f"{run / 'checkpoint.npz'}: cannot be written (File too large); step 5 is safe" in err
    assert f"to continue from there: tinygan train --resume {shlex.quote(str(run))}" in err
    assert step_of(run) == 5
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, reference)


def fail_writing(monkeypatch, fails):
    """From now on no file is written whole for whose path ``fails(path)``."""
    replace = os.replace

    def full_disk(source, target):
        if fails(Path(target)):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full_disk)


def test_a_picture_that_cannot_be_written_costs_no_training_and_is_drawn_later(
    folder, tmp_path, reference, capsys, monkeypatch
):
    """No room for pictures until step 5 is reached."""
    room = []
    fail_writing(monkeypatch, lambda path: not room and path.suffix == ".png")
    at_step(monkeypatch, 5, lambda: room.append("now"))
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert (code, err) == (0, "")
    assert_same_folder(tmp_path / "run", reference)


@pytest.mark.parametrize("name", ["step_0000006.png", "curves.png", "film.html", "history.csv"])
def test_a_picture_that_can_never_be_written_is_one_line_when_the_training_is_safe(
    folder, tmp_path, reference, capsys, monkeypatch, name
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        fail_writing(patch, lambda path: path.name == name)
        err = refusal(capsys, *train(folder, run))
    assert f"{name}: cannot be written (No space left on device); step 6 is safe in {run / 'checkpoint.npz'}" in err
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, reference)


@pytest.mark.parametrize("what", ["removed", "moved"])
def test_a_folder_that_vanishes_is_one_line(folder, tmp_path, reference, capsys, monkeypatch, what):
    run, away = tmp_path / "run", tmp_path / "away"
    vanish = {"removed": lambda: shutil.rmtree(run), "moved": lambda: run.rename(away)}[what]
    with monkeypatch.context() as patch:
        at_step(patch, 4, vanish)
        err = refusal(capsys, *train(folder, run, "--checkpoint-every", 3))
    assert f"{run / 'checkpoint.npz'}: cannot be written (No such file or directory)\n" in err
    assert not run.exists()
    if what == "moved":
        assert step_of(away) == 3
        assert main(["train", "--resume", str(away)]) == 0
        assert_same_folder(away, reference)


# ---- real processes ------------------------------------------------------------------------------

LONG = ["--steps", "600", *TYPED]


@pytest.fixture(scope="module")
def long_reference(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("long") / "run"
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch.setattr)
        assert main(["train", "--data", str(folder), *LONG, "--out", str(run)]) == 0
    return run


def wait_for(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@contextlib.contextmanager
def started(*arguments, **options):
    """A real process, which does not outlive the test."""
    process = start(*arguments, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def begin_long(folder, run, *more):
    arguments = ["train", "--data", folder, *LONG, "--out", run, "--checkpoint-every", 3, *more]
    return started(*arguments, code=QUICKLY)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_process_stopped_by_a_signal_is_resumed_to_the_same_end(folder, tmp_path, long_reference, number):
    run = tmp_path / "run"
    with begin_long(folder, run) as process:
        wait_for(lambda: (run / "samples" / "step_0000000.png").exists(), process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (128 + number, "")
    assert f"Stopped at step {step_of(run)}. To continue: tinygan train --resume {shlex.quote(str(run))}" in out
    assert step_of(run) < 600, "it was not stopped at all"
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, long_reference)


def test_a_run_killed_three_times_at_any_moment_ends_the_same(folder, tmp_path, long_reference):
    run, dice, kills = tmp_path / "run", random.Random(0), 0
    with begin_long(folder, run) as process:
        wait_for((run / "checkpoint.npz").exists, process)
    for _ in range(2):
        before = step_of(run)
        with started("train", "--resume", run, "--checkpoint-every", 3, code=QUICKLY) as process:
            wait_for(lambda before=before: step_of(run) != before, process)
            time.sleep(dice.uniform(0, 0.05))
            kills += process.poll() is None
    assert kills == 2, "it ended before it was killed"
    assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, long_reference)


KILLED_IN = """
import os, signal, sys
import small_runs
from tinygan.app import cli
small_runs.draw_quickly()
place, call = sys.argv.pop(1).split(":")
name = "fsync" if place == "writing" else place
real, calls = getattr(os, name), []
def killed(*args, **kwargs):
    calls.append(args)
    if len(calls) == int(call):
        if place == "writing":
            os.ftruncate(args[0], os.fstat(args[0]).st_size // 2)  # half of it is there
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(os, name, killed)
sys.exit(cli.main())
"""


@pytest.mark.parametrize(
    "place, saved",
    [
        ("writing:1", None),
        ("replace:1", None),
        ("writing:4", 4),
        ("fsync:4", 4),
        ("replace:7", 0),
        ("replace:8", 2),
    ],
)
def test_a_run_killed_within_the_writing_of_a_checkpoint_ends_the_same(
    folder, tmp_path, reference, place, saved, capsys
):
    """Writing half of it, before it is synced, before and between the two renames."""
    run = tmp_path / "run"
    process = start(place, *train(folder, run, "--checkpoint-every", 2), code=KILLED_IN)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    if saved is None:  # it had not begun: the same command does
        assert "holds no checkpoint.npz" in refusal(capsys, "train", "--resume", run)
        assert main(train(folder, run)) == 0
    else:
        assert main(["train", "--resume", str(run)]) == 0
    assert_same_folder(run, reference)


def test_a_second_process_in_the_same_folder_is_refused_and_a_killed_one_leaves_no_lock(folder, tmp_path, capsys):
    run = tmp_path / "run"
    with started("train", "--data", folder, *TYPED, "--minutes", 5, "--out", run) as process:
        wait_for((run / "samples" / "step_0000000.png").exists, process)
        before = (run / "checkpoint.npz").read_bytes()
        assert "another process is at work in it" in refusal(capsys, "train", "--resume", run)
        assert "exists already" in refusal(capsys, *train(folder, run))
        assert main(["sample", str(run), "--out", str(tmp_path / "x.npy")]) == 0, "looking is allowed"
        assert process.poll() is None and (run / "checkpoint.npz").read_bytes() == before
    with runs.locked(run):
        pass


def test_progress_is_shown_on_a_terminal_in_one_line_that_fits(folder, tmp_path):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    import fcntl
    import termios

    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this system has no pseudo-terminal to spare: {error}")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 70, 0, 0))
    process = start(*train(folder, tmp_path / "run"), code=QUICKLY, stdout=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(ours, 10_000):
            shown += chunk
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    progress = [line for line in shown.decode().replace("\n", "\r").split("\r") if line.startswith("step ")]
    assert len(progress) >= 6
    assert progress[0].startswith("step 1/6  0:00 left  epoch 0.3  loss D ")
    assert progress[-1].startswith("step 6/6  0:00 left  epoch 1.8  loss D ")
    assert {len(line) for line in progress} == {69}


@pytest.mark.parametrize("width", [24, 40])
def test_the_time_left_is_seen_on_a_narrow_terminal(folder, tmp_path, monkeypatch, capsys, width):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((width, 24)))
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    lines = [line for line in out.replace("\n", "\r").split("\r") if line.startswith("step ")]
    assert lines and all("0:00 left" in line and len(line) == width - 1 for line in lines), lines


def test_a_run_without_a_terminal_says_now_and_then_where_it_is(folder, tmp_path, monkeypatch, capsys):
    for quiet, told in ((0, [1, 2, 3, 4, 5, 6, 6]), (1000, [])):
        monkeypatch.setattr(output, "QUIET", quiet)
        code, out, err = answer(capsys, *train(folder, tmp_path / str(quiet)))
        lines = [line for line in out.splitlines() if line.startswith("step ")]
        assert [int(line.split("/")[0].removeprefix("step ")) for line in lines] == told
        assert all("0:00 left  epoch" in line for line in lines)
        assert "Drawing the curves and the film, which takes" in out


def test_whoever_stops_reading_stops_no_training(folder, tmp_path):
    code = QUICKLY.replace("sys.exit", "from tinygan.app import output; output.QUIET = 0; sys.exit")
    process = start(*train(folder, tmp_path / "run"), code=code)
    assert process.stdout.readline().startswith("Training on")
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(timeout=60), err) == (0, "")
    assert step_of(tmp_path / "run") == 6


@pytest.mark.parametrize("terminal", [True, False])
def test_a_place_for_the_progress_that_is_lost_stops_no_training(folder, tmp_path, capsys, monkeypatch, terminal):
    """A terminal that was closed, or a full disk."""

    def lost(training):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(output, "QUIET", 0)
    monkeypatch.setattr(output, "describe", lost)
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert (code, err) == (0, "") and step_of(tmp_path / "run") == 6


def test_nothing_but_lines_is_printed_where_there_is_no_terminal(folder, tmp_path):
    process = start(*train(folder, tmp_path / "run"), code=QUICKLY)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "\r" not in out
    assert "scribbles: 6 steps in" in out and f"Look at {tmp_path / 'run'}" in out
