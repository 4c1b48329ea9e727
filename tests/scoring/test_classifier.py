"""The classifier learns to tell the classes apart, and what it says of an image depends on the image alone.

Drawn digits stand in for MNIST, which only the last tests need.
"""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, peak_allocation

from tinygan.data import DataError, Dataset, as_floats, load_mnist
from tinygan.scoring import classifier
from tinygan.scoring.classifier import Classifier, shifted
from tinygan.synthetic import digits, ring

MNIST = os.environ.get("TINYGAN_DATA", "")
needs_mnist = pytest.mark.skipif(not os.path.isdir(MNIST), reason="needs TINYGAN_DATA, a folder with MNIST")


@pytest.fixture(scope="module")
def drawn():
    return digits(2000, np.random.default_rng(0))


@pytest.fixture(scope="module")
def quick(drawn):
    """A model that has learned for a second."""
    return Classifier.train(drawn, steps=300)


# ---- what it learns ----------------------------------------------------------------------------


def test_it_learns_to_read_drawn_digits(quick):
    test = digits(1000, np.random.default_rng(1))
    right = np.mean(quick.predict(test.x) == test.labels)
    assert right > 0.95, f"right on {right:.1%} of drawn digits that it has not seen"


def test_without_training_it_guesses(drawn):
    right = np.mean(Classifier(784, 10, np.random.default_rng(0)).predict(drawn.x) == drawn.labels)
    assert right < 0.3, f"right on {right:.1%} before any training: the test above proves nothing"


def test_the_same_seed_gives_the_same_classifier_and_another_seed_another_one(drawn):
    first, same, other = (Classifier.train(drawn, seed, steps=20).network.params for seed in (1, 1, 2))
    assert_same_bits("params", same, first)
    assert not np.allclose(other, first)


def test_there_is_a_class_for_every_label(drawn):
    three = Dataset("three", drawn.x[:60], np.arange(60) % 3)
    assert Classifier.train(three, steps=1).probabilities(drawn.x[:2]).shape == (2, 3)


def test_it_refuses_data_that_are_not_images_or_have_no_labels(drawn):
    for dataset in (ring(100, np.random.default_rng(0)), drawn._replace(labels=None)):
        with pytest.raises(DataError, match=f"{dataset.name}: .*images with labels"):
            Classifier.train(dataset)


@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (12, 10, 3)])
def test_it_learns_to_tell_images_of_any_size_and_in_color(shape):
    """Two kinds that differ in which half is bright, or in color which channel."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    x = rng.integers(0, 100, (400, *shape), dtype=np.uint8)
    if len(shape) == 3:
        x[labels == 1, :, :, 2] += 120
    else:
        x[labels == 1, :, shape[1] // 2 :] += 120
    x = x.reshape(400, -1)
    model = Classifier.train(Dataset("halves", x[:300], labels[:300], shape), steps=60)
    assert np.mean(model.predict(x[300:]) == labels[300:]) > 0.95


def test_training_makes_no_float_copy_of_the_images():
    black = Dataset("black", np.zeros((60_000, 784), np.uint8), np.zeros(60_000, np.int64))
    peak = peak_allocation(lambda: Classifier.train(black, steps=2))
    assert peak < 20e6, f"{peak / 1e6:.0f} MB for a model of 60,000 images; as floats they are 188 MB"


@pytest.mark.parametrize("shape", [(28, 28), (9, 14), (12, 10, 3)])
def test_a_batch_is_moved_as_one_by_a_pixel_or_none_in_each_direction(shape):
    x = np.zeros((2, *shape), np.float32)
    x[0, 7, 8] = x[1, 5, 6] = 1  # in color all channels
    rng, steps = np.random.default_rng(0), set()
    for _ in range(200):
        n, row, column, *channel = np.nonzero(shifted(x.reshape(2, -1), shape, rng).reshape(2, *shape))
        step = (row[0] - 7, column[0] - 8)
        expected = x.copy()
        expected[0], expected[1] = (np.roll(each, step, axis=(0, 1)) for each in x)
        for got, wanted in zip((n, row, column, *channel), np.nonzero(expected), strict=True):
            assert got.tolist() == wanted.tolist()
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
    """The slope of LeakyReLU on the left is 0.2: the outputs there are much smaller."""
    features = quick.features(drawn.x[:50])
    assert -features[features < 0].mean() < 0.5 * features[features > 0].mean()


def test_it_sees_the_same_in_bytes_and_in_floats(quick, drawn):
    x = drawn.x[:50]
    assert_same_bits("features", quick.features(as_floats(x)), quick.features(x))
    assert_close("features", quick.features(x / 255.0), quick.features(x), 1e-6)


def test_what_it_says_of_an_image_does_not_depend_on_the_company(quick, drawn, monkeypatch):
    together = quick.features(drawn.x[:25])
    monkeypatch.setattr(classifier, "CHUNK", 10)
    assert_close("features in chunks", quick.features(drawn.x[:25]), together, 1e-5)


def test_what_it_said_stays_when_it_is_asked_again(quick, drawn):
    said = quick.features(drawn.x[:10])
    before = said.copy()
    quick.features(drawn.x[10:20])
    assert_same_bits("features", said, before)


# ---- MNIST -------------------------------------------------------------------------------------


@needs_mnist
def test_after_a_quarter_of_its_training_it_reads_mnist():
    train, test = load_mnist("train"), load_mnist("test")
    right = np.mean(Classifier.train(train, steps=1000).predict(test.x) == test.labels)
    assert right >= 0.97, f"right on {right:.2%}"


@pytest.mark.long  # ten seconds of training
@needs_mnist
def test_it_reads_98_percent_of_mnists_test_images():
    train, test = load_mnist("train"), load_mnist("test")
    right = np.mean(Classifier.train(train).predict(test.x) == test.labels)
    assert right >= 0.98, f"right on {right:.2%}"


@pytest.mark.long  # a busy machine would fail it
def test_it_is_trained_within_a_minute():
    noise = np.random.default_rng(0).integers(256, size=(60_000, 784), dtype=np.uint8)
    dataset = Dataset("noise", noise, np.arange(60_000) % 10)
    start = time.thread_time()
    Classifier.train(dataset)
    seconds = time.thread_time() - start
    assert seconds < 60, f"{seconds:.0f} s of training"
