"""The download of MNIST: four files, accepted only with their published checksums."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from tinygan.app.files import whole
from tinygan.data import DataError, cache_folder

# The published files: size in bytes and SHA-256. Small ones first: a dead mirror is noticed early.
FILES = {
    "t10k-labels-idx1-ubyte.gz": (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    "train-labels-idx1-ubyte.gz": (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz": (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "train-images-idx3-ubyte.gz": (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
BY_HAND = (
    "fetch {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz, four files, by hand from "
    f"{MIRRORS[0]} into a folder and set TINYGAN_DATA to it, or use --data digits"
)
SLOWEST = 50_000  # bytes per second; a download slower than this has failed


def download_mnist(report, folder=None, mirrors=MIRRORS, timeout=10.0):
    """Fetch what a folder (default: the cache) lacks of MNIST's four files; return the folder.

    A mirror may be silent for ``timeout`` seconds, and needs SLOWEST bytes per second; else the next
    one is tried. A file gets its name only when it is complete and has the published checksum; a
    file that is there with other content is not touched. Raises DataError with what each mirror
    answered. ``report`` is called with a line of text before each attempt.
    """
    folder = Path(folder or cache_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (size, sha256) in FILES.items():
            path = folder / name
            if not path.exists():
                write(path, fetch_from_any(mirrors, name, timeout, report))
            with open(path, "rb") as file:
                if fault := fault_of(file.read(size + 1), size, sha256):
                    remedy = "move it away or choose another folder"
                    raise DataError(f"{path}: is not the published file ({fault}): {remedy}")
    except OSError as error:
        remedy = "make room or choose another folder"
        where = error.filename or folder
        raise DataError(f"{where}: cannot be used for the download ({error.strerror}): {remedy}") from error
    return folder


def fetch_from_any(mirrors, name, timeout, report):
    """Return the content of a published file from the first mirror that has it."""
    from http.client import HTTPException  # only now: these take half as long to import as NumPy
    from urllib.error import HTTPError

    size, sha256 = FILES[name]
    answers = []
    for mirror in mirrors:
        host = urlsplit(mirror).netloc
        report(f"downloading {name} ({size:,} bytes) from {host}")
        try:
            body = fetch(mirror + name, size, timeout)
            fault = fault_of(body, size, sha256)
            if not fault:
                return body
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(getattr(error, "reason", None), "strerror", None)  # without "urlopen error"
            fault = reason or str(error).strip("<>") or type(error).__name__
            if isinstance(error, HTTPError):  # it is the response, too, and holds a connection
                error.close()
        answers.append(f"{host}: {fault}")
    raise DataError(f"{name} cannot be downloaded ({'; '.join(answers)})", BY_HAND)


def fetch(url, size, timeout):
    """Return what the URL serves, up to one byte beyond the size; OSError, HTTPException, ValueError."""
    from urllib.request import HTTPRedirectHandler, build_opener

    class Redirect(HTTPRedirectHandler):
        def redirect_request(self, req, fp, code, msg, headers, newurl):
            fp.close()  # else urllib reads what comes with a redirect to its end, however long
            if urlsplit(newurl).scheme not in ("http", "https"):
                raise ValueError(f"it leads to {newurl}, which is no web address")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    deadline = time.monotonic() + timeout + size / SLOWEST
    body = bytearray()
    with build_opener(Redirect).open(url, timeout=timeout) as response:
        # read1 returns with whatever has come, so that a slow server cannot hold us in it
        while chunk := response.read1(min(1 << 20, size + 1 - len(body))):
            body += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"too slow, {len(body)} of {size} bytes came in time")
    return body


def fault_of(body, size, sha256):
    """Return what is wrong with a published file's content, or ""."""
    if len(body) != size:
        return f"{'more than' if len(body) > size else f'{len(body)} of'} {size} bytes"
    return "" if hashlib.sha256(body).hexdigest() == sha256 else "wrong SHA-256 checksum"


def write(path, body):
    """Write a file whole or not at all."""
    with whole(path) as temporary, open(temporary, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
