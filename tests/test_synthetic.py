"""Drawn digits look like handwriting and can be told apart; the ring and the grid are where they
should be.

Whether a digit can be recognized is measured by its nearest neighbor: an image has the class of
the most similar one (in Euclidean distance of pixels) in a set with known classes. Guessing is
right one time in ten.
"""

from __future__ import annotations

import os
import time
import tracemalloc

import numpy as np
import pytest

from tinygan import synthetic
from tinygan.data import DataError, load_folder
from tinygan.synthetic import MIXTURES, STROKES, digits, grid, grid_centers, ring, ring_centers

MNIST = os.environ.get("TINYGAN_DATA", "")


@pytest.fixture(scope="module")
def drawn():
    return digits(5000, np.random.default_rng(0))


def nearest_neighbor_labels(x, known_x, known_labels):
    """The label of the most similar known image, for each image x (N, 784)."""
    x, known_x = x / np.float32(255), known_x / np.float32(255)
    # |x - k|^2 = |x|^2 - 2 x.k + |k|^2, and |x|^2 is the same for all candidates k
    return known_labels[np.argmin((known_x**2).sum(axis=1) - 2 * x @ known_x.T, axis=1)]


def share_right_per_class(predicted, labels):
    return np.array([np.mean(predicted[labels == k] == k) for k in range(10)])


# ---- digits: what they look like ---------------------------------------------------------------


def test_every_class_is_recognized_in_another_draw(drawn):
    other = digits(1000, np.random.default_rng(1))
    right = share_right_per_class(nearest_neighbor_labels(other.x, drawn.x, drawn.labels), other.labels)
    assert right.min() > 0.9, f"share recognized per class, expected > 0.9 in each: {right}"


def test_labels_that_do_not_belong_to_the_images_are_not_recognized(drawn):
    """The measure above can fail."""
    shuffled = np.random.default_rng(2).permutation(drawn.labels)
    right = share_right_per_class(
        nearest_neighbor_labels(drawn.x[:1000], drawn.x[1000:], shuffled[1000:]), drawn.labels[:1000]
    )
    assert right.mean() < 0.2, f"share recognized per class, expected about 0.1: {right}"


@pytest.mark.skipif(not os.path.isdir(MNIST), reason="needs TINYGAN_DATA, a folder with MNIST")
def test_every_class_is_recognized_by_comparison_with_real_handwriting(drawn):
    mnist = load_folder(MNIST, "test")
    right = share_right_per_class(nearest_neighbor_labels(drawn.x[:1000], mnist.x, mnist.labels), drawn.labels[:1000])
    assert right.min() > 0.8, f"share recognized per class, expected > 0.8 in each: {right}"


def test_ink_is_like_that_of_mnist(drawn):
    """MNIST's training images have mean 0.1307 and standard deviation 0.3081."""
    x = drawn.x / 255
    assert abs(x.mean() - 0.1307) < 0.01, f"mean {x.mean():.4f}, expected 0.1307 +- 0.01"
    assert abs(x.std() - 0.3081) < 0.015, f"deviation {x.std():.4f}, expected 0.3081 +- 0.015"


def test_every_image_has_black_paper_white_ink_and_gray_edges(drawn):
    assert (drawn.x.min(axis=1) == 0).all()
    assert (drawn.x.max(axis=1) == 255).all()
    gray = np.mean((drawn.x > 25) & (drawn.x < 230), axis=1) / np.mean(drawn.x > 0, axis=1)
    assert gray.min() > 0.2, f"image {gray.argmin()}: {gray.min():.2f} of its ink is gray"


def test_no_digit_touches_the_frame(drawn):
    frame = drawn.x.reshape(-1, 28, 28).copy()
    frame[:, 1:-1, 1:-1] = 0
    touching = np.flatnonzero(frame.any(axis=(1, 2)))
    assert len(touching) == 0, f"{len(touching)} images have ink in the outermost pixels: {touching}"


def test_digits_are_centerd_by_their_mass_and_20_pixels_large_like_mnist(drawn):
    images = drawn.x.reshape(-1, 28, 28).astype(float)
    for axis, name in ((1, "column"), (2, "row")):
        profile = images.sum(axis=axis)  # (N, 28)
        center = profile @ np.arange(28) / profile.sum(axis=1)
        assert abs(center.mean() - 14) < 0.15, f"mean {name} {center.mean():.2f}, expected 14"
        off = np.abs(center - 14)
        assert np.quantile(off, 0.95) < 1.25, f"{name}: {np.quantile(off, 0.95):.2f} pixels off"
        assert off.max() < 3, f"{name} of image {off.argmax()} is {off.max():.2f} pixels off"
    inked = images > 0
    size = np.maximum(inked.any(axis=1).sum(axis=1), inked.any(axis=2).sum(axis=1))
    assert abs(size.mean() - 20) < 1, f"mean size {size.mean():.2f}, expected 20 +- 1"
    assert 16 <= size.min() and size.max() <= 24, f"sizes {size.min()} to {size.max()}"


def test_no_image_comes_twice(drawn):
    assert len(np.unique(drawn.x, axis=0)) == len(drawn.x)


# ---- digits: as data ---------------------------------------------------------------------------


def test_digits_have_the_form_of_mnist(drawn):
    assert drawn.name == "digits"
    assert drawn.x.shape == (5000, 784) and drawn.x.dtype == np.uint8
    assert drawn.labels.shape == (5000,) and np.issubdtype(drawn.labels.dtype, np.integer)


@pytest.mark.parametrize("make", [digits, ring, grid])
def test_the_generator_alone_decides_what_is_drawn(make):
    first, again = (make(300, np.random.default_rng(5)) for _ in range(2))
    other = make(300, np.random.default_rng(6))
    assert np.array_equal(first.x, again.x) and np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.x, other.x)
    assert not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize("make", [digits, ring, grid])
@pytest.mark.parametrize("n", [0, -1, 2.5, "10"])
def test_a_number_of_samples_that_makes_no_sense_is_one_clear_line(make, n):
    with pytest.raises(DataError, match="ask for whole numbers, 1 or more") as error:
        make(n, np.random.default_rng(0))
    assert "\n" not in str(error.value) and repr(n) in str(error.value)


def test_one_digit_can_be_drawn():
    assert digits(1, np.random.default_rng(0)).x.shape == (1, 784)


def test_20000_digits_take_seconds_and_little_memory():
    start = time.process_time()
    x = digits(20_000, np.random.default_rng(0)).x
    seconds = time.process_time() - start
    assert seconds < 15, f"{seconds:.1f} s of processor time, expected < 15"
    del x
    tracemalloc.start()
    x = digits(3000, np.random.default_rng(0)).x
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - x.nbytes < 30e6, f"{(peak - x.nbytes) / 1e6:.0f} MB beside the images"


# ---- digits: the pen ---------------------------------------------------------------------------


def test_the_curve_goes_through_the_points_of_the_table():
    stroke = np.array([[1, 2], [6, 0], [10, 3], [8, 7], [4, 9]], float)
    curve = synthetic.smooth(stroke)
    gap = np.hypot(*(curve[:, None] - stroke).T).min(axis=1)  # of each point to the curve
    assert gap.max() < 1e-12, f"point {gap.argmax()} is {gap.max():.3f} pixels off the curve"


def test_two_points_make_a_straight_line_and_a_lifted_pen_leaves_no_ink():
    points = synthetic.trace("0,0 0,10 | 10,0 10,10")
    assert np.minimum(np.abs(points[:, 0]), np.abs(points[:, 0] - 10)).max() < 1e-12
    assert sum(points[:, 0] < 5) == sum(points[:, 0] > 5) == len(points) / 2


@pytest.mark.parametrize("digit", range(10))
def test_every_way_to_write_a_digit_is_20_high_and_evenly_dotted(digit):
    for variant in STROKES[digit]:
        points = synthetic.trace(variant)
        height = np.ptp(points[:, 1])
        assert points.shape == (synthetic.POINTS, 2) and 18 <= height <= 21.5, f"{variant}: {height}"
        steps = np.hypot(*np.diff(points, axis=0).T)
        uneven = np.sum(np.abs(steps / np.median(steps) - 1) > 0.25)
        corners = 2 * variant.count("|") + 2  # where a step cuts a corner or the pen is lifted
        assert uneven <= corners, f"{variant}: {uneven} uneven steps"


def test_all_ways_to_write_and_all_pens_are_used(monkeypatch):
    """Without the other variations, what is drawn are the traces of the table."""
    drawn_x, radii = [], []

    def record(x, y, radius):
        drawn_x.extend(x)
        radii.extend(radius)
        return np.zeros((len(x), 28, 28))

    monkeypatch.setattr(synthetic, "distort", lambda x, y, rng: (x, y))
    monkeypatch.setattr(synthetic, "ink", record)
    labels = digits(10_000, np.random.default_rng(0)).labels
    for digit, variants in STROKES.items():
        traces = np.array(drawn_x)[labels == digit]
        counts = np.array([np.sum((traces == synthetic.trace(v)[:, 0]).all(axis=1)) for v in variants])
        assert counts.sum() == 1000, f"{digit}: {counts.sum()} of 1000 are in the table"
        expected = 1000 / len(variants)
        assert (np.abs(counts - expected) < 5 * expected**0.5).all(), f"{digit}: {counts}"
    spread = (1.9 - 0.8) / 12**0.5
    assert np.std(radii) == pytest.approx(spread, rel=0.05), "thickness of the pen"


def test_a_hand_varies_size_place_bend_width_slant_and_turn():
    trace = synthetic.trace(STROKES[0][0])
    rng = np.random.default_rng(0)
    x, y = synthetic.distort(*(np.tile(v, (4000, 1)) for v in trace.T), rng)
    size = np.maximum(np.ptp(x, axis=1), np.ptp(y, axis=1))
    for name, value, reach in (("size", size, 1), ("column", x.mean(axis=1), 0.4), ("row", y.mean(axis=1), 0.4)):
        expected = reach / 3**0.5  # of a uniform distribution
        assert value.std() == pytest.approx(expected, rel=0.05), f"{name}: {value.std():.3f}"
    # The straight map that comes nearest, (x, y) = M (x0, y0) + place; what it leaves is the bend.
    flat = np.column_stack([trace, np.ones(len(trace))])
    fit_x, fit_y = (np.linalg.lstsq(flat, v.T, rcond=None)[0] for v in (x, y))  # (3, 4000) each
    (xx, xy, _), (yx, yy, _) = fit_x, fit_y
    # A bend is partly a turn and a stretch, so that there is only a least value for each of these.
    for name, value, least in (
        ("bend", y - (flat @ fit_y).T, 0.3),
        ("width", xx / yy, 0.2),
        ("slant", -xy / yy, 0.25),
        ("turn", yx / xx, 0.145),
    ):
        assert value.std() > least, f"{name} deviates by {value.std():.3f}, expected > {least}"
    assert np.mean(-xy / yy) > 0.1, "handwriting leans to the right"


def test_gray_falls_with_the_distance_to_the_stroke():
    """A vertical stroke down column 14, radius 2, edge 1.2: gray is 1/2 - (distance - 2) / 1.2."""
    x, y = np.full((1, 64), 14.0), np.linspace(0, 27, 64)[None]
    row = synthetic.ink(x, y, np.array([2.0]))[0, 9]  # here a point of the stroke is in row 9
    expected = np.clip(0.5 - (np.abs(np.arange(28) - 14) - 2) / 1.2, 0, 1)
    assert row[[12, 16]] == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize("make, classes", [(digits, 10), (ring, 8), (grid, 25)])
def test_labels_are_balanced_and_in_random_order(make, classes):
    labels = make(20 * classes + 3, np.random.default_rng(0)).labels
    counts = np.bincount(labels, minlength=classes)
    assert len(counts) == classes and counts.min() == 20 and counts.max() == 21, counts
    # Sorted or cyclic labels follow one another in a fixed step; random ones in every step.
    steps = np.unique(np.diff(labels) % classes)
    assert len(steps) == classes, f"steps from one label to the next: {steps}"


# ---- ring and grid -----------------------------------------------------------------------------


def test_the_ring_has_8_distinct_modes_on_the_unit_circle():
    centers = ring_centers()
    assert centers.shape == (8, 2)
    np.testing.assert_allclose(np.hypot(*centers.T), 1, atol=1e-12)
    neighbors = np.hypot(*(centers - np.roll(centers, 1, axis=0)).T)
    np.testing.assert_allclose(neighbors, 2 * np.sin(np.pi / 8), atol=1e-12)


def test_the_grid_has_25_modes_on_even_numbers():
    expected = {(a, b) for a in (-4, -2, 0, 2, 4) for b in (-4, -2, 0, 2, 4)}
    assert grid_centers().shape == (25, 2)
    assert {tuple(center) for center in grid_centers()} == expected


@pytest.mark.parametrize("make, sigma", [(ring, 0.01), (grid, 0.05)])
def test_samples_are_gaussian_around_the_mode_of_their_label(make, sigma):
    n = 100_000
    data = make(n, np.random.default_rng(0))
    assert data.x.shape == (n, 2) and data.x.dtype == np.float32
    mixture = MIXTURES[data.name]
    assert mixture.sigma == sigma
    modes = len(mixture.centers)
    error = 5 / (n / modes) ** 0.5  # five standard errors of a mean of one mode, in sigmas
    for k, center in enumerate(mixture.centers):
        offset = (data.x[data.labels == k] - center) / sigma
        assert np.abs(offset.mean(axis=0)).max() < error, f"mode {k}: {offset.mean(axis=0)} sigmas"
        assert np.abs(offset.std(axis=0) - 1).max() < error, f"mode {k}: {offset.std(axis=0)}"
    # In two dimensions the distance is Rayleigh distributed: 1 - exp(-3^2 / 2) within 3 sigmas.
    distance = np.hypot(*(data.x - mixture.centers[data.labels]).T)
    within, expected = np.mean(distance < 3 * sigma), 1 - np.exp(-4.5)
    standard_error = (expected * (1 - expected) / n) ** 0.5
    assert abs(within - expected) < 4 * standard_error, f"{within:.4f}, expected {expected:.4f}"
