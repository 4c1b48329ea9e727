"""Every optimizer equals, step by step, its published rule, which stands here line by line.

The rules and the package's versions differ in the order of their operations, so they agree to
rounding: 1e-12 after sixty steps with a learning rate that changes in each.
"""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SEEDS, assert_close, assert_same_bits, peak_allocation
from hypothesis import given
from hypothesis import strategies as st

from tinygan.optimizers import SGD, Adagrad, Adam, Momentum, MovingAverage, Nesterov, RMSprop

ALL = [SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam]
for_every_optimizer = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
STEPS = 60


# ---- the published rules -------------------------------------------------------------------------
# Each yields θ after every step; Nesterov yields (θ, v), because its θ is not what the package keeps.


def naive_sgd(theta, gradient, lrs):
    for lr in lrs:
        theta = theta - lr * gradient(theta)
        yield theta


def naive_momentum(theta, gradient, lrs, momentum=0.9):
    v = 0
    for lr in lrs:
        v = momentum * v - lr * gradient(theta)
        theta = theta + v
        yield theta


def naive_nesterov(theta, gradient, lrs, momentum=0.9):
    v = 0 * theta
    for lr in lrs:
        v = momentum * v - lr * gradient(theta + momentum * v)
        theta = theta + v
        yield theta, v


def naive_adagrad(theta, gradient, lrs, eps=1e-10):
    s = 0
    for lr in lrs:
        g = gradient(theta)
        s = s + g**2
        theta = theta - lr * g / (np.sqrt(s) + eps)
        yield theta


def naive_rmsprop(theta, gradient, lrs, rho=0.9, eps=1e-8):
    s = 0
    for lr in lrs:
        g = gradient(theta)
        s = rho * s + (1 - rho) * g**2
        theta = theta - lr * g / (np.sqrt(s) + eps)
        yield theta


def naive_adam(theta, gradient, lrs, beta1=0.9, beta2=0.999, eps=1e-8):
    m = v = 0
    for t, lr in enumerate(lrs, start=1):
        g = gradient(theta)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        yield theta


NAIVE = {
    SGD: naive_sgd,
    Momentum: naive_momentum,
    Adagrad: naive_adagrad,
    RMSprop: naive_rmsprop,
    Adam: naive_adam,
}

DECAYS, EPS = st.floats(0, 0.99), st.sampled_from([1e-8, 1e-3, 0.1])
SQUARED_DECAYS = st.floats(0.5, 0.999)  # with less memory a step divides by a single g, which may be nearly 0
OPTIONS = {
    SGD: st.just({}),
    Momentum: st.fixed_dictionaries({}, optional={"momentum": DECAYS}),
    Nesterov: st.fixed_dictionaries({}, optional={"momentum": DECAYS}),
    Adagrad: st.fixed_dictionaries({}, optional={"eps": EPS}),
    RMSprop: st.fixed_dictionaries({}, optional={"rho": SQUARED_DECAYS, "eps": EPS}),
    Adam: st.fixed_dictionaries({}, optional={"beta1": DECAYS, "beta2": SQUARED_DECAYS, "eps": EPS}),
}


class Valley:
    """f(θ) = ½ Σ c_i θ_i² with slopes c of different size, plus noise from step to step, as in training."""

    def __init__(self, rng, size):
        self.slopes = rng.uniform(0.1, 2, size)
        self.noise = rng.normal(size=(STEPS, size))
        self.calls = 0

    def gradient(self, theta):
        self.calls += 1
        return self.slopes * theta + self.noise[self.calls - 1]


def problem(seed, size):
    """(θ, the learning rates, and a way to make equal valleys)"""
    rng = np.random.default_rng(seed)
    theta, lrs = rng.normal(size=size), rng.uniform(1e-4, 0.1, STEPS)
    return theta, lrs, lambda: Valley(np.random.default_rng([seed, 1]), size)


def follow(optimizer, params, gradient, lrs):
    """Yields params after every step."""
    for lr in lrs:
        optimizer.lr = lr
        optimizer.step(params, gradient(params))
        yield params


@pytest.mark.parametrize("kind", NAIVE, ids=lambda kind: kind.__name__)
@given(data=st.data(), seed=SEEDS, size=st.integers(4, 8))
def test_every_step_equals_the_published_rule(kind, data, seed, size):
    options = data.draw(OPTIONS[kind])
    theta, lrs, valley = problem(seed, size)
    ours = follow(kind(lr=1.0, **options), theta.copy(), valley().gradient, lrs)
    published = NAIVE[kind](theta, valley().gradient, lrs, **options)
    for t, (got, expected) in enumerate(zip(ours, published, strict=True), start=1):
        assert_close(f"params after step {t}", got, expected, 1e-12)


@given(options=OPTIONS[Nesterov], seed=SEEDS, size=st.integers(4, 8))
def test_nesterov_in_look_ahead_form_equals_the_published_form(options, seed, size):
    """The package's params are θ + μv of the published form, in every step, and its v is that v."""
    theta, lrs, valley = problem(seed, size)
    optimizer = Nesterov(lr=1.0, **options)
    ours = follow(optimizer, theta.copy(), valley().gradient, lrs)
    published = naive_nesterov(theta, valley().gradient, lrs, **options)
    for t, (got, (theta_t, v)) in enumerate(zip(ours, published, strict=True), start=1):
        assert_close(f"params after step {t}", got, theta_t + optimizer.momentum * v, 1e-12)
        assert_close(f"v after step {t}", optimizer.v, v, 1e-11)


def test_the_rules_can_be_told_apart():
    """On one problem no two rules end in the same place, so the tests above can fail."""
    theta, lrs, valley = problem(0, 5)
    ends = {kind: list(follow(kind(lr=1.0), theta.copy(), valley().gradient, lrs))[-1] for kind in ALL}
    for kind in ALL:
        for other in ALL[: ALL.index(kind)]:
            distance = np.linalg.norm(ends[kind] - ends[other])
            assert distance > 1e-3, f"{kind.__name__} moves like {other.__name__}"


def test_adams_first_step_has_the_length_of_the_learning_rate():
    """Kingma and Ba 2015, section 2.1: without the correction for the zero start it would not."""
    params = np.zeros(3)
    Adam(lr=0.01).step(params, np.array([1e-3, -5.0, 300.0]))
    assert params == pytest.approx([-0.01, 0.01, -0.01], rel=1e-4)


# ---- promises ------------------------------------------------------------------------------------


@for_every_optimizer
def test_params_change_in_place_and_gradients_do_not_change(kind):
    rng = np.random.default_rng(0)
    params, grads = rng.normal(size=9), rng.normal(size=9)
    view, before, kept = params[2:5], params.copy(), grads.copy()
    optimizer = kind(lr=0.1)
    for _ in range(3):
        optimizer.step(params, grads)
    assert_same_bits("grads", grads, kept)
    assert (params != before).all()
    assert_same_bits("a view of the parameters", view, params[2:5])


@for_every_optimizer
def test_state_is_zero_on_the_first_step_and_has_the_named_slots(kind):
    optimizer = kind(lr=0.1)
    assert optimizer.t == 0
    params = np.ones(4, np.float32)
    optimizer.step(params, np.zeros(4, np.float32))
    assert optimizer.t == 1
    assert_same_bits("params after a step with a gradient of zero", params, np.ones(4, np.float32))
    for slot in optimizer.slots:
        state = getattr(optimizer, slot)
        assert (state.shape, state.dtype) == (params.shape, params.dtype) and not state.any(), slot


@for_every_optimizer
def test_single_precision_stays_single_and_follows_double(kind):
    theta, lrs, valley = problem(3, 50)

    def end(dtype):
        f = valley()
        return list(follow(kind(lr=1.0), theta.astype(dtype), lambda p: f.gradient(p).astype(dtype), lrs))[-1]

    single, double = end(np.float32), end(np.float64)
    assert single.dtype == np.float32
    assert_close("params in float32", single.astype(np.float64), double, 1e-5)


@for_every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_after_warm_up_nothing_is_allocated(kind, dtype):
    """Not even NumPy's buffers for a change of precision, which cost Adam half of its time."""
    params, grads, optimizer = np.ones(100_000, dtype), np.ones(100_000, dtype), kind(lr=1e-3)
    grown = peak_allocation(lambda: optimizer.step(params, grads))
    assert grown < 2_000, f"a step of {kind.__name__} allocated {grown} bytes"


@for_every_optimizer
def test_restored_it_goes_on_bit_for_bit(kind):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(10, 7))
    params, optimizer = rng.normal(size=7), kind(lr=0.1)
    for g in gradients[:5]:
        optimizer.step(params, g)
    saved = {slot: getattr(optimizer, slot).copy() for slot in optimizer.slots}
    untouched = {slot: array.copy() for slot, array in saved.items()}
    resumed_params, resumed = params.copy(), kind(lr=0.1)
    resumed.restore(optimizer.t, saved)
    for g in gradients[5:]:
        optimizer.step(params, g)
        resumed.step(resumed_params, g)
    assert_same_bits("params", resumed_params, params)
    assert resumed.t == optimizer.t == 10
    for slot, array in untouched.items():
        assert_same_bits(f"{slot}, as it was handed to restore", saved[slot], array)


@for_every_optimizer
@given(lr=st.one_of(st.floats(max_value=0), st.just(float("nan"))))
def test_a_learning_rate_that_is_not_positive_is_an_error_that_names_it(kind, lr):
    with pytest.raises(ValueError) as caught:
        kind(lr=lr)
    assert str(caught.value) == f"lr must be positive, got {lr}"


# ---- the moving average --------------------------------------------------------------------------


def naive_average(start, values, decay):
    """ā ← d ā + (1 - d) θ, with d = min(decay, (1 + t)/(10 + t))."""
    average = start
    for t, theta in enumerate(values, start=1):
        d = min(decay, (1 + t) / (10 + t))
        average = d * average + (1 - d) * theta
        yield average


@given(seed=SEEDS, decay=st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.999]), size=st.integers(4, 8))
def test_the_moving_average_equals_its_formula(seed, decay, size):
    values = np.random.default_rng(seed).normal(size=(STEPS + 1, size))
    average = MovingAverage(values[0], decay)
    for t, expected in enumerate(naive_average(values[0], values[1:], decay), start=1):
        average.update(values[t])
        assert_close(f"average after update {t}", average.params, expected, 1e-12)


def test_the_moving_average_is_a_vector_of_its_own():
    params = np.ones(3)
    average = MovingAverage(params, 0.9)
    params[:] = 5
    assert average.params.tolist() == [1, 1, 1]
    average.update(params)
    assert params.tolist() == [5, 5, 5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_moving_average_keeps_precision_and_allocates_nothing(dtype):
    params = np.ones(100_000, dtype)
    average = MovingAverage(params)
    assert peak_allocation(lambda: average.update(params)) < 2_000
    assert average.params.dtype == dtype


@pytest.mark.parametrize("decay", [-0.1, 1, 1.5, float("nan")])
def test_an_impossible_decay_is_an_error_that_names_it(decay):
    with pytest.raises(ValueError) as caught:
        MovingAverage(np.ones(3), decay)
    assert str(decay) in str(caught.value)
