"""Every layer: out is its formula, gradients are its derivatives, and it keeps its promises.

Promises: nothing given to a layer is changed, what it returns stays valid until the same method
runs again, after warm-up nothing is allocated, large numbers do no harm, and misuse is named.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from helpers import (
    NUMPYS_OWN_BUFFER,
    SEEDS,
    SIZES,
    assert_close,
    assert_gradient,
    assert_parameter_gradients,
    assert_same_bits,
    off_kink,
    peak_allocation,
    randomize,
)
from hypothesis import given
from hypothesis import strategies as st

from tinygan.gradcheck import numeric_gradient
from tinygan.layers import Dense, Layer, LeakyReLU, Pack, Scale, Sigmoid, Tanh
from tinygan.network import Network

KINDS = [Dense, LeakyReLU, Sigmoid, Tanh, Scale, Pack]


class Case(NamedTuple):
    """A layer alone in a network (which deals out its parameters), and random data around it."""

    layer: Layer
    network: Network
    x: np.ndarray  # (N, I)
    dout: np.ndarray  # (N, O), the upstream gradient
    rng: np.random.Generator


def make_case(layer, n, n_in, n_out, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    network = randomize(Network([layer], rng, dtype), rng)
    m = layer.m if isinstance(layer, Pack) else 1
    x = off_kink(rng, (n * m, n_in)).astype(dtype)
    return Case(layer, network, x, rng.normal(size=(n, n_out * m)).astype(dtype), rng)


@st.composite
def cases(draw, kind):
    n, n_in, n_out = draw(SIZES), draw(SIZES), draw(SIZES)
    if kind is Dense:
        layer = Dense(n_in, n_out, draw(st.sampled_from(["he", "xavier", "spread"])))
    else:
        argument = {LeakyReLU: st.floats(0.01, 0.9), Scale: st.floats(0.5, 9), Pack: st.integers(1, 3)}.get(kind)
        layer = kind() if argument is None else kind(draw(argument))
        n_out = n_in
    return make_case(layer, n, n_in, n_out, draw(SEEDS))


def drawn_for_every_layer(test):
    """Runs test(kind, data) with each kind of layer and many ``data.draw(cases(kind))``."""
    return pytest.mark.parametrize("kind", KINDS)(given(data=st.data())(test))


def one_of_each(n, n_in, n_out, dtype=np.float64):
    """A fixed case of each kind, (N, I) -> (N, O)."""
    layers = [Dense(n_in, n_out), LeakyReLU(0.2), Sigmoid(), Tanh(), Scale(3, -2), Pack(2)]
    return [make_case(k, n, n_in, n_out if k is layers[0] else n_in, dtype=dtype) for k in layers]


for_each_layer = pytest.mark.parametrize("index", range(len(KINDS)), ids=[k.__name__ for k in KINDS])


# ---- values --------------------------------------------------------------------------------------


def naive_forward(layer, x):
    """The formula, number by number."""
    if isinstance(layer, Dense):
        n_in, n_out = layer.W.shape
        return [[sum(row[i] * layer.W[i, o] for i in range(n_in)) + layer.b[o] for o in range(n_out)] for row in x]
    if isinstance(layer, Pack):
        return [[s for row in x[i : i + layer.m] for s in row] for i in range(0, len(x), layer.m)]
    formula = {
        Scale: lambda s: layer.factor * s + layer.shift,
        LeakyReLU: lambda s: s if s > 0 else layer.alpha * s,
        Sigmoid: lambda s: 1 / (1 + math.exp(-s)),
        Tanh: lambda s: (math.exp(s) - math.exp(-s)) / (math.exp(s) + math.exp(-s)),
    }[type(layer)]
    return [[formula(s) for s in row] for row in x]


@drawn_for_every_layer
def test_forward_is_the_formula(kind, data):
    case = data.draw(cases(kind))
    assert_close("out", case.layer.forward(case.x), np.array(naive_forward(case.layer, case.x)), 1e-14)


def test_leaky_relu_at_the_kink_gives_zero_and_one_of_the_two_slopes():
    layer = LeakyReLU(0.2)
    assert_close("out", layer.forward(np.array([[0.0, -0.0]])), np.zeros((1, 2)), 1e-300)
    for slope in layer.backward(np.ones((1, 2)))[0]:
        assert slope == pytest.approx(0.2) or slope == pytest.approx(1.0)


def test_relu_is_the_leaky_relu_that_does_not_leak():
    layer = LeakyReLU(0)
    assert layer.forward(np.array([[-2.0, 3.0]])).tolist() == [[0, 3]]
    assert layer.backward(np.array([[5.0, 7.0]])).tolist() == [[0, 7]]


# ---- derivatives ---------------------------------------------------------------------------------


def check_gradients(case):
    """backward against central differences of Σ dout·out, for x and every parameter."""
    layer, network, x, dout, _ = case

    def loss():
        return np.sum(dout * layer.forward(x))

    loss()
    dx = layer.backward(dout).copy()
    assert_parameter_gradients(network, loss)
    assert_gradient("d(loss)/dx", dx, numeric_gradient(loss, x))


def check_tangent(case):
    """tangent(v) against the measured change of every out along v."""
    layer, _, x, _, rng = case
    v, h = rng.normal(size=x.shape), 1e-5
    expected = (layer.forward(x + h * v).copy() - layer.forward(x - h * v)) / (2 * h)
    layer.forward(x)
    assert_close("tangent(v)", layer.tangent(v), expected, 1e-7)


def check_tangent_backward(case, with_dout):
    """tangent_backward(dout_v, dout) against central differences of Σ dout_v·tangent(v) + Σ dout·out."""
    layer, network, x, dout_v, rng = case
    v = rng.normal(size=x.shape)
    dout = rng.normal(size=dout_v.shape) if with_dout else None

    def value():
        out = layer.forward(x)
        return np.sum(dout_v * layer.tangent(v)) + (np.sum(dout * out) if with_dout else 0)

    value()
    network.grads[:] = 0
    dx = layer.tangent_backward(dout_v, dout)
    dx = np.zeros_like(x) if dx is None else dx.copy()
    for name, (parameter, grad) in network.views().items():
        expected = numeric_gradient(value, parameter)
        if name == "0.b" and not with_dout:
            assert not grad.any() and not expected.any(), "without dout, nothing here depends on b"
        else:
            assert_gradient(f"d(value)/d({name})", grad, expected)
    if isinstance(layer, (Dense, LeakyReLU, Scale, Pack)) and not with_dout:
        assert not dx.any(), "what is linear in v has no curvature in x"
    else:
        assert_gradient("d(value)/dx", dx, numeric_gradient(value, x))


@drawn_for_every_layer
def test_backward_is_the_derivative_of_forward(kind, data):
    check_gradients(data.draw(cases(kind)))


@drawn_for_every_layer
def test_tangent_is_the_directional_derivative_of_forward(kind, data):
    check_tangent(data.draw(cases(kind)))


@pytest.mark.parametrize("with_dout", [True, False], ids=["with_dout", "without_dout"])
@drawn_for_every_layer
def test_tangent_backward_is_the_derivative_of_tangent(kind, with_dout, data):
    check_tangent_backward(data.draw(cases(kind)), with_dout)


def test_tangent_backward_adds_to_the_gradients():
    case = one_of_each(3, 4, 2)[0]
    case.layer.forward(case.x)
    case.layer.tangent(case.x)
    case.network.grads[:] = 0
    case.layer.tangent_backward(case.dout, case.dout)
    once = case.network.grads.copy()
    case.layer.tangent_backward(case.dout, case.dout)
    assert_close("grads after two calls", case.network.grads, 2 * once, 1e-14)


@given(data=st.data())
def test_backward_can_leave_out_what_nobody_needs(data):
    case = data.draw(cases(Dense))
    case.layer.forward(case.x)
    dx = case.layer.backward(case.dout).copy()
    dW, db = case.layer.dW.copy(), case.layer.db.copy()

    case.network.grads[:] = np.nan
    assert_same_bits("dx without param_grads", case.layer.backward(case.dout, param_grads=False), dx)
    assert np.isnan(case.network.grads).all(), "param_grads=False wrote into the gradients"
    assert case.layer.backward(case.dout, input_grad=False) is None
    assert_same_bits("dW without input_grad", case.layer.dW, dW)
    assert_same_bits("db without input_grad", case.layer.db, db)


# ---- the checks above can fail -------------------------------------------------------------------


class WrongSign(Tanh):
    def backward(self, dout, param_grads=True, input_grad=True):
        return -super().backward(dout)


class OffByAThousandth(Sigmoid):
    def backward(self, dout, param_grads=True, input_grad=True):
        return 1.001 * super().backward(dout)


class ForgottenMask(LeakyReLU):
    def backward(self, dout, param_grads=True, input_grad=True):
        return dout.copy()


class OneBranchOnly(LeakyReLU):
    def tangent(self, v):
        return v * self.alpha


class StaleCache(Dense):
    def forward(self, x):
        old = self.__dict__.get("x", np.ones_like(x))
        out = super().forward(x)
        self.x = old
        return out

    def backward(self, dout, param_grads=True, input_grad=True):
        return super().backward(dout)


class MeanForSum(Dense):
    def backward(self, dout, param_grads=True, input_grad=True):
        dx = super().backward(dout)
        self.db /= len(dout)
        return dx


class TransposedWeight(Dense):
    def backward(self, dout, param_grads=True, input_grad=True):
        super().backward(dout)
        return dout @ self.W


class NoCurvature(Sigmoid):
    def tangent_backward(self, dout_v, dout=None):
        return self.out * (1 - self.out) * (0 if dout is None else dout)


@pytest.mark.parametrize(
    "layer, check",
    [
        (WrongSign(), check_gradients),
        (OffByAThousandth(), check_gradients),
        (ForgottenMask(), check_gradients),
        (OneBranchOnly(), check_tangent),
        (StaleCache(3, 3), check_gradients),
        (MeanForSum(3, 3), check_gradients),
        (TransposedWeight(3, 3), check_gradients),
        (NoCurvature(), lambda case: check_tangent_backward(case, with_dout=True)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else "",
)
def test_a_planted_mistake_is_caught(layer, check):
    with pytest.raises(AssertionError, match="relative error of the whole"):
        check(make_case(layer, 4, 3, 3))


def test_a_failure_says_argument_index_what_came_and_what_was_expected():
    got, expected = np.ones((2, 3)), np.ones((2, 3))
    got[1, 2] = 1.001
    message = r"dW, shape \(2, 3\): got .*1\.001.* at \[1, 2\], expected .*1\.0"
    with pytest.raises(AssertionError, match=message):
        assert_gradient("dW", got, expected)


def test_comparing_zero_with_zero_proves_nothing_and_fails():
    with pytest.raises(AssertionError):
        assert_gradient("dW", np.zeros(3), np.zeros(3))


# ---- large numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "layer, limits, slopes",
    [
        (LeakyReLU(0.2), [-200, 1000], [0.2, 1]),
        (Sigmoid(), [0, 1], [0, 0]),
        (Tanh(), [-1, 1], [0, 0]),
    ],
    ids=["LeakyReLU", "Sigmoid", "Tanh"],
)
def test_plus_and_minus_1000_give_the_limits_without_a_warning(layer, limits, slopes, dtype):
    x = np.array([[-1000.0, 1000.0]], dtype)
    with np.errstate(all="raise", under="ignore"):
        out = layer.forward(x)
        dx = layer.backward(np.ones_like(x))
        layer.tangent(np.ones_like(x))
        layer.tangent_backward(np.ones_like(x), np.ones_like(x))
    assert out == pytest.approx(np.array([limits]), rel=1e-6, abs=0)
    assert dx == pytest.approx(np.array([slopes]), rel=1e-6, abs=0)


@pytest.mark.parametrize("layer", [Sigmoid(), Tanh()], ids=repr)
@given(s=st.floats(-1000, 1000))
def test_squashing_layers_stay_in_range_and_odd_symmetric(layer, s):
    low, high = (0, 1) if isinstance(layer, Sigmoid) else (-1, 1)
    out = layer.forward(np.array([[s, -s]]))
    assert low <= out.min() <= out.max() <= high, f"{layer} of ±{s} gives {out}"
    assert out.sum() == pytest.approx(low + high, abs=1e-15)


# ---- first weights -------------------------------------------------------------------------------

N_IN, N_OUT = 200, 300


def first_weights(init):
    layer = Dense(N_IN, N_OUT, init)
    Network([layer], np.random.default_rng(0), np.float64)
    return layer.W


def deviations(W, variance, kurtosis):
    """By how many standard errors mean(W²) is off, for weights with this variance and kurtosis."""
    return abs(np.mean(W**2) / variance - 1) / np.sqrt((kurtosis - 1) / W.size)


@pytest.mark.parametrize(
    "init, variance, kurtosis, wrong",
    [
        ("he", 2 / N_IN, 3.0, [1 / N_IN, 2 / N_OUT, 4 / (N_IN + N_OUT), (2 / N_IN) ** 2]),
        ("xavier", 2 / (N_IN + N_OUT), 1.8, [6 / (N_IN + N_OUT), 1 / N_IN, 1 / N_OUT, 2 / N_IN]),
    ],
    ids=["he", "xavier"],
)
def test_first_weights_have_the_published_spread_and_shape(init, variance, kurtosis, wrong):
    """Variance to 4 standard errors, where every usual mistake is off by more than 10."""
    W = first_weights(init)
    assert deviations(W, variance, kurtosis) < 4, f"{init}: mean(W²) {np.mean(W**2)}, expected {variance}"
    for other in wrong:
        assert deviations(W, other, kurtosis) > 10, f"this test cannot tell {variance} from {other}"
    assert abs(np.mean(W)) < 4 * np.sqrt(variance / W.size)
    got = np.mean(W**4) / np.mean(W**2) ** 2  # 3 for the normal, 1.8 for the uniform distribution
    assert got == pytest.approx(kurtosis, abs=0.1), f"{init}: kurtosis {got}, expected {kurtosis}"


def test_xavier_stays_within_its_bound():
    r = np.sqrt(6 / (N_IN + N_OUT))
    assert 0.999 * r < np.abs(first_weights("xavier")).max() <= r


@pytest.mark.parametrize(
    "init, drawn",
    [
        ("he", lambda rng: (rng.standard_normal((4, 5)) * np.sqrt(2 / 4), np.zeros(5))),
        ("xavier", lambda rng: ((2 * rng.random((4, 5)) - 1) * np.sqrt(6 / 9), np.zeros(5))),
        ("spread", lambda rng: ((2 * rng.random((4, 5)) - 1) * np.sqrt(6 / 9), (2 * rng.random(5) - 1) / 2)),
    ],
    ids=["he", "xavier", "spread"],
)
def test_first_weights_are_the_generators_numbers_scaled(init, drawn):
    """Exactly, where a variance would not notice a thousandth; and a seed keeps its weights."""
    layer, (W, b) = Dense(4, 5, init), drawn(np.random.default_rng(3))
    Network([layer], np.random.default_rng(3), np.float64)
    np.testing.assert_allclose(layer.W, W, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(layer.b, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("init", ["he", "xavier"])
def test_first_biases_are_zero(init):
    layer = Dense(3, 4, init)
    Network([layer], np.random.default_rng(0))
    assert not layer.b.any()


def test_spread_is_xavier_with_biases_up_to_one_over_the_root_of_the_inputs():
    layer, xavier = Dense(4, 5000, "spread"), Dense(4, 5000, "xavier")
    for each in (layer, xavier):
        Network([each], np.random.default_rng(0), np.float64)
    assert_same_bits("W", layer.W, xavier.W)
    assert layer.b.min() == pytest.approx(-0.5, abs=1e-3) and layer.b.max() == pytest.approx(0.5, abs=1e-3)
    assert deviations(layer.b, 0.25 / 3, 1.8) < 4, f"mean(b²) {np.mean(layer.b**2)}, expected {0.25 / 3}"


# ---- promises ------------------------------------------------------------------------------------


@for_each_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(index, dtype):
    layer, network, x, dout, _ = one_of_each(3, 4, 2, dtype)[index]
    results = {"out": layer.forward(x), "dx": layer.backward(dout), "out_v": layer.tangent(x)}
    results["dx, of the tangent"] = layer.tangent_backward(dout, dout)
    for name, array in results.items():
        assert array.dtype == dtype, f"{layer}: {name} is {array.dtype}, expected {dtype.__name__}"
    assert network.grads.dtype == dtype


@drawn_for_every_layer
def test_nothing_that_is_given_is_changed(kind, data):
    layer, network, x, dout, _ = data.draw(cases(kind))
    given_arrays = {"x": x, "dout": dout, "v": x[::-1].copy(), "dout_v": -dout, "params": network.params}
    before = {name: array.copy() for name, array in given_arrays.items()}
    layer.forward(x)
    layer.backward(dout)
    layer.tangent(given_arrays["v"])
    layer.tangent_backward(given_arrays["dout_v"], dout)
    for name, array in given_arrays.items():
        assert_same_bits(f"{name} after the call", array, before[name])


@for_each_layer
def test_what_is_returned_is_valid_until_the_same_method_runs_again(index):
    layer, _, x, dout, rng = one_of_each(3, 4, 2)[index]
    out = layer.forward(x)
    kept_out = out.copy()
    dx = layer.backward(dout)
    kept_dx = dx.copy()
    layer.tangent(x)
    layer.tangent_backward(dout, dout)
    assert_same_bits("out after backward and tangent", out, kept_out)
    assert_same_bits("dx after tangent", dx, kept_dx)
    again = layer.forward(rng.normal(size=x.shape))
    assert_same_bits("dx after the next forward", dx, kept_dx)
    if type(layer) in REUSING:
        assert np.shares_memory(out, again), f"{layer}.forward made a new array instead of reusing its own"


REUSING = [Dense, LeakyReLU, Sigmoid]  # the layers of the recipes; Tanh is written plainly


@pytest.mark.parametrize("index", range(len(REUSING)), ids=[kind.__name__ for kind in REUSING])
def test_after_warm_up_nothing_is_allocated(index):
    layer, _, x, dout, _ = one_of_each(512, 200, 100, np.float32)[index]

    straight = isinstance(layer, (Dense, LeakyReLU))  # all that R1's second derivatives meet in a recipe

    def both_batch_sizes():
        for n in (512, 256):
            layer.forward(x[:n])
            layer.backward(dout[:n])
            if straight:
                layer.tangent(x[:n])
                layer.tangent_backward(dout[:n])

    allowed = 4_000 + (5 * NUMPYS_OWN_BUFFER if straight else 0)  # float32, and bool in old NumPy
    assert allowed < dout[:256].nbytes / 2, "an array of the smaller batch must not pass unnoticed"
    grown = peak_allocation(both_batch_sizes)
    assert grown < allowed, f"{layer}: the passes and their tangents allocated {grown} bytes, not < {allowed}"


def fresh_copy(case):
    """The same layer with the same parameters, and no past."""
    layer = case.layer
    arguments = {Dense: ["n_in", "n_out"], LeakyReLU: ["alpha"], Scale: ["factor", "shift"], Pack: ["m"]}
    given = {**vars(layer), **dict(zip(["n_in", "n_out"], layer.shapes.get("W", []), strict=False))}
    network = Network(
        [type(layer)(*(given[name] for name in arguments.get(type(layer), [])))], np.random.default_rng(0), np.float64
    )
    network.params[:] = case.network.params
    return network


@drawn_for_every_layer
def test_a_larger_batch_before_or_after_leaves_no_trace(kind, data):
    """2N, N, 2N: the discriminator sees real and fake, then fake alone, then both again."""
    case = data.draw(cases(kind))
    layer, network, x, dout, rng = case
    both_x = np.concatenate([x, off_kink(rng, x.shape)])
    both_dout = np.concatenate([dout, rng.normal(size=dout.shape)])
    both, second = (both_x, both_dout), (both_x[len(x) :], both_dout[len(dout) :])
    for some_x, some_dout in (both, (x, dout), both, second):
        fresh = fresh_copy(case)
        assert_same_bits("out", layer.forward(some_x), fresh.forward(some_x))
        assert_same_bits("dx", layer.backward(some_dout), fresh.backward(some_dout))
        assert_same_bits("grads", network.grads, fresh.grads)


@drawn_for_every_layer
def test_backward_belongs_to_the_last_forward(kind, data):
    """What many a GAN gets wrong: forward, forward, backward must not mix the two."""
    case = data.draw(cases(kind))
    layer, network, x, dout, rng = case
    layer.forward(off_kink(rng, x.shape))
    layer.backward(dout)
    layer.forward(off_kink(rng, x.shape))
    layer.forward(x)
    fresh = fresh_copy(case)
    fresh.forward(x)
    assert_same_bits("dx", layer.backward(dout), fresh.backward(dout))
    assert_same_bits("grads", network.grads, fresh.grads)


# ---- misuse --------------------------------------------------------------------------------------

NEEDS_FORWARD = [
    (kind, method)
    for kind in (LeakyReLU, Sigmoid, Tanh, Dense)
    for method in ("backward", "tangent", "tangent_backward")
    if not (kind is Dense and method == "tangent")  # x W + b moves along v in the same way at every x
]


@pytest.mark.parametrize("kind, method", NEEDS_FORWARD)
def test_backward_before_forward_is_an_error_that_names_the_layer_and_the_call(kind, method):
    layer = Dense(2, 2) if kind is Dense else kind()
    Network([layer], np.random.default_rng(0), np.float64)
    gradient = np.ones((3, 2))
    with pytest.raises(RuntimeError, match=rf"{kind.__name__}\(.*call (forward|tangent)\(\)"):
        getattr(layer, method)(*[gradient] * (2 if method == "tangent_backward" else 1))


def test_a_layer_outside_a_network_says_that_it_has_no_weights():
    with pytest.raises(RuntimeError, match=r"Dense\(2, 3\).*Network"):
        Dense(2, 3).forward(np.ones((1, 2)))


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (3,), (5, 3, 1)])
def test_x_of_a_wrong_shape_is_an_error_that_names_the_layer_and_both_shapes(shape):
    layer = Dense(3, 7)
    Network([layer], np.random.default_rng(0))
    with pytest.raises(ValueError) as caught:
        layer.forward(np.zeros(shape, np.float32))
    for part in ("Dense(3, 7)", "(N, 3)", str(shape)):
        assert part in str(caught.value), f"the message does not name {part}: {caught.value}"


@pytest.mark.parametrize(
    "arguments, named", [((0, 3), "Dense(0, 3)"), ((3, -1), "Dense(3, -1)"), ((2, 2, "hee"), "'hee'")]
)
def test_impossible_arguments_are_an_error_that_names_them(arguments, named):
    with pytest.raises(ValueError) as caught:
        Dense(*arguments)
    assert named in str(caught.value)


@pytest.mark.parametrize("alpha", [-0.5, -1e-4, 1.0005, 1.5])
def test_a_slope_outside_0_and_1_is_an_error_that_names_it(alpha):
    with pytest.raises(ValueError, match="must be in ") as caught:
        LeakyReLU(alpha)
    assert str(alpha) in str(caught.value)


def test_a_leaky_relu_that_leaks_everything_is_the_identity():
    x = np.array([[-2.0, 3.0]])
    np.testing.assert_array_equal(LeakyReLU(1.0).forward(x), x)


def test_layers_introduce_themselves():
    assert list(map(repr, [Dense(2, 3), LeakyReLU(0.1), Sigmoid(), Tanh(), Pack(3)])) == [
        "Dense(2, 3)",
        "LeakyReLU(0.1)",
        "Sigmoid()",
        "Tanh()",
        "Pack(3)",
    ]


def test_uniform_draws_weights_and_biases_up_to_one_over_the_root_of_the_inputs():
    """PyTorch's default: U(-1/√I, 1/√I)."""
    network = Network([Dense(100, 400, "uniform")], np.random.default_rng(0), np.float64)
    for values in (network.layers[0].W, network.layers[0].b):
        assert 0.099 < np.abs(values).max() <= 0.1 and abs(values.std() / (0.1 / np.sqrt(3)) - 1) < 0.1
