"""What cannot be done is refused by one line and exit code 2, with nothing made and nothing overwritten."""

from __future__ import annotations

import os

import numpy as np
import processes
import pytest
from commands import answer, finished, refusal, train
from small_runs import forbid_folders, idx

from tinygan import synthetic
from tinygan.app import train as train_module

pytestmark = pytest.mark.usefixtures("quickly")


IMAGES, LABELS = idx(np.zeros((3, 28, 28), np.uint8)), idx(np.zeros(3, np.uint8))
BAD_FOLDERS = {  # what is in it, and a word of the fault
    "empty": ({}, "train-images-idx3-ubyte"),
    "truncated": ({"images-idx3": IMAGES[:-1], "labels-idx1": LABELS}, "ends after 2351"),
    "a wrong magic number": ({"images-idx3": b"\0\0\x09" + IMAGES[3:], "labels-idx1": LABELS}, "type code 9"),
    "different counts": ({"images-idx3": IMAGES, "labels-idx1": idx(np.zeros(2, np.uint8))}, "2 labels"),
    "too large": ({"images-idx3": idx(np.zeros((3, 65, 8), np.uint8)), "labels-idx1": LABELS}, "from 8 to 64"),
}


@pytest.mark.parametrize("what", BAD_FOLDERS)
def test_data_that_cannot_be_trained_on_are_refused(tmp_path, capsys, what):
    files, fact = BAD_FOLDERS[what]
    (tmp_path / "data").mkdir()
    for kind, content in files.items():
        (tmp_path / "data" / f"train-{kind}-ubyte").write_bytes(content)
    err = refusal(capsys, "train", "--data", tmp_path / "data", "--out", tmp_path / "run")
    assert fact in err and str(tmp_path / "data") in err
    assert not (tmp_path / "run").exists()


BAD_OPTIONS = [  # what is typed, and the facts that the answer must hold
    ("--batch 0", "--batch", "at least 1", "got 0"),
    ("--batch 1.5", "--batch", "whole number"),
    ("--lr -1", "--lr", "greater than 0", "-1"),
    ("--lr nan", "--lr", "nan"),
    ("--lr inf", "--lr", "at most 1,000,000,000,000"),
    ("--lr fast", "--lr", "a number"),
    *((f"--hidden {x}", "--hidden", "128,128", f"'{x}'") for x in ("0", "128,", "128x128", "-5", "99999999,128")),
    ("--latent -3", "--latent-dim", "-3"),
    ("--latent 100000000000000000000", "--latent-dim", "at most 10,000,000"),
    ("--objective maximax", "--objective", "minimax"),
    ("--optimizer magic", "--optimizer", "adam"),
    ("--penalty wrist-slap", "--penalty", "r1"),
    ("--preset best", "--preset", "default"),
    ("--steps 0", "--steps", "at least 1"),
    ("--epochs -1", "--epochs", "greater than 0"),
    ("--epochs 1e306", "--epochs", "at most"),
    ("--minutes 0", "--minutes", "greater than 0"),
    ("--steps 5 --minutes 5", "--minutes", "--steps"),
    ("--seed -1", "--seed", "at least 0"),
    ("--pack 5 --batch 64", "--batch", "packs of 5"),
    ("--batch 100001", "--batch", "100,000"),
    ("--coding 1,0,0", "--coding", "least-squares"),
    ("--objective least-squares --coding 1,0", "--coding", "pearson"),
    ("--objective least-squares --coding nan,0,1", "--coding", "pearson"),
    ("--data ring --preset mixture", "--channels", "images"),
    ("--data digits --batch 8 --channels 4,4,4", "--channels", "28", "halved"),
    ("--data digits --batch-norm", "--batch-norm", "channels"),
    ("--data digits --channels 4 --pack 2", "--pack", "channels"),
    ("--preset wgan-gp --coding 0-1", "--coding", "least-squares", "wasserstein"),
    ("--gamma 1e-323", "--gamma-end", "greater than 0"),
    ("--gamma 1 --penalty none", "--gamma", "--penalty r1"),
    ("--gamma 1 --preset lsgan", "--gamma", "--penalty r1"),
    *((f"--checkpoint-every {x}", "--checkpoint-every", "30s", f"'{x}'") for x in ("0", "0s", "often", "5x", "s")),
    ("--color red", "--color"),
    ("--data", "--data"),
    ("--data no/such/folder", "no/such/folder", "mnist"),
    ("--data Ring", "did you mean ring?"),
    ("--data digits --preset points", "--preset points", "digits"),
    ("ring", "did you mean --data ring?"),
    ("--hidden 10000000,10000000", "out of memory"),
]


def test_what_cannot_be_meant_is_refused(tmp_path, capsys, monkeypatch):
    digits = synthetic.digits
    monkeypatch.setattr(synthetic, "digits", lambda n, rng: digits(20, rng))
    for typed, *facts in BAD_OPTIONS:
        given = typed if "--data" in typed else f"--data ring {typed}"
        err = refusal(capsys, "train", *given.split(), "--out", tmp_path / "run")
        assert all(fact in err for fact in facts) and len(err) < 170, (typed, err)
        assert not (tmp_path / "run").exists(), typed


def test_what_is_no_command_is_refused_with_where_to_look(capsys):
    for typed in ("", "paint", "sample", "train 5"):
        assert "--help" in refusal(capsys, *typed.split()), typed


def test_help_and_version_are_no_mistakes(capsys):
    for arguments in (["--help"], ["--version"], ["train", "--help"], ["sample", "--help"]):
        code, out, err = answer(capsys, *arguments)
        assert code == 0 and "tinygan" in out and err == ""


def test_a_folder_that_holds_a_run_is_left_as_it_is(folder, finished_run, capsys):
    before = {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()}
    assert "exists already" in refusal(capsys, *train(folder, finished_run))
    assert {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made_is_refused(folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("precious")
    assert str(tmp_path / "file" / "run") in refusal(capsys, *train(folder, tmp_path / "file" / "run"))
    forbid_folders(monkeypatch)
    assert "Permission denied" in refusal(capsys, *train(folder, tmp_path / "run"))
    assert (tmp_path / "file").read_text() == "precious"


def test_a_mistake_in_a_real_process_is_one_line_and_exit_code_2(tmp_path):
    for words in (["train", "--batch", "0"], ["sample", tmp_path / "absent"]):
        code, out, err = finished(*words, cwd=tmp_path)
        assert (code, out) == (2, "") and len(err.splitlines()) == 1, err
    assert os.listdir(tmp_path) == []


def test_an_early_ctrl_c_is_no_traceback(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train_module, "fetch", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    code, out, err = answer(capsys, *train(folder, tmp_path / "run"))
    assert (code, out) == (130, "") and len(err.splitlines()) == 1 and "interrupted" in err


# ---- surroundings that do not fit ------------------------------------------------------------------


def test_a_backend_of_matplotlib_that_does_not_exist_is_ignored(reference, tmp_path):
    environment = processes.environment(MPLBACKEND="garbage")
    code, _, err = finished("sample", reference, "--out", tmp_path / "x.png", env=environment)
    assert (code, err) == (0, "") and (tmp_path / "x.png").exists()


def test_settings_of_matplotlib_that_are_no_text_are_no_traceback(reference, tmp_path):
    (tmp_path / "latin").write_bytes(b"# \xe9\n")
    environment = processes.environment(MATPLOTLIBRC="latin")
    code, _, err = finished("sample", reference, "--out", tmp_path / "x.png", cwd=tmp_path, env=environment)
    assert code == 2 and "matplotlib" in err.splitlines()[-1] and "Traceback" not in err


@pytest.mark.breadth
@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_a_check_needs_neither_assertions_nor_docstrings(flag):
    done = processes.run(flag, "-m", "tinygan", "check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_check_says_that_it_runs_the_file(capsys):
    assert "which is run" in answer(capsys, "check", "--help")[1]
