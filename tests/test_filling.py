"""Filling in by a descent on z: its gradient is measured, each sample goes its own way, controls are what they say."""

from __future__ import annotations

import inspect
import types

import numpy as np
import pytest
from helpers import SEEDS, SIZES, assert_close, assert_gradient
from hypothesis import given

from tinygan import filling
from tinygan.filling import (
    Descent,
    fill,
    fill_by_regression,
    fill_with_mean,
    fill_with_nearest,
    known_error,
    mean_and_covariance,
    missing_at_random,
    missing_block,
)
from tinygan.gradcheck import numeric_gradient
from tinygan.layers import Dense, Sigmoid, Tanh
from tinygan.network import Network
from tinygan.objectives import LeastSquares, NonSaturating, Wasserstein


def rng(seed=0):
    return np.random.default_rng(seed)


def masks(rng, n, n_inputs):
    """Anything from one known entry to all of them."""
    known = (rng.random((n, n_inputs)) < 0.5).astype(float)
    known[np.arange(n), rng.integers(n_inputs, size=n)] = 1
    return known


# ---- the loss ------------------------------------------------------------------------------------


@given(SEEDS, SIZES, SIZES)
def test_the_gradient_of_the_known_error_is_its_derivative(seed, n, n_inputs):
    out, x = rng(seed).normal(size=(2, n, n_inputs))
    known = masks(rng(seed + 1), n, n_inputs)
    expected = numeric_gradient(lambda: known_error(out, x, known)[0], out)
    assert_gradient("dout", known_error(out, x, known)[1], expected)


def test_the_known_error_is_half_the_mean_square_of_each_sample_and_what_is_hidden_does_not_count():
    out, x = np.array([[1.0, 5.0, 2.0], [3.0, 1.0, 1.0]]), np.array([[0.0, np.nan, 0.0], [1.0, 9.0, np.nan]])
    known = np.array([[1, 0, 1], [1, 1, 0]])
    loss, dout = known_error(out, x, known)
    assert loss == pytest.approx(((1 + 4) / 2 + (4 + 64) / 2) / 4)
    np.testing.assert_allclose(dout, [[0.25, 0, 0.5], [0.5, -2, 0]])


# ---- the descent ---------------------------------------------------------------------------------


def networks(seed=0, dtype=np.float64):
    """A generator (2 -> 4) and a discriminator without kinks."""
    generator = Network([Dense(2, 5, "xavier"), Tanh(), Dense(5, 4, "xavier"), Sigmoid()], rng(seed), dtype)
    return generator, Network([Dense(4, 3, "xavier"), Tanh(), Dense(3, 1, "xavier")], rng(seed + 1), dtype)


def descent(objective=None, realism=0.3, starts=2, n=3, module=filling):
    generator, discriminator = networks()
    x, known, z = rng(2).random((n, 4)), masks(rng(3), n, 4), rng(4).normal(size=(starts * n, 2))
    return module.Descent(generator, x, known, z, discriminator, objective or NonSaturating(), realism)


OBJECTIVES = [NonSaturating(), LeastSquares(), Wasserstein()]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: type(objective).__name__)
@pytest.mark.parametrize("realism", [0.0, 0.3, 2.0])
def test_z_goes_down_the_loss_that_is_returned(objective, realism):
    down = descent(objective, realism)
    _, dz = down.gradients()
    dz = dz.copy()
    assert_gradient("dz", dz, numeric_gradient(lambda: down.gradients()[0], down.z))


MISTAKES = [  # where, what stands there, what is put there
    ("known_errors", "out - x, 0", "x - out, 0"),
    ("known_errors", "share * difference\n", "difference\n"),
    ("known_errors", "share * difference\n", "1.001 * share * difference\n"),
    ("known_errors", "np.where(known > 0, out - x, 0)", "out - x"),
    ("Descent", "dout += self.realism * self.disc", "dout += self.disc"),
    ("Descent", "dout += self.realism * self.disc", "dout -= self.realism * self.disc"),
    ("Descent", "dout += self.realism * self.disc", "dout = self.realism * self.disc"),
    ("Descent", "self.generator.backward(dout, param_grads=False)", "self.generator.backward(out, param_grads=False)"),
]


@pytest.mark.parametrize("name, old, new", MISTAKES)
def test_a_planted_mistake_is_measured(name, old, new):
    right = inspect.getsource(getattr(filling, name))
    assert old in right
    module = types.ModuleType("wrong")
    wrong = right.replace(old, new)
    if "share" in wrong and new == "out - x":  # what is hidden counts in the gradient alone
        wrong = wrong.replace("difference * difference", "difference * np.where(known > 0, difference, 0)")
        wrong = wrong.replace("share * difference\n", "difference\n")
    exec(inspect.getsource(filling).replace(right, wrong), vars(module))
    down = descent(module=module)
    dz = down.gradients()[1].copy()
    with pytest.raises(AssertionError, match="dz"):
        assert_gradient("dz", dz, numeric_gradient(lambda: down.gradients()[0], down.z))


def test_the_networks_stand_still():
    down = descent()
    before = [network.params.copy() for network in (down.generator, down.discriminator)]
    gradients = [network.grads.copy() for network in (down.generator, down.discriminator)]
    for _ in down.run(5):
        pass
    for network, params, grads in zip((down.generator, down.discriminator), before, gradients, strict=True):
        np.testing.assert_array_equal(network.params, params)
        np.testing.assert_array_equal(network.grads, grads)


def test_each_sample_goes_its_own_way():
    """A sample alone takes the steps that it takes among others."""
    many, alone = descent(starts=2, n=3), descent(starts=2, n=3)
    alone.x, alone.known = alone.x[:1], alone.known[:1]
    alone.rows_x, alone.rows_known, alone.z = alone.rows_x[::3], alone.rows_known[::3], alone.z[::3].copy()
    for down in (many, alone):
        for _ in down.run(20):
            pass
    assert_close("z", many.z[::3], alone.z, 1e-6)  # Adam's ε is all that feels the number


def test_what_the_generator_can_make_is_found_again_from_half_of_it():
    generator, _ = networks()
    z = rng(8).normal(size=(5, 2))
    x = generator.forward(z).copy()
    known = np.tile([1.0, 1.0, 1.0, 0.0], (5, 1))
    down = Descent(generator, np.where(known > 0, x, np.nan), known, rng(9).normal(size=(20, 2)))
    losses = list(down.run(400))
    filled = down.filled()
    assert losses[-1] < 0.01 * losses[0]  # of all starts; some are stuck
    assert np.isfinite(filled).all() and np.abs(filled - x).max() < 0.02
    np.testing.assert_array_equal(filled[known > 0], x[known > 0])


def test_the_best_start_is_kept_for_each_sample():
    down = descent(starts=3, n=2)
    out = down.generator.forward(down.z).copy()
    errors = [known_error(out[[row]], down.rows_x[[row]], down.rows_known[[row]])[0] for row in range(6)]
    expected = [out[min((n, n + 2, n + 4), key=lambda row: errors[row])] for n in range(2)]
    np.testing.assert_array_equal(down.best(), expected)


# ---- what is missing, and the controls ---------------------------------------------------------------


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_just_the_share_is_missing_in_every_sample_and_not_the_same_everywhere(share):
    known = missing_at_random(rng(), 50, 40, share)
    assert (known.sum(axis=1) == 40 - round(share * 40)).all() and set(np.unique(known)) == {0, 1}
    assert len(np.unique(known, axis=0)) == 50 and abs(known.mean(axis=0) - (1 - share)).max() < 0.35


def test_blocks_are_where_they_should_be():
    half, center = (missing_block(2, (8, 8), name).reshape(2, 8, 8) for name in ("half", "center"))
    assert half[:, :4].all() and not half[:, 4:].any()
    assert not center[:, 2:6, 2:6].any() and center.sum() == 2 * (64 - 16)
    color = missing_block(1, (8, 8, 3), "center").reshape(8, 8, 3)
    assert not color[2:6, 2:6].any() and color.sum() == 3 * (64 - 16)


def test_the_mean_fills_the_gaps_alone():
    x, known, train = rng().random((3, 5)), masks(rng(1), 3, 5), rng(2).random((9, 5))
    filled = fill_with_mean(x, known, train)
    np.testing.assert_array_equal(filled, np.where(known > 0, x, train.mean(axis=0)))
    np.testing.assert_array_equal(fill(x, known, 7.0), np.where(known > 0, x, 7.0))


def test_the_nearest_is_that_of_a_search_over_all():
    x, known, train = rng().random((7, 5)), masks(rng(1), 7, 5), rng(2).random((30, 5))
    filled = fill_with_nearest(np.where(known > 0, x, np.nan), known, train)
    for row, k, got in zip(x, known > 0, filled, strict=True):
        best = min(train, key=lambda each: np.sum((each[k] - row[k]) ** 2))  # noqa: B023
        np.testing.assert_array_equal(got, np.where(k, row, best))


def test_regression_is_the_least_squares_fit_to_the_training_examples():
    train = rng(2).normal(size=(200, 5)) @ rng(3).normal(size=(5, 5))
    x, known = rng().normal(size=(6, 5)), np.tile([1.0, 0, 1, 1, 0], (6, 1))
    k = known[0] > 0
    inputs = np.column_stack([train[:, k], np.ones(200)])
    weights = np.linalg.lstsq(inputs, train[:, ~k], rcond=None)[0]
    expected = np.column_stack([x[:, k], np.ones(6)]) @ weights
    hidden = np.where(known > 0, x, np.nan)
    filled = fill_by_regression(hidden, known, *mean_and_covariance(train), ridge=0)
    assert_close("filled", filled[:, ~k], expected, 1e-9)
    np.testing.assert_array_equal(filled[:, k], x[:, k])
