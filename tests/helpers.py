"""What the tests of the mathematics share: assertions that say where it went wrong, and data to assert on.

A failing comparison names the argument, the index where it is worst, what came and what was
expected. Kinks (LeakyReLU at 0) are avoided by construction, so no drawn example is thrown away.
"""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import strategies as st

from tinygan.gradcheck import compare, numeric_gradient, relative_error
from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 4)


# ---- measuring -----------------------------------------------------------------------------------


def measured_gradient(f, x, step=5e-4):
    """As ``numeric_gradient``, for the small gradients of a whole network: a hundred times less rounding.

    Two central differences have errors c h² and 4 c h²; extrapolated to h = 0 these cancel
    (Richardson), so that h can be larger and rounding, which goes with 1/h, smaller.
    """
    return (4 * numeric_gradient(f, x, step) - numeric_gradient(f, x, 2 * step)) / 3


# ---- assertions ----------------------------------------------------------------------------------


def assert_close(name, got, expected, tolerance):
    """Same shape, and ‖got - expected‖ / max(‖got‖, ‖expected‖) < tolerance."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    error = relative_error(got, expected)
    assert error < tolerance, describe(name, got, expected, error, tolerance)


def assert_gradient(name, got, expected, tolerance=1e-7):
    """As ``assert_close``, for a gradient: two gradients that are both zero prove nothing, and fail."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    row = compare(name, got, expected, tolerance)
    assert row.passed, describe(name, got, expected, row.error, tolerance)


def assert_parameter_gradients(network, loss, prefix="", vanishing=()):
    """``network.grads`` against central differences of ``loss()``, tensor by tensor.

    Tensor by tensor, because in one long vector a wrong small bias hides behind a large weight.
    Tensors named in ``vanishing`` must have a gradient of zero, to rounding, on both sides.
    """
    analytic = {name: grad.copy() for name, (_, grad) in network.views().items()}  # loss() may overwrite
    for name, (values, _) in network.views().items():
        expected = measured_gradient(loss, values)
        if name in vanishing:
            measured = f"{prefix}d(loss)/d({name}) vanishes, but was"
            assert np.abs(analytic[name]).max() < 1e-12, f"{measured} computed as {analytic[name]}"
            assert np.abs(expected).max() < 1e-8, f"{measured} measured as {expected}"
        else:
            assert_gradient(f"{prefix}d(loss)/d({name})", analytic[name], expected)


def assert_same_bits(name, got, expected):
    """Equal as bit patterns, so that nan equals nan and 0.0 differs from -0.0."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), (
        f"{name}: {got.shape} {got.dtype}, expected {expected.shape} {expected.dtype}"
    )
    assert got.tobytes() == expected.tobytes(), describe(name, got, expected, "some bits", 0)


def describe(name, got, expected, error, tolerance):
    difference = np.abs(got - expected)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(difference), difference.shape))
    return (
        f"{name}, shape {got.shape}: got {got[index]!r} at {list(index)}, expected {expected[index]!r} "
        f"(relative error of the whole {error}, tolerance {tolerance})"
    )


def scalar_dtype(dtype):
    """The dtype of one number of this dtype times one of Python's: NumPy 1 widens it, NumPy 2 does not."""
    return (0.5 * dtype(1)).dtype


# ---- data ----------------------------------------------------------------------------------------


def off_kink(rng, shape):
    """Numbers of both signs with 0.1 < |x| < 3."""
    return rng.uniform(0.1, 3, shape) * rng.choice([-1.0, 1.0], shape)


def without_cancellation(network, rng):
    """Give weights such signs that all paths from an input to the sum of the outputs have the same one.

    Every unit has a sign, and a weight has the sign of its two units' product. Then no slope is
    zero or tiny because paths cancel each other, and a norm of slopes stays away from its kink at 0.
    """
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    signs = [rng.choice([-1.0, 1.0], len(layer.W)) for layer in dense] + [np.ones(dense[-1].W.shape[1])]
    for layer, before, after in zip(dense, signs, signs[1:], strict=False):
        layer.W[...] = np.abs(layer.W) * before[:, None] * after
    return network


def clear_of_kinks_and_plateaus(network, x):
    """Shift biases so that on these x, (N, I), every derivative can be measured well.

    No LeakyReLU behind a Dense sees a number closer to 0 than 0.1, and where the samples leave a gap
    wide enough, some take one branch and some the other. What Sigmoid and Tanh see behind a Dense
    lies around 0.5, where slope and curvature are both felt.
    """
    for before, layer in zip([None, *network.layers], network.layers, strict=False):
        if isinstance(layer, LeakyReLU):
            assert isinstance(before, Dense), f"LeakyReLU must stand behind Dense here, not behind {before}"
        if isinstance(before, Dense) and not isinstance(layer, Dense):
            shift = middle_of_widest_gap(x) if isinstance(layer, LeakyReLU) else x.mean(axis=0) - 0.5
            before.b -= shift
            x = x - shift
        x = layer.forward(x).copy()


def middle_of_widest_gap(x):
    """For each unit the middle between two neighbors of its N numbers, or 0.1 beside them all; (I,)."""
    ordered = np.sort(np.concatenate([x, [x.min(axis=0) - 0.2, x.max(axis=0) + 0.2]]), axis=0)
    widest = np.argmax(np.diff(ordered, axis=0), axis=0, keepdims=True)
    below, above = (np.take_along_axis(ordered, widest + i, axis=0) for i in (0, 1))
    return (below + above)[0] / 2


@st.composite
def stacks(draw, n_out=SIZES):
    """(layers, I): one to three Dense with activations anywhere, also first, last and none at all."""
    sizes = [*draw(st.lists(SIZES, min_size=1, max_size=3)), draw(n_out)]
    first = draw(st.sampled_from([None, Sigmoid, Tanh]))
    layers = [first()] if first else []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        layers.append(Dense(n_in, n_out, draw(st.sampled_from(["he", "xavier"]))))
        activation = draw(st.sampled_from([None, LeakyReLU, Sigmoid, Tanh]))
        if activation:
            layers.append(activation(draw(st.floats(0.01, 0.9))) if activation is LeakyReLU else activation())
    return layers, sizes[0]


def randomize(network, rng):
    """Parameters of ordinary size and both signs: what is zero hides mistakes, what is large saturates."""
    for values, _ in network.views().values():
        fan_in = len(values) if values.ndim == 2 else 1
        sizes, signs = rng.uniform(0.3, 1.5, values.shape), rng.choice([-1.0, 1.0], values.shape)
        values[...] = sizes * signs / np.sqrt(fan_in)
    return network


# ---- memory --------------------------------------------------------------------------------------

NUMPYS_OWN_BUFFER = 8192  # numbers: what NumPy takes, whatever the batch, to add b to every row


def peak_allocation(call):
    """Bytes by which memory grows at most while ``call()`` runs, once it has run twice to warm up.

    It is the least of three runs: now and then the interpreter itself allocates something.
    """
    call()
    call()
    peaks = []
    for _ in range(3):
        tracemalloc.start()
        try:
            call()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return min(peaks)
