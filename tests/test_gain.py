"""GAIN: both players follow their gradients, what is hidden is never seen, and the controls for tables are right."""

from __future__ import annotations

import inspect
import types

import numpy as np
import pytest
from helpers import assert_close, assert_parameter_gradients

from tinygan import gain as gain_module
from tinygan.filling import fill, fill_by_regression, missing_at_random
from tinygan.gain import build_gain, column_means, fill_from_nearest_rows, incomplete_moments
from tinygan.losses import sigmoid
from tinygan.synthetic import fill_waves, wave, waves


def rng(seed=0):
    return np.random.default_rng(seed)


class Prepared:
    """A small GAIN in float64, a batch of it, and losses that can be asked again."""

    def __init__(self, alpha=3.0, hide=0.0, module=gain_module):
        self.gain = module.build_gain(4, rng(1), hidden=5, dtype=np.float64, alpha=alpha, hide=hide)
        for network in (self.gain.generator, self.gain.discriminator):
            network.params += 0.3 * rng(2).normal(size=network.params.size)
        self.x = rng(3).random((6, 4))
        self.known = (rng(4).random((6, 4)) < 0.6).astype(float)
        self.shown = self.known * (rng(5).random((6, 4)) >= hide)
        self.hint = self.gain.hints(self.shown)

    def guess(self):
        self.gain.rng = rng(6)  # the same noise
        return self.gain.guess(self.x, self.shown)

    def d_loss(self):
        return self.gain.discriminator_gradients(fill(self.x, self.shown, self.guess()), self.shown, self.hint)

    def g_loss(self):
        price, error = self.gain.generator_gradients(self.x, self.known, self.shown, self.guess(), self.hint)
        return error if self.gain.alpha is None else price + self.gain.alpha * error


@pytest.mark.parametrize("alpha, hide", [(3.0, 0.0), (0.0, 0.0), (3.0, 0.5), (None, 0.0), (None, 0.5)])
def test_both_players_go_down_the_loss_that_is_returned(alpha, hide):
    prepared = Prepared(alpha, hide)
    prepared.d_loss()
    assert_parameter_gradients(prepared.gain.discriminator, prepared.d_loss, "D ")
    prepared.g_loss()
    assert_parameter_gradients(prepared.gain.generator, prepared.g_loss, "G ")


MISTAKES = [
    ("loss_where", "dout[where] = loss(out[where], target[where])", "dout[:] = loss(out, target)"),
    ("GAIN", "is_filled * dfilled", "dfilled"),
    ("GAIN", "share * is_filled * dfilled", "is_filled * dfilled"),
    ("GAIN", "is_filled * dfilled", "0 * dfilled"),
    ("GAIN", "self.alpha * dguess + ", "dguess + "),
    ("GAIN", "self.alpha * dguess + ", "1.001 * self.alpha * dguess + "),
    ("GAIN", "dfilled, _ = np.split", "_, dfilled = np.split"),
    ("GAIN", "bce_with_logits, logits, np.ones_like(logits))", "bce_with_logits, logits, hint)"),
]


@pytest.mark.parametrize("name, old, new", MISTAKES)
def test_a_planted_mistake_is_measured_or_changes_the_loss(name, old, new):
    right = inspect.getsource(getattr(gain_module, name))
    assert old in right
    module = types.ModuleType("wrong")
    exec(inspect.getsource(gain_module).replace(right, right.replace(old, new)), vars(module))
    wrong, expected = Prepared(module=module), Prepared()
    with pytest.raises(AssertionError):
        assert wrong.g_loss() == pytest.approx(expected.g_loss(), rel=1e-12)
        assert_parameter_gradients(wrong.gain.generator, wrong.g_loss, "G ")


def test_the_players_pay_what_they_pay_in_the_authors_code():
    """There alpha is 100; it works with probabilities."""
    prepared = Prepared(alpha=200.0)
    x, known, guess = prepared.x, prepared.known, prepared.guess().copy()
    probability = sigmoid(
        prepared.gain.discriminator.forward(np.concatenate([fill(x, known, guess), prepared.hint], axis=1)).copy()
    )
    d_loss = -np.mean(known * np.log(probability) + (1 - known) * np.log(1 - probability))
    price = -np.mean((1 - known) * np.log(probability))
    error = np.mean((known * x - known * guess) ** 2) / np.mean(known)
    assert prepared.d_loss() == pytest.approx(d_loss, rel=1e-12)
    assert prepared.g_loss() == pytest.approx(price + 100 * error, rel=1e-12)


def test_a_players_step_leaves_the_other_alone():
    prepared = Prepared()
    generator, discriminator = prepared.gain.generator, prepared.gain.discriminator
    before = generator.params.copy(), generator.grads.copy()
    prepared.d_loss()
    assert np.array_equal(generator.params, before[0]) and np.array_equal(generator.grads, before[1])
    before = discriminator.params.copy(), discriminator.grads.copy()
    prepared.g_loss()
    assert np.array_equal(discriminator.params, before[0]) and np.array_equal(discriminator.grads, before[1])


@pytest.mark.parametrize("choices", [{}, {"alpha": None}, {"alpha": None, "hide": 0.5}, {"hide": 0.3}])
def test_what_is_hidden_is_never_seen(choices):
    """The same network, bit for bit, whatever stands in the gaps."""
    x, known = rng().random((50, 4)).astype("f4"), missing_at_random(rng(1), 50, 4, 0.5)
    results = []
    for other in (0.0, np.nan):
        network = build_gain(4, rng(2), hidden=6, **choices)
        results.append([*network.fit(np.where(known > 0, x, np.float32(other)), known, 20, batch=8)])
        results.append(network.generator.params)
    assert results[0] == results[2] and np.array_equal(results[1], results[3])


def test_the_averaged_weights_fill_in_and_the_last_ones_go_on():
    gain, x, known = (
        build_gain(4, rng(), hidden=6),
        rng(1).random((50, 4)).astype("f4"),
        missing_at_random(rng(2), 50, 4, 0.5),
    )
    for _ in gain.fit(x, known, 20):
        pass

    def filled_with(params):
        gain.generator.params[:] = params
        gain.rng = rng(6)
        return fill(x, known, gain.guess(x, known))

    last, gain.rng = gain.generator.params.copy(), rng(6)
    filled = gain.filled(x, known)
    assert np.array_equal(gain.generator.params, last)
    assert np.array_equal(filled, filled_with(gain.average.params))
    assert not np.array_equal(filled, filled_with(last))


def test_a_hint_tells_most_of_what_is_known_and_nothing_of_what_is_filled_in():
    gain = build_gain(3, rng())
    known = (rng(1).random((5000, 3)) < 0.5).astype("f4")
    hint = gain.hints(known)
    assert hint.dtype == np.float32 and not hint[known == 0].any()
    assert set(np.unique(hint)) == {0, 1} and abs(hint[known > 0].mean() - 0.9) < 0.02


def test_a_batch_with_nothing_missing_or_nothing_known_costs_a_finite_price():
    for value in (0.0, 1.0):
        gain, known = build_gain(3, rng(), hidden=4), np.full((5, 3), value, "f4")
        result = gain.step(rng(1).random((5, 3)).astype("f4"), known)
        assert np.isfinite(result).all() and np.isfinite(gain.generator.params).all()


def two_causes(n, seed):
    """A Gaussian table (n, 8) of two hidden causes, mixed, with noise of 0.3; and its covariance."""
    mixing = rng(7).normal(size=(2, 8))
    x = rng(seed).normal(size=(n, 2)) @ mixing + rng(seed + 1).normal(0, 0.3, (n, 8))
    return x, mixing.T @ mixing + 0.09 * np.eye(8)


@pytest.mark.breadth
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("choices, share", [({}, 1.0), ({"alpha": None, "hide": 0.5}, 0.75)], ids=["GAIN", "denoising"])
def test_it_fills_a_table_in_better_than_its_means_and_not_better_than_can_be(seed, choices, share):
    x, covariance = two_causes(3000, seed)
    low, high = x.min(axis=0), x.max(axis=0)
    known = missing_at_random(rng(seed + 2), *x.shape, 0.25)
    gain = build_gain(8, rng(seed), **choices)
    for result in gain.fit(((x - low) / (high - low)).astype("f4"), known, 1500):
        assert np.isfinite(result).all()
    filled = gain.filled(((x - low) / (high - low)).astype("f4"), known) * (high - low) + low

    def error(guess):
        return np.sqrt(np.mean(((guess - x) / x.std(axis=0))[known == 0] ** 2))

    best = fill_by_regression(x, known, np.zeros(8), covariance, ridge=0)
    assert error(best) < error(filled) < share * error(fill(x, known, column_means(x, known)))
    assert error(fill_by_regression(x, known, *incomplete_moments(x, known), ridge=1e-6)) < 1.05 * error(best)
    np.testing.assert_allclose(filled[known > 0], x[known > 0], atol=1e-5)


# ---- controls ------------------------------------------------------------------------------------


def test_means_are_of_what_is_known():
    x, known = np.array([[1.0, np.nan], [3.0, 5.0]]), np.array([[1, 0], [1, 1]])
    assert column_means(x, known).tolist() == [2, 5]


def test_moments_without_gaps_are_the_usual_ones():
    x = rng().normal(size=(50, 3)) @ rng(1).normal(size=(3, 3))
    mean, covariance = incomplete_moments(x, np.ones_like(x), rounds=2)
    assert_close("mean", mean, x.mean(axis=0), 1e-12)
    assert_close("covariance", covariance, np.cov(x.T, bias=True), 1e-12)


def test_moments_of_gaussian_rows_with_gaps_are_those_they_were_drawn_from():
    mixing = rng(1).normal(size=(2, 4))
    truth = mixing.T @ mixing + 0.25 * np.eye(4)
    x = rng(2).normal(size=(20_000, 2)) @ mixing + 0.5 * rng(3).normal(size=(20_000, 4)) + [0, 1, 2, 3]
    known = missing_at_random(rng(4), *x.shape, 0.5)
    mean, covariance = incomplete_moments(np.where(known > 0, x, np.nan), known, rounds=60)
    assert np.abs(mean - [0, 1, 2, 3]).max() < 0.06
    assert_close("covariance", covariance, truth, 0.05)


def test_a_gap_is_filled_from_the_nearest_row_that_knows_it():
    x = np.array([[0.0, 0.0, 1.0], [0.1, np.nan, np.nan], [0.1, 0.0, np.nan], [5.0, 5.0, 9.0]])
    filled = fill_from_nearest_rows(x, ~np.isnan(x))
    np.testing.assert_array_equal(filled, [[0, 0, 1], [0.1, 0, 1], [0.1, 0, 1], [5, 5, 9]])


def test_near_is_the_sum_of_squares_in_standard_deviations_and_2_for_what_one_does_not_know():
    x, known = rng().normal(size=(30, 4)) * [1, 10, 100, 1000], missing_at_random(rng(1), 30, 4, 0.5)
    spread = [x[known[:, j] > 0, j].std() for j in range(4)]
    filled = fill_from_nearest_rows(np.where(known > 0, x, np.nan), known, chunk=7)
    for i, j in np.argwhere(known == 0):
        both = known * known[i] > 0
        distances = np.where(both, ((x - x[i]) / spread) ** 2, 2).sum(axis=1)
        distances[known[:, j] == 0] = np.inf
        assert filled[i, j] == x[distances.argmin(), j]


def test_a_column_that_never_changes_does_not_say_who_is_near():
    x = np.array([[7.0, 0.0, 1.0], [7.0, 0.1, np.nan], [7.0, 5.0, 9.0]])
    assert fill_from_nearest_rows(x, ~np.isnan(x))[1, 2] == 1


# ---- the table -----------------------------------------------------------------------------------


def test_waves_are_not_correlated_and_yet_depend_on_each_other():
    x = waves(50_000, rng())
    assert np.abs(np.corrcoef(x.T) - np.eye(8)).max() < 0.03
    some = x[:2_000]
    known = np.ones_like(some)
    known[:, 3] = 0
    assert np.std((fill_waves(some, known) - some)[:, 3]) < 0.2 * some[:, 3].std()


def test_the_best_filling_is_the_mean_over_all_t_that_fit():
    t, known = 0.7, np.array([[1.0, 1, 0, 0, 1, 0, 1, 0]])
    x = wave(np.array([t])) + 0.05
    grid = np.linspace(0, 2 * np.pi, 100_001)[:-1]
    weights = np.exp(-np.sum(known * (wave(grid) - x) ** 2, axis=1) / 0.02)
    expected = weights @ wave(grid) / weights.sum()
    assert_close("filled", fill_waves(x, known)[known == 0], expected[known[0] == 0], 1e-6)
