"""What is typed becomes what is meant, and what cannot be meant is refused with a hint.

That every refusal is one line, with nothing made or overwritten, is proven in ``test_refusals.py``.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np
import pytest
from small_runs import TINY, images, points

from tinygan.app import arguments
from tinygan.app.arguments import SEED, build_parser, config_from, extended, option, parse
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


HINTS = [
    (arguments.several(COUNT), "128x128", "128,128"),
    (arguments.several(COUNT), "", "128,128"),
    (arguments.one_of(PRESETS), "defualt", "did you mean default?"),
    (arguments.one_of(OBJECTIVES), "min-max", "did you mean minimax?"),
    (arguments.interval, "5x", "30s"),
    (arguments.interval, "-5s", "30s"),
    (arguments.coding, "0,1", "pearson"),
    (arguments.coding, "inf,0,1", "pearson"),
    (arguments.source, "MNIST", "did you mean mnist?"),
    (arguments.source, "nowhere", "digits, ring"),
    (arguments.source, "", "''"),
    (arguments.source, "a" * 300, "aaa"),
    (arguments.number(COUNT), "10" * 10, "at most 1,000,000,000,000"),
]


def test_what_cannot_be_meant_is_answered_with_an_example():
    for kind, text, hint in HINTS:
        with pytest.raises(ArgumentTypeError) as caught:
            kind(text)
        assert hint in str(caught.value), (text, str(caught.value))


def test_an_array_of_images_is_data_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", np.zeros(3))
    assert arguments.source("mine.npy") == "mine.npy"
    Path("mine.txt").touch()
    for text in ("mine.txt", "other.npy"):
        with pytest.raises(ArgumentTypeError):
            arguments.source(text)


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


def test_a_number_of_samples_that_cannot_be_scored_is_refused_at_once(capsys):
    for count in ("1", "9", "100001", "1000000000"):
        with pytest.raises(SystemExit) as caught:
            parse(["score", "run", "--count", count])
        assert caught.value.code == 2 and "--count" in capsys.readouterr().err


# ---- every choice is an option -------------------------------------------------------------------

CHOSEN = {  # what is typed for each choice, and what it becomes
    "objective": ("least-squares", "least-squares"), "coding": ("-1,1,0", (-1.0, 1.0, 0.0)),
    "penalty": ("wgan-gp", "wgan-gp"), "gamma": ("4", 4.0), "gamma_end": ("0.5", 0.5), "penalty_every": ("3", 3),
    "latent_dim": ("7", 7), "hidden": ("9,8", (9, 8)), "channels": ("3,2", (3, 2)),
    "batch_norm": (None, True), "g_slope": ("0", 0.0), "centered": (None, True), "conditional": (None, True),
    "codes": ("4", 4), "continuous": ("2", 2), "code_weight": ("0.5", 0.5),
    "distort": ("0.5", 0.5), "sort": ("5", 5),
    "workers": ("2", 2), "init": ("spread", "spread"),
    "slope": ("0.1", 0.1), "batch": ("12", 12), "optimizer": ("sgd", "sgd"), "lr": ("0.125", 0.125),
    "beta1": ("0.75", 0.75), "decay_from": ("0.25", 0.25), "average": ("0.5", 0.5), "d_steps": ("2", 2),
    "pack": ("3", 3), "steps": ("5", 5), "epochs": ("2.5", 2.5), "minutes": ("1.5", 1.5), "seed": ("11", 11),
}  # fmt: skip


def test_every_choice_is_an_option_that_is_heard():
    assert set(CHOSEN) == set(Config().to_dict())
    base = ["train", "--objective", "least-squares", "--batch", "12"]
    for name, (text, value) in CHOSEN.items():
        typed = option(name) if text is None else f"{option(name)}={text}"
        needed = {"batch_norm": ["--channels=4"], "code_weight": ["--codes=4"], "distort": ["--codes=4"]}
        needed = (needed | {"sort": ["--codes=4"]}).get(name, [])
        config = config_from(parse([*base, *needed, typed]), images())
        assert getattr(config, name) == value, typed
        assert getattr(PRESETS["default"], name) != value, f"{typed} is the default, and proves nothing"


def test_all_choices_at_once_are_all_heard_and_one_limit_takes_the_place_of_the_others():
    left_out = {"steps": None, "minutes": None, "pack": 1, "workers": None, "codes": 0, "distort": 0.0, "sort": 0}
    chosen = {name: each for name, each in CHOSEN.items() if name not in left_out}
    typed = [option(name) if text is None else f"{option(name)}={text}" for name, (text, _) in chosen.items()]
    expected = {name: value for name, (_, value) in chosen.items()}
    assert config_from(parse(["train", *typed]), images()).to_dict() == expected | left_out


def test_a_choice_of_yes_or_no_can_be_taken_back():
    assert not config_from(parse("train --preset tutorial --batch 10 --no-centered".split()), images()).centered
    assert config_from(parse("train --preset tutorial --batch 10".split()), images()).centered


# ---- what fits together --------------------------------------------------------------------------


def test_the_preset_follows_from_the_data_and_is_changed_by_what_was_typed():
    assert config_from(parse(["train", "--batch", "10"]), images()) == Config(batch=10, steps=24_000)
    typed = parse(["train", "--batch", "10", "--minutes", "2"])
    expected = PRESETS["points"].to_dict() | {"batch": 10, "steps": None, "minutes": 2.0}
    assert config_from(typed, points()) == Config.from_dict(expected)


def test_a_batch_may_be_as_large_as_the_data_but_no_larger():
    assert config_from(parse(["train", "--batch", "20"]), images(20)).batch == 20
    with pytest.raises(UsageError, match="--batch: 21 .* 20"):
        config_from(parse(["train", "--batch", "21"]), images(20))


def test_a_strength_needs_a_penalty_but_a_penalty_no_strength():
    for typed in (["--penalty", "r1", "--gamma", "2"], ["--penalty", "clip"], ["--penalty", "none"], ["--gamma", "2"]):
        config_from(parse(["train", "--batch", "2", *typed]), images())
    with pytest.raises(UsageError, match="--gamma .* --penalty r1"):
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
    with pytest.raises(UsageError, match="--steps"):
        extended(PRESETS["points"], 50_000, step=6)


# ---- words in the wrong place --------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, hint",
    [
        ("train ring", "did you mean --data ring?"),
        ("train data", "did you mean --data data?"),
        ("train run", "did you mean --resume run?"),
        ("train --hiden 5", "did you mean --hidden?"),
        ("train --learning-rate=1", "--help"),
        ("train --latent_dim=5", "did you mean --latent-dim?"),
        ("sample run --cuont 5", "did you mean --count?"),
        ("train paint", "--help"),
        ("score run now", "--help"),
    ],
)
def test_a_word_that_no_option_takes_is_answered_with_what_was_meant(tmp_path, monkeypatch, capsys, typed, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.npz").touch()
    with pytest.raises(SystemExit) as caught:
        parse(typed.split())
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "") and hint in err and err.count("\n") == 1, err


# ---- help ----------------------------------------------------------------------------------------


def subparsers():
    return build_parser()[1]


def test_every_option_has_a_text_and_says_its_default():
    for name, sub in subparsers().items():
        for action in sub._actions:
            typed = "/".join(action.option_strings) or action.dest
            assert action.help, f"{name} {typed} has no text"
            if action.dest not in ("help", "run", "folder"):
                assert "default: " in action.help, f"{name} {typed} does not say what happens without it"


def test_the_help_has_the_defaults_of_both_kinds_of_data():
    texts = {action.dest: action.help for action in subparsers()["train"]._actions}
    assert texts["batch"].endswith("default: 64 (256 for ring and grid)")
    assert texts["lr"].endswith("default: 0.002")
    assert texts["hidden"].endswith("default: 128,128 (128,128,128 for ring and grid)")


def test_a_default_that_is_told_is_the_one_that_is_taken():
    for name, sub in subparsers().items():
        for action in sub._actions:
            if action.option_strings and isinstance(action.default, int) and action.const is None:
                assert action.help.endswith(f"default: {action.default}"), f"{name} --{action.dest}"
