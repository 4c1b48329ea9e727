"""Synthetic data, which need no download: drawn digits, and the ring and the grid of Gaussians.

N samples, P points along the strokes of a digit, K modes of a mixture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygan.data import DataError, Dataset

# How each digit is written, in a few ways that are equally likely. Strokes are separated by "|";
# each is a smooth curve through its points "x,y" in pixels, x to the right and y downwards, in a
# box 20 high. For a corner, start a stroke where the last one ended.
STROKES = {
    0: [
        "7,0 2,3 0,10 2,17 6,20 10,17 12,10 10,3 6,0 3,2",
        "7,0 2,4 0,11 1,18 5,20 9,17 11,9 9,2 6,0",
        "8,3 5,1 1,6 0,13 4,19 9,18 13,11 12,4 7,0",
        "4,2 1,6 0,12 4,18 9,19 14,15 16,8 13,2 8,0 3,3",
    ],
    1: [
        "5,0 5,10 5,20",
        "5,0 4,10 4,20",
        "6,0 5,10 5,20",
        "2,4 5,0 | 5,0 5,10 5,20",
        "1,5 5,0 | 5,0 5,10 5,20 | 0,20 5,20 10,20",
    ],
    2: [
        "1,4 4,0 9,1 10,6 6,13 0,20 | 0,20 6,19 12,20",
        "0,5 3,1 8,0 11,4 9,10 4,16 0,20 | 0,20 7,18 14,19",
        "1,3 6,0 10,3 8,10 3,18 0,19 0,16 4,16 8,19 13,18",
        "0,3 6,0 10,4 8,11 3,18 0,18 1,14 5,15 9,18 15,17",
    ],
    3: [
        "1,2 6,0 10,3 8,7 4,9 | 4,9 9,10 11,14 9,18 5,20 0,18",
        "0,3 4,0 9,1 9,6 5,9 3,9 7,9 11,12 10,18 5,20 0,17",
        "1,1 6,1 11,0 | 11,0 5,8 | 5,8 10,10 11,15 7,20 0,18",
        "1,3 6,0 11,2 10,6 5,9 | 5,9 12,10 13,15 8,19 0,19",
    ],
    4: [
        "2,0 1,5 0,10 5,11 11,10 | 10,1 10,10 9,20",
        "9,0 5,6 0,13 | 0,13 6,13 13,13 | 9,0 9,10 9,20",
        "1,1 0,9 | 0,9 5,11 12,9 | 11,0 11,9 8,20",
        "4,1 0,10 | 0,10 7,11 14,10 | 12,1 10,10 8,20",
    ],
    5: [
        "2,0 1,4 1,8 | 1,8 6,7 11,11 10,17 5,20 0,18 | 2,0 6,0 11,0",
        "13,0 8,1 4,1 | 4,1 2,8 | 2,8 7,8 10,12 9,17 5,20 0,19",
        "12,0 6,0 4,4 5,8 9,12 9,17 5,20 0,18",
        "3,1 2,5 2,8 | 2,8 7,8 9,12 7,17 3,20 0,18 | 3,1 8,1 15,0",
    ],
    6: [
        "8,0 3,5 0,12 2,18 6,20 10,17 9,12 5,11 1,15",
        "5,0 2,6 0,13 2,19 7,20 10,16 7,12 3,13 1,17",
        "9,0 4,4 1,10 1,16 5,20 10,18 11,13 7,11 2,14",
        "7,0 2,7 0,14 3,19 9,19 14,14 12,10 7,12 4,18",
    ],
    7: [
        "0,2 6,2 12,1 | 12,1 8,9 5,20",
        "0,4 1,1 | 1,1 6,1 12,1 | 12,1 8,9 6,20",
        "0,2 6,2 12,1 | 12,1 8,9 4,20 | 3,11 7,10 12,10",
        "0,3 5,1 11,1 11,5 8,11 5,20",
    ],
    8: [
        "10,3 6,0 2,2 2,6 6,9 9,13 9,18 5,20 1,18 2,13 6,9 10,5 10,2 7,0",
        "6,0 2,2 2,7 6,9 10,6 10,2 6,0 | 6,9 1,12 1,17 5,20 10,18 10,12 6,9",
        "12,2 6,0 2,4 5,9 9,13 7,19 2,19 1,14 5,10 10,6 12,2",
        "6,0 2,2 3,6 8,9 12,14 9,19 3,19 0,15 4,10 9,6 10,2 6,0",
    ],
    9: [
        "10,3 6,0 1,3 1,8 5,10 9,7 10,3 | 10,3 10,10 9,20",
        "10,4 6,0 1,3 1,8 5,10 10,7 | 10,3 11,10 8,18 4,20 1,18",
        "9,1 4,1 0,6 2,10 7,9 10,2 | 10,2 9,10 5,20",
        "12,3 7,0 1,4 1,8 6,9 12,3 | 12,3 9,11 6,20",
    ],
}
POINTS = 64  # P, about one for every pixel of the longest digit
SIDE = 28  # pixels
CHUNK = 250  # images drawn at once, to bound the memory


class Mixture(NamedTuple):
    """Equally likely round Gaussians: what a metric must know to measure samples of them."""

    centers: np.ndarray  # (K, 2)
    sigma: float


def digits(n, rng):
    """Draw n handwritten digits: x (n, 784) uint8, black 0 to white 255, labels (n,) balanced.

    Like MNIST they are some 20 pixels large and centered by their mass. Raises DataError if n is
    not a whole number, 1 or more.
    """
    labels = balanced_labels(n, len(STROKES), rng)
    shapes = [[trace(variant) for variant in STROKES[digit]] for digit in range(len(STROKES))]
    x = np.empty((n, SIDE * SIDE), np.uint8)
    for start in range(0, n, CHUNK):
        chunk = slice(start, start + CHUNK)
        points = np.stack([shapes[k][rng.integers(len(shapes[k]))] for k in labels[chunk]])
        px, py = distort(points[:, :, 0], points[:, :, 1], rng)
        radius = rng.uniform(0.8, 1.9, len(points))
        x[chunk] = np.rint(255 * ink(px, py, radius)).reshape(len(points), -1)
    return Dataset("digits", x, labels)


def trace(variant):
    """Return P points evenly spaced along the strokes of one way to write a digit, (P, 2)."""
    strokes = [[point.split(",") for point in stroke.split()] for stroke in variant.split("|")]
    curves = [smooth(np.array(stroke, float)) for stroke in strokes]
    # The first step of a stroke is 0 long: the pen is lifted, and leaves no points on its way.
    steps = [np.hypot(*np.diff(curve, axis=0, prepend=curve[:1]).T) for curve in curves]
    curve, length = np.concatenate(curves), np.cumsum(np.concatenate(steps))
    even = np.linspace(0, length[-1], POINTS)
    return np.stack([np.interp(even, length, curve[:, axis]) for axis in (0, 1)], axis=1)


def smooth(stroke):
    """Return a dense curve through all points of a stroke, (M, 2): the Catmull-Rom spline."""
    before, after = 2 * stroke[0] - stroke[1], 2 * stroke[-1] - stroke[-2]
    p = np.vstack([before, stroke, after])[:, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]  # each piece runs from b to c
    t = np.linspace(0, 1, 32)[:, None]
    cubic = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    return cubic.reshape(-1, 2) / 2


def distort(x, y, rng):
    """Return the points x, y (N, P) of every digit, bent, slanted, rotated, scaled and moved at random."""

    def vary(middle, reach):  # one number per image; uniform, so that nothing gets out of hand
        return rng.uniform(middle - reach, middle + reach, (len(x), 1))

    x, y = x - 6, y - 10  # slant and rotation are about the middle of the box
    for _ in range(3):  # bend: slow waves across the page carry neighboring points along
        wave = np.sin(vary(0, 0.25) * x + vary(0, 0.25) * y + vary(0, np.pi))
        x, y = x + vary(0, 1.7) * wave, y + vary(0, 1.7) * wave
    x = x * vary(1, 0.25)  # narrow or wide
    x = x - vary(0.12, 0.42) * y  # slant, mostly to the right
    turn = vary(0, 0.15)  # the tangent of a small angle
    x, y = x - turn * y, y + turn * x
    scale = vary(16.6, 1) / np.maximum(np.ptp(x, axis=1), np.ptp(y, axis=1))[:, None]

    def centered(v):  # by its mass, as far as the frame, with room for the thickest pen, allows
        v = v - v.mean(axis=1, keepdims=True)
        low, high = v.min(axis=1, keepdims=True), v.max(axis=1, keepdims=True)
        return v + np.clip(vary(SIDE / 2, 0.4), 2.5 - low, SIDE - 3.5 - high)

    return centered(x * scale), centered(y * scale)


def ink(x, y, radius):
    """Return gray values in [0, 1], (N, 28, 28), of a round pen led through the points x, y (N, P).

    A pixel is white inside the pen's radius (N,), black outside, gray across the edge.
    """
    pixels = np.arange(SIDE, dtype=np.float32)
    dx2 = (pixels - x[:, :, None].astype(np.float32)) ** 2  # (N, P, 28), for every column
    dy2 = (pixels - y[:, :, None].astype(np.float32)) ** 2  # (N, P, 28), for every row
    nearest = np.full((len(x), SIDE, SIDE), np.inf, np.float32)
    for p in range(POINTS):  # squared distance to the nearest point of the stroke
        np.minimum(nearest, dy2[:, p, :, None] + dx2[:, p, None, :], out=nearest)
    edge = 1.2  # pixels from white to black
    return np.clip(0.5 + (radius[:, None, None] - np.sqrt(nearest)) / edge, 0, 1)


def ring(n, rng):
    """Draw from 8 Gaussians on the unit circle: x (n, 2) float32, labels (n,) the mode, balanced; or DataError."""
    return gaussians("ring", n, rng)


def grid(n, rng):
    """Draw from 25 Gaussians on {-4, -2, 0, 2, 4}²: x (n, 2) float32, labels and errors as in ``ring``."""
    return gaussians("grid", n, rng)


def ring_centers(modes=8):
    """Return the centers of the ring's modes, (modes, 2)."""
    # Not linspace(0, 2π, modes): it ends where it began, and two modes would be one.
    angle = 2 * np.pi * np.arange(modes) / modes
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def grid_centers():
    """Return the centers of the grid's modes, (25, 2)."""
    ticks = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=2).reshape(-1, 2)


MIXTURES = {"ring": Mixture(ring_centers(), sigma=0.01), "grid": Mixture(grid_centers(), sigma=0.05)}


def gaussians(name, n, rng):
    """Draw n points of the mixture of this name."""
    mixture = MIXTURES[name]
    labels = balanced_labels(n, len(mixture.centers), rng)
    x = rng.normal(mixture.centers[labels], mixture.sigma)
    return Dataset(name, x.astype(np.float32), labels, shape=(2,))


def balanced_labels(n, classes, rng):
    """Return labels (n,) in random order, each class as often as any other (or once more)."""
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise DataError(f"cannot make {n!r} samples of {classes} classes: ask for whole numbers, 1 or more")
    return rng.permutation(np.arange(n) % classes)


# ---- a table -------------------------------------------------------------------------------------

WAVES, WAVES_NOISE = 4, 0.1


def waves(n, rng):
    """Return a table (n, 8) of cos kt and sin kt, k = 1 ... 4, each with noise of 0.1, for t uniform on a circle.

    One hidden number t is behind all columns, and yet no two of them are correlated: what one says of
    the others is in no straight line.
    """
    return wave(rng.uniform(0, 2 * np.pi, n)) + rng.normal(0, WAVES_NOISE, (n, 2 * WAVES))


def wave(t):
    """Return the columns at t (n,) without their noise, (n, 8)."""
    angles = np.outer(t, np.arange(1, WAVES + 1))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def fill_waves(x, known):
    """Return x (n, 8) with the expected value of each gap: nobody can have a smaller mean square error.

    E[column | known] is a mean over t on a fine grid, weighted by how likely t makes the known entries.
    """
    grid = wave(np.linspace(0, 2 * np.pi, 2000, endpoint=False))
    part = np.where(known > 0, x, 0)
    distances = known @ (grid * grid).T - 2 * part @ grid.T + np.sum(part * part, axis=1, keepdims=True)
    likelihood = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / (2 * WAVES_NOISE**2))
    return np.where(known > 0, x, likelihood @ grid / likelihood.sum(axis=1, keepdims=True))
