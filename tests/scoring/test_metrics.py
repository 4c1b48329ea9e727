"""Every metric gives the known answer where there is one, and equals a slow and plain version elsewhere."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from helpers import SEEDS, assert_close, peak_allocation
from hypothesis import given
from hypothesis import strategies as st

from tinygan.data import DataError
from tinygan.scoring import metrics
from tinygan.scoring.metrics import (
    Moments,
    frechet,
    kl_from_uniform,
    log_densities,
    missing,
    mode_report,
    moments,
    nearest_neighbors,
    parzen,
    precision_recall,
    squared_distances,
)
from tinygan.synthetic import MIXTURES

SMALL = st.integers(1, 6)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Small examples must also come in several chunks, the last of them incomplete."""
    monkeypatch.setattr(metrics, "CHUNK", 5)


def random_moments(rng, n, rank=None):
    root = rng.normal(size=(n, n if rank is None else rank))
    return Moments(rng.normal(size=n), root @ root.T)


# ---- distances ---------------------------------------------------------------------------------


@given(SEEDS, SMALL, SMALL, SMALL)
def test_squared_distances_are_those_of_the_definition(seed, n, m, d):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    assert_close("distances", squared_distances(a, b), ((a[:, None] - b) ** 2).sum(axis=2), 1e-12)


def test_squared_distances_are_never_negative():
    x = np.random.default_rng(0).random((200, 50), dtype=np.float32)
    assert squared_distances(x, x).min() >= 0


# ---- Fréchet distance --------------------------------------------------------------------------


@given(SEEDS, st.integers(2, 40), SMALL)
def test_moments_are_mean_and_unbiased_covariance(seed, n, d):
    x = np.random.default_rng(seed).normal(2, 3, size=(n, d))
    mean, covariance = moments(x)
    assert_close("mean", mean, x.mean(axis=0), 1e-12)
    assert_close("covariance", covariance, np.cov(x.T).reshape(d, d), 1e-12)


@given(SEEDS, SMALL, st.integers(0, 6))
def test_the_frechet_distance_of_a_distribution_from_itself_is_zero(seed, n, rank):
    a = random_moments(np.random.default_rng(seed), n, rank)  # of any rank, also a single point's
    assert frechet(a, a) <= 1e-6 * (1 + np.trace(a.covariance))


@given(SEEDS, SMALL)
def test_a_shift_by_d_costs_its_squared_length(seed, n):
    rng = np.random.default_rng(seed)
    a, shift = random_moments(rng, n), rng.normal(size=n)
    assert frechet(a, a._replace(mean=a.mean + shift)) == pytest.approx(shift @ shift, rel=1e-6, abs=1e-6)


@given(SEEDS, SMALL)
def test_for_independent_features_it_is_the_sum_over_differences_of_sigma(seed, n):
    """With diagonal covariances (Dowson and Landau 1982): ‖μa - μb‖² + Σ (σa - σb)²."""
    rng = np.random.default_rng(seed)
    (mean_a, mean_b), (sigma_a, sigma_b) = rng.normal(size=(2, n)), rng.uniform(0.1, 3, size=(2, n))
    got = frechet(Moments(mean_a, np.diag(sigma_a**2)), Moments(mean_b, np.diag(sigma_b**2)))
    assert_close("distance", got, ((mean_a - mean_b) ** 2).sum() + ((sigma_a - sigma_b) ** 2).sum(), 1e-9)


@given(SEEDS)
def test_for_two_features_it_has_a_closed_form(seed):
    """tr (AB)^½ = √(tr AB + 2 √det AB) for 2 x 2, also where A and B do not commute."""
    rng = np.random.default_rng(seed)
    a, b = random_moments(rng, 2), random_moments(rng, 2)
    product = a.covariance @ b.covariance
    cross = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    shift = a.mean - b.mean
    expected = shift @ shift + np.trace(a.covariance + b.covariance) - 2 * cross
    assert_close("distance", frechet(a, b), expected, 1e-7)
    assert_close("distance, the other way round", frechet(b, a), expected, 1e-7)


def test_to_multiply_the_roots_is_a_mistake_that_the_closed_form_notices():
    """tr(A^½ B^½), which is often written, equals tr (AB)^½ only where A and B commute."""
    a, b = np.array([[4.0, 0], [0, 1]]), np.array([[2.5, 1.5], [1.5, 2.5]])  # both have eigenvalues 4 and 1
    root_a, root_b = np.array([[2.0, 0], [0, 1]]), np.array([[1.5, 0.5], [0.5, 1.5]])
    assert np.array_equal(root_a @ root_a, a) and np.array_equal(root_b @ root_b, b)
    mistaken = np.trace(a) + np.trace(b) - 2 * np.trace(root_a @ root_b)
    right = np.trace(a) + np.trace(b) - 2 * math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a @ b)))
    assert mistaken - right > 0.05
    assert_close("distance", frechet(Moments(np.zeros(2), a), Moments(np.zeros(2), b)), right, 1e-12)


def test_from_samples_it_comes_out_near_the_true_distance_and_a_little_above():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, size=(20_000, 3)), rng.normal([3, 0, 4], 2, size=(20_000, 3))
    assert frechet(moments(a), moments(b)) == pytest.approx(25 + 3, rel=0.02)
    same = rng.normal(0, 1, size=(2, 500, 8))
    assert 0 < frechet(moments(same[0]), moments(same[1])) < 0.2


# ---- precision and recall ----------------------------------------------------------------------


def plain_precision_recall(real, fake, k):
    def covered(x, members):
        hits = 0
        for point in x:
            for i, member in enumerate(members):
                others = np.delete(members, i, axis=0)
                radius = np.sort(np.linalg.norm(others - member, axis=1))[k - 1]
                if np.linalg.norm(point - member) <= radius:
                    hits += 1
                    break
        return hits / len(x)

    return covered(fake, real), covered(real, fake)


@given(SEEDS, st.integers(4, 12), st.integers(4, 12), st.integers(1, 3))
def test_precision_and_recall_are_those_of_the_definition(seed, n_real, n_fake, k):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n_real, 2)), rng.normal(0.7, 1.2, size=(n_fake, 2))
    assert precision_recall(real, fake, k) == pytest.approx(plain_precision_recall(real, fake, k), abs=1e-12)


def test_a_set_has_full_precision_and_recall_for_itself_and_none_for_a_distant_one():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert precision_recall(x, x) == (1, 1)
    assert precision_recall(x, x + 100) == (0, 0)


def test_half_of_the_modes_is_half_of_the_recall_and_half_of_the_rubbish_half_of_the_precision():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 50, 3))
    both = np.concatenate([one, two + 100])
    assert precision_recall(both, one) == (1, 0.5)
    assert precision_recall(one, both) == (0.5, 1)


def test_the_edge_of_a_ball_belongs_to_it():
    real, fake = np.arange(5.0)[:, None], np.full((4, 1), -3.0)  # the ball around 0 reaches to 3, and to -3
    assert precision_recall(real, fake) == (1, 0)
    assert precision_recall(real, fake - 0.01) == (0, 0)


def test_precision_and_recall_refuse_sets_without_a_third_neighbor():
    few, many = np.zeros((3, 2)), np.zeros((9, 2))
    for real, fake in ((few, many), (many, few)):
        with pytest.raises(DataError, match="more than 3"):
            precision_recall(real, fake)


# ---- classes and modes -------------------------------------------------------------------------


def test_kl_from_uniform_of_known_shares():
    assert kl_from_uniform(np.array([7, 7, 7])) == pytest.approx(0, abs=1e-15)
    assert kl_from_uniform(np.array([0, 5, 0, 0])) == pytest.approx(math.log(4))
    assert kl_from_uniform(np.array([5, 5, 0, 0])) == pytest.approx(math.log(2))
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_from_uniform(np.array([3, 1])) == pytest.approx(expected)


def test_kl_from_uniform_of_perfect_samples_is_about_what_its_docstring_says():
    rng = np.random.default_rng(0)
    values = [kl_from_uniform(counts) for counts in rng.multinomial(2500, [0.1] * 10, size=2000)]
    assert np.mean(values) == pytest.approx(9 / 5000, rel=0.05)


def test_missing_names_what_has_less_than_a_tenth_of_its_share():
    assert missing(np.array([100, 100, 100, 100])) == []
    assert missing(np.array([0, 386, 10, 4])) == [0, 3]  # a tenth of the fair share is 10
    assert missing(np.array([9, 0, 0])) == [1, 2]


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_a_perfect_sampler_has_all_modes_and_98_89_percent_of_high_quality(name):
    centers, sigma = MIXTURES[name]
    rng, n = np.random.default_rng(0), 100_000
    samples = rng.normal(centers[rng.integers(len(centers), size=n)], sigma)
    report = mode_report(samples, centers, sigma)
    assert report.modes == len(centers) and report.missing == []
    error = math.sqrt(0.9889 * 0.0111 / n)
    assert abs(report.high_quality - 0.9889) < 4 * error, f"{report.high_quality:.4f}, error {error:.4f}"
    assert report.kl < 3 * (len(centers) - 1) / (2 * n)
    assert np.abs(report.spread - 1).max() < 0.05, f"spread {report.spread}"
    assert abs(report.spread.mean() - 1) < 0.004, f"mean spread {report.spread.mean()}, its error is 0.0016"


def test_modes_are_captured_within_three_sigma_and_counted_by_the_nearest():
    centers, sigma = np.array([[0.0, 0], [10, 0], [20, 0], [30, 0]]), 1.0
    samples = np.array([[2.99, 0], [0, -2.99], [3.01, 0], [14, 0], [7.1, 0.2], [24, 0]])
    report = mode_report(samples, centers, sigma)
    assert report.counts.tolist() == [3, 2, 1, 0]
    assert report.high_quality == pytest.approx(3 / 6)  # 3.01 is too far from 0, 14 from 10, 24 from 20
    assert report.modes == 2 and report.missing == [3]
    shares = np.array([3, 2, 1]) / 6
    assert report.kl == pytest.approx(np.sum(shares * np.log(4 * shares)))
    assert np.isfinite(report.spread).tolist() == [True, False, False, False]
    assert report.spread[0] == pytest.approx(2.99 / math.sqrt(2) / 0.97435, rel=1e-4)


def test_samples_on_one_spot_are_one_mode_without_spread():
    centers, sigma = MIXTURES["ring"]
    report = mode_report(np.repeat(centers[:1], 100, axis=0), centers, sigma)
    assert report.modes == 1 and report.high_quality == 1
    assert report.missing == [1, 2, 3, 4, 5, 6, 7]
    assert report.kl == pytest.approx(math.log(8))
    assert report.spread[0] == 0 and np.isnan(report.spread[1:]).all()


@pytest.mark.parametrize("ratio", [0.25, 0.5])
def test_the_spread_of_narrow_modes_is_their_width(ratio):
    """Up to the correction for the cut at 3σ, which narrow modes do not feel: 0.974."""
    rng, sigma = np.random.default_rng(0), 0.1
    samples = rng.normal(0, ratio * sigma, size=(50_000, 2))
    report = mode_report(samples, np.zeros((1, 2)), sigma)
    assert report.spread[0] == pytest.approx(ratio / 0.9744, rel=0.01)


def test_samples_everywhere_have_the_high_quality_of_the_area_of_the_discs():
    rng, n, share = np.random.default_rng(0), 200_000, 25 * math.pi * 0.15**2 / 10**2
    report = mode_report(rng.uniform(-5, 5, size=(n, 2)), *MIXTURES["grid"])
    assert report.high_quality == pytest.approx(share, abs=4 * math.sqrt(share / n))
    assert report.modes == 25


# ---- Parzen window -----------------------------------------------------------------------------


def plain_log_density(point, centers, sigma):
    """log of the mean of Gaussian densities, written down."""
    volume = (2 * math.pi * sigma**2) ** (len(point) / 2)
    densities = [math.exp(-np.sum((point - c) ** 2) / (2 * sigma**2)) / volume for c in centers]
    return math.log(sum(densities) / len(densities))


@given(SEEDS, SMALL, st.integers(1, 20), st.integers(1, 20), st.floats(0.3, 3))
def test_the_parzen_density_is_that_of_the_definition(seed, d, n, m, sigma):
    rng = np.random.default_rng(seed)
    x, centers = rng.random((n, d)), rng.random((m, d))
    expected = [[plain_log_density(point, centers, s) for point in x] for s in (sigma, 2 * sigma)]
    assert_close("log density", log_densities(x, centers, [sigma, 2 * sigma]), np.array(expected), 1e-10)


def test_the_parzen_density_integrates_to_one():
    centers, step = np.array([[0.2], [0.3], [0.9]]), 0.001
    x = np.arange(-5, 6, step)[:, None]
    (values,) = log_densities(x, centers, [0.1])
    assert np.exp(values).sum() * step == pytest.approx(1, abs=1e-6)


def test_the_parzen_density_far_away_is_small_and_not_minus_infinity():
    (value,) = log_densities(np.zeros((1, 784)), np.ones((3, 784)), [0.1])
    expected = -784 / (2 * 0.1**2) - 784 * math.log(0.1 * math.sqrt(2 * math.pi))
    assert_close("log density", value, np.array([expected]), 1e-12)


def test_the_parzen_density_in_single_precision_is_good_to_two_thousandths_of_a_nat():
    rng = np.random.default_rng(0)
    x, centers = rng.random((20, 784)), rng.random((50, 784))
    fine = log_densities(x, centers, [0.2])
    rough = log_densities(x.astype(np.float32), centers.astype(np.float32), [0.2])
    scale = np.abs(fine).max()
    assert np.abs(rough - fine).max() < 2e-3 * max(1, scale / 1000), f"off by {np.abs(rough - fine).max()}"


def test_parzen_chooses_sigma_on_the_validation_set_and_reports_the_test_sets_mean_and_its_error():
    rng = np.random.default_rng(0)
    sizes = ((400, 0.3), (100, 0.3), (300, 0.9))
    samples, valid, test = (rng.normal(0, width, size=(n, 2)) for n, width in sizes)
    sigmas = [0.01, 0.1, 1.0]  # the test set, for its part, would like 1 best
    result = parzen(samples, valid, test, sigmas)
    means = [np.mean([plain_log_density(point, samples, s) for point in valid]) for s in sigmas]
    assert result.sigma == sigmas[int(np.argmax(means))] == 0.1
    values = [plain_log_density(point, samples, 0.1) for point in test]
    assert result.mean == pytest.approx(np.mean(values), rel=1e-9)
    assert result.standard_error == pytest.approx(np.std(values) / math.sqrt(300), rel=1e-9)


def test_parzens_widths_are_ten_from_a_tenth_to_one_evenly_spaced_in_the_logarithm():
    assert len(metrics.SIGMAS) == 10
    assert (metrics.SIGMAS[0], metrics.SIGMAS[-1]) == pytest.approx((0.1, 1))
    assert np.ptp(np.diff(np.log(metrics.SIGMAS))) < 1e-12


def test_parzen_takes_bytes_as_well_as_floats():
    rng = np.random.default_rng(0)
    x, centers = rng.integers(256, size=(2, 30, 784), dtype=np.uint8)
    expected = log_densities(np.float32(x / 255), np.float32(centers / 255), [0.3])
    assert_close("log density", log_densities(x, centers, [0.3]), expected, 1e-6)


# ---- memorization ------------------------------------------------------------------------------


@given(SEEDS, SMALL, st.integers(1, 12), st.integers(1, 30))
def test_nearest_neighbors_are_those_of_the_definition(seed, d, n, m):
    rng = np.random.default_rng(seed)
    samples, train = rng.random((n, d)), rng.random((m, d))
    table = np.linalg.norm(samples[:, None] - train, axis=2)
    distances, indices = nearest_neighbors(samples, train)
    assert np.array_equal(indices, table.argmin(axis=1))
    assert_close("distances", distances, table.min(axis=1), 1e-12)


def test_a_remembered_image_is_at_distance_zero_and_found():
    train = np.random.default_rng(0).integers(256, size=(250, 784), dtype=np.uint8)
    distances, indices = nearest_neighbors(train[[3, 249, 120]], train)
    assert indices.tolist() == [3, 249, 120]
    assert distances.tolist() == [0, 0, 0]


def test_the_distance_to_the_nearest_is_measured_in_pixels_from_0_to_1():
    train = np.zeros((1, 784), np.uint8)
    distances, _ = nearest_neighbors(np.full((1, 784), 255, np.uint8), train)
    assert distances[0] == pytest.approx(28)


def test_the_benchmarks_k_means_finds_two_clusters_and_leaves_an_unused_center_alone():
    k_means = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "parzen.py"))["k_means"]
    rng = np.random.default_rng(0)
    one, two = rng.normal([0, 0], 1, size=(30, 2)), rng.normal([50, 0], 1, size=(40, 2))
    centers = k_means(np.concatenate([one, two]), np.array([[10.0, 0], [30, 0], [0, 900]]), iterations=3)
    assert_close("centers", centers, np.array([one.mean(axis=0), two.mean(axis=0), [0, 900]]), 1e-12)


# ---- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["precision_recall", "nearest_neighbors", "parzen"])
def test_no_whole_table_of_distances_is_kept(name, monkeypatch):
    """4,000 x 4,000 distances in single precision are 64 MB."""
    monkeypatch.undo()  # chunks as they are
    rng = np.random.default_rng(0)
    x = rng.random((4000, 20), dtype=np.float32)
    calls = {
        "precision_recall": lambda: precision_recall(x, x),
        "nearest_neighbors": lambda: nearest_neighbors(x, x),
        "parzen": lambda: log_densities(x, x, [0.1]),
    }
    peak = peak_allocation(calls[name])
    assert peak < 16e6, f"{peak / 1e6:.0f} MB"
