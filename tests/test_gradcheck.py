"""The checker measures right, reports where and how much, and cannot be content with nothing.

Measured slopes equal known ones, by both methods; kinks are seen; and whatever is off by more than the tolerance
does not pass.
"""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given
from hypothesis import strategies as st

from tinygan.gradcheck import compare, numeric_gradient, relative_error, remeasure
from tinygan.layers import LeakyReLU, Sigmoid, Tanh
from tinygan.losses import bce, bce_with_logits, least_squares
from tinygan.network import Network

FUNCTIONS = {  # f and its derivative, both of one number
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
}
NUMBERS = st.floats(0.5, 3)


# ---- measuring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=4))
def test_central_differences_give_the_slope_to_nine_digits(name, numbers):
    f, slope = FUNCTIONS[name]
    x = np.array(numbers)
    assert relative_error(numeric_gradient(lambda: np.sum(f(x)), x), slope(x)) < 1e-9


@pytest.mark.parametrize("name", FUNCTIONS)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=4))
def test_the_complex_step_gives_the_slope_to_machine_precision(name, numbers):
    f, slope = FUNCTIONS[name]
    x = np.array(numbers, complex)
    measured = numeric_gradient(lambda: np.sum(f(x)), x, method="complex")
    assert measured.dtype == np.float64
    assert relative_error(measured, slope(x.real)) < 4 * np.finfo(float).eps


def test_a_method_that_does_not_exist_is_refused():
    x = np.ones(3)
    with pytest.raises(ValueError, match="method must be 'central' or 'complex', not 'cmplx'"):
        numeric_gradient(lambda: np.sum(x), x, method="cmplx")


def test_the_step_grows_with_the_number():
    x = np.array([1e6])
    assert relative_error(numeric_gradient(lambda: np.sum(x**3), x), 3 * x**2) < 1e-9


def test_the_step_can_be_given_entry_by_entry():
    x = np.array([1e-9, 1.0])  # log is nowhere near 0 on the usual step's left
    measured = numeric_gradient(lambda: np.sum(np.log(x)), x, step=1e-5 * x)
    assert relative_error(measured * x, np.ones(2)) < 1e-9


@pytest.mark.parametrize("method", ["central", "complex"])
def test_an_array_is_weighed_by_dout(method):
    rng = np.random.default_rng(0)
    x, A, dout = rng.normal(size=(3, 2)), rng.normal(size=(2, 5)), rng.normal(size=(3, 5))
    nudged = x.astype(complex) if method == "complex" else x
    measured = numeric_gradient(lambda: nudged @ A, nudged, method=method, dout=dout)
    assert relative_error(measured, dout @ A.T) < 1e-9


@pytest.mark.parametrize("method", ["central", "complex"])
def test_x_is_put_back_even_when_f_fails(method):
    x = np.array([1.0, 2.0], complex if method == "complex" else float)
    before = x.copy()
    calls = []

    def f():
        calls.append(x.copy())
        if len(calls) == 2:
            raise ZeroDivisionError
        return x.sum()

    with pytest.raises(ZeroDivisionError):
        numeric_gradient(f, x, method=method)
    assert np.array_equal(x, before) and not np.array_equal(calls[1], before)


@pytest.mark.parametrize(("method", "dtype"), [("central", np.float32), ("central", complex), ("complex", float)])
def test_a_dtype_that_cannot_be_measured_is_refused(method, dtype):
    with pytest.raises(ValueError, match=f"{method}: x must be (float64|complex128), not {np.dtype(dtype)}"):
        numeric_gradient(lambda: 0.0, np.ones(2, dtype), method=method)


# ---- kinks ---------------------------------------------------------------------------------------


def around_a_corner(distance):
    """numeric_gradient and remeasure of Σ|x|, at one entry so far from its corner, and one well away."""
    x = np.array([distance, 2.0])
    measured = numeric_gradient(lambda: np.sum(np.abs(x)), x)
    return remeasure(lambda: np.sum(np.abs(x)), x, measured, np.array([True, True]))


@pytest.mark.parametrize("distance", [2e-7, 1e-6, 5e-6, -5e-6])
def test_a_kink_inside_the_step_is_stepped_around(distance):
    measured, aside = around_a_corner(distance)
    assert relative_error(measured, np.sign([distance, 2.0])) < 1e-7 and not np.any(aside)


def test_a_kink_inside_the_step_would_otherwise_spoil_the_slope():
    x = np.array([5e-6])
    assert abs(numeric_gradient(lambda: np.sum(np.abs(x)), x)[0] - 1) > 0.4


@pytest.mark.parametrize("distance", [0.0, 1e-8, -1e-8])
def test_an_entry_on_a_kink_is_set_aside(distance):
    _, aside = around_a_corner(distance)
    assert aside.tolist() == [True, False]


@given(SEEDS)
def test_a_smooth_function_is_never_set_aside_nor_changed(seed):
    rng = np.random.default_rng(seed)
    x, A = rng.normal(size=6), rng.normal(size=(6, 6))

    def f():
        return np.sum(np.tanh(A @ x) ** 2)

    measured = numeric_gradient(f, x)
    again, aside = remeasure(f, x, measured, np.ones(6, bool))
    assert not np.any(aside) and relative_error(again, measured) < 1e-4


def test_rounding_is_no_kink():
    """1 - p is a multiple of 1e-16, and log(1 - p) therefore a staircase."""
    x = np.array([20.0, 22.0, 24.0, 26.0])

    def f():
        p = 1 / (1 + np.exp(-x))
        return np.sum(0.7 * np.log(p) + 0.3 * np.log(1 - p))

    _, aside = remeasure(f, x, numeric_gradient(f, x), np.ones(4, bool))
    assert not np.any(aside)


# ---- comparing -----------------------------------------------------------------------------------


def test_relative_error_is_of_the_whole_and_symmetric():
    a, b = np.array([3.0, 4.0]), np.array([3.0, 4.5])
    assert relative_error(a, b) == relative_error(b, a) == pytest.approx(0.5 / np.hypot(3, 4.5))
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.zeros(2), a) == 1


def test_a_row_names_the_worst_entry_and_both_numbers():
    expected = np.ones((2, 3))
    got = expected.copy()
    got[1, 2] = 1.5
    row = compare("W", got, expected)
    assert (row.name, row.size, row.index, row.got, row.expected, row.passed) == ("W", 6, (1, 2), 1.5, 1.0, False)


@pytest.mark.parametrize(("error", "passed"), [(0.9e-7, True), (1.1e-7, False)])
def test_the_tolerance_is_where_it_says(error, passed):
    assert compare("x", np.array([1.0 + error]), np.array([1.0])).passed is passed


def test_zero_against_zero_passes_only_where_zero_is_known():
    row = compare("x", np.zeros(3), np.zeros(3))
    assert not row.passed and "nothing was measured" in row.note
    assert compare("x", np.zeros(3), np.zeros(3), zero=True).passed
    assert not compare("x", np.ones(3), np.zeros(3), zero=True).passed
    assert not compare("x", np.zeros(3), np.ones(3)).passed


def test_another_shape_never_passes_even_where_it_would_broadcast():
    row = compare("b", np.ones((1, 3)), np.ones(3))
    assert not row.passed and "(1, 3)" in row.note and "(3,)" in row.note


def test_rounding_excuses_only_what_is_as_small_as_it_is():
    assert compare("x", np.array([3e-13]), np.zeros(1), rounding=1e-12).passed
    assert not compare("x", np.array([3e-12]), np.zeros(1), rounding=1e-12).passed
    assert not compare("x", np.zeros(1), np.zeros(1), rounding=1e-12).passed


def test_nan_never_passes():
    assert not compare("x", np.array([np.nan, 1.0]), np.ones(2)).passed
    assert not compare("x", np.ones(2), np.array([np.nan, 1.0])).passed


# ---- the package, by the sharper ruler -----------------------------------------------------------


@pytest.mark.parametrize("kind", [Sigmoid, Tanh, LeakyReLU])
@given(seed=SEEDS)
def test_the_complex_step_confirms_the_activations_to_thirteen_digits(kind, seed):
    rng = np.random.default_rng(seed)
    x, dout = rng.uniform(0.1, 2, (2, 4, 3)) * rng.choice([-1, 1], (2, 4, 3))
    layer, twin = Network([kind()], rng, np.float64), Network([kind()], rng, np.complex128)
    layer.forward(x)
    z = x.astype(complex)
    measured = numeric_gradient(lambda: twin.forward(z), z, method="complex", dout=dout)
    assert relative_error(layer.backward(dout), measured) < 1e-13


@pytest.mark.parametrize("loss", [bce, bce_with_logits, least_squares])
@given(seed=SEEDS)
def test_the_complex_step_confirms_the_losses_to_thirteen_digits(loss, seed):
    rng = np.random.default_rng(seed)
    x, target = rng.uniform(0.1, 0.9, (2, 4, 3))
    target /= target.sum(axis=1, keepdims=True)
    z = x.astype(complex)
    measured = numeric_gradient(lambda: loss(z, target)[0], z, method="complex")
    assert relative_error(loss(x, target)[1], measured) < 1e-13
