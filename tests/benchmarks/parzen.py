"""Why a Parzen window's log-likelihood is a poor measure: what is no generator at all beats real digits.

    python tests/benchmarks/parzen.py [--centers 10000] [--iterations 5]

Goodfellow et al. 2014 measured their GAN by it, 225 ± 2 nats. Here MNIST's training images, blurred
ones, and k-means centers of them take the place of samples, 10,000 each (about two minutes).

Shapes: N images, I = 784 pixels, M centers.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from tinygan.data import DataError, as_floats, load_mnist
from tinygan.scoring.metrics import chunks, parzen, squared_distances
from tinygan.scoring.scores import evenly

PUBLISHED = [
    ("deep belief network", 138, 2, "Goodfellow et al. 2014, table 1"),
    ("generative adversarial network", 225, 2, "Goodfellow et al. 2014, table 1"),
    ("training images", 243, None, "Theis et al. 2016, table 1"),
    ("k-means centers", 313, None, "Theis et al. 2016, table 1"),
]


def k_means(x, centers, iterations):
    """Lloyd 1982: give each image (N, I) to its nearest center, move each center to the mean of its images.

    ``centers`` (M, I) are the first ones; one that no image is nearest to stays. Returns (M, I) float32.
    """
    centers = as_floats(centers).copy()
    for _ in range(iterations):
        sums, counts = np.zeros_like(centers), np.zeros(len(centers), np.int64)
        for rows in chunks(len(x)):
            images = as_floats(x[rows])
            nearest = squared_distances(images, centers).argmin(axis=1)
            np.add.at(sums, nearest, images)
            np.add.at(counts, nearest, 1)
        used = counts > 0
        centers[used] = sums[used] / counts[used, None]
    return centers


def blurred(x):
    """(N, I) images, each pixel the mean of the 3 x 3 around it."""
    images = as_floats(x).reshape(-1, 28, 28)
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return (sum(np.roll(images, shift, axis=(1, 2)) for shift in shifts) / 9).reshape(-1, 784)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--centers", type=int, default=10_000)
    parser.add_argument("--iterations", type=int, default=5)
    args = parser.parse_args()
    try:
        train, test = load_mnist("train").x, load_mnist("test").x
    except DataError as error:
        sys.exit(f"parzen.py: {error}")
    known, valid = train[:50_000], train[50_000:51_000]  # as Goodfellow et al. 2014 split them
    remembered = evenly(known, 10_000)
    candidates = {
        "uniform noise": lambda: np.random.default_rng(0).random((10_000, 784), dtype=np.float32),
        "training images": lambda: remembered,
        "training images, blurred": lambda: blurred(remembered),
        "k-means centers": lambda: k_means(known, evenly(known, args.centers), args.iterations),
    }
    print(f"{'samples':<32}{'nats':>7}  {'error':>5}  {'σ':>5}")
    for name, make in candidates.items():
        start = time.perf_counter()
        result = parzen(make(), valid, test)
        seconds = time.perf_counter() - start
        nats, error, sigma = result
        print(f"{name:<32}{nats:7.1f}  {error:5.1f}  {sigma:5.3f}  {seconds:4.0f} s", flush=True)
    for name, nats, error, source in PUBLISHED:
        print(f"{name:<32}{nats:7.1f}  {error or '':5}  {'':5}  published: {source}")


if __name__ == "__main__":
    main()
