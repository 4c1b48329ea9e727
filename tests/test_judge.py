"""The judge's loss has the right derivative, it learns to read, and its cache may be lost but not wrong.

Drawn digits stand in for MNIST, which only the last tests need.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from helpers import SEEDS, SIZES, assert_close, assert_gradient, assert_same_bits, peak_allocation
from hypothesis import given
from hypothesis import strategies as st

from tinygan import judge as judge_module
from tinygan.checkpoint import CheckpointError
from tinygan.data import DataError, Dataset, load_mnist
from tinygan.gradcheck import numeric_gradient
from tinygan.judge import Judge, load_judge, moved, pixels, read_judge, softmax_cross_entropy, write_judge
from tinygan.synthetic import digits, ring

MNIST = os.environ.get("TINYGAN_DATA", "")
needs_mnist = pytest.mark.skipif(not os.path.isdir(MNIST), reason="needs TINYGAN_DATA, a folder with MNIST")


@pytest.fixture(scope="module")
def drawn():
    return digits(2000, np.random.default_rng(0))


@pytest.fixture(scope="module")
def quick(drawn):
    """A judge that has learned for a second."""
    return Judge.train(drawn, steps=300)


# ---- softmax and cross-entropy -----------------------------------------------------------------


@given(SEEDS, SIZES, st.integers(2, 5))
def test_the_gradient_of_softmax_cross_entropy_is_its_derivative(seed, n, classes):
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.normal(size=(n, classes)), rng.integers(classes, size=n)
    _, dlogits = softmax_cross_entropy(logits, labels)
    expected = numeric_gradient(lambda: softmax_cross_entropy(logits, labels)[0], logits)
    assert_gradient("dlogits", dlogits, expected)


def test_softmax_cross_entropy_is_minus_the_mean_log_probability_of_the_label():
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    loss, _ = softmax_cross_entropy(logits, np.array([0, 2]))
    assert_close("loss", loss, -(np.log(0.7) + np.log(0.5)) / 2, 1e-14)


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_softmax_cross_entropy_does_not_overflow_and_ignores_a_common_shift(shift):
    logits, labels = np.array([[1.0, 2.0, -900.0]]), np.array([2])
    loss, dlogits = softmax_cross_entropy(logits + shift, labels)
    expected_loss, expected = softmax_cross_entropy(logits, labels)
    assert_close("loss", loss, expected_loss, 1e-12)
    assert_close("loss", loss, 902 + np.log1p(np.exp(-1)), 1e-12)
    assert_close("dlogits", dlogits, expected, 1e-10)


# ---- what it learns ----------------------------------------------------------------------------


def test_it_learns_to_read_drawn_digits(quick):
    test = digits(1000, np.random.default_rng(1))
    right = np.mean(quick.predict(test.x) == test.labels)
    assert right > 0.95, f"right on {right:.1%} of drawn digits that it has not seen"


def test_without_training_it_guesses(drawn):
    right = np.mean(Judge(10, np.random.default_rng(0)).predict(drawn.x) == drawn.labels)
    assert right < 0.3, f"right on {right:.1%} before any training: the test above proves nothing"


def test_the_same_seed_gives_the_same_judge_and_another_seed_another_one(drawn):
    first, same, other = (Judge.train(drawn, seed, steps=20).network.params for seed in (1, 1, 2))
    assert_same_bits("params", same, first)
    assert not np.allclose(other, first)


def test_there_is_a_class_for_every_label(drawn):
    three = Dataset("three", drawn.x[:60], np.arange(60) % 3)
    assert Judge.train(three, steps=1).probabilities(drawn.x[:2]).shape == (2, 3)


def test_it_refuses_data_that_are_not_images():
    points = ring(100, np.random.default_rng(0))
    with pytest.raises(DataError, match="ring: a judge needs images of 784 pixels, not 2"):
        Judge.train(points)


def test_training_makes_no_float_copy_of_the_images():
    black = Dataset("black", np.zeros((60_000, 784), np.uint8), np.zeros(60_000, np.int64))
    peak = peak_allocation(lambda: Judge.train(black, steps=2))
    assert peak < 20e6, f"{peak / 1e6:.0f} MB for a judge of 60,000 images; as floats they are 188 MB"


def test_a_batch_is_moved_as_one_by_a_pixel_or_none_in_each_direction():
    x = np.zeros((2, 28, 28), np.float32)
    x[0, 10, 20] = x[1, 5, 6] = 1
    rng, steps = np.random.default_rng(0), set()
    for _ in range(200):
        n, row, column = np.nonzero(moved(x.reshape(2, 784), rng).reshape(2, 28, 28))
        step = (row[0] - 10, column[0] - 20)
        assert n.tolist() == [0, 1] and (row[1] - 5, column[1] - 6) == step
        steps.add(step)
    assert steps == {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}


# ---- what it says ------------------------------------------------------------------------------


def test_features_are_what_the_last_layer_sees(quick, drawn):
    x, last = drawn.x[:50], quick.network.layers[-1]
    features = quick.features(x)
    assert features.shape == (50, 128)
    logits = features @ last.W + last.b
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert_close("probabilities", quick.probabilities(x), odds / odds.sum(axis=1, keepdims=True), 1e-6)
    assert np.array_equal(quick.predict(x), logits.argmax(axis=1))


def test_features_are_behind_the_activation(quick, drawn):
    """The slope of LeakyReLU on the left is 0.2: what comes out there is much smaller."""
    features = quick.features(drawn.x[:50])
    assert -features[features < 0].mean() < 0.5 * features[features > 0].mean()


def test_it_sees_the_same_in_bytes_and_in_floats(quick, drawn):
    x = drawn.x[:50]
    assert_same_bits("features", quick.features(pixels(x)), quick.features(x))
    assert_close("features", quick.features(x / 255.0), quick.features(x), 1e-6)


def test_what_it_says_of_an_image_does_not_depend_on_the_company(quick, drawn, monkeypatch):
    together = quick.features(drawn.x[:25])
    monkeypatch.setattr(judge_module, "CHUNK", 10)
    assert_close("features in chunks", quick.features(drawn.x[:25]), together, 1e-5)


def test_what_it_said_stays_when_it_is_asked_again(quick, drawn):
    said = quick.features(drawn.x[:10])
    before = said.copy()
    quick.features(drawn.x[10:20])
    assert_same_bits("features", said, before)


# ---- the cache ---------------------------------------------------------------------------------


@pytest.fixture
def trainings(monkeypatch, tmp_path):
    """An empty cache and short trainings, whose datasets' names this list collects."""
    names, train = [], Judge.train

    def short(dataset):
        names.append(dataset.name)
        return train(dataset, steps=2)

    monkeypatch.setattr(judge_module, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(Judge, "train", short)
    return names


def the_file(tmp_path):
    (path,) = (tmp_path / "cache").iterdir()
    return path


def test_a_judge_is_trained_once_and_then_comes_from_the_cache(trainings, drawn, tmp_path):
    said = []
    first = load_judge(drawn, said.append)
    second = load_judge(drawn, said.append)
    assert trainings == ["digits"]
    assert len(said) == 1 and "training the judge of digits" in said[0]
    assert_same_bits("params", second.network.params, first.network.params)
    assert_same_bits("probabilities", second.probabilities(drawn.x), first.probabilities(drawn.x))


def test_other_data_and_other_settings_have_other_judges(trainings, drawn, monkeypatch):
    load_judge(drawn)
    changed = drawn.x.copy()
    changed[-1, -1] ^= 1
    load_judge(drawn._replace(name="one bit differs", x=changed))
    load_judge(drawn._replace(name="other labels", labels=drawn.labels[::-1]))
    monkeypatch.setattr(judge_module, "VERSION", -1)
    load_judge(drawn._replace(name="other version"))
    assert trainings == ["digits", "one bit differs", "other labels", "other version"]


@pytest.mark.parametrize("damage", ["empty", "half", "rubbish", "bytes behind"])
def test_a_damaged_cache_is_trained_anew_and_mended(trainings, drawn, tmp_path, damage):
    expected = load_judge(drawn).network.params
    path = the_file(tmp_path)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "rubbish": b"rubbish" * 99,
        "bytes behind": whole + bytes(70_000),
    }
    path.write_bytes(damaged[damage])
    assert_same_bits("params", load_judge(drawn).network.params, expected)
    assert_same_bits("params", load_judge(drawn).network.params, expected)
    assert trainings == ["digits", "digits"], "trained first, once more for the damage, and not a third time"


def test_no_changed_byte_of_a_cache_gives_another_judge(tmp_path):
    path, judge = tmp_path / "judge.npz", Judge(3, np.random.default_rng(0))
    write_judge(path, "key", judge)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    edges = [*range(400), *range(len(whole) - 800, len(whole))]  # where the format's own numbers are
    refused = 0
    for position in [*rng.choice(edges, 60, replace=False), *rng.integers(len(whole), size=20)]:
        changed = bytearray(whole)
        changed[position] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        found = read_judge(path, "key")
        refused += found is None
        if found is not None:  # a time stamp, say
            assert_same_bits(f"params, byte {position}", found.network.params, judge.network.params)
    assert refused > 20


def test_a_cache_of_another_judge_does_not_count(tmp_path):
    path, judge = tmp_path / "judge.npz", Judge(3, np.random.default_rng(0))
    write_judge(path, "key", judge)
    assert read_judge(path, "another key") is None
    assert_same_bits("params", read_judge(path, "key").network.params, judge.network.params)


def test_where_nothing_can_be_written_the_judge_lives_in_memory(trainings, drawn, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert load_judge(drawn).predict(drawn.x[:3]).shape == (3,)
    assert load_judge(drawn).predict(drawn.x[:3]).shape == (3,)
    assert trainings == ["digits", "digits"]


def test_a_full_disk_costs_only_the_cache(trainings, drawn, monkeypatch):
    def full(*args):
        raise CheckpointError("no space left on device")

    monkeypatch.setattr(judge_module.checkpoint, "save", full)
    assert load_judge(drawn).predict(drawn.x[:3]).shape == (3,)


def test_without_a_home_the_judge_lives_in_memory(trainings, drawn, monkeypatch):
    def no_home():
        raise DataError("no home folder")

    monkeypatch.setattr(judge_module, "cache_folder", no_home)
    assert load_judge(drawn).predict(drawn.x[:3]).shape == (3,)


# ---- MNIST -------------------------------------------------------------------------------------


@needs_mnist
def test_it_reads_98_percent_of_mnists_test_images():
    train, test = load_mnist("train"), load_mnist("test")
    judge = Judge.train(train)
    right = np.mean(judge.predict(test.x) == test.labels)
    assert right >= 0.98, f"right on {right:.2%}"


@pytest.mark.long  # a busy machine would fail it
def test_it_is_trained_within_a_minute():
    noise = np.random.default_rng(0).integers(256, size=(60_000, 784), dtype=np.uint8)
    dataset = Dataset("noise", noise, np.arange(60_000) % 10)
    start = time.thread_time()
    Judge.train(dataset)
    seconds = time.thread_time() - start
    assert seconds < 60, f"{seconds:.0f} s of training"
