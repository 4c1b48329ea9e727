"""Where the data of a run come from: by name or from a folder, downloaded if need be, and always the same ones."""

from __future__ import annotations

from pathlib import Path

from tinygan import data
from tinygan.app import checkpoint
from tinygan.app.cache import load_classifier
from tinygan.app.download import download_mnist
from tinygan.app.errors import UsageError
from tinygan.app.output import indented, say
from tinygan.recipes import DATA, load_data
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
    return load_data(name)


def make_examiner(dataset, source, config, report=say):
    """Return what the samples are measured with; DataError if there is no test split, or too few images."""
    test = load_data(source, "test") if dataset.is_image else None
    return scores.Examiner(dataset, test, config.latent_dim, lambda dataset: load_classifier(dataset, report))


def fingerprint(dataset):
    """Return the SHA-256 of the examples, so that a run is never continued with other ones."""
    return checkpoint.digest({"x": dataset.x}).hex()


def refuse_other(dataset, run, source, sha256):
    """Raise UsageError if these are not the data that the run was begun with."""
    if fingerprint(dataset) != sha256:
        raise UsageError(f"{run} was begun with other data than {source}; name the same with --data")


def absolute(name):
    """Return a --data that means the same in every working directory."""
    return name if name in DATA else str(Path(name).resolve())
