"""What is typed becomes what is meant, and what cannot be meant is refused with a hint.

That every refusal is one line, with nothing made or overwritten, is proven in ``test_cli.py``.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from small_runs import TINY, images, points

from tinygan.app import arguments
from tinygan.app.arguments import SEED, build_parser, config_from, extended, parse
from tinygan.app.errors import UsageError
from tinygan.recipes import COUNT, DATA, OBJECTIVES, POSITIVE, PRESETS, Config

# ---- kinds of values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, text, value",
    [
        (arguments.number(COUNT), "7", 7),
        (arguments.number(POSITIVE), "1e-3", 0.001),
        (arguments.number(SEED), "0", 0),
        (arguments.several(COUNT), "128", (128,)),
        (arguments.several(COUNT), "128,64", (128, 64)),
        (arguments.interval, "100", (100, "steps")),
        (arguments.interval, "2.5s", (2.5, "seconds")),
        (arguments.coding, "pearson", (-1.0, 1.0, 0.0)),
        (arguments.coding, "0,1,0.9", (0.0, 1.0, 0.9)),
        *((arguments.source, name, name) for name in DATA),
    ],
)
def test_what_is_typed_is_what_is_meant(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    "kind, text, hint",
    [
        (arguments.several(COUNT), "128x128", "as in 128,128, got '128x128'"),
        (arguments.several(COUNT), "", "as in 128,128, got ''"),
        (arguments.one_of(PRESETS), "defualt", "did you mean default?"),
        (arguments.one_of(OBJECTIVES), "min-max", "did you mean minimax?"),
        (arguments.interval, "5x", "as in 100, or seconds, as in 30s, got '5x'"),
        (arguments.interval, "-5s", "as in 30s, got '-5s'"),
        (arguments.coding, "0,1", "must be 0-1, pearson, or three numbers A,B,C, got '0,1'"),
        (arguments.source, "MNIST", "no folder MNIST; did you mean mnist?"),
        (arguments.source, "nowhere", "or one of auto, mnist, digits, ring, grid"),
        (arguments.source, "", "no folder ''; name one with MNIST's files"),
        (arguments.source, "a" * 300, "no folder aaa"),
        (arguments.coding, "inf,0,1", "three numbers A,B,C, got 'inf,0,1'"),
        (arguments.number(COUNT), "10" * 10, "must be at most 1,000,000,000,000, got 1010"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_an_example(kind, text, hint):
    with pytest.raises(ArgumentTypeError) as caught:
        kind(text)
    assert hint in str(caught.value)


def test_a_folder_that_exists_is_data_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Ring").mkdir()
    assert arguments.source("Ring") == "Ring"


@pytest.mark.parametrize(
    "typed", ["train --out=~/x", "train --resume=~/x", "sample ~/x", "sample run --out=~/x", "score ~/x"]
)
def test_a_home_folder_that_no_shell_has_named_is_meant(monkeypatch, typed):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("USERPROFILE", "/home/somebody")
    args = parse(typed.split())
    assert Path("/home/somebody/x") in vars(args).values()


def test_data_at_home_are_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert parse(["train", "--data=~/mine"]).data == str(tmp_path / "mine")


@pytest.mark.parametrize("count", ["1", "9", "100001", "1000000000"])
def test_a_number_of_samples_that_cannot_be_scored_is_refused_at_once(capsys, count):
    with pytest.raises(SystemExit) as caught:
        parse(["score", "run", "--count", count])
    assert caught.value.code == 2 and "--count: must be at" in capsys.readouterr().err


# ---- what fits together --------------------------------------------------------------------------


def test_the_preset_follows_from_the_data_and_is_changed_by_what_was_typed():
    assert config_from(parse(["train", "--batch", "10"]), images()) == Config(batch=10, steps=24_000)
    typed = parse(["train", "--batch", "10", "--minutes", "2"])
    expected = PRESETS["points"].to_dict() | {"batch": 10, "steps": None, "minutes": 2.0}
    assert config_from(typed, points()) == Config.from_dict(expected)


def test_a_batch_may_be_as_large_as_the_data_but_no_larger():
    assert config_from(parse(["train", "--batch", "20"]), images(20)).batch == 20
    with pytest.raises(UsageError, match="--batch: 21 is more than images has, 20 examples"):
        config_from(parse(["train", "--batch", "21"]), images(20))


def test_a_strength_needs_a_penalty_but_a_penalty_no_strength():
    for typed in (["--penalty", "r1", "--gamma", "2"], ["--penalty", "clip"], ["--penalty", "none"], ["--gamma", "2"]):
        config_from(parse(["train", "--batch", "2", *typed]), images())
    with pytest.raises(UsageError, match="--gamma is the strength of a penalty"):
        config_from(parse(["train", "--batch", "2", "--penalty", "none", "--gamma", "2"]), images())


def test_targets_may_begin_with_a_minus():
    args = parse("train --objective least-squares --coding -1,1,0 --steps 5".split())
    assert (args.coding, args.steps) == ((-1.0, 1.0, 0.0), 5)


def test_a_strength_that_falls_keeps_the_factor_by_which_it_falls():
    preset, config = PRESETS["points"], config_from(parse("train --gamma 0.03".split()), points(1000))
    assert config.gamma == 0.03
    assert config.gamma_end / 0.03 == pytest.approx(preset.gamma_end / preset.gamma)


def test_a_longer_run_differs_in_its_length_alone():
    assert extended(TINY, 50, step=6).to_dict() == TINY.to_dict() | {"steps": 50}
    by_the_clock = Config.from_dict(TINY.to_dict() | {"steps": None, "minutes": 3.0})
    assert extended(by_the_clock, 50, step=6) == extended(TINY, 50, step=6)
    with pytest.raises(UsageError, match="lr or gamma falls until its end"):
        extended(PRESETS["points"], 50_000, step=6)


# ---- words in the wrong place --------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, hint",
    [
        ("train ring", "did you mean --data ring?"),
        ("train data", "did you mean --data data?"),
        ("train run", "did you mean --resume run?"),
        ("train paint", "unknown: paint (see tinygan train --help)"),
        ("score run now", "unknown: now (see tinygan score --help)"),
    ],
)
def test_a_word_without_its_option_is_answered_with_the_option(tmp_path, monkeypatch, capsys, typed, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.npz").touch()
    with pytest.raises(SystemExit) as caught:
        parse(typed.split())
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "") and err.endswith(hint + "\n") and err.count("\n") == 1


# ---- help ----------------------------------------------------------------------------------------


def subparsers():
    return build_parser()[1]


@pytest.mark.parametrize("name", ["train", "sample", "score", "check"])
def test_every_option_has_a_text_and_says_its_default(name):
    for action in subparsers()[name]._actions:
        typed = "/".join(action.option_strings) or action.dest
        assert action.help, f"{name} {typed} has no text"
        if action.dest not in ("help", "run"):
            assert "default: " in action.help, f"{name} {typed} does not say what happens without it"


def test_the_help_has_the_defaults_of_both_kinds_of_data():
    texts = {action.dest: action.help for action in subparsers()["train"]._actions}
    assert texts["batch"] == "samples in a batch; default: 64 (256 for ring and grid)"
    assert texts["lr"] == "learning rate of both players; default: 0.002"
    assert texts["hidden"].endswith("default: 128,128 (128,128,128 for ring and grid)")


def test_a_default_that_is_told_is_the_one_that_is_taken():
    for name, sub in subparsers().items():
        for action in sub._actions:
            if action.option_strings and isinstance(action.default, int) and action.const is None:
                assert action.help.endswith(f"default: {action.default}"), f"{name} --{action.dest}"
