"""Gradient penalties: the gradient by hand is the measured derivative of the penalty, for every parameter.

And the penalty itself is what the papers write, with ∂D/∂x measured by nudging x.
"""

from __future__ import annotations

import numpy as np
import pytest
from helpers import (
    SEEDS,
    assert_close,
    assert_parameter_gradients,
    assert_same_bits,
    clear_of_kinks_and_plateaus,
    measured_gradient,
    randomize,
    scalar_dtype,
    stacks,
    without_cancellation,
)
from hypothesis import given
from hypothesis import strategies as st

from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh
from tinygan.network import Network

PENALTIES = {
    "R1": lambda: R1(gamma=0.7),
    "WGANGP": lambda: WGANGP(np.random.default_rng(3), strength=2.0),  # the same ε each time it is made
}
for_both_penalties = pytest.mark.parametrize("make", PENALTIES.values(), ids=PENALTIES)


def points_seen(make, network, x_real, x_fake):
    """Where the penalty looks at the discriminator's slope, (N, I)."""
    seen, forward = [], network.forward
    network.forward = lambda x: seen.append(x.copy()) or forward(x)
    try:
        make()(network, x_real, x_fake)
    finally:
        del network.forward
    assert len(seen) == 1
    return seen[0]


def discriminator(layers, n_in, n=4, seed=0, make=PENALTIES["R1"], dtype=np.float64):
    """(network, x_real, x_fake), away from kinks wherever this penalty looks, also from that of ‖∂D/∂x‖."""
    rng = np.random.default_rng(seed)
    network = randomize(Network(layers, rng, dtype), rng)
    if make is PENALTIES["WGANGP"]:
        without_cancellation(network, rng)
    x_real, x_fake = (rng.normal(size=(n, n_in)).astype(dtype) for _ in range(2))
    clear_of_kinks_and_plateaus(network, points_seen(make, network, x_real, x_fake))
    network.grads[:] = 0
    return network, x_real, x_fake


def usual(dtype=np.float64, make=PENALTIES["R1"]):
    layers = [Dense(3, 4), LeakyReLU(0.2), Dense(4, 3), Tanh(), Dense(3, 1)]
    return discriminator(layers, 3, make=make, dtype=dtype)


def slopes(network, x):
    """∂D/∂x at every sample, (N, I), by central differences."""
    return measured_gradient(lambda: np.sum(network.forward(x)), x)


# ---- the gradient --------------------------------------------------------------------------------


def without_effect(network):
    """A bias moves the slope ∂D/∂x only through the curvature of a later layer; else its gradient is zero."""
    curved = [i for i, layer in enumerate(network.layers) if isinstance(layer, (Sigmoid, Tanh))]
    last = max(curved, default=-1)
    return {name for name in network.views() if name.endswith("b") and int(name.split(".")[0]) > last}


def check_penalty(make, network, x_real, x_fake):
    def value():
        return make()(network, x_real, x_fake)

    network.grads[:] = 0
    value()
    assert_parameter_gradients(network, value, vanishing=without_effect(network))


@for_both_penalties
@given(stack=stacks(n_out=st.just(1)), n=st.integers(1, 4), seed=SEEDS)
def test_the_gradient_is_the_derivative_of_the_penalty_for_any_stack(make, stack, n, seed):
    check_penalty(make, *discriminator(*stack, n, seed, make))


FIXED = {
    "Dense": lambda: [Dense(3, 1)],
    "LeakyReLU": lambda: [Dense(3, 4), LeakyReLU(0.2), Dense(4, 1)],
    "Sigmoid": lambda: [Dense(3, 4), Sigmoid(), Dense(4, 1)],
    "Tanh": lambda: [Dense(3, 4), Tanh(), Dense(4, 1)],
    "deep LeakyReLU": lambda: [Dense(3, 4), LeakyReLU(), Dense(4, 3), LeakyReLU(), Dense(3, 1)],
    "deep Tanh": lambda: [Dense(3, 4), Tanh(), Dense(4, 4), Tanh(), Dense(4, 3), Tanh(), Dense(3, 1)],
    "mixed": lambda: [Dense(3, 4), Sigmoid(), Dense(4, 4), LeakyReLU(), Dense(4, 3), Tanh(), Dense(3, 1)],
    "two activations in a row": lambda: [Dense(3, 4), Tanh(), Sigmoid(), Dense(4, 1)],
    "activation first": lambda: [Tanh(), Dense(3, 4), LeakyReLU(), Dense(4, 1)],
    "activation last": lambda: [Dense(3, 4), LeakyReLU(), Dense(4, 1), Sigmoid()],
    "two Dense in a row": lambda: [Dense(3, 4), Dense(4, 3), Tanh(), Dense(3, 1)],
    "several outputs": lambda: [Dense(3, 4), Tanh(), Dense(4, 2)],
}


@for_both_penalties
@pytest.mark.parametrize("layers", FIXED.values(), ids=FIXED)
def test_the_gradient_is_the_derivative_of_the_penalty_for_the_stacks_that_matter(make, layers):
    check_penalty(make, *discriminator(layers(), 3, make=make))


class NoCurvature(Tanh):
    def tangent_backward(self, u, a=None):
        return None if a is None else a * (1 - self.out**2)


class NoMask(LeakyReLU):
    def tangent(self, v):
        return v


class NoWayBack(Dense):
    def tangent_backward(self, u, a=None):
        super().tangent_backward(u, a)


class OffByAThousandth(Dense):
    def tangent_backward(self, u, a=None):
        return super().tangent_backward(1.001 * u, a)


@for_both_penalties
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [Dense(3, 4), NoCurvature(), Dense(4, 1)],
        lambda: [Dense(3, 4), NoMask(), Dense(4, 1)],
        lambda: [Dense(3, 4), Tanh(), NoWayBack(4, 4), Tanh(), Dense(4, 1)],
        lambda: [Dense(3, 4), Tanh(), OffByAThousandth(4, 1)],
    ],
    ids=["NoCurvature", "NoMask", "NoWayBack", "OffByAThousandth"],
)
def test_a_planted_mistake_is_caught(make, layers):
    with pytest.raises(AssertionError, match="relative error of the whole"):
        check_penalty(make, *discriminator(layers(), 3, make=make))


# ---- the value -----------------------------------------------------------------------------------


@given(stack=stacks(n_out=st.just(1)), n=st.integers(1, 4), seed=SEEDS)
def test_r1_is_half_gamma_times_the_mean_squared_slope_at_the_real_samples(stack, n, seed):
    network, x_real, x_fake = discriminator(*stack, n, seed)
    got = R1(gamma=0.7)(network, x_real, x_fake)
    expected = 0.7 / 2 * np.mean(np.sum(slopes(network, x_real) ** 2, axis=1))
    assert_close("R1", got, expected, 1e-6)


@given(stack=stacks(n_out=st.just(1)), n=st.integers(1, 4), seed=SEEDS)
def test_wgan_gp_is_the_mean_squared_distance_of_the_slope_from_one(stack, n, seed):
    make = PENALTIES["WGANGP"]
    network, x_real, x_fake = discriminator(*stack, n, seed, make)
    points = points_seen(make, network, x_real, x_fake)
    norms = np.linalg.norm(slopes(network, points), axis=1)
    assert_close("WGANGP", make()(network, x_real, x_fake), 2.0 * np.mean((norms - 1) ** 2), 1e-6)


@for_both_penalties
def test_of_several_outputs_the_first_alone_is_d(make):
    """Behind the logit there may be guesses, and their slopes cost nothing."""
    layers = [Dense(3, 4), LeakyReLU(0.2), Dense(4, 3)]
    network, x_real, x_fake = discriminator(layers, 3, make=make)
    alone = Network([Dense(3, 4), LeakyReLU(0.2), Dense(4, 1)], np.random.default_rng(0), np.float64)
    for name, (value, _) in alone.views().items():
        value[...] = network.views()[name][0][..., : value.shape[-1]]
    assert make()(network, x_real, x_fake) == pytest.approx(make()(alone, x_real, x_fake), rel=1e-12)
    for name, (_, grad) in alone.views().items():
        assert_close(name, network.views()[name][1][..., : grad.shape[-1]], grad, 1e-12)
    assert not network.layers[-1].dW[:, 1:].any()


def test_a_linear_discriminator_has_the_known_penalties():
    """D = x·w has the slope w everywhere: R1 is ½γ‖w‖² with gradient γw, WGANGP λ(‖w‖ - 1)²."""
    network, x_real, x_fake = discriminator([Dense(3, 1)], 3, n=5)
    w = network.layers[0].W
    length = np.linalg.norm(w)
    assert R1(0.7)(network, x_real, x_fake) == pytest.approx(0.35 * length**2, rel=1e-14)
    assert_close("gradient of R1", network.layers[0].dW, 0.7 * w, 1e-14)

    network.grads[:] = 0
    value = WGANGP(np.random.default_rng(0), 2.0)(network, x_real, x_fake)
    assert value == pytest.approx(2 * (length - 1) ** 2, rel=1e-14)
    assert_close("gradient of WGANGP", network.layers[0].dW, 4 * (length - 1) * w / length, 1e-14)


def test_r1_looks_at_real_samples_only():
    network, x_real, x_fake = usual()
    assert_same_bits("points", points_seen(PENALTIES["R1"], network, x_real, x_fake), x_real)


def test_wgan_gp_looks_between_real_and_fake_at_a_uniform_place_of_its_own_for_each_sample():
    rng, n = np.random.default_rng(0), 4000
    network = Network([Dense(3, 1)], rng, np.float64)
    x_real, x_fake = rng.normal(size=(n, 3)), rng.normal(size=(n, 3))
    points = points_seen(lambda: WGANGP(rng), network, x_real, x_fake)
    e, *others = ((points - x_fake) / (x_real - x_fake)).T
    for other in others:
        assert other == pytest.approx(e, abs=1e-6), "ε must be the same for all inputs of a sample"
    assert e.min() > -1e-9 and e.max() < 1 + 1e-9
    for quantile in (0.1, 0.5, 0.9):
        assert np.quantile(e, quantile) == pytest.approx(quantile, abs=0.03), "ε is not uniform"
    assert abs(np.corrcoef(e[:-1], e[1:])[0, 1]) < 0.06, "neighboring samples share their ε"


# ---- the zero norm -------------------------------------------------------------------------------


def test_a_slope_of_exactly_zero_has_a_value_and_no_gradient():
    network = Network([Dense(3, 4), Sigmoid(), Dense(4, 1)], np.random.default_rng(0), np.float64)
    network.params[:] = 0
    x = np.ones((5, 3))
    with np.errstate(all="raise"):
        assert R1(0.7)(network, x, x) == 0
        assert WGANGP(np.random.default_rng(0), 2.0)(network, x, x) == 2.0
    assert not network.grads.any()


def test_samples_with_a_slope_of_zero_do_not_disturb_the_others():
    """Behind rectifiers that are all off the slope is zero; the gradient comes from the other samples."""
    make = PENALTIES["WGANGP"]
    network = Network([Dense(1, 2), LeakyReLU(0), Dense(2, 1)], np.random.default_rng(0), np.float64)
    network.params[:] = [1.0, 2.0, 0.0, 0.0, 0.6, -1.3, 0.0]
    x = np.array([[-1.0], [2.0], [-0.5]])
    assert slopes(network, x).ravel() == pytest.approx([0, -2, 0])
    with np.errstate(all="raise"):
        check_penalty(make, network, x, x)


# ---- every, and the promises ---------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_a_lazy_penalty_has_the_same_mean_over_a_cycle(every):
    network, x_real, x_fake = usual()
    value = R1(0.7)(network, x_real, x_fake)
    gradient = network.grads.copy()

    network.grads[:] = 0
    lazy = R1(0.7, every)
    values = [lazy(network, x_real, x_fake) for _ in range(2 * every)]
    assert values == pytest.approx([every * value, *[0] * (every - 1)] * 2, rel=1e-14)
    assert_close("mean gradient of two cycles", network.grads / (2 * every), gradient, 1e-14)


def test_on_the_steps_in_between_a_lazy_penalty_touches_nothing():
    network, x_real, x_fake = usual()
    lazy = R1(0.7, every=3)
    lazy(network, x_real, x_fake)
    network.grads[:] = np.nan
    before = network.grads.copy()
    assert lazy(network, x_real, x_fake) == lazy(network, x_real, x_fake) == 0
    assert_same_bits("grads", network.grads, before)


@for_both_penalties
def test_the_penalty_adds_to_the_gradients(make):
    network, x_real, x_fake = usual(make=make)
    make()(network, x_real, x_fake)
    alone = network.grads.copy()
    before = np.random.default_rng(1).normal(size=alone.shape)
    network.grads[:] = before
    make()(network, x_real, x_fake)
    assert_close("grads", network.grads, before + alone, 1e-14)


@for_both_penalties
def test_parameters_and_samples_are_not_changed(make):
    network, x_real, x_fake = usual(make=make)
    given_arrays = {"params": network.params, "x_real": x_real, "x_fake": x_fake}
    before = {name: array.copy() for name, array in given_arrays.items()}
    make()(network, x_real, x_fake)
    for name, array in given_arrays.items():
        assert_same_bits(name, array, before[name])


@for_both_penalties
def test_other_batches_before_leave_no_trace(make):
    network, x_real, x_fake = usual(make=make)
    make()(network, x_real, x_fake)
    gradient = network.grads.copy()
    network.backward(network.forward(np.ones((11, 3))))
    make()(network, np.ones((7, 3)), np.zeros((7, 3)))
    network.grads[:] = 0
    make()(network, x_real, x_fake)
    assert_same_bits("grads", network.grads, gradient)


@for_both_penalties
def test_single_precision_stays_single_and_follows_double(make):
    double, x_real, x_fake = usual(make=make)
    make()(double, x_real, x_fake)
    single, _, _ = usual(np.float32)
    single.params[:] = double.params
    value = make()(single, x_real.astype(np.float32), x_fake.astype(np.float32))
    assert value.dtype == scalar_dtype(np.float32)
    assert_close("grads in float32", single.grads.astype(np.float64), double.grads, 1e-5)
