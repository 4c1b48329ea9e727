"""The metrics: how good samples are, in numbers, since the losses of a GAN do not say it.

Each function measures one thing and has a blind spot of its own; ``scores.py`` puts them side by side.

Shapes: N samples, M real examples, D numbers in an example, F features of the classifier, K classes or
modes, S widths. Images are floats in [0, 1] or bytes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tinygan.data import DataError, as_floats

CHUNK = 100  # rows handled at once, so that no table of distances fills the memory


def squared_distances(a, b):
    """Return ‖a - b‖² = ‖a‖² - 2 a·b + ‖b‖², mostly one matrix product: (N, D), (M, D) -> (N, M)."""
    distances = a @ b.T
    distances *= -2
    distances += np.einsum("nd,nd->n", a, a)[:, None]
    distances += np.einsum("md,md->m", b, b)
    return np.maximum(distances, 0, out=distances)  # rounding can push a zero below it


def chunks(n):
    """Return slices that cover n rows, CHUNK at a time."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


# ---- likeness of two distributions, in the classifier's features -------------------------------


class Moments(NamedTuple):
    """Mean (F,) and covariance (F, F), float64."""

    mean: np.ndarray
    covariance: np.ndarray


def moments(features):
    """Return the Moments of features (N, F), N at least 2."""
    mean = features.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for rows in chunks(len(features)):
        centerd = features[rows] - mean
        covariance += centerd.T @ centerd
    return Moments(mean, covariance / (len(features) - 1))


def frechet(a, b):
    """Return the Fréchet distance of two Moments: ‖μa - μb‖² + tr(Σa + Σb - 2 (Σa Σb)^½), 0 if they are equal.

    Heusel et al. 2017, eq. 6 (there with the features of an Inception network). Units: features
    squared. Estimated from samples it is too large, the more so the fewer they are: compare
    equal numbers. Σa Σb is not symmetric, but Σa^½ Σb Σa^½ is, and has the same eigenvalues.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    product = np.linalg.eigvalsh(root @ b.covariance @ root)
    cross = np.sqrt(np.maximum(product, 0)).sum()
    shift = a.mean - b.mean
    return max(0.0, float(shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * cross))


def precision_recall(real, fake, k=3):
    """Return (precision, recall) of features (M, F) and (N, F), each in [0, 1].

    Kynkäänniemi et al. 2019, eq. 1 and 2: precision is the share of fake examples that lie within
    the real manifold (quality), recall that of real ones within the fake manifold (variety). A
    set's manifold are the balls around its members that reach to their k-th nearest neighbors.
    """
    if min(len(real), len(fake)) <= k:
        raise DataError(f"precision and recall need more than {k} samples and as many real examples")
    real_radii, fake_radii = neighbor_radii(real, k), neighbor_radii(fake, k)
    precise, recalled = 0, np.zeros(len(real), bool)
    for rows in chunks(len(fake)):
        distances = squared_distances(fake[rows], real)
        precise += np.count_nonzero((distances <= real_radii).any(axis=1))
        recalled |= (distances <= fake_radii[rows, None]).any(axis=0)
    return float(precise / len(fake)), float(recalled.mean())


def neighbor_radii(x, k):
    """Return the squared distance of each row of x (N, F) to its k-th nearest other row, (N,)."""
    radii = np.empty(len(x), x.dtype)
    for rows in chunks(len(x)):
        radii[rows] = np.partition(squared_distances(x[rows], x), k, axis=1)[:, k]  # at 0: itself
    return radii


# ---- codes and classes -------------------------------------------------------------------------


def best_matching(table):
    """Return the column that goes with each row of a table (R, C), (R,): no column twice, -1 for none.

    The sum of the entries is the largest there is (Kuhn 1955). Rows are taken in one after the other. Each
    number of ``right`` says what its column costs; a new row takes a column away from another row where it
    is dearer to it than that row's next best, in a chain that ends at a free column, by a shortest path.
    """
    rows, columns = table.shape
    n = max(rows, columns)
    cost = np.zeros((n, n + 1))  # column n is where a new row starts
    cost[:rows, :columns] = -table
    left, right, owner = np.zeros(n + 1), np.zeros(n + 1), np.full(n + 1, -1)
    for row in range(n):
        owner[n], column = row, n
        length, before, done = np.full(n + 1, np.inf), np.full(n + 1, n), np.zeros(n + 1, bool)
        while owner[column] >= 0:
            done[column] = True
            step = cost[owner[column]] - left[owner[column]] - right
            closer = ~done & (step < length)
            length[closer], before[closer] = step[closer], column
            nearest = int(np.argmin(np.where(done, np.inf, length)))
            shift = length[nearest]
            left[owner[done]] += shift
            right[done] -= shift
            length[~done] -= shift
            column = nearest
        while column != n:
            owner[column] = owner[before[column]]
            column = before[column]
    matching = np.full(n, -1)
    matching[owner[:columns]] = np.arange(columns)
    return matching[:rows]


# ---- classes and modes -------------------------------------------------------------------------


def kl_from_uniform(counts):
    """Return Σ p log(K p) in nats, of the shares p of counts (K,): 0 if all are equal, log K if one class has all.

    N perfect samples have about (K - 1)/2N.
    """
    p = counts / counts.sum()
    return float(np.sum(p[p > 0] * np.log(len(p) * p[p > 0])))


def missing(counts):
    """Return which of the K classes or modes are missing: they have less than a tenth of their fair share."""
    return np.flatnonzero(counts < 0.1 * counts.sum() / len(counts)).tolist()


class ModeReport(NamedTuple):
    """Samples of a mixture of Gaussians, by the usual protocol (VEEGAN, Srivastava et al. 2017).

    A sample belongs to the nearest mode, and is of high quality within 3σ of it: a perfect
    sampler's are with probability 1 - exp(-9/2) = 98.89 %. A mode is captured when it has at least
    one sample of high quality.
    """

    modes: int  # captured
    high_quality: float  # share of the samples
    kl: float  # of the modes' shares from uniform, in nats
    spread: np.ndarray  # (K,) σ of a mode's samples over the true σ, nan where they are less than 2
    counts: np.ndarray  # (K,) samples that belong to the mode
    missing: list[int]  # modes with less than a tenth of their fair share


def mode_report(samples, centers, sigma):
    """Return the ModeReport of samples (N, 2) for modes at centers (K, 2), each N(center, σ²); usually N = 2,500.

    ``spread`` is measured among the samples of high quality, since one stray sample outweighs a
    narrow mode, and about their own mean. It is divided by what a perfect sampler has after that
    cut, so that 1 is right.
    """
    distances = np.linalg.norm(samples[:, None] - centers, axis=2)
    nearest = distances.argmin(axis=1)
    good = distances.min(axis=1) <= 3 * sigma
    counts = np.bincount(nearest, minlength=len(centers))
    # E[r²/2 | r <= 3σ] = σ² (1 - 11/2 exp(-9/2)) / (1 - exp(-9/2)) for a Gaussian in two dimensions
    sigma_cut = sigma * math.sqrt((1 - 5.5 * math.exp(-4.5)) / (1 - math.exp(-4.5)))
    spread = np.full(len(centers), np.nan)
    for mode in range(len(centers)):
        members = samples[good & (nearest == mode)]
        if len(members) > 1:
            spread[mode] = np.sqrt(members.var(axis=0, ddof=1).mean()) / sigma_cut
    captured = len(np.unique(nearest[good]))
    return ModeReport(captured, float(good.mean()), kl_from_uniform(counts), spread, counts, missing(counts))


# ---- pixels ------------------------------------------------------------------------------------


SIGMAS = np.logspace(-1, 0, 10).tolist()


class Parzen(NamedTuple):
    """Mean log-likelihood of the test images and its standard error, in nats, and the chosen σ."""

    mean: float
    standard_error: float
    sigma: float


def parzen(samples, valid, test, sigmas=SIGMAS):
    """Return the log-likelihood of ``test`` under a Gaussian of width σ around every sample.

    Goodfellow et al. 2014, table 1, by the code that came with it: 10,000 samples, the σ of ten
    that 1,000 images ``valid`` find most likely, 10,000 test images; published for MNIST: 225 ± 2.
    It is a poor measure, kept for comparison. It rewards samples for being close to the middle of
    many test images, so that k-means centers score far above real digits (Theis et al. 2016, table
    1; ``tests/benchmarks/parzen.py``).
    """
    sigma = sigmas[int(np.argmax(log_densities(valid, samples, sigmas).mean(axis=1)))]
    (values,) = log_densities(test, samples, [sigma])
    return Parzen(float(values.mean()), float(values.std() / math.sqrt(len(values))), sigma)


def log_densities(x, centers, sigmas):
    """Return log mean_j N(x; center_j, σ² I) for every width: (S, N) for x (N, D) and centers (M, D)."""
    centers = as_floats(centers)
    out = np.empty((len(sigmas), len(x)))
    for rows in chunks(len(x)):
        distances = squared_distances(as_floats(x[rows]), centers)
        nearest = distances.min(axis=1, keepdims=True)
        distances -= nearest  # its term is taken out of the sum, so that not every exp underflows
        for values, sigma in zip(out, sigmas, strict=True):
            sums = np.exp(distances * (-0.5 / sigma**2)).mean(axis=1)
            values[rows] = np.log(sums) - nearest[:, 0] / (2 * sigma**2)
            values[rows] -= x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))
    return out


def nearest_neighbors(samples, train):
    """Return (distances (N,), indices (N,)) of each sample's nearest training image by the L2 norm of the pixels.

    A generator that remembers has smaller distances than test images have. ``train`` (M, D) is read
    in chunks; give samples by the thousand.
    """
    samples = as_floats(samples)
    best, indices = np.full(len(samples), np.inf), np.zeros(len(samples), np.int64)
    for rows in chunks(len(train)):
        distances = squared_distances(samples, as_floats(train[rows]))
        here = distances.argmin(axis=1)
        here_best = distances[np.arange(len(samples)), here]
        closer = here_best < best
        best[closer] = here_best[closer]
        indices[closer] = rows.start + here[closer]
    exact = np.linalg.norm(samples - as_floats(train[indices]), axis=1)  # squared_distances rounds near 0
    return exact, indices
