"""The checker measures right, reports where and how much, and cannot be content with nothing.

Measured slopes equal known ones, by both methods; kinks are seen; every gradient of the package
passes; and whatever is off by more than the tolerance, in a single entry even, does not.
"""

from __future__ import annotations

import numpy as np
import planted_mistakes
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.cases import NotCheckable, Setting
from tinygan.check import own_things
from tinygan.gradcheck import check_gradients, compare, numbers, numeric_gradient, relative_error, remeasure
from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh
from tinygan.losses import bce_with_logits
from tinygan.network import Network

OWN = {name: thing for name, (thing, _) in own_things().items()}
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
    with pytest.raises(ValueError, match="method must be 'central' or 'complex', not 'cmplx'"):
        check_gradients(Tanh(), method="cmplx")


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


def test_entries_on_a_kink_are_reported_and_the_others_still_compared():
    x = np.array([[0.0, 1.0, -1.0]])
    right = check_gradients(planted_mistakes.LeakyReLU, x=x)
    assert right.passed and right.rows[0].aside == 1
    assert "1 on a kink, set aside" in str(right)
    assert not check_gradients(planted_mistakes.MaskInverted, x=x).passed


def test_nothing_but_kinks_is_no_pass():
    report = check_gradients(planted_mistakes.LeakyReLU, x=np.zeros((2, 3)))
    assert not report.passed and report.rows[0].aside == 6


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


# ---- everything of the package passes ------------------------------------------------------------


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("name", OWN)
@given(seed=SEEDS, n=st.integers(2, 8), n_in=st.integers(2, 8), n_out=st.integers(2, 5))
@settings(max_examples=10)
def test_every_gradient_of_the_package_is_right(name, method, seed, n, n_in, n_out):
    report = check_gradients(OWN[name], method=method, seed=seed, n=n, n_in=n_in, n_out=n_out)
    assert report.passed, report


@pytest.mark.parametrize("name", OWN)
def test_the_complex_step_confirms_the_package_to_thirteen_digits(name):
    report = check_gradients(OWN[name], tolerance=1e-13)
    assert report.passed, report


@pytest.mark.parametrize("target", planted_mistakes.RIGHT)
@given(seed=SEEDS)
def test_a_learners_right_code_passes(target, seed):
    report = check_gradients(target, seed=seed)
    assert report.passed, report


def test_layers_and_networks_can_be_given_ready_made_in_any_dtype():
    rng = np.random.default_rng(0)
    network = Network([Dense(4, 3), LeakyReLU(0.1), Dense(3, 2), Tanh()], rng, np.float32)
    before = network.params.copy()
    for target in (Dense(6, 2), network, Sigmoid()):
        report = check_gradients(target)
        assert report.passed, report
    assert np.array_equal(network.params, before) and network.params.dtype == np.float32


def test_the_input_can_be_given():
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    report = check_gradients(Sigmoid(), x=x)
    assert report.passed and np.array_equal(report.measured["x"].case.arrays["x"], x)


def test_what_has_no_derivative_is_refused():
    with pytest.raises(NotCheckable, match="int is no layer"):
        check_gradients(3)


# ---- and nothing that is wrong does --------------------------------------------------------------


class OneEntryOff(planted_mistakes.Dense):
    """Right, but for one entry of one gradient."""

    def __init__(self):
        super().__init__(7, 3)

    def backward(self, dout):
        dx = super().backward(dout)
        gradients = {"x": dx, "W": self.dW, "b": self.db}
        gradients[self.where].flat[self.index] += self.off * np.linalg.norm(gradients[self.where])
        return dx


@given(where=st.sampled_from(["x", "W", "b"]), index=st.integers(0, 34), off=st.sampled_from([1e-6, -1e-3, 1]))
def test_one_wrong_entry_is_found_where_it_is(where, index, off):
    target = OneEntryOff()
    shape = {"x": (5, 7), "W": (7, 3), "b": (3,)}[where]
    target.where, target.index, target.off = where, index % np.prod(shape), off
    report = check_gradients(target)
    wrong = [row for row in report.rows if not row.passed]
    assert [(row.name, row.index) for row in wrong] == [(where, np.unravel_index(target.index, shape))]


@pytest.mark.parametrize("target", [case[0] for case in planted_mistakes.PLANTED], ids=lambda t: t.__name__)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_planted_mistake_is_rejected(target, seed):
    options = next(options for thing, _, options in planted_mistakes.PLANTED if thing is target)
    report = check_gradients(target, seed=seed, **options)
    assert not report.passed, report


def test_a_mistake_in_backward_is_not_hidden_by_the_complex_step():
    class HalfSigmoid(Sigmoid):
        def backward(self, dout, param_grads=True, input_grad=True):
            return super().backward(dout) / 2

    report = check_gradients(HalfSigmoid(), method="complex")
    assert not report.passed and report.rows[0].error == pytest.approx(0.5)


# ---- the report ----------------------------------------------------------------------------------


def test_the_table_says_argument_size_error_place_and_both_numbers():
    text = str(check_gradients(planted_mistakes.NegativeBias))
    head, columns, *rows = text.splitlines()
    assert head.startswith("NegativeBias (") and "planted_mistakes.py, line " in head and head.endswith(": WRONG")
    assert columns.split() == ["argument", "size", "error", "worst", "at", "got", "expected"]
    assert [row.split()[0] for row in rows] == ["x", "W", "b"]
    name, size, error, index, got, expected, verdict = rows[2].split()
    assert (size, error, verdict) == ("3", "2.0e+00", "WRONG") and float(got) == -float(expected)


@pytest.mark.parametrize("difference", [1e-3, 1e-9, 1e-15])
def test_numbers_that_are_not_alike_look_so(difference):
    text, other = numbers(0.7, 0.7 + difference, False)
    assert text != other and len(text) <= len(other) < 20
    assert numbers(0.7, 0.7, False) == numbers(0.7, 0.7 + 1e-9, True) == ("0.7", "0.7")


def test_ordinary_and_large_numbers_are_both_looked_at():
    names = [row.name for row in check_gradients(bce_with_logits).rows]
    assert names == ["logits", "large logits"]


def test_a_check_can_be_repeated_with_one_thing_changed():
    report = check_gradients(Dense)
    assert report.again(n=11).measured["x"].a.shape == (11, 7)
    assert report.again(n=11) is report.again(n=11)
    assert report.again(n=11).setting == Setting(n=11)


def test_the_check_leaves_what_it_checks_alone():
    target = planted_mistakes.Dense(7, 3)
    check_gradients(target)
    assert vars(target).keys() == {"W", "b"} and not np.any(target.W)
