"""Where the data of a run come from: by name or from a folder, downloaded if need be, and always the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinygan import data
from tinygan.app import checkpoint
from tinygan.app.album import drawing
from tinygan.app.cache import load_classifier
from tinygan.app.download import download_mnist
from tinygan.app.errors import UsageError
from tinygan.app.output import indented, say
from tinygan.recipes import DATA, counts_of, load_data
from tinygan.scoring import scores


def fetch(name, report=say):
    """Return the training split of what ``--data`` names; where MNIST is not on this machine, it is downloaded.

    "auto" falls back on drawn digits, and reports it. Raises DataError.
    """
    if name in ("auto", "mnist") and data.find_mnist() is None:
        try:
            download_mnist(report)
        except data.DataError as error:
            if name == "mnist":
                raise
            report("MNIST is not available, so this trains on drawn digits instead.")
            report(indented(f"Why: {error.fault}"))
            if error.remedy:
                report(indented(f"To have MNIST: {error.remedy}"))
    return load(name)


def load(name, split="train"):
    """Return a split of the dataset of this name or path, which may also be a folder of pictures; or DataError.

    The pictures are PNG files of one size, in the folder itself, or in folders in it that are their
    classes. Every sixth is in the test split.
    """
    folder = Path(name)
    try:
        loose, in_classes = sorted(folder.glob("*.png")), sorted(folder.glob("*/*.png"))
    except (OSError, ValueError):  # no folder has such a name, or this one cannot be read: load_data says it
        loose = in_classes = []
    if name in DATA or not (loose or in_classes):
        return load_data(name, split)
    paths = np.array(loose or in_classes)
    paths = paths[data.every_sixth(len(paths), split)]
    classes = sorted({path.parent.name for path in in_classes})
    labels = None if loose else np.array([classes.index(path.parent.name) for path in paths])
    try:
        return data.images_dataset(name, drawing().read_pictures(paths), labels)
    except ValueError as error:
        raise data.DataError(f"{error}: mend it, or name another folder") from None


def make_examiner(dataset, source, config, report=say):
    """Return what the samples are measured with; DataError if there is no test split, or too few images."""
    test = load(source, "test") if dataset.is_image else None
    counts = counts_of(config, dataset.labels)
    return scores.Examiner(dataset, test, config.latent_dim, lambda dataset: load_classifier(dataset, report), counts)


def say_scores(examiner, rows, step, report=say):
    """Print the table of scores of a run at ``step``, and what is wrong with it in a line."""
    report(scores.table(rows))
    if examiner.images and examiner.dataset.labels is None:
        report("There are no labels, and so no classifier: only the pixels are compared.")
    if verdict := scores.verdict(rows, step):
        report(indented(verdict))


def fingerprint(dataset):
    """Return the SHA-256 of the examples and their labels, so that a run is never continued with other ones."""
    labels = {} if dataset.labels is None else {"labels": dataset.labels.astype(np.int64)}
    return checkpoint.digest({"x": dataset.x, **labels}).hex()


def refuse_other(dataset, run, source, sha256):
    """Raise UsageError if these are not the data that the run was begun with."""
    if fingerprint(dataset) != sha256:
        raise UsageError(f"{run} was begun with other data than {source}; name the same with --data")


def absolute(name):
    """Return a --data that means the same in every working directory."""
    return name if name in DATA else str(Path(name).resolve())
