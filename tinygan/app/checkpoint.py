"""The checkpoints: a run can be stopped anywhere and resumed exactly.

One ``.npz`` without pickled objects: the arrays of ``Training.state``, its plain values as JSON, a
format version and a SHA-256 over all of it. A new one is written beside the old one and renamed, so
that at every moment there is a whole one; the one before is kept as ``.previous.npz``.

A file is validated before it is used: reading takes no more memory than the file is long, and
whatever is wrong with it ends in a ``CheckpointError``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from contextlib import contextmanager

import numpy as np

from tinygan.app import files
from tinygan.app.errors import CheckpointError, Damaged

FORMAT = 1


@contextmanager
def writing(path):
    """Within this context, an OSError becomes a CheckpointError that says what could not be written."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error.strerror or error})") from None


@contextmanager
def whole(path):
    """``files.whole``, for the files of a run."""
    with writing(path), files.whole(path) as temporary:
        yield temporary


def save(path, arrays, values):
    """Write {name: array} and {name: plain value} to ``path`` (a pathlib.Path ending in .npz)."""
    content = {**arrays, "values": np.frombuffer(json.dumps(values).encode(), np.uint8)}
    content["sha256"] = np.frombuffer(digest(content), np.uint8)
    packed = io.BytesIO()  # a savez of NumPy before 2.2 that fails complains again at the end of the process
    np.savez(packed, format=np.array(FORMAT), **content)
    with whole(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(packed.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.replace(path, previous(path))


def load(path):
    """Return (arrays, values) as given to ``save``, verified; the arrays are read-only."""
    try:
        content = read_npz(path)
        version = int(content.pop("format"))
        if version != FORMAT:
            raise CheckpointError(f"{path}: has format {version}, but this version of tinygan reads {FORMAT}")
        if content.pop("sha256").tobytes() != digest(content):
            raise ValueError("its checksum does not fit its content")
        return content, json.loads(content.pop("values").tobytes())
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise Damaged(f"{path}: there is no such checkpoint") from None
    except PermissionError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # zipfile and NumPy raise nearly everything when they read rubbish
        raise Damaged(f"{path}: damaged, or not a checkpoint of tinygan ({reason(error)})") from None


def read_npz(path):
    """Return {name: array} of an uncompressed .npz, without believing what it says about sizes.

    ``np.load`` would allocate whatever an array's header claims; here the bytes are read first, of
    which there cannot be more than the file is long, and must then be as many as the header says.
    """
    if not path.is_file():  # a pipe would keep us waiting for ever
        raise FileNotFoundError
    content = {}
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if not stored or sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("it would unpack to more than its size")
        for member in members:
            data = archive.read(member)
            header = io.BytesIO(data)
            np.lib.format.read_magic(header)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(header)
            array = np.frombuffer(data, dtype, offset=header.tell()).reshape(shape, order="CF"[fortran])
            content[member.filename.removesuffix(".npy")] = array
    return content


def reason(error):
    """Return what an error says, in a few words."""
    if isinstance(error, KeyError):
        return f"no {error} in it"
    return str(error)[:200] or type(error).__name__


def previous(path):
    """Return where the checkpoint before the one at ``path`` is kept."""
    return path.with_suffix(".previous.npz")


def digest(content):
    """Return the SHA-256 over names, types, shapes and bytes of {name: array}, in the order of the names."""
    sha = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        sha.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        sha.update(array)
    return sha.digest()
