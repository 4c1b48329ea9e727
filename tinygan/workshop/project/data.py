"""The data (given): MNIST's training images, or drawn digits where it cannot be had; batches and latents."""

import gzip
import os
import sys
import urllib.request
from pathlib import Path

import numpy as np

FILE = "train-images-idx3-ubyte.gz"  # 60,000 images of 28 x 28 bytes, behind a header of 16
URL = "https://storage.googleapis.com/cvdf-datasets/mnist/" + FILE
HERE = Path(__file__).resolve().parent
DRAWN = 10_000  # digits, where MNIST is not to be had


def load_images(which="auto"):
    """Return (name, images): (N, 784) bytes, of "mnist" or of "digits"; "auto" takes MNIST where it can."""
    if which != "digits":
        try:
            return "MNIST", read_mnist()
        except OSError as error:
            if which == "mnist":
                sys.exit(f"MNIST cannot be had ({error}). Put {FILE} into {HERE}, or train with --data digits.")
            print(f"MNIST cannot be had ({error}): drawn digits stand in for it.")
    from digits import digits  # takes some seconds to draw

    return "drawn digits", digits(DRAWN, np.random.default_rng(0)).x


def read_mnist():
    """Return the images, from TINYGAN_DATA, from where ``tinygan train`` keeps them, or downloaded."""
    cache = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folders = [
        os.environ.get("TINYGAN_DATA", HERE),
        Path(cache, "tinygan"),
        Path.home() / "Library/Caches/tinygan",
        HERE,
    ]
    files = [Path(folder, name) for folder in folders for name in (FILE, FILE.removesuffix(".gz"))]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        path = HERE / FILE
        print(f"Downloading {URL} ...")
        urllib.request.urlretrieve(URL, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except EOFError as error:
        raise OSError(f"{path} is damaged, remove it") from error
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 784)


def draw_batches(rng, images, n):
    """Yield batches of n images, floats between 0 and 1, (n, 784) float32; each image once in every epoch."""
    while True:
        order = rng.permutation(len(images))
        for start in range(0, len(order) - n + 1, n):
            yield images[order[start : start + n]].astype(np.float32) / 255


def draw_latents(rng, n, latent_dim):
    """Yield latents z ~ N(0, 1), (n, latent_dim) float32."""
    while True:
        yield rng.standard_normal((n, latent_dim), dtype=np.float32)
