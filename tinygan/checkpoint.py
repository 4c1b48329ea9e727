"""Checkpoints exist so that a run can be stopped anywhere and resumed exactly.

One ``.npz`` without pickled objects: the arrays of ``Training.state``, its plain values as JSON, a
format version and a SHA-256 over all of it. A new one is written beside the old one and renamed, so
that at every moment there is a whole one; the one before is kept as ``.previous.npz``.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile

import numpy as np

FORMAT = 1


class CheckpointError(Exception):
    """A checkpoint cannot be written or read; the message is one line that says why."""


def save(path, arrays, values):
    """Write {name: array} and {name: plain value} to ``path`` (a pathlib.Path ending in .npz)."""
    content = {**arrays, "values": np.frombuffer(json.dumps(values).encode(), np.uint8)}
    content["format"] = np.array(FORMAT)
    content["sha256"] = np.frombuffer(digest(content), np.uint8)
    temporary = path.with_suffix(".writing")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.replace(path, previous(path))
        os.replace(temporary, path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot write the checkpoint: {error.strerror or error}") from None


def load(path):
    """(arrays, values) as given to ``save``, verified."""
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        version = int(content["format"])
        if version == FORMAT and content.pop("sha256").tobytes() != digest(content):
            raise CheckpointError(f"{path}: damaged: its checksum does not fit its content")
        values = json.loads(content.pop("values").tobytes())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a checkpoint of tinygan, or damaged ({error})") from None
    if version != FORMAT:
        raise CheckpointError(f"{path}: format {version}, but this version reads format {FORMAT}")
    del content["format"]
    return content, values


def previous(path):
    """Where the checkpoint before the one at ``path`` is kept."""
    return path.with_suffix(".previous.npz")


def digest(content):
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    sha = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        sha.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        sha.update(array)
    return sha.digest()
