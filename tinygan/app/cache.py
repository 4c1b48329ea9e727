"""The classifier of a dataset, trained once and kept in the cache."""

from __future__ import annotations

import numpy as np

from tinygan.app import checkpoint
from tinygan.data import DataError, cache_folder
from tinygan.scoring import classifier
from tinygan.scoring.classifier import Classifier

VERSION = 2  # raise it when any change makes other classifiers: cached ones are then trained anew


def load_classifier(dataset, report=None):
    """Return the classifier of a ``data.Dataset`` (its training split): from the cache, else trained and cached.

    The cache is a file named by what the classifier depends on. A damaged one is trained anew; where
    nothing can be written, the classifier lives in memory only. ``report`` is called with a line of
    text before a training.
    """
    settings = np.array([VERSION, *classifier.HIDDEN, classifier.STEPS, classifier.BATCH, classifier.LR])
    content = {"x": dataset.x, "shape": np.array(dataset.shape), "labels": dataset.labels, "settings": settings}
    key = checkpoint.digest(content).hex()
    try:
        path = cache_folder() / f"classifier-{key[:16]}.npz"
    except DataError:  # no home
        path = None
    found = path and read(path, key)
    if found:
        return found
    if report:
        report(f"training the classifier of {dataset.name}, once, in about ten seconds")
    trained = Classifier.train(dataset)
    if path:
        write(path, key, trained)
    return trained


def read(path, key):
    """Return the classifier in a file, or None if there is none that is whole and has this key."""
    try:
        arrays, values = checkpoint.load(path)
    except checkpoint.CheckpointError:
        return None
    if values.get("key") != key:
        return None
    found = Classifier(values["pixels"], values["classes"], np.random.default_rng(0))
    found.network.params[:] = arrays["params"]
    return found


def write(path, key, trained):
    """Keep a classifier for the next time, if that is possible."""
    pixels, classes = trained.network.layers[0].shapes["W"][0], trained.network.layers[-1].shapes["W"][1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, {"params": trained.network.params}, {"key": key, "pixels": pixels, "classes": classes})
    except (OSError, checkpoint.CheckpointError):
        pass  # it is only a saving of ten seconds
