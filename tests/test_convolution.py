"""Layers for images: out is its formula, gradients are its derivatives, and penalties pass through them.

Derivatives are measured with the complex step: no cancellation and no kinks, to twelve digits. The
loops that define a convolution stand here, and are proven equal to the patches.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from helpers import (
    NUMPYS_OWN_BUFFER,
    SEEDS,
    SIZES,
    assert_close,
    assert_gradient,
    assert_same_bits,
    off_kink,
    peak_allocation,
)
from hypothesis import given
from hypothesis import strategies as st

from tinygan.convolution import CHUNK, Conv2D, ConvTranspose2D
from tinygan.gradcheck import numeric_gradient
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU, PReLU, Sigmoid, Tanh
from tinygan.network import Network
from tinygan.normalization import BatchNorm

KINDS = [Conv2D, ConvTranspose2D, BatchNorm, PReLU]


class Case(NamedTuple):
    """A network in float64, a twin for complex steps, which has the same weights, and random data."""

    network: Network
    twin: Network
    x: np.ndarray  # (N, I)
    dout: np.ndarray  # (N, O), the upstream gradient
    rng: np.random.Generator

    @property
    def layer(self):
        return self.network.layers[0]


def make_case(make_layers, n, n_in, seed=0, dtype=np.float64):
    """A Case of the layers that ``make_layers()`` returns, all of whose parameters are random."""
    rng = np.random.default_rng(seed)
    network, twin = (Network(make_layers(), rng, kind) for kind in (dtype, np.complex128))
    for name, (values, _) in network.views().items():
        values[...] = off_kink(rng, values.shape) / np.sqrt(len(values) if name.endswith("W") else 2)
    twin.params[:] = network.params
    x = off_kink(rng, (n, n_in)).astype(dtype)
    x[:2] = np.abs(x[:2]) * [[1], [-1]]  # both sides of every kink
    dout = rng.normal(size=network.forward(x).shape).astype(dtype)
    return Case(network, twin, x, dout, rng)


@st.composite
def geometries(draw):
    """(shape of the small image, shape of the large one, kernel, stride, padding), as they fit each other."""
    kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding = draw(st.integers(0, kernel - 1))
    least = 1 + max(0, -(-(2 * padding - kernel + 1) // stride))  # so many places, or there is no image
    small = [draw(st.integers(least, least + 2)) for _ in range(2)]
    large = [stride * (side - 1) + kernel - 2 * padding for side in small]
    return (*small, draw(SIZES)), (*large, draw(SIZES)), kernel, stride, padding


@st.composite
def cases(draw, kind):
    n, seed = draw(st.integers(3, 4)), draw(SEEDS)  # two numbers alone are always normalized to ±1
    if kind is Conv2D:
        (*_, channels), (H, W, C), *rest = draw(geometries())
        spare = [draw(st.integers(0, rest[1] - 1)) for _ in range(2)]  # pixels that no patch reaches
        shape = H + spare[0], W + spare[1], C
        return make_case(lambda: [Conv2D(shape, channels, *rest)], n, np.prod(shape), seed)
    if kind is ConvTranspose2D:
        shape, (*_, channels), *rest = draw(geometries())
        return make_case(lambda: [ConvTranspose2D(shape, channels, *rest)], n, np.prod(shape), seed)
    channels, pixels = draw(SIZES), draw(SIZES)
    group = draw(st.sampled_from([None, n])) if kind is BatchNorm else None
    arguments = (channels, group) if group else (channels,)
    batch = draw(st.integers(1, 3)) * n if group else n
    return make_case(lambda: [kind(*arguments)], batch, channels * pixels, seed)


def drawn_for_every_layer(test):
    """Runs test(kind, data) with each kind of layer and many ``data.draw(cases(kind))``."""
    return pytest.mark.parametrize("kind", KINDS)(given(data=st.data())(test))


def one_of_each(dtype=np.float64):
    """A fixed case of each kind."""
    makers = {
        (4 * 6 * 2): lambda: [Conv2D((4, 6, 2), 3)],
        (2 * 3 * 3): lambda: [ConvTranspose2D((2, 3, 3), 2)],
        (4 * 5): lambda: [BatchNorm(5)],
        (4 * 3): lambda: [PReLU(3)],
    }
    return [make_case(make, 4, n_in, dtype=dtype) for n_in, make in makers.items()]


for_each_layer = pytest.mark.parametrize("index", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])


# ---- values: the loops ---------------------------------------------------------------------------


def reached(layer, image):
    """(y, x, i, j, row, column) for all places of the small image and the pixels in ``image`` that they feel."""
    (H, W, _), (h, w, _), K = layer.large, layer.small, layer.kernel
    for y, x, i, j in itertools.product(range(h), range(w), range(K), range(K)):
        row, column = layer.stride * y + i - layer.padding, layer.stride * x + j - layer.padding
        if 0 <= row < H and 0 <= column < W:
            yield y, x, i, j, row, column


def kernels(layer):
    """W as (K, K, C, O)."""
    return layer.W.reshape(layer.kernel, layer.kernel, layer.large[2], layer.small[2])


def naive_conv(layer, x):
    """Every output is the sum of what it feels, number by number."""
    images, W = x.reshape(-1, *layer.large), kernels(layer)
    out = np.zeros((len(x), *layer.small))
    for y, x, i, j, row, column in reached(layer, images):
        for n, c, o in itertools.product(range(len(images)), range(W.shape[2]), range(W.shape[3])):
            out[n, y, x, o] += images[n, row, column, c] * W[i, j, c, o]
    return (out + layer.b).reshape(len(images), -1)


def naive_transpose(layer, x):
    """Every input is stamped into the output, once for each kernel, number by number."""
    images, W = x.reshape(-1, *layer.small), kernels(layer)
    out = np.zeros((len(x), *layer.large))
    for y, x, i, j, row, column in reached(layer, out):
        for n, c, o in itertools.product(range(len(images)), range(W.shape[2]), range(W.shape[3])):
            out[n, row, column, c] += images[n, y, x, o] * W[i, j, c, o]
    return (out + layer.b).reshape(len(images), -1)


def naive_batch_norm(layer, x):
    """Channel by channel and group by group."""
    out = x.copy()
    for start in range(0, len(x), layer.group or len(x)):
        rows = slice(start, start + (layer.group or len(x)))
        for c in range(layer.channels):
            numbers = x[rows, c :: layer.channels]
            normal = (numbers - numbers.mean()) / np.sqrt(numbers.var() + 1e-5)
            out[rows, c :: layer.channels] = layer.gain[c] * normal + layer.b[c]
    return out


def naive_prelu(layer, x):
    """Entry by entry."""
    return np.array([[s if s > 0 else layer.a[i % layer.channels] * s for i, s in enumerate(row)] for row in x])


NAIVE = dict(zip(KINDS, [naive_conv, naive_transpose, naive_batch_norm, naive_prelu], strict=True))


@drawn_for_every_layer
def test_forward_is_the_formula(kind, data):
    case = data.draw(cases(kind))
    assert_close("out", case.layer.forward(case.x), NAIVE[kind](case.layer, case.x), 1e-13)


@given(case=cases(Conv2D))
def test_the_three_gradients_are_the_loops(case):
    """Each of the three lines with += is one of the three derivations."""
    layer, x, dout = case.layer, case.x, case.dout
    images, douts, W = x.reshape(-1, *layer.large), dout.reshape(-1, *layer.small), kernels(layer)
    dx, dW, db = np.zeros(images.shape), np.zeros(W.shape), douts.sum(axis=(0, 1, 2))
    for y, x_, i, j, row, column in reached(layer, images):
        for n, c, o in itertools.product(range(len(images)), range(W.shape[2]), range(W.shape[3])):
            dW[i, j, c, o] += images[n, row, column, c] * douts[n, y, x_, o]
            dx[n, row, column, c] += douts[n, y, x_, o] * W[i, j, c, o]
    layer.forward(x)
    assert_close("dx", layer.backward(dout), dx.reshape(x.shape), 1e-13)
    assert_close("dW", layer.dW, dW.reshape(layer.dW.shape), 1e-13)
    assert_close("db", layer.db, db, 1e-13)


@given(case=cases(ConvTranspose2D))
def test_each_direction_is_the_other_ones_way_back(case):
    """With the same W, and without b."""
    transpose, y = case.layer, case.x
    conv = Conv2D(transpose.large, transpose.small[2], transpose.kernel, transpose.stride, transpose.padding)
    Network([conv], np.random.default_rng(0), np.float64)
    conv.W[...], transpose.b[...] = transpose.W, 0
    x = case.rng.normal(size=case.dout.shape)
    up, down = transpose.forward(y), conv.forward(x)
    assert np.sum(up * x) == pytest.approx(np.sum(y * down), rel=1e-9, abs=1e-9)
    assert_close("dx of the one, out of the other", conv.backward(y), up, 1e-14)
    assert_close("dx of the other, out of the one", transpose.backward(x), down, 1e-14)


@pytest.mark.parametrize(
    "make, n_in", [(lambda: Conv2D((4, 4, 2), 3), 32), (lambda: ConvTranspose2D((2, 2, 3), 2), 12)]
)
def test_a_batch_of_more_images_than_are_unfolded_at_once_is_the_same_images(make, n_in):
    n = 2 * CHUNK + 3
    case = make_case(lambda: [make()], n, n_in)
    out, dx = case.layer.forward(case.x).copy(), case.layer.backward(case.dout).copy()
    grads, sums = case.network.grads.copy(), 0
    for rows in np.array_split(np.arange(n), 5):
        assert_close("out", case.layer.forward(case.x[rows]), out[rows], 1e-13)
        assert_close("dx", case.layer.backward(case.dout[rows]), dx[rows], 1e-13)
        sums = sums + case.network.grads
    assert_close("grads", grads, sums, 1e-13)


def test_an_impulse_shows_the_kernel():
    """Not flipped: the place (y, x) feels channel c of the pixel (2y + i - 1, 2x + j - 1) through W[i, j, c]."""
    (case, *_) = one_of_each()
    layer, image = case.layer, np.zeros((1, 4, 6, 2))
    image[0, 2, 3, 1] = 1
    layer.b[...] = 0
    out = layer.forward(image.reshape(1, -1)).reshape(2, 3, 3)
    assert_close("place (1, 1)", out[1, 1], kernels(layer)[1, 2, 1], 1e-15)
    assert_close("place (0, 2)", out[0, 2], kernels(layer)[3, 0, 1], 1e-15)
    assert not out[:, 0].any()


# ---- derivatives ---------------------------------------------------------------------------------


def check_gradients(case):
    """backward against complex steps of Σ dout·out, for x and every parameter."""
    network, twin, x, dout, _ = case
    network.forward(x)
    dx = network.backward(dout).copy()
    assert_measured(case, lambda x: np.sum(dout * twin.forward(x)), dx)


def check_tangent(case):
    """tangent(v) against the complex step along v."""
    layer, x = case.layer, case.x
    v = case.rng.normal(size=x.shape)
    layer.forward(x)
    assert_close("tangent(v)", layer.tangent(v), case.twin.forward(x + 1e-30j * v).imag / 1e-30, 1e-12)


def check_tangent_backward(case, with_dout):
    """tangent_backward(dout_v, dout) against complex steps of Σ dout_v·tangent(v) + Σ dout·out."""
    (network, twin, x, dout_v, rng), layer = case, case.layer
    v, dout = rng.normal(size=x.shape), rng.normal(size=dout_v.shape) if with_dout else None

    def value(x):
        out = twin.forward(x)
        tangent = np.sum(dout_v * twin.layers[0].tangent(v.astype(x.dtype)))
        return tangent + (np.sum(dout * out) if with_dout else 0)

    layer.forward(x)
    layer.tangent(v)
    network.grads[:] = 0
    dx = layer.tangent_backward(dout_v, dout)
    assert_measured(case, value, np.zeros_like(x) if dx is None else dx)


def assert_measured(case, value, dx):
    """dx and the gradients of the network against complex steps of ``value(x)``, which uses the twin."""
    x = case.x.astype(complex)
    measured = {"x": (dx, numeric_gradient(lambda: value(x), x, method="complex"))}
    twin_views = case.twin.views()
    for name, (_, grad) in case.network.views().items():
        parameter = twin_views[name][0]
        measured[name] = grad, numeric_gradient(lambda: value(x), parameter, method="complex")
    for name, (got, expected) in measured.items():
        if np.abs(expected).max() > 1e-12:
            assert_gradient(f"d(value)/d({name})", got, expected, 1e-10)
        else:
            assert np.abs(got).max() < 1e-12, f"d(value)/d({name}) vanishes, but was computed as {got}"
    assert any(np.abs(expected).max() > 1e-12 for _, expected in measured.values()), "nothing was measured"


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


@pytest.mark.parametrize("check", [check_gradients, check_tangent, lambda case: check_tangent_backward(case, True)])
@given(data=st.data())
def test_in_inference_batch_norm_has_other_derivatives_and_they_are_right_too(check, data):
    case = data.draw(cases(BatchNorm))
    for network in (case.network, case.twin):
        network.statistics[:] = np.linspace(0.3, 2, len(network.statistics))
    with case.network.inference(), case.twin.inference():
        check(case)


# ---- the checks can fail -------------------------------------------------------------------------


class PatchesOnePixelOff(Conv2D):
    def unfold(self, x, patches):
        super().unfold(np.roll(x.reshape(-1, *self.large), 1, axis=2).reshape(x.shape), patches)


class OverlapsReplaced(Conv2D):
    def fold(self, patches, x):
        (H, W, C), (h, w, _), K, S, P = self.large, self.small, self.kernel, self.stride, self.padding
        patches = patches.reshape(-1, h, w, K, K, C)
        padded = np.zeros((len(patches), H + 2 * P, W + 2 * P, C), patches.dtype)
        for i, j in itertools.product(range(K), range(K)):
            padded[:, i : i + S * h : S, j : j + S * w : S] = patches[:, :, :, i, j]
        x[...] = padded[:, P : P + H, P : P + W].reshape(len(patches), -1)


class AnotherStrideOnTheWayBack(Conv2D):
    def fold(self, patches, x):
        self.stride = 1
        super().fold(patches, x)
        self.stride = 2


class FlippedOnTheWayBack(Conv2D):
    def up(self, small, name):
        W, self.W = self.W, kernels(self)[::-1, ::-1].reshape(self.W.shape)
        dx = super().up(small, name)
        self.W = W
        return dx


class AnotherOrderOfThePatch(Conv2D):
    order = 1, 0, 2, 3  # columns before rows

    def backward(self, dout, param_grads=True, input_grad=True):
        dx = super().backward(dout, param_grads, input_grad)
        K, C = self.kernel, self.large[2]
        self.dW[...] = self.dW.reshape(K, K, C, -1).transpose(self.order).reshape(self.dW.shape)
        return dx


class ChannelsFirst(AnotherOrderOfThePatch):
    order = 2, 0, 1, 3


class BiasOfOnePixel(Conv2D):
    def bias_grads(self, dout):
        return dout.sum(axis=0)[: len(self.b)]


class BiasByTheMean(ConvTranspose2D):
    def bias_grads(self, dout):
        return super().bias_grads(dout) / len(dout)


class MeanForgotten(BatchNorm):
    def jacobian(self, v, name):
        return (v - self.x_hat * self.spread(self.channel_mean(self.x_hat * v))) / self.sigma


class VarianceForgotten(BatchNorm):
    def jacobian(self, v, name):
        return (v - self.spread(self.channel_mean(v))) / self.sigma


class GainForgotten(BatchNorm):
    def backward(self, dout, param_grads=True, input_grad=True):
        return super().backward(dout, param_grads, input_grad) / np.tile(self.gain, dout.shape[1] // self.channels)


class OfAnotherMode(BatchNorm):
    def backward(self, dout, param_grads=True, input_grad=True):
        self.coupled = False
        return super().backward(dout, param_grads, input_grad)


class MeanOverEverything(BatchNorm):
    def channel_mean(self, x):
        return np.tile(x.mean(axis=(1, 2))[:, None], self.channels)


class RunningInTraining(BatchNorm):
    def forward(self, x):
        self.training = False
        return super().forward(x)


class NoCurvature(BatchNorm):
    def tangent_backward(self, dout_v, dout=None):
        self.coupled = False
        return super().tangent_backward(dout_v, dout)


class OffByAThousandth(BatchNorm):
    def tangent_backward(self, dout_v, dout=None):
        return 1.001 * super().tangent_backward(dout_v, dout)


class OneSlopeForAll(PReLU):
    def slope_grads(self, products):
        return np.full(self.channels, products.sum() / self.channels)


def check_formula(case):
    naive = next(NAIVE[kind] for kind in KINDS if isinstance(case.layer, kind))
    assert_close("out", case.layer.forward(case.x), naive(case.layer, case.x), 1e-13)


IMAGE = (6, 6, 2), 3
PLANTED = [
    (PatchesOnePixelOff, IMAGE, check_formula),
    (PatchesOnePixelOff, IMAGE, check_gradients),
    (OverlapsReplaced, IMAGE, check_gradients),
    (AnotherStrideOnTheWayBack, IMAGE, check_gradients),
    (FlippedOnTheWayBack, IMAGE, check_gradients),
    (AnotherOrderOfThePatch, IMAGE, check_gradients),
    (ChannelsFirst, IMAGE, check_gradients),
    (BiasOfOnePixel, IMAGE, check_gradients),
    (BiasByTheMean, ((3, 4, 6), 2), check_gradients),
    (MeanForgotten, (3,), check_gradients),
    (VarianceForgotten, (3,), check_gradients),
    (GainForgotten, (3,), check_gradients),
    (OfAnotherMode, (3,), check_gradients),
    (MeanOverEverything, (3,), check_formula),
    (RunningInTraining, (3,), check_formula),
    (NoCurvature, (3,), lambda case: check_tangent_backward(case, False)),
    (OffByAThousandth, (3,), lambda case: check_tangent_backward(case, True)),
    (OneSlopeForAll, (3,), check_gradients),
]


@pytest.mark.parametrize("kind, arguments, check", PLANTED)
def test_a_planted_mistake_is_caught(kind, arguments, check):
    case = make_case(lambda: [kind(*arguments)], 4, 72)
    with pytest.raises(AssertionError, match="relative error of the whole"):
        check(case)


@pytest.mark.parametrize("kind, arguments, n_in", [(Conv2D, IMAGE, 72), (ConvTranspose2D, ((3, 4, 6), 2), 72),
                                                   (BatchNorm, (3,), 72), (PReLU, (3,), 72)])  # fmt: skip
def test_without_a_mistake_the_same_checks_pass(kind, arguments, n_in):
    for check in (check_formula, check_gradients, check_tangent, lambda case: check_tangent_backward(case, True)):
        check(make_case(lambda: [kind(*arguments)], 4, n_in))


# ---- penalties through stacks --------------------------------------------------------------------

PENALTIES = {
    "R1": lambda: R1(gamma=0.7),
    "WGANGP": lambda: WGANGP(np.random.default_rng(3), strength=2.0),  # the same ε each time it is made
}
STACKS = {
    "conv": lambda: [Conv2D((4, 4, 2), 1, padding=0, stride=1)],
    "two conv": lambda: [Conv2D((8, 4, 1), 2), LeakyReLU(0.2), Conv2D((4, 2, 2), 3), LeakyReLU(0.2), Dense(6, 1)],
    "learnt slopes": lambda: [Conv2D((4, 4, 2), 3), PReLU(3), Dense(12, 4), PReLU(), Dense(4, 1)],
    "curved": lambda: [Conv2D((5, 5, 1), 3, kernel=3), Tanh(), Conv2D((3, 3, 3), 2, 2, 1, 0), Tanh(), Dense(8, 1)],
    "transposed": lambda: [ConvTranspose2D((2, 3, 2), 2), Tanh(), Conv2D((4, 6, 2), 2), PReLU(2), Dense(12, 1)],
    "batch norm": lambda: [Conv2D((4, 4, 1), 3), BatchNorm(3), LeakyReLU(0.2), Dense(12, 1)],
    "batch norm twice": lambda: [
        Conv2D((4, 4, 1), 3), BatchNorm(3), Tanh(), Dense(12, 5), BatchNorm(5), PReLU(5), Dense(5, 1), Sigmoid(),
    ],
    "batch norm in groups": lambda: [Conv2D((4, 4, 1), 3), BatchNorm(3, group=2), Tanh(), Dense(12, 1)],
}  # fmt: skip
for_every_stack = pytest.mark.parametrize("make_layers", STACKS.values(), ids=STACKS)


def stack_case(make_layers, seed=0, n=4):
    first = make_layers()[0]
    return make_case(make_layers, n, np.prod(first.small if isinstance(first, ConvTranspose2D) else first.large), seed)


@pytest.mark.parametrize("make_penalty", PENALTIES.values(), ids=PENALTIES)
@for_every_stack
def test_the_gradient_of_a_penalty_is_its_derivative_through_any_stack(make_layers, make_penalty):
    case = stack_case(make_layers)
    x_fake = off_kink(case.rng, case.x.shape)

    def value(x):
        return make_penalty()(case.twin, x, x_fake.astype(x.dtype))

    assert make_penalty()(case.network, case.x, x_fake) == pytest.approx(value(case.x.astype(complex)).real, rel=1e-12)
    twin_views = case.twin.views()
    for name, (_, grad) in case.network.views().items():
        x = case.x.astype(complex)
        expected = numeric_gradient(lambda x=x: value(x), twin_views[name][0], method="complex")
        if np.abs(expected).max() > 1e-12:
            assert_gradient(f"d(penalty)/d({name})", grad, expected, 1e-10)
        else:
            assert np.abs(grad).max() < 1e-12, f"d(penalty)/d({name}) vanishes, but was computed as {grad}"
    assert any(grad.any() for _, grad in case.network.views().values())


@for_every_stack
def test_backward_is_the_derivative_of_forward_through_any_stack(make_layers):
    check_gradients(stack_case(make_layers))


def test_through_batch_norm_a_penalty_no_longer_sees_the_slope_of_each_sample_alone():
    """∂(ΣD)/∂x_n is more than ∂D(x_n)/∂x_n as soon as other samples' logits feel x_n; in inference they do not."""
    case = stack_case(STACKS["batch norm"])
    network, x = case.network, case.x

    def slopes(rows):
        """d(Σ of these logits)/dx_0, (I,)."""
        dout = np.zeros_like(network.forward(x))
        dout[rows] = 1
        return network.backward(dout, param_grads=False)[0].copy()

    assert np.linalg.norm(slopes([1, 2, 3])) > 0.1 * np.linalg.norm(slopes([0]))
    with network.inference():
        assert not slopes([1, 2, 3]).any()
        assert slopes([0]).any()


# ---- batch normalization: groups, modes, running statistics ----------------------------------------


def batch_norm(channels=3, group=None, dtype=np.float64):
    network = Network([BatchNorm(channels, group)], np.random.default_rng(0), dtype)
    return network, network.layers[0]


def test_what_comes_out_has_the_mean_and_spread_that_are_learnt():
    network, layer = batch_norm()
    layer.gain[:], layer.b[:] = [1, 2, 3], [4, 5, 6]
    out = network.forward(np.random.default_rng(0).normal(7, 10, (50, 3 * 8))).reshape(-1, 3)
    assert out.mean(axis=0) == pytest.approx([4, 5, 6], rel=1e-6)
    assert out.std(axis=0) == pytest.approx([1, 2, 3], rel=1e-6)


def test_groups_are_batches_of_their_own():
    """Real and generated samples in one batch, and yet apart: out, dx, and the sum of the gradients."""
    rng = np.random.default_rng(0)
    real, fake, douts = rng.normal(size=(5, 6)), rng.normal(2, 3, size=(5, 6)), rng.normal(size=(2, 5, 6))
    joint, alone = batch_norm(group=5)[0], batch_norm()[0]
    out = joint.forward(np.concatenate([real, fake])).copy()
    dx = joint.backward(np.concatenate(douts)).copy()
    grads = np.zeros_like(alone.grads)
    for i, x in enumerate((real, fake)):
        rows = slice(5 * i, 5 * i + 5)
        assert_close("out", out[rows], alone.forward(x), 1e-14)
        assert_close("dx", dx[rows], alone.backward(douts[i]), 1e-13)
        grads += alone.grads
    assert_close("grads", joint.grads, grads, 1e-13)


def test_running_statistics_come_to_those_of_the_data():
    network, layer = batch_norm()
    rng, mean, std = np.random.default_rng(0), np.array([-3.0, 0.0, 5.0]), np.array([0.5, 1.0, 2.0])
    for _ in range(300):
        network.backward(network.forward(np.tile(mean, 4) + np.tile(std, 4) * rng.normal(size=(8, 12))))
    assert layer.mean == pytest.approx(mean, abs=0.2)
    assert layer.variance == pytest.approx(std**2, rel=0.25)


def test_the_running_variance_is_unbiased_and_renewed_by_a_tenth():
    network, layer = batch_norm(2)
    network.backward(network.forward(np.array([[1.0, 1.0], [3.0, 5.0]])))
    assert layer.mean == pytest.approx([0.2, 0.3])
    assert layer.variance == pytest.approx([0.9 + 0.1 * 2, 0.9 + 0.1 * 8])


def test_groups_are_renewed_by_the_mean_of_their_statistics():
    network, layer = batch_norm(2, group=2)
    network.backward(network.forward(np.array([[1.0, 1.0], [3.0, 5.0], [7.0, 2.0], [9.0, 2.0]])))
    assert layer.mean == pytest.approx([0.1 * (2 + 8) / 2, 0.1 * (3 + 2) / 2])
    assert layer.variance == pytest.approx([0.9 + 0.1 * (2 + 2) / 2, 0.9 + 0.1 * (8 + 0) / 2])


def test_nothing_is_renewed_where_nothing_is_learnt():
    network, _ = batch_norm()
    x = np.random.default_rng(0).normal(2, 3, (5, 6))
    before = network.statistics.copy()
    network.backward(network.forward(x), param_grads=False)
    with network.inference():
        network.backward(network.forward(x))
    assert_same_bits("statistics", network.statistics, before)
    network.backward(network.forward(x))
    assert (network.statistics != before).all()


def test_in_inference_a_sample_does_not_depend_on_the_others():
    case = stack_case(STACKS["batch norm"])
    case.network.statistics[:] = np.linspace(0.5, 1.5, len(case.network.statistics))
    with case.network.inference():
        together = case.network.forward(case.x).copy()
        for n in range(len(case.x)):
            assert_close(f"sample {n}", case.network.forward(case.x[n : n + 1])[0], together[n], 1e-13)
    assert np.abs(case.network.forward(case.x) - together).min() > 1e-6, "training and inference are the same"


def test_in_inference_no_groups_are_needed_nor_a_second_sample():
    (grouped, layer), x = batch_norm(group=4), np.random.default_rng(0).normal(size=(3, 3))
    layer.mean[:], layer.variance[:] = [1, 2, 3], [4, 5, 6]
    for n in (1, 3):
        with grouped.inference():
            assert_close("out", grouped.forward(x[:n]), (x[:n] - [1, 2, 3]) / np.sqrt([4, 5, 6]), 1e-5)


def test_inference_ends_also_where_an_error_ends_it():
    network, layer = batch_norm()
    with pytest.raises(ValueError), network.inference():
        assert not layer.training
        network.forward(np.ones((2, 4)))
    assert layer.training


def test_statistics_are_one_vector_of_views_and_no_parameters():
    network = Network([Conv2D((4, 4, 1), 2), BatchNorm(2), Dense(8, 3), BatchNorm(3)], np.random.default_rng(0))
    assert network.statistics.tolist() == [0, 0, 1, 1, 0, 0, 0, 1, 1, 1]
    assert list(network.views()) == ["0.W", "0.b", "1.gain", "1.b", "2.W", "2.b", "3.gain", "3.b"]
    network.statistics[:] = np.arange(10)
    assert network.layers[1].variance.tolist() == [2, 3] and network.layers[3].mean.tolist() == [4, 5, 6]


# ---- promises ------------------------------------------------------------------------------------


@for_each_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(index, dtype):
    network, _, x, dout, _ = one_of_each(dtype)[index]
    layer = network.layers[0]
    results = {"out": layer.forward(x), "dx": layer.backward(dout), "out_v": layer.tangent(x)}
    results["dx, of the tangent"] = layer.tangent_backward(dout, dout)
    for name, array in results.items():
        assert array.dtype == dtype, f"{layer}: {name} is {array.dtype}, expected {dtype.__name__}"
    assert network.grads.dtype == network.statistics.dtype == dtype


@drawn_for_every_layer
def test_nothing_that_is_given_is_changed(kind, data):
    case = data.draw(cases(kind))
    layer, x, dout = case.layer, case.x, case.dout
    given_arrays = {"x": x, "dout": dout, "v": x[::-1].copy(), "dout_v": -dout, "params": case.network.params}
    before = {name: array.copy() for name, array in given_arrays.items()}
    layer.forward(x)
    layer.backward(dout)
    layer.tangent(given_arrays["v"])
    layer.tangent_backward(given_arrays["dout_v"], dout)
    for name, array in given_arrays.items():
        assert_same_bits(f"{name} after the call", array, before[name])


@for_each_layer
def test_what_is_returned_is_valid_until_the_same_method_runs_again(index):
    case = one_of_each()[index]
    layer, x, dout = case.layer, case.x, case.dout
    results = {"out": layer.forward(x), "dx": layer.backward(dout), "out_v": layer.tangent(x)}
    kept = {name: array.copy() for name, array in results.items()}
    layer.tangent_backward(dout, dout)
    for name, array in results.items():
        assert_same_bits(name, array, kept[name])
    again = layer.forward(-x)
    assert_same_bits("dx after the next forward", results["dx"], kept["dx"])
    assert np.shares_memory(results["out"], again), f"{layer}.forward made a new array instead of reusing its own"


@for_each_layer
def test_tangent_backward_adds_to_the_gradients(index):
    case = one_of_each()[index]
    case.layer.forward(case.x)
    case.layer.tangent(case.x[::-1])
    case.network.grads[:] = 0
    case.layer.tangent_backward(case.dout, case.dout)
    once = case.network.grads.copy()
    case.layer.tangent_backward(case.dout, case.dout)
    assert_close("grads after two calls", case.network.grads, 2 * once, 1e-14)
    for name, (_, grad) in case.network.views().items():
        assert np.shares_memory(grad, case.network.grads), f"the gradient of {name} left the vector"


@drawn_for_every_layer
def test_backward_can_leave_out_what_nobody_needs(kind, data):
    case = data.draw(cases(kind))
    network, layer = case.network, case.layer
    layer.forward(case.x)
    dx = layer.backward(case.dout).copy()
    grads = network.grads.copy()
    network.grads[:] = np.nan
    assert_same_bits("dx without param_grads", layer.backward(case.dout, param_grads=False), dx)
    assert np.isnan(network.grads).all(), "param_grads=False wrote into the gradients"
    layer.backward(case.dout, input_grad=False)
    assert_same_bits("grads without input_grad", network.grads, grads)


@for_each_layer
def test_larger_batches_before_and_after_leave_no_trace(index):
    """8, 4, 8, 2: what a larger batch has left in a work array is not seen."""
    case = one_of_each()[index]
    rng = case.rng
    x, dout = rng.normal(size=(8, case.x.shape[1])), rng.normal(size=(8, case.dout.shape[1]))
    for n in (8, 4, 8, 2):
        fresh = one_of_each()[index]
        assert_same_bits(f"out, N={n}", case.layer.forward(x[:n]), fresh.layer.forward(x[:n]))
        assert_same_bits(f"dx, N={n}", case.layer.backward(dout[:n]), fresh.layer.backward(dout[:n]))
        assert_same_bits(f"grads, N={n}", case.network.grads, fresh.network.grads)


LARGE = {
    "Conv2D": (lambda: Conv2D((16, 16, 8), 16), 16 * 16 * 8),
    "ConvTranspose2D": (lambda: ConvTranspose2D((8, 8, 16), 8), 8 * 8 * 16),
    "BatchNorm": (lambda: BatchNorm(8), 16 * 16 * 8),
    "PReLU": (lambda: PReLU(8), 16 * 16 * 8),
}


@pytest.mark.parametrize("make, n_in", LARGE.values(), ids=LARGE)
def test_after_warm_up_nothing_is_allocated(make, n_in):
    network = Network([make()], np.random.default_rng(0))
    x = np.random.default_rng(0).normal(size=(128, n_in)).astype(np.float32)
    dout = network.forward(x).copy()
    layer, linear = network.layers[0], not isinstance(network.layers[0], (BatchNorm, PReLU))

    def both_batch_sizes():
        for n in (128, 64):
            layer.forward(x[:n])
            layer.backward(dout[:n])
            if linear:  # all that R1's second derivatives meet in a recipe
                layer.tangent(x[:n])
                layer.tangent_backward(dout[:n])

    row = x[0].nbytes + dout[0].nbytes  # what belongs to a channel is written out for all pixels of one sample
    allowed = 10_000 + 2 * row + 3 * 4 * NUMPYS_OWN_BUFFER
    assert allowed < min(x[:64].nbytes, dout[:64].nbytes), "an array of the smaller batch must not pass unnoticed"
    grown = peak_allocation(both_batch_sizes)
    assert grown < allowed, f"{layer}: the passes allocated {grown} bytes, not < {allowed}"


# ---- first weights -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, shape, channels", [(Conv2D, (28, 28, 8), 32), (ConvTranspose2D, (14, 14, 32), 8)])
def test_first_weights_keep_the_size_of_the_signal(kind, shape, channels):
    """He: behind a rectifier that lets half of it pass, the outputs have the mean square of the inputs."""
    network = Network([kind(shape, channels)], np.random.default_rng(0), np.float64)
    x = np.abs(np.random.default_rng(1).normal(size=(64, np.prod(shape)))) * np.sqrt(2)
    x *= np.random.default_rng(2).integers(0, 2, x.shape)
    out = network.forward(x).reshape(64, *(network.layers[0].small, network.layers[0].large)[kind is ConvTranspose2D])
    inner = out[:, 2:-2, 2:-2]  # the border feels less
    assert np.mean(inner**2) == pytest.approx(2 * np.mean(x**2), rel=0.35)


@pytest.mark.parametrize("kind", [Conv2D, ConvTranspose2D])
@pytest.mark.parametrize("K, S", [(4, 2), (6, 3)])
@pytest.mark.parametrize("init, spread", [("dcgan", 0.02), ("he", None), ("xavier", None)])
def test_first_weights_have_the_spread_that_was_asked_for(kind, K, S, init, spread):
    network = Network([kind((8, 8, 16), 12, K, S, init=init)], np.random.default_rng(0), np.float64)
    rng = np.random.default_rng(0)
    felt, feeling = 16, 12  # channels that an output feels, and that feel an input
    n_in, n_out = K * K * felt, K * K * feeling
    n_in, n_out = (n_in, n_out / S**2) if kind is Conv2D else (n_in / S**2, n_out)
    W, r = network.layers[0].W, np.sqrt(6 / (n_in + n_out))
    expected = rng.uniform(-r, r, W.shape) if init == "xavier" else rng.normal(0, spread or np.sqrt(2 / n_in), W.shape)
    assert_close("W", W, expected, 1e-14)
    assert not network.layers[0].b.any()


def test_prelu_starts_at_a_quarter_and_batch_norm_at_x_hat():
    network = Network([PReLU(2), BatchNorm(2)], np.random.default_rng(0))
    assert network.params.tolist() == [0.25, 0.25, 1, 1, 0, 0]
    network.params[:], network.statistics[:] = 7, 7
    for layer in network.layers:
        layer.initialize(np.random.default_rng(0))
    assert network.params.tolist() == [0.25, 0.25, 1, 1, 0, 0] and network.statistics.tolist() == [0, 0, 1, 1]


# ---- misuse --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["backward", "tangent", "tangent_backward"])
@for_each_layer
def test_backward_before_forward_is_an_error_that_names_the_layer_and_the_call(index, method):
    if index < 2 and method == "tangent":
        return  # linear: moves along v in the same way at every x
    layer = [Conv2D((4, 6, 2), 3), ConvTranspose2D((2, 3, 3), 2), BatchNorm(5), PReLU(3)][index]
    Network([layer], np.random.default_rng(0), np.float64)
    gradient = np.ones_like(one_of_each()[index].dout)
    with pytest.raises(RuntimeError, match=rf"{type(layer).__name__}\(.*call (forward|tangent)\(\)"):
        getattr(layer, method)(gradient)


@pytest.mark.parametrize("layer", [Conv2D((4, 4, 1), 2), ConvTranspose2D((4, 4, 1), 2), BatchNorm(2)], ids=repr)
def test_a_layer_outside_a_network_says_that_it_has_no_weights(layer):
    with pytest.raises(RuntimeError, match="Network") as caught:
        layer.forward(np.ones((2, 16)))
    assert repr(layer) in str(caught.value)


@pytest.mark.parametrize("shape", [(5, 15), (5, 17), (16,), (5, 4, 4)])
@pytest.mark.parametrize("make", [lambda: Conv2D((4, 4, 1), 2), lambda: ConvTranspose2D((4, 4, 1), 2)])
def test_x_of_a_wrong_shape_is_an_error_that_names_the_layer_and_both_shapes(make, shape):
    layer = make()
    Network([layer], np.random.default_rng(0))
    with pytest.raises(ValueError) as caught:
        layer.forward(np.zeros(shape, np.float32))
    for part in (repr(layer), "(N, 16)", str(shape)):
        assert part in str(caught.value), f"the message does not name {part}: {caught.value}"


@pytest.mark.parametrize("shape, group", [((4, 5), None), ((12,), None), ((5, 3), 2), ((1, 3), None), ((3, 3), 1)])
def test_what_cannot_be_normalized_is_an_error(shape, group):
    network, _ = batch_norm(3, group)
    with pytest.raises(ValueError, match=r"BatchNorm\(3\)"):
        network.forward(np.ones(shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2D((2, 4, 1), 3, kernel=5),
        lambda: Conv2D((4, 4, 0), 3),
        lambda: Conv2D((4, 4, 1), 0),
        lambda: Conv2D((4, 4, 1), 3, stride=0),
        lambda: Conv2D((8, 8, 1), 3, padding=-1),
        lambda: ConvTranspose2D((1, 4, 1), 3, kernel=2, padding=1),
    ],
)
def test_sizes_that_leave_no_image_are_an_error_that_names_the_layer(make):
    with pytest.raises(ValueError, match=r"^Conv\w*2D\(\(\d, \d, \d\), \d\): "):
        make()


def test_layers_introduce_themselves():
    layers = [Conv2D([28, 28, 1], 16), ConvTranspose2D([7, 7, 32], 16), BatchNorm(16), PReLU(3)]
    assert list(map(repr, layers)) == [
        "Conv2D((28, 28, 1), 16)", "ConvTranspose2D((7, 7, 32), 16)", "BatchNorm(16)", "PReLU(3)",
    ]  # fmt: skip
