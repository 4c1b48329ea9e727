"""``tinygan fill`` keeps what is known, writes what it promises, and answers in one line what cannot be filled in."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from commands import answer, refusal
from small_runs import TYPED

from tinygan import synthetic
from tinygan.app import table
from tinygan.app.cli import main
from tinygan.filling import Descent

WAVES = synthetic.waves(60, np.random.default_rng(0))


@pytest.fixture
def digits_run(few_digits, quickly, monkeypatch, tmp_path):
    monkeypatch.setattr(Descent, "STEPS", 5)
    run = tmp_path / "run"
    assert main(["train", "--data", "digits", "--steps", "6", *TYPED, "--out", str(run)]) == 0
    return run


# ---- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["25%", "half", "center"])
def test_images_are_filled_where_they_were_hidden_and_nowhere_else(digits_run, capsys, missing):
    capsys.readouterr()
    code, out, err = answer(capsys, "fill", digits_run, "test", "--missing", missing, "--count", 4)
    assert (code, err) == (0, "")
    for fact in ("the generator", "mean training image", "nearest", "linear regression", "filled.png"):
        assert fact in out
    folder = digits_run / "filled"
    filled, known = np.load(folder / "filled.npy"), np.load(folder / "known.npy") > 0
    x = synthetic.digits(120, np.random.default_rng(1)).x[:4].reshape(-1, 28, 28) / np.float32(255)
    assert filled.shape == known.shape == (4, 28, 28) and filled.dtype == np.float32
    np.testing.assert_array_equal(filled[known], x[known])
    assert (filled[~known] != x[~known]).mean() > 0.9
    names = {path.name for path in folder.iterdir()}
    assert names == {"film.gif", "film.html", "filled.npy", "filled.png", "known.npy"}
    assert (folder / "filled.png").read_bytes().startswith(b"\x89PNG")


def test_images_and_masks_of_ones_own_are_filled(digits_run, tmp_path):
    rng = np.random.default_rng(3)
    images, mask = rng.random((3, 28, 28)).astype("f4"), np.zeros((28, 28), bool)
    mask[5:9, 3:20] = True
    np.save(tmp_path / "images.npy", images)
    for given in (mask, np.stack([mask] * 3).astype(int)):
        np.save(tmp_path / "mask.npy", given)
        words = [digits_run, tmp_path / "images.npy", "--missing", tmp_path / "mask.npy", "--out", tmp_path / "o"]
        assert main(["fill", *map(str, words)]) == 0
        filled = np.load(tmp_path / "o" / "filled.npy")
        np.testing.assert_array_equal(filled[:, ~mask], images[:, ~mask])
        assert (filled[:, mask] != images[:, mask]).mean() > 0.9


def test_the_same_seed_fills_in_the_same(digits_run, tmp_path):
    found = []
    for seed in (0, 0, 1):
        words = ["fill", str(digits_run), "test", "--count", "3", "--seed", str(seed), "--out", str(tmp_path / "o")]
        assert main(words) == 0
        found.append(np.load(tmp_path / "o" / "filled.npy"))
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_a_run_with_convolutions_and_batch_normalization_fills_in_each_image_by_itself(digits_run, tmp_path):
    run, found = tmp_path / "bn", []
    words = ["--channels", "3,2", "--batch-norm", "--objective", "wasserstein", "--penalty", "clip", "--gamma", "0.1"]
    assert main(["train", "--data", "digits", "--steps", "2", *TYPED, *words, "--out", str(run)]) == 0
    for count in (1, 3):
        words = ["--missing", "half", "--starts", "1", "--count", str(count), "--out", str(tmp_path / "o")]
        assert main(["fill", str(run), "test", *words]) == 0
        found.append(np.load(tmp_path / "o" / "filled.npy")[0])
    np.testing.assert_allclose(*found, atol=1e-4)


GOOD = np.full((3, 28, 28), 0.5)
BAD_IMAGES = {
    "another shape": (np.zeros((3, 27, 28)), "(3, 27, 28)"),
    "no image": (np.zeros((0, 28, 28)), "(0, 28, 28)"),
    "nan": (np.where(np.arange(28) == 3, np.nan, GOOD), "not finite"),
    "too bright": (GOOD * 3, "from 1.5 to 1.5"),
    "words": (np.array(["a"] * 784 * 3).reshape(3, 28, 28), "<U1"),
    "whole numbers": (np.zeros((3, 28, 28), np.int64), "int64"),
}
BAD_MASKS = {
    "another shape": (np.zeros((28, 27)), "(28, 27)"),
    "another number": (np.zeros((2, 28, 28)), "(2, 28, 28)"),
    "nan": (np.full((28, 28), np.nan), "not finite"),
    "nothing missing": (np.zeros((28, 28)), "nothing is missing"),
    "everything missing": (np.ones((28, 28)), "everything is missing"),
    "nothing missing in one": (np.stack([np.eye(28), np.zeros((28, 28)), np.eye(28)]), "image 1"),
    "words": (np.full((28, 28), "x"), "<U1"),
}


@pytest.mark.parametrize("what", BAD_IMAGES)
def test_images_that_cannot_be_filled_are_refused(digits_run, tmp_path, capsys, what):
    array, fact = BAD_IMAGES[what]
    np.save(tmp_path / "images.npy", array)
    capsys.readouterr()
    assert fact in refusal(capsys, "fill", digits_run, tmp_path / "images.npy")
    assert not (digits_run / "filled").exists()


@pytest.mark.parametrize("what", BAD_MASKS)
def test_masks_that_cannot_be_used_are_refused(digits_run, tmp_path, capsys, what):
    array, fact = BAD_MASKS[what]
    np.save(tmp_path / "images.npy", GOOD)
    np.save(tmp_path / "mask.npy", array)
    capsys.readouterr()
    assert fact in refusal(capsys, "fill", digits_run, tmp_path / "images.npy", "--missing", tmp_path / "mask.npy")
    assert not (digits_run / "filled").exists()


@pytest.mark.parametrize(
    "typed, fact",
    [
        ("test --missing 0%", "between 0% and 100%"),
        ("test --missing 100%", "between 0% and 100%"),
        ("test --missing some", "center"),
        ("test --missing nan%", "between 0% and 100%"),
        ("test --missing absent.npy", "No such file"),
        ("test --missing 0.01%", "nothing is missing"),
        ("test --count 0", "at least 1"),
        ("test --starts 0", "at least 1"),
        ("test --realism -1", "at least 0"),
        ("absent.npy", "No such file"),
        ("train", "must be test"),
        ("test --data ring", "other data"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(digits_run, capsys, typed, fact):
    capsys.readouterr()
    assert fact in refusal(capsys, "fill", digits_run, *typed.split())
    assert not (digits_run / "filled").exists()


def test_a_run_or_a_table_must_be_named(capsys):
    assert "name a run" in refusal(capsys, "fill")


def test_runs_that_cannot_fill_in_are_refused(ring, few_digits, quickly, tmp_path, capsys):
    assert "points" in refusal(capsys, "fill", ring, "test")
    for choice, fact in (("--conditional", "labels"), ("--pack=2", "packs")):
        run = tmp_path / choice
        assert main(["train", "--data", "digits", "--steps", "2", *TYPED, choice, "--out", str(run)]) == 0
        capsys.readouterr()
        assert fact in refusal(capsys, "fill", run, "test")


# ---- tables --------------------------------------------------------------------------------------


def write_table(path, rows, header=None):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([*([header] if header else []), *rows])
    return path


def table_of(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(table, "STEPS", 5)


@pytest.mark.parametrize("header", [None, ["a", "b", "c", "d", "e", "f", "g", "h"]])
@pytest.mark.parametrize("gap", ["", "NA", "nan", " ? "])
def test_a_table_is_filled_in_and_what_was_there_is_left_as_it_was_typed(few_steps, tmp_path, capsys, header, gap):
    rows = [[f"{value:+.3f}" for value in row] for row in WAVES]
    gaps = [(0, 3), (5, 0), (59, 7), *((i, 2) for i in range(6, 20))]
    for i, j in gaps:
        rows[i][j] = gap
    path = write_table(tmp_path / "t.csv", rows, header)
    before = path.read_bytes()
    code, out, err = answer(capsys, "fill", "--table", path)
    assert (code, err) == (0, "") and path.read_bytes() == before
    for fact in (
        "17 of 480",
        "GAIN",
        "column's mean",
        "nearest row",
        "linear regression",
        f"{tmp_path / 't.filled.csv'}",
    ):
        assert fact in out
    filled = table_of(tmp_path / "t.filled.csv")
    assert (filled.pop(0) == header) if header else True
    for i, row in enumerate(filled):
        for j, cell in enumerate(row):
            if (i, j) in gaps:
                assert WAVES[:, j].min() - 1 < float(cell) < WAVES[:, j].max() + 1
            else:
                assert cell == rows[i][j]


@pytest.mark.parametrize("best", ["the column's mean", "the nearest row"])
def test_whoever_finds_hidden_cells_best_fills_in_the_table(few_steps, tmp_path, monkeypatch, capsys, best):
    """The others are made to say something that is far off."""
    wrong = {name: lambda x, known, rng: np.where(known > 0, x, 50.0) for name in table.FILLERS if name != best}
    monkeypatch.setattr(table, "FILLERS", table.FILLERS | wrong)
    path = write_table(tmp_path / "t.csv", rows_with(""))
    assert f"filled in by {best}" in answer(capsys, "fill", "--table", path)[1]
    assert abs(float(table_of(tmp_path / "t.filled.csv")[2][1])) < 2


def test_a_table_with_a_column_that_never_changes_and_an_empty_row_is_filled_in(few_steps, tmp_path):
    rows = [["1", *(f"{value:.3f}" for value in row[:3])] for row in WAVES]
    rows[4], rows[7][0] = [""] * 4, ""
    assert main(["fill", "--table", str(write_table(tmp_path / "t.csv", rows)), "--out", str(tmp_path / "o.csv")]) == 0
    filled = table_of(tmp_path / "o.csv")
    assert float(filled[7][0]) == 1 and all(np.isfinite(float(cell)) for cell in filled[4])


def test_a_column_of_whole_numbers_remains_one(few_steps, tmp_path):
    rows = [[f"{1000000 * value:.0f}", f"{value:.3f}", f"{value:.1f}"] for value in WAVES[:, 0]]
    rows[3][0] = rows[4][1] = ""
    assert main(["fill", "--table", str(write_table(tmp_path / "t.csv", rows))]) == 0
    filled = table_of(tmp_path / "t.filled.csv")
    assert filled[3][0].lstrip("-").isdigit() and "." in filled[4][1]


@pytest.mark.parametrize(
    "out, fact", [("t.csv", "the table itself"), ("t.txt", "end in .csv"), ("absent/o.csv", "no folder")]
)
def test_a_name_that_the_filled_table_cannot_have_is_refused_before_the_work(tmp_path, monkeypatch, capsys, out, fact):
    monkeypatch.chdir(tmp_path)
    before = write_table(tmp_path / "t.csv", rows_with("")).read_bytes()
    assert fact in refusal(capsys, "fill", "--table", tmp_path / "t.csv", "--out", out)
    assert (tmp_path / "t.csv").read_bytes() == before and len([*tmp_path.iterdir()]) == 1


def rows_with(cell, row=2, column=1):
    rows = [[str(value) for value in row] for row in WAVES]
    rows[row][column] = cell
    return rows


BAD_TABLES = {
    "nothing missing": (rows_with("1.5"), "no cell is empty"),
    "a word": (rows_with("blue"), "row 3, column 2: 'blue'"),
    "infinity": (rows_with("inf"), "'inf'"),
    "a column missing": ([["", *row[1:]] for row in rows_with("")], "column 1 is empty"),
    "ragged": ([*rows_with(""), ["1"]], "row 61 has 1 cells"),
    "few rows": (rows_with("")[:5], "5 rows"),
    "nearly nothing": ([["1", "2"], *([["", ""]] * 20)], "nothing to learn from"),
    "one column": ([[str(i)] for i in range(20)] + [["NA"]], "one column"),
    "semicolons": ([[f"{i};{i}"] for i in range(20)], "a comma"),
    "nothing": ([], "0 rows"),
}


@pytest.mark.parametrize("what", BAD_TABLES)
def test_tables_that_cannot_be_filled_in_are_refused(tmp_path, capsys, what):
    rows, fact = BAD_TABLES[what]
    path = write_table(tmp_path / "t.csv", rows)
    assert fact in refusal(capsys, "fill", "--table", path)
    assert [each.name for each in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    "typed, fact",
    [
        ("--table absent.csv", "No such file"),
        ("--table .", "directory"),
        ("--table t.csv --out x.npy", ".csv"),
        ("run --table t.csv", "leave out run"),
    ],
)
def test_what_cannot_be_a_table_is_refused(tmp_path, monkeypatch, capsys, typed, fact):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "t.csv", rows_with(""))
    assert fact in refusal(capsys, "fill", *typed.split())


def test_a_file_that_is_no_text_is_refused(tmp_path, capsys):
    (tmp_path / "t.csv").write_bytes(bytes(range(256)))
    assert "cannot be read" in refusal(capsys, "fill", "--table", tmp_path / "t.csv")
