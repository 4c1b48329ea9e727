"""MNIST and data of its format (IDX), read and downloaded with every byte checked, and minibatches.

Nothing that comes from a file or from the network is believed: sizes are compared with the header
before memory is taken, and a download counts only with the published checksum.

N examples in a dataset, D values per example (784 = 28 x 28 for images), B examples in a batch.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import sys
import threading
import time
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

from tinygan.files import whole

# The published files: size in bytes and SHA-256. Small ones first: a dead mirror is noticed early.
FILES = {
    "t10k-labels-idx1-ubyte.gz":
        (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    "train-labels-idx1-ubyte.gz":
        (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz":
        (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "train-images-idx3-ubyte.gz":
        (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/",
           "https://storage.googleapis.com/cvdf-datasets/mnist/")
BY_HAND = ("fetch {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz, four files, by hand from "
           f"{MIRRORS[0]} into a folder and set TINYGAN_DATA to it, or use --data digits")
SPLITS = {"train": "train", "test": "t10k"}     # our name: how the files' names begin
MAX_BYTES = 1 << 30     # largest IDX file we read, unpacked: 1 GiB, about 23 times MNIST
CHUNK = 1 << 20         # bytes read at once, and so the most that a false promise costs
SLOWEST = 50_000        # bytes per second; a download slower than this has failed


class DataError(Exception):
    """Data that is missing, damaged or not to be had; the message is one line, the fault and its remedy."""

    def __init__(self, fault: str, remedy: str = ""):
        self.fault, self.remedy = " ".join(fault.splitlines()), remedy
        super().__init__(f"{self.fault}: {remedy}" if remedy else self.fault)


class Dataset(NamedTuple):
    """Examples and their classes; images are uint8 rows of 784, 2-D points float32 rows of 2."""

    name: str
    x: np.ndarray           # (N, D)
    labels: np.ndarray      # (N,) integers


def printable(text: str) -> str:
    """The text with a mark in place of what steers a terminal, or is no character at all."""
    return "".join("\ufffd" if unicodedata.category(c).startswith("C") else c for c in text)


# ---- reading ------------------------------------------------------------------------------------

def read_idx(path: str | Path, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The uint8 array, of 1 to 3 dimensions, in an IDX file, gzipped (by its first bytes) or plain.

    Format: two zero bytes, type code 8 for unsigned bytes, number of dimensions; then each size as
    a big-endian 32-bit integer; then the values (LeCun, Cortes, Burges: The MNIST Database).
    Raises DataError for anything else, having read at most max_bytes and one chunk of it.
    """
    if not os.path.isfile(path):    # a pipe or a device could keep us waiting for ever
        raise DataError(f"{path}: no such file, or not a file: name an IDX file")
    try:
        with open(path, "rb") as file:
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            return _parse_idx(gzip.GzipFile(fileobj=file) if zipped else file, max_bytes)
    except (OSError, EOFError, zlib.error, ValueError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read as IDX data ({str(error) or 'out of memory'}): "
                        "fetch the file again or name another") from error


def _parse_idx(stream, max_bytes: int) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[3] not in (1, 2, 3):
        raise ValueError(f"it begins with the bytes '{magic.hex(' ')}', "
                         "not with the magic number 00 00 08 01, 02 or 03")
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
    values = bytearray()    # grows with what really comes, never to the promise in advance
    while chunk := stream.read(min(CHUNK, promised + 1 - len(values))):
        values += chunk
    if len(values) != promised:
        fault = "goes on after" if len(values) > promised else f"ends after {len(values)} of"
        raise ValueError(f"it {fault} the {promised} bytes that its header promises")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _locate(folder: str | Path, names) -> list[Path]:
    """Where the folder holds the named files, each with or without its .gz; or a DataError."""
    try:
        present = set(os.listdir(folder))
    except (OSError, ValueError) as error:      # ValueError: no name of a folder has a zero byte in it
        reason = getattr(error, "strerror", error)
        raise DataError(f"{folder}: not a folder that can be read ({reason}): name a "
                        f"folder that holds {', '.join(names)}") from error
    found = {name: n for name in names for n in (name.removesuffix(".gz"), name) if n in present}
    if missing := [name for name in names if name not in found]:
        raise DataError(f"{folder}: holds no {', no '.join(missing)} (nor the same without .gz): "
                        "put the IDX files there or name another folder")
    return [Path(folder, found[name]) for name in names]


def load_folder(folder: str | Path, split: str = "train") -> Dataset:
    """The "train" or "test" split of a folder with IDX files under MNIST's four standard names.

    Any 28 x 28 images do: MNIST, Fashion-MNIST, KMNIST. Returns x (N, 784) uint8, labels (N,)
    uint8. Raises DataError.
    """
    if split not in SPLITS:
        raise DataError(f"{folder}: no split {split!r}: choose from {', '.join(SPLITS)}")
    images_path, labels_path = _locate(folder, [f"{SPLITS[split]}-images-idx3-ubyte.gz",
                                                f"{SPLITS[split]}-labels-idx1-ubyte.gz"])
    labels = read_idx(labels_path)
    if labels.ndim != 1:
        raise DataError(f"{labels_path}: has {labels.ndim} dimensions, labels have one: "
                        "put the labels' file there")
    images = read_idx(images_path)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_path}: has the shape {images.shape}, not (N, 28, 28): "
                        "put a file of 28 x 28 images there")
    if len(images) != len(labels):
        raise DataError(f"{folder}: {len(images)} images in {images_path.name} but {len(labels)} "
                        f"labels in {labels_path.name}: fetch both files from the same place")
    name = os.fsencode(os.path.basename(os.path.abspath(folder))).decode(errors="replace")
    return Dataset(printable(name), images.reshape(-1, 784), labels)


# ---- finding and downloading MNIST --------------------------------------------------------------

def cache_folder() -> Path:
    """Where downloads are kept, by the platform's custom; the folder need not exist yet."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:
        raise DataError(f"no home folder for the cache ({error}): set TINYGAN_DATA to a folder "
                        "with MNIST's four files") from error
    return base / "tinygan"


def find_mnist() -> Path | None:
    """The folder TINYGAN_DATA, or else the cache if it is complete, or else None.

    Raises DataError if TINYGAN_DATA is set but does not lead to the four files.
    """
    if folder := os.environ.get("TINYGAN_DATA"):
        try:
            _locate(folder, FILES)
        except DataError as error:
            raise DataError(f"TINYGAN_DATA={error}, or unset TINYGAN_DATA") from error
        return Path(folder)
    try:
        _locate(cache_folder(), FILES)
    except DataError:
        return None
    return cache_folder()


def load_mnist(split: str = "train", download: bool = True,
               report: Callable[[str], None] | None = None) -> Dataset:
    """MNIST from TINYGAN_DATA, the cache or (if `download`) a mirror; DataError if none has it."""
    folder = find_mnist()
    if folder is None and not download:
        raise DataError(f"MNIST is not in {cache_folder()}", BY_HAND)
    folder = folder or download_mnist(report=report)
    return load_folder(folder, split)._replace(name="mnist")


def download_mnist(folder: str | Path | None = None, mirrors=MIRRORS, timeout: float = 10.0,
                   report: Callable[[str], None] | None = None) -> Path:
    """Fetch what a folder (default: the cache) lacks of MNIST's four files; return the folder.

    A mirror may be silent for `timeout` seconds, and needs SLOWEST bytes per second; else the next
    one is tried. A file gets its name only when it is complete and has the published checksum; a
    file that is there with other content is not touched. Raises DataError with what each mirror
    answered. `report` is called with a line of text before each attempt.
    """
    folder = cache_folder() if folder is None else Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (size, sha256) in FILES.items():
            path = folder / name
            if not path.exists():
                _write(path, _fetch_from_any(mirrors, name, timeout, report))
            with open(path, "rb") as file:
                if fault := _fault(file.read(size + 1), size, sha256):
                    raise DataError(f"{path}: is not the published file ({fault}): move it away "
                                    "or choose another folder")
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be used for the download "
                        f"({error.strerror}): make room or choose another folder") from error
    return folder


def _fetch_from_any(mirrors, name: str, timeout: float, report) -> bytes:
    # Only now: with these, whoever just reads data would wait for half as long again as for NumPy.
    from http.client import HTTPException
    from urllib.error import HTTPError

    size, sha256 = FILES[name]
    answers = []
    for mirror in mirrors:
        host = urlsplit(mirror).netloc
        if report:
            report(f"downloading {name} ({size:,} bytes) from {host}")
        try:
            body = _within(timeout + size / SLOWEST, _fetch, mirror + name, size, timeout)
            if not (fault := _fault(body, size, sha256)):
                return body
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(getattr(error, "reason", None), "strerror", None)  # without "urlopen error"
            fault = reason or str(error).strip("<>") or type(error).__name__
            if isinstance(error, HTTPError):    # it is the response, too, and holds a connection
                error.close()
        answers.append(f"{host}: {fault}")
    raise DataError(f"{name} cannot be downloaded ({'; '.join(answers)})", BY_HAND)


def _fetch(url: str, size: int, timeout: float) -> bytes:
    """What the URL serves, up to one byte beyond the size; OSError, HTTPException, ValueError."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class Redirect(HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):
            fp.close()      # else urllib reads what comes with a redirect to its end, however long
            if urlsplit(newurl).scheme not in ("http", "https"):
                raise ValueError(f"it leads to {newurl}, which is no web address")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    deadline = time.monotonic() + timeout + size / SLOWEST
    body = bytearray()
    with build_opener(Redirect).open(url, timeout=timeout) as response:
        # read1 returns with whatever has come, so that a dripping server cannot hold us in it
        while chunk := response.read1(min(CHUNK, size + 1 - len(body))):
            body += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"too slow, {len(body)} of {size} bytes came in time")
    return body


def _fault(body: bytes, size: int, sha256: str) -> str:
    """What is wrong with a published file's content; empty if nothing is."""
    if len(body) != size:
        return f"{'more than' if len(body) > size else f'{len(body)} of'} {size} bytes"
    return "" if hashlib.sha256(body).hexdigest() == sha256 else "wrong SHA-256 checksum"


def _within(seconds: float, function, *args):
    """function(*args), but TimeoutError after so many seconds, whatever it is waiting for.

    A socket's own timeout does not do: it begins anew with every byte, and does not bound the
    look-up of a name. So the work is done in a thread, which is abandoned if it takes too long.
    """
    outcome = {}

    def work():
        try:
            outcome["result"] = function(*args)
        except Exception as error:      # carried over to the caller's thread
            outcome["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    deadline = time.monotonic() + seconds
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(0.1)                # short, so that Ctrl-C is heard on every platform
    if "error" in outcome:
        raise outcome["error"]
    if "result" not in outcome:
        raise TimeoutError(f"no complete answer in {seconds:.1f} s")
    return outcome["result"]


def _write(path: Path, body: bytes) -> None:
    with whole(path) as temporary, open(temporary, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


# ---- minibatches --------------------------------------------------------------------------------

class Minibatches:
    """Endless batches in shuffled order; every example comes exactly once per epoch.

    x (N, D): uint8 is scaled to [0, 1], floats are passed on. All batches have the same size, so
    one may hold the end of an epoch and the beginning of the next. Each epoch is shuffled by `rng`
    when its first example is due; making a Minibatches draws nothing from it.
    """

    def __init__(self, x: np.ndarray, batch_size: int, rng: np.random.Generator, dtype=np.float32):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}: a batch needs at least one example")
        if len(x) == 0:
            raise DataError("no examples: batches need a dataset with at least one")
        # Images stay bytes, an eighth of float64; np.take would copy x if it were not contiguous.
        self.x = np.ascontiguousarray(x, None if x.dtype == np.uint8 else dtype)
        self.rng = rng
        self.order = np.arange(len(x))                                      # (N,)
        self.drawn = 0                                                      # in all epochs
        self._chosen = np.empty(batch_size, self.order.dtype)               # (B,)
        self._rows = np.empty((batch_size, *x.shape[1:]), self.x.dtype)     # (B, D)
        self._out = np.empty_like(self._rows, dtype)                        # (B, D)

    @property
    def epoch(self) -> float:
        """How often the whole dataset has been drawn: 1.5 is half-way through the second time."""
        return self.drawn / len(self.order)

    def next(self) -> np.ndarray:
        """The next batch (B, D); the array is overwritten by the following call."""
        filled = 0
        while filled < len(self._chosen):
            start = self.drawn % len(self.order)
            if start == 0:
                self.rng.shuffle(self.order)
            part = self.order[start:start + len(self._chosen) - filled]
            self._chosen[filled:filled + len(part)] = part
            filled += len(part)
            self.drawn += len(part)
        # mode "clip", because "raise" gathers into a hidden copy of `out`; no index is out of range
        np.take(self.x, self._chosen, axis=0, out=self._rows, mode="clip")
        if self._rows.dtype != np.uint8:
            return self._rows
        np.copyto(self._out, self._rows)
        self._out /= 255
        return self._out

    def restore(self, order: np.ndarray, drawn: int) -> None:
        """Go on from another's `order` (N,) and `drawn`; with the generator's state too, bit for bit the same."""
        order = np.ravel(order)
        if not np.array_equal(np.sort(order), np.arange(len(self.order))):
            raise DataError(f"the saved order of {len(order)} examples does not fit the dataset of "
                            f"{len(self.order)}: resume with the data that the run began with")
        self.order[:] = order
        self.drawn = int(drawn)
