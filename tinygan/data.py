"""The data: datasets, MNIST and data of its file format (IDX), and minibatches.

Files are validated before memory is allocated for what they promise. ``recipes.load_data`` finds a
dataset by its name; the command line downloads MNIST.

N examples in a dataset, D values of an example (784 = 28 x 28 for MNIST), B examples in a batch.
"""

from __future__ import annotations

import gzip
import math
import os
import sys
import unicodedata
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

SPLITS = {"train": "train", "test": "t10k"}  # our name: how the files' names begin
MNIST = [f"{split}-{kind}-ubyte.gz" for split in ("t10k", "train") for kind in ("images-idx3", "labels-idx1")]
MAX_BYTES = 1 << 30  # largest IDX file that is read, unpacked: 1 GiB, about 23 times MNIST
CHUNK = 1 << 20  # bytes read at once, so that a wrong header costs at most this much memory


class DataError(Exception):
    """Data that are missing, damaged or unavailable; the message is one line, the fault and its remedy."""

    def __init__(self, fault, remedy=""):
        self.fault, self.remedy = " ".join(fault.splitlines()), remedy
        super().__init__(f"{self.fault}: {remedy}" if remedy else self.fault)


class Dataset(NamedTuple):
    """Examples and their classes: images as rows of bytes, or 2-D points as rows of float32."""

    name: str
    x: np.ndarray  # (N, D) uint8 or float32
    labels: np.ndarray | None = None  # (N,) integers, where there are any
    shape: tuple[int, ...] = (28, 28)  # of an example: (height, width), (height, width, 3) in color, (2,) for points

    @property
    def is_image(self):
        """Whether the examples are images."""
        return len(self.shape) > 1


def as_floats(x):
    """Return bytes scaled to [0, 1] as float32, and floats as they are."""
    return np.divide(x, 255, dtype=np.float32) if x.dtype == np.uint8 else x


def as_bytes(x):
    """Return floats in [0, 1] as bytes."""
    return np.round(x * 255).astype(np.uint8)


def printable(text):
    """Return the text with a mark in place of what steers a terminal, or is no character at all."""
    return "".join("\ufffd" if unicodedata.category(c).startswith("C") else c for c in text)


# ---- IDX files -----------------------------------------------------------------------------------


def read_idx(path, max_bytes=MAX_BYTES):
    """Return the uint8 array, of 1 to 4 dimensions, in an IDX file, gzipped (by its first bytes) or plain.

    Format: two zero bytes, type code 8 for unsigned bytes, number of dimensions; then each size as
    a big-endian 32-bit integer; then the values (LeCun, Cortes, Burges: The MNIST Database).
    Raises DataError for anything else, having read at most max_bytes and one chunk of it.
    """
    if not os.path.isfile(path):  # a pipe or a device could keep us waiting for ever
        raise DataError(f"{path}: no such file, or not a file: name an IDX file")
    try:
        with open(path, "rb") as file:
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            return parse_idx(gzip.GzipFile(fileobj=file) if zipped else file, max_bytes)
    except (OSError, EOFError, zlib.error, ValueError, MemoryError) as error:
        reason = str(error) or "out of memory"
        raise DataError(
            f"{path}: cannot be read as IDX data ({reason}): fetch the file again or name another"
        ) from error


def parse_idx(stream, max_bytes):
    """Return the array in an open IDX file; ValueError that says what is wrong."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[3] not in (1, 2, 3, 4):
        raise ValueError(
            f"it begins with the bytes '{magic.hex(' ')}', not with the magic number 00 00 08 and 01 to 04"
        )
    if magic[2] != 8:
        raise ValueError(f"its values have type code {magic[2]}, not 8, unsigned bytes")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise ValueError("it ends within its header")
    shape = tuple(np.frombuffer(header, ">u4").tolist())
    promised, sizes = math.prod(shape), " x ".join(map(str, shape))
    if promised == 0:
        raise ValueError(f"it is empty: its header gives the size {sizes}")
    if promised > max_bytes:
        raise ValueError(f"its header promises {sizes} bytes, more than the limit of {max_bytes}")
    values = bytearray()  # grows with what really comes, never to the promise in advance
    while chunk := stream.read(min(CHUNK, promised + 1 - len(values))):
        values += chunk
    if len(values) != promised:
        fault = "goes on after" if len(values) > promised else f"ends after {len(values)} of"
        raise ValueError(f"it {fault} the {promised} bytes that its header promises")
    return np.frombuffer(values, np.uint8).reshape(shape)


# ---- folders -------------------------------------------------------------------------------------


def locate(folder, names):
    """Return the paths of these files in the folder, each with or without its .gz; DataError if one is missing."""
    try:
        present = set(os.listdir(folder))
    except (OSError, ValueError) as error:  # ValueError: no name of a folder has a zero byte in it
        reason = getattr(error, "strerror", error)
        remedy = f"name a folder that holds {', '.join(names)}"
        raise DataError(f"{folder}: not a folder that can be read ({reason}): {remedy}") from error
    found = {name: n for name in names for n in (name.removesuffix(".gz"), name) if n in present}
    if missing := [name for name in names if name not in found]:
        remedy = "put the IDX files there or name another folder"
        raise DataError(f"{folder}: holds no {', no '.join(missing)} (nor the same without .gz): {remedy}")
    return [Path(folder, found[name]) for name in names]


def load_folder(folder, split="train"):
    """Return the "train" or "test" split of a folder with IDX files under MNIST's four standard names.

    MNIST, Fashion-MNIST, KMNIST, or images of your own. Raises DataError.
    """
    if split not in SPLITS:
        raise DataError(f"{folder}: no split {split!r}: choose from {', '.join(SPLITS)}")
    images_path, labels_path = locate(folder, [name for name in MNIST if name.startswith(SPLITS[split])])
    labels = read_idx(labels_path)
    if labels.ndim != 1:
        raise DataError(f"{labels_path}: has {labels.ndim} dimensions, labels have one: put the labels' file there")
    images = read_idx(images_path)
    if len(images) != len(labels):
        counts = f"{len(images)} images in {images_path.name} but {len(labels)} labels in {labels_path.name}"
        raise DataError(f"{folder}: {counts}: fetch both files from the same place")
    return images_dataset(images_path, images, labels)._replace(name=name_of(folder))


def load_array(path, split="train"):
    """Return the "train" or "test" split of the images in a .npy file, bytes or floats in [0, 1]; or DataError.

    There are no labels in it; every sixth image is in the test split.
    """
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        remedy = "name a file that np.save has written"
        raise DataError(f"{path}: cannot be read as an array ({error}): {remedy}") from error
    if images.dtype.kind == "f" and images.size:
        if not 0 <= images.min() <= images.max() <= 1:  # also where one is nan
            raise DataError(f"{path}: its numbers are not all between 0 and 1: scale them, or give bytes")
        images = as_bytes(images)
    if images.dtype != np.uint8:
        raise DataError(f"{path}: holds {images.dtype}: give bytes (uint8), or floats between 0 and 1")
    return images_dataset(path, images[every_sixth(len(images), split)])


def every_sixth(n, split):
    """Return a mask, (n,), of the test split, every sixth, or of the training split, the others."""
    return (np.arange(n) % 6 == 5) == (split == "test")


def images_dataset(path, images, labels=None):
    """Return the Dataset of images (N, height, width), or in color (N, height, width, 3), named after its path."""
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    size = images.shape[1:3]
    if images.ndim not in (3, 4) or images.shape[3:] not in ((), (3,)) or not 8 <= min(size) <= max(size) <= 64:
        wanted = "(N, height, width) or (N, height, width, 3), height and width from 8 to 64"
        raise DataError(f"{path}: has the shape {images.shape}, not {wanted}: scale the images, or name others")
    return Dataset(name_of(path), images.reshape(len(images), -1), labels, images.shape[1:])


def name_of(path):
    """Return the last part of a path, as text that can be printed."""
    return printable(os.fsencode(os.path.basename(os.path.abspath(path))).decode(errors="replace"))


def cache_folder():
    """Return the folder where downloads are kept, by the platform's custom; it need not exist yet."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:
        remedy = "set TINYGAN_DATA to a folder with MNIST's four files"
        raise DataError(f"no home folder for the cache ({error}): {remedy}") from error
    return base / "tinygan"


def find_mnist():
    """Return the folder TINYGAN_DATA, or else the cache if it is complete, or else None.

    Raises DataError if TINYGAN_DATA is set but does not lead to the four files.
    """
    if folder := os.environ.get("TINYGAN_DATA"):
        try:
            locate(folder, MNIST)
        except DataError as error:
            raise DataError(f"TINYGAN_DATA={error}, or unset TINYGAN_DATA") from error
        return Path(folder)
    try:
        locate(cache_folder(), MNIST)
    except DataError:
        return None
    return cache_folder()


def load_mnist(split="train"):
    """Return MNIST from TINYGAN_DATA or the cache; DataError if it is in neither."""
    if folder := find_mnist():
        return load_folder(folder, split)._replace(name="mnist")
    remedy = "set TINYGAN_DATA to a folder with its four files, or run tinygan train, which downloads them"
    raise DataError("MNIST is not on this machine", remedy)


# ---- minibatches ---------------------------------------------------------------------------------


class Minibatches:
    """Endless batches in shuffled order; every example comes exactly once per epoch.

    x (N, D): uint8 is scaled to [0, 1], floats are passed on. All batches have the same size, so
    one may hold the end of an epoch and the beginning of the next. Each epoch is shuffled by ``rng``
    when its first example is due; making a Minibatches draws nothing from it. ``rows``, (B,), says
    which examples the last batch holds. ``share`` is a slice of every batch, where others take the rest.
    """

    def __init__(self, x, batch_size, rng, dtype=np.float32, share=slice(None)):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: a batch needs at least one example")
        if len(x) == 0:
            raise DataError("no examples: batches need a dataset with at least one")
        # Images stay bytes, an eighth of float64; np.take would copy x if it were not contiguous.
        self.x = np.ascontiguousarray(x, None if x.dtype == np.uint8 else dtype)
        self.rng = rng
        self.order = np.arange(len(x))  # (N,)
        self.drawn = 0  # in all epochs
        self._batch = np.empty(batch_size, self.order.dtype)
        self.rows = self._batch[share]  # (B,), a view
        self._taken = np.empty((len(self.rows), *x.shape[1:]), self.x.dtype)  # (B, D)
        self._scaled = np.empty_like(self._taken, dtype)  # (B, D)

    @property
    def epoch(self):
        """How often the whole dataset has been drawn: 1.5 is half-way through the second time."""
        return self.drawn / len(self.order)

    def next(self):
        """Return the next batch, (B, D); the following call overwrites it."""
        filled = 0
        while filled < len(self._batch):
            start = self.drawn % len(self.order)
            if start == 0:
                self.rng.shuffle(self.order)
            part = self.order[start : start + len(self._batch) - filled]
            self._batch[filled : filled + len(part)] = part
            filled += len(part)
            self.drawn += len(part)
        # mode "clip", because "raise" gathers into a hidden copy of `out`; no index is out of range
        np.take(self.x, self.rows, axis=0, out=self._taken, mode="clip")
        if self._taken.dtype != np.uint8:
            return self._taken
        np.copyto(self._scaled, self._taken)
        self._scaled /= 255
        return self._scaled

    def restore(self, order, drawn):
        """Continue from another's ``order`` (N,) and ``drawn``; with its generator's state too, bit for bit."""
        order = np.ravel(order)
        if not np.array_equal(np.sort(order), np.arange(len(self.order))):
            raise DataError(
                f"the saved order of {len(order)} examples does not fit the dataset of "
                f"{len(self.order)}: resume with the data that the run began with"
            )
        self.order[:] = order
        self.drawn = int(drawn)
