"""The classifier's cache may be lost, but never wrong."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_same_bits

from tinygan.app import cache
from tinygan.app.cache import load_classifier
from tinygan.app.errors import CheckpointError
from tinygan.data import DataError
from tinygan.scoring.classifier import Classifier
from tinygan.synthetic import digits


@pytest.fixture(scope="module")
def drawn():
    return digits(2000, np.random.default_rng(0))


@pytest.fixture
def trainings(monkeypatch, tmp_path):
    """An empty cache and short trainings, whose datasets' names this list collects."""
    names, train = [], Classifier.train

    def short(dataset):
        names.append(dataset.name)
        return train(dataset, steps=2)

    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(Classifier, "train", short)
    return names


def the_file(tmp_path):
    (path,) = (tmp_path / "cache").iterdir()
    return path


def test_a_classifier_is_trained_once_and_then_comes_from_the_cache(trainings, drawn, tmp_path):
    said = []
    first = load_classifier(drawn, said.append)
    second = load_classifier(drawn, said.append)
    assert trainings == ["digits"]
    assert len(said) == 1 and "training the classifier of digits" in said[0]
    assert_same_bits("params", second.network.params, first.network.params)
    assert_same_bits("probabilities", second.probabilities(drawn.x), first.probabilities(drawn.x))


def test_other_data_and_other_settings_have_other_classifiers(trainings, drawn, monkeypatch):
    load_classifier(drawn)
    changed = drawn.x.copy()
    changed[-1, -1] ^= 1
    load_classifier(drawn._replace(name="one bit differs", x=changed))
    load_classifier(drawn._replace(name="other labels", labels=drawn.labels[::-1]))
    load_classifier(drawn._replace(name="other shape", shape=(14, 56)))
    monkeypatch.setattr(cache, "VERSION", -1)
    load_classifier(drawn._replace(name="other version"))
    assert trainings == ["digits", "one bit differs", "other labels", "other shape", "other version"]


@pytest.mark.parametrize("damage", ["empty", "half", "rubbish", "bytes behind"])
def test_a_damaged_cache_is_trained_anew_and_mended(trainings, drawn, tmp_path, damage):
    expected = load_classifier(drawn).network.params
    path = the_file(tmp_path)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "rubbish": b"rubbish" * 99,
        "bytes behind": whole + bytes(70_000),
    }
    path.write_bytes(damaged[damage])
    assert_same_bits("params", load_classifier(drawn).network.params, expected)
    assert_same_bits("params", load_classifier(drawn).network.params, expected)
    assert trainings == ["digits", "digits"], "trained first, once more for the damage, and not a third time"


def test_no_changed_byte_of_a_cache_gives_another_classifier(tmp_path):
    path, model = tmp_path / "model.npz", Classifier(64, 3, np.random.default_rng(0))
    cache.write(path, "key", model)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    edges = [*range(400), *range(len(whole) - 800, len(whole))]  # where the format's own numbers are
    refused = 0
    for position in [*rng.choice(edges, 60, replace=False), *rng.integers(len(whole), size=20)]:
        changed = bytearray(whole)
        changed[position] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        found = cache.read(path, "key")
        refused += found is None
        if found is not None:  # a time stamp, say
            assert_same_bits(f"params, byte {position}", found.network.params, model.network.params)
    assert refused > 20


def test_a_cache_of_another_classifier_does_not_count(tmp_path):
    path, model = tmp_path / "model.npz", Classifier(64, 3, np.random.default_rng(0))
    cache.write(path, "key", model)
    assert cache.read(path, "another key") is None
    assert_same_bits("params", cache.read(path, "key").network.params, model.network.params)


def test_where_nothing_can_be_written_the_classifier_lives_in_memory(trainings, drawn, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert load_classifier(drawn).predict(drawn.x[:3]).shape == (3,)
    assert load_classifier(drawn).predict(drawn.x[:3]).shape == (3,)
    assert trainings == ["digits", "digits"]


def test_a_full_disk_costs_only_the_cache(trainings, drawn, monkeypatch):
    def full(*args):
        raise CheckpointError("no space left on device")

    monkeypatch.setattr(cache.checkpoint, "save", full)
    assert load_classifier(drawn).predict(drawn.x[:3]).shape == (3,)


def test_without_a_home_the_classifier_lives_in_memory(trainings, drawn, monkeypatch):
    def no_home():
        raise DataError("no home folder")

    monkeypatch.setattr(cache, "cache_folder", no_home)
    assert load_classifier(drawn).predict(drawn.x[:3]).shape == (3,)
