"""Each loss is its formula, its gradient is the derivative of the returned value, and no logit is too large.

What is exact is computed beside it with the standard library's ``decimal``, in fifty digits.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from helpers import SEEDS, SIZES, assert_close, assert_gradient, assert_same_bits, scalar_dtype
from hypothesis import given
from hypothesis import strategies as st

from tinygan.gradcheck import numeric_gradient
from tinygan.layers import Sigmoid
from tinygan.losses import (
    bce,
    bce_with_logits,
    least_squares,
    sigmoid,
    softmax,
    softmax_cross_entropy,
    through_softmax,
)

LOSSES = [bce, bce_with_logits, least_squares]
TARGETS = st.sampled_from([0.0, 1.0, 0.1, 0.9, "array"])
for_every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
for_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@st.composite
def batches(draw, loss=bce_with_logits, largest=10.0, margin=0.001):
    """(output of any shape (N, O), target): for bce probabilities that stay this far away from 0 and 1."""
    rng = np.random.default_rng(draw(SEEDS))
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    out = rng.uniform(margin, 1 - margin, shape) if loss is bce else rng.uniform(-largest, largest, shape)
    target = draw(TARGETS)
    return out, rng.uniform(0, 1, shape) if isinstance(target, str) else target


# ---- values --------------------------------------------------------------------------------------


def naive(loss, out, target):
    """The formula as it is first written, number by number."""

    def cross_entropy(p, t):
        return -(t * math.log(p) + (1 - t) * math.log(1 - p))

    formula = {
        bce: cross_entropy,
        bce_with_logits: lambda s, t: cross_entropy(1 / (1 + math.exp(-s)), t),
        least_squares: lambda s, t: (s - t) ** 2 / 2,
    }[loss]
    pairs = list(zip(out.ravel(), np.broadcast_to(target, out.shape).ravel(), strict=True))
    return sum(formula(s, t) for s, t in pairs) / len(pairs)


@for_every_loss
@given(data=st.data())
def test_the_value_is_the_mean_of_the_formula(loss, data):
    out, target = data.draw(batches(loss))
    assert_close("loss", loss(out, target)[0], naive(loss, out, target), 1e-11)


@for_every_loss
@given(data=st.data())
def test_the_gradient_is_the_derivative_of_the_value(loss, data):
    out, target = data.draw(batches(loss, largest=5.0, margin=0.1))
    gradient = loss(out, target)[1]
    assert_gradient("d(loss)/d(out)", gradient, numeric_gradient(lambda: loss(out, target)[0], out))


@for_every_loss
@given(data=st.data())
def test_every_entry_of_the_gradient_equals_the_complex_step(loss, data):
    """f(x + ih) has the imaginary part h f'(x), without cancellation: each entry to twelve digits."""
    out, target = data.draw(batches(loss))
    gradient, h = loss(out, target)[1], 1e-30
    for index in np.ndindex(out.shape):
        nudged = out.astype(complex)
        nudged[index] += 1j * h
        expected = loss(nudged, target)[0].imag / h
        assert gradient[index] == pytest.approx(expected, rel=1e-12, abs=1e-300), f"d(loss)/d(out) at {index}"


@given(batch=batches())
def test_on_probabilities_and_on_logits_it_is_the_same_loss(batch):
    logits, target = batch
    layer = Sigmoid()
    on_p, dp = bce(layer.forward(logits), target)
    on_logits, dlogits = bce_with_logits(logits, target)
    assert_close("bce(σ(s))", on_p, on_logits, 1e-10)
    assert_close("chain rule through σ", layer.backward(dp), dlogits, 1e-10)


@for_every_loss
@given(data=st.data())
def test_value_and_gradient_are_of_the_same_mean(loss, data):
    """The same batch twice: the same mean, each entry weighs half, and so the gradients' sum is the same."""
    out, target = data.draw(batches(loss))
    twice, target_twice = np.concatenate([out, out]), np.concatenate([np.broadcast_to(target, out.shape)] * 2)
    value, gradient = loss(out, target)
    value_twice, gradient_twice = loss(twice, target_twice)
    assert_close("loss of the batch twice", value_twice, value, 1e-13)
    halves = np.concatenate([gradient, gradient]) / 2
    assert_close("gradient of the batch twice", gradient_twice, halves, 1e-13)
    assert gradient_twice.sum() == pytest.approx(gradient.sum(), rel=1e-12, abs=1e-15)


@for_every_loss
@given(data=st.data())
def test_one_number_for_all_is_an_array_full_of_it(loss, data):
    out, _ = data.draw(batches(loss))
    of_number, of_array = loss(out, 0.3), loss(out, np.full(out.shape, 0.3))
    assert_close("loss", of_number[0], of_array[0], 1e-14)
    assert_close("gradient", of_number[1], of_array[1], 1e-14)


@pytest.mark.parametrize(
    "loss, out, target, value, gradient",
    [
        (bce, 0.5, 1, math.log(2), -2.0),
        (bce, 0.5, 0, math.log(2), 2.0),
        (bce, 0.25, 0.25, -0.25 * math.log(0.25) - 0.75 * math.log(0.75), 0.0),
        (bce_with_logits, 0.0, 1, math.log(2), -0.5),
        (bce_with_logits, 0.0, 0, math.log(2), 0.5),
        (least_squares, 3.0, 1, 2.0, 2.0),
        (least_squares, -1.0, 0, 0.5, -1.0),
    ],
)
def test_known_values(loss, out, target, value, gradient):
    """The same in every one of N·O = 6 entries, so each has a sixth of the gradient."""
    got, dout = loss(np.full((3, 2), out), target)
    assert got == pytest.approx(value, rel=1e-14)
    assert dout == pytest.approx(np.full((3, 2), gradient / 6), rel=1e-14, abs=1e-16)


# ---- large numbers -------------------------------------------------------------------------------


def exact(s):
    """σ(s), σ(-s) and log(1 + exp(s)) of a float, rounded once from fifty digits."""
    with localcontext() as context:
        context.prec = 50
        e = Decimal(float(s)).exp()
        # where e is tiny, log(1 + e) = e - e²/2 + …: fifty digits are too few for 1 + e
        log1p = (1 + e).ln() if e > Decimal("1e-20") else e - e * e / 2
        return float(e / (1 + e)), float(1 / (1 + e)), float(log1p)


@given(s=st.floats(-700, 700))
def test_sigmoid_is_accurate_in_both_tails(s):
    assert sigmoid(np.array([s]))[0] == pytest.approx(exact(s)[0], rel=1e-15, abs=0)


@for_both_precisions
@pytest.mark.parametrize("target", [0.0, 1.0])
@given(s=st.floats(-1000, 1000, width=32))
def test_any_logit_gives_a_finite_value_and_the_right_gradient(dtype, target, s):
    """Relative accuracy, also where σ(s) is nearly t: confident samples keep their gradient."""
    with np.errstate(all="raise", under="ignore"):
        loss, gradient = bce_with_logits(np.array([[s]], dtype), target)
    p, q, log1p = exact(s)
    expected = (exact(-s)[2], -q) if target == 1 else (log1p, p)
    eps, tiny = float(8 * np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    assert loss == pytest.approx(expected[0], rel=eps, abs=tiny)
    assert gradient[0, 0] == pytest.approx(expected[1], rel=eps, abs=tiny)


@for_both_precisions
@given(s=st.floats(-1000, 1000, width=32), target=st.floats(0, 1, width=32))
def test_any_logit_is_right_for_soft_targets_too(dtype, s, target):
    """Accurate to the rounding of the terms t·s and t - σ(s), which may cancel here."""
    with np.errstate(all="raise", under="ignore"):
        loss, gradient = bce_with_logits(np.array([[s]], dtype), target)
    p, q, log1p = exact(s)
    eps = float(8 * np.finfo(dtype).eps)
    assert loss == pytest.approx(target * exact(-s)[2] + (1 - target) * log1p, abs=eps * (1 + abs(s)))
    assert gradient[0, 0] == pytest.approx((1 - target) * p - target * q, abs=eps)


@for_both_precisions
@pytest.mark.parametrize(
    "s, target, value, gradient",
    [(1000, 1, 0, 0), (1000, 0, 1000, 1), (-1000, 1, 1000, -1), (-1000, 0, 0, 0), (1000, 0.25, 750, 0.75)],
)
def test_logits_of_plus_and_minus_1000(dtype, s, target, value, gradient):
    with np.errstate(all="raise", under="ignore"):
        loss, dlogits = bce_with_logits(np.full((4, 1), s, dtype), target)
    assert loss == pytest.approx(value, rel=1e-6, abs=0)
    assert dlogits == pytest.approx(np.full((4, 1), gradient / 4), rel=1e-6, abs=0)


@pytest.mark.parametrize("dtype, s", [(np.float32, 80), (np.float64, 700)])
def test_the_gradient_in_the_tail_is_the_exponential_and_not_zero(dtype, s):
    """σ(s) - 1 = -exp(-s) + …: what is written as a difference has rounded to 0 long before."""
    assert dtype(1) / (1 + np.exp(-dtype(s))) - 1 == 0
    right = bce_with_logits(np.array([[s]], dtype), 1)[1][0, 0]
    left = bce_with_logits(np.array([[-s]], dtype), 0)[1][0, 0]
    assert right == pytest.approx(-math.exp(-s), rel=1e-5, abs=0)
    assert left == pytest.approx(math.exp(-s), rel=1e-5, abs=0)


@for_both_precisions
def test_least_squares_at_plus_and_minus_1000(dtype):
    with np.errstate(all="raise"):
        loss, gradient = least_squares(np.array([[1000], [-1000]], dtype), 0)
    assert loss == pytest.approx(500_000) and gradient.tolist() == [[500], [-500]]


# ---- probabilities near and at 0 and 1 -----------------------------------------------------------


@pytest.mark.parametrize("p", [1e-300, 1e-100, 1e-30, 1e-8])
def test_no_clipping_kills_the_gradient_of_a_confident_probability(p):
    loss, gradient = bce(np.array([[p]]), 1)
    assert loss == pytest.approx(-math.log(p), rel=1e-14)
    assert gradient[0, 0] == pytest.approx(-1 / p, rel=1e-14)


def test_no_clipping_kills_the_gradient_close_to_one():
    p = 1 - 2.0**-53
    loss, gradient = bce(np.array([[p]]), 0)
    assert loss == pytest.approx(53 * math.log(2), rel=1e-14)
    assert gradient[0, 0] == pytest.approx(2.0**53, rel=1e-14)


@for_both_precisions
@pytest.mark.parametrize("p, target, sign", [(0, 1, -1), (1, 0, 1)])
def test_a_certain_and_wrong_probability_costs_much_but_not_infinitely(dtype, p, target, sign):
    with np.errstate(all="raise", under="ignore"):
        loss, gradient = bce(np.array([[p]], dtype), target)
    tiny = np.finfo(dtype).tiny
    assert loss == pytest.approx(-math.log(tiny), rel=1e-6)
    assert gradient[0, 0] == pytest.approx(sign / float(tiny), rel=1e-6)


@for_both_precisions
@pytest.mark.parametrize("p, gradient", [(0, 1), (1, -1)])
def test_a_certain_and_right_probability_costs_nothing(dtype, p, gradient):
    with np.errstate(all="raise", under="ignore"):
        loss, dp = bce(np.array([[p]], dtype), p)
    assert loss == 0 and dp.tolist() == [[gradient]]


# ---- promises ------------------------------------------------------------------------------------


@for_every_loss
@for_both_precisions
def test_precision_and_shape_are_kept_and_nothing_given_is_changed(loss, dtype):
    out, target = np.full((4, 3), 0.25, dtype), np.full((4, 3), 0.5, dtype)
    kept = out.copy(), target.copy()
    for t in (1, 0.5, target):
        value, gradient = loss(out, t)
        assert np.ndim(value) == 0 and value.dtype in (dtype, scalar_dtype(dtype))
        assert (gradient.shape, gradient.dtype) == (out.shape, dtype)
    assert_same_bits("out", out, kept[0])
    assert_same_bits("target", target, kept[1])


# ---- softmax and cross-entropy -----------------------------------------------------------------


@given(SEEDS, SIZES, st.integers(1, 5))
def test_softmax_is_its_formula_and_its_backward_pass_the_derivative(seed, n, classes):
    rng = np.random.default_rng(seed)
    logits, dp = 3 * rng.normal(size=(n, classes)), rng.normal(size=(n, classes))
    p = softmax(logits)
    for row, each in zip(logits, p, strict=True):
        assert_close("p", each, [np.exp(x) / sum(np.exp(row)) for x in row], 1e-13)
    if classes > 1:  # the only class has the probability 1, whatever its logit
        expected = numeric_gradient(lambda: np.sum(dp * softmax(logits)), logits)
        assert_gradient("dlogits", through_softmax(p, dp), expected)


@for_both_precisions
def test_softmax_does_not_overflow(dtype):
    p = softmax(np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype))
    np.testing.assert_allclose(p, [[0.5, 0.5, 0], [1 / 3] * 3], rtol=1e-6)
    assert p.dtype == dtype


@given(SEEDS, SIZES, st.integers(2, 5))
def test_the_gradient_of_softmax_cross_entropy_is_its_derivative(seed, n, classes):
    rng = np.random.default_rng(seed)
    logits, labels = 3 * rng.normal(size=(n, classes)), rng.integers(classes, size=n)
    _, dlogits = softmax_cross_entropy(logits, labels)
    expected = numeric_gradient(lambda: softmax_cross_entropy(logits, labels)[0], logits)
    assert_gradient("dlogits", dlogits, expected)


def test_softmax_cross_entropy_is_minus_the_mean_log_probability_of_the_label():
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    loss, _ = softmax_cross_entropy(logits, np.array([0, 2]))
    assert_close("loss", loss, -(np.log(0.7) + np.log(0.5)) / 2, 1e-14)


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_softmax_cross_entropy_does_not_overflow_and_ignores_a_common_shift(shift):
    logits, labels = np.array([[1.0, 2.0, -900.0]]), np.array([2])
    loss, dlogits = softmax_cross_entropy(logits + shift, labels)
    expected_loss, expected = softmax_cross_entropy(logits, labels)
    assert_close("loss", loss, expected_loss, 1e-12)
    assert_close("loss", loss, 902 + np.log1p(np.exp(-1)), 1e-12)
    assert_close("dlogits", dlogits, expected, 1e-10)


def test_softmax_cross_entropy_of_a_row_does_not_depend_on_the_size_of_the_others():
    small, large = np.array([[1.0, 2.0]]), np.array([[3e4, 3e4 - 1]])
    losses, gradients = zip(*(softmax_cross_entropy(logits, np.array([0])) for logits in (small, large)), strict=True)
    loss, dlogits = softmax_cross_entropy(np.concatenate([small, large]), np.array([0, 0]))
    assert_close("loss", loss, np.mean(losses), 1e-12)
    assert_close("dlogits", dlogits, np.concatenate(gradients) / 2, 1e-12)
