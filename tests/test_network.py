"""A network is a stack of layers and one vector at once: the chain rule holds, the views are one memory."""

from __future__ import annotations

import numpy as np
from helpers import (
    NUMPYS_OWN_BUFFER,
    SEEDS,
    assert_close,
    assert_gradient,
    assert_parameter_gradients,
    assert_same_bits,
    clear_of_kinks_and_plateaus,
    measured_gradient,
    peak_allocation,
    randomize,
    stacks,
)
from hypothesis import given
from hypothesis import strategies as st

from tinygan.layers import Dense, LeakyReLU, Sigmoid, Tanh
from tinygan.network import Network, mlp


def small(dtype=np.float64, seed=0):
    layers = [Dense(3, 4), LeakyReLU(0.2), Dense(4, 5, "xavier"), Tanh(), Dense(5, 2), Sigmoid()]
    return Network(layers, np.random.default_rng(seed), dtype)


def small_case(n=6):
    rng = np.random.default_rng(1)
    return randomize(small(), rng), rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


# ---- the stack -----------------------------------------------------------------------------------


@given(stack=stacks(), n=st.integers(1, 5), seed=SEEDS)
def test_backward_is_the_derivative_of_forward_for_any_stack(stack, n, seed):
    layers, n_in = stack
    rng = np.random.default_rng(seed)
    network, x = randomize(Network(layers, rng, np.float64), rng), rng.normal(size=(n, n_in))
    clear_of_kinks_and_plateaus(network, x)
    dout = rng.normal(size=network.forward(x).shape)

    def loss():
        return np.sum(dout * network.forward(x))

    loss()
    dx = network.backward(dout).copy()
    assert_parameter_gradients(network, loss)
    assert_gradient("d(loss)/dx", dx, measured_gradient(loss, x))


def test_forward_and_backward_are_the_layers_one_after_another():
    network, x, dout = small_case()
    out = x
    for layer in network.layers:
        out = layer.forward(out)
    assert_same_bits("out", network.forward(x).copy(), out.copy())
    dx = dout
    for layer in network.layers[::-1]:
        dx = layer.backward(dx)
    assert_same_bits("dx", network.backward(dout).copy(), dx.copy())


def test_backward_equals_the_complex_step_to_twelve_digits():
    """f(x + ih) = f(x) + ih f'(x) - …: the imaginary part has no cancellation, so h can be 1e-30."""
    network, x, dout = small_case()
    network.forward(x)
    dx = network.backward(dout).copy()

    twin = small(np.complex128)
    twin.params[:] = network.params
    complex_x, h = x.astype(complex), 1e-30

    def complex_step(vector):
        derivative = np.empty(vector.shape)
        for index in np.ndindex(vector.shape):
            vector[index] += 1j * h
            derivative[index] = np.sum(dout * twin.forward(complex_x)).imag / h
            vector[index] = vector[index].real
        return derivative

    assert_close("grads", network.grads, complex_step(twin.params), 1e-12)
    assert_close("dx", dx, complex_step(complex_x), 1e-12)


def test_param_grads_false_leaves_every_bit_of_the_gradients_and_gives_the_same_dx():
    network, x, dout = small_case()
    network.forward(x)
    dx = network.backward(dout).copy()
    network.grads[:] = np.linspace(-1, 1, network.grads.size)
    network.grads[::3] = np.nan
    before = network.grads.copy()
    assert_same_bits("dx", network.backward(dout, param_grads=False), dx)
    assert_same_bits("grads", network.grads, before)


def test_input_grad_false_returns_none_and_gives_the_same_gradients():
    network, x, dout = small_case()
    network.forward(x)
    network.backward(dout)
    before = network.grads.copy()
    network.grads[:] = np.nan
    assert network.backward(dout, input_grad=False) is None
    assert_same_bits("grads", network.grads, before)

    without_weights = Network([Tanh(), Dense(3, 1)], np.random.default_rng(0), np.float64)
    assert without_weights.backward(without_weights.forward(x), input_grad=False) is None


def test_backward_overwrites_the_gradients():
    network, x, dout = small_case()
    network.forward(x)
    network.backward(dout)
    once = network.grads.copy()
    network.backward(dout)
    assert_same_bits("grads after a second backward", network.grads, once)


def test_batches_of_other_sizes_in_between_leave_no_trace():
    network, x, dout = small_case(8)
    for n in (8, 4, 8, 1, 8):
        fresh = small()
        fresh.params[:] = network.params
        assert_same_bits(f"out, N={n}", network.forward(x[:n]), fresh.forward(x[:n]))
        assert_same_bits(f"dx, N={n}", network.backward(dout[:n]), fresh.backward(dout[:n]))
        assert_same_bits(f"grads, N={n}", network.grads, fresh.grads)


def test_after_warm_up_nothing_is_allocated():
    rng = np.random.default_rng(0)
    network = Network([Dense(100, 200), LeakyReLU(), Dense(200, 300), Sigmoid()], rng)
    x, dout = (rng.normal(size=(512, n)).astype(np.float32) for n in (100, 300))

    def step():
        network.forward(x)
        network.backward(dout)

    allowed = 8_000 + 5 * NUMPYS_OWN_BUFFER  # float32, and bool in old NumPy
    assert allowed < x.nbytes / 2, "one array of a batch must not pass unnoticed"
    grown = peak_allocation(step)
    assert grown < allowed, f"a forward and a backward allocated {grown} bytes, expected < {allowed}"


# ---- the vector ----------------------------------------------------------------------------------


def test_views_come_in_the_order_of_the_vector_and_cover_it():
    network = small()
    network.params[:] = np.arange(network.params.size)
    network.grads[:] = -network.params
    views = network.views()
    assert list(views) == ["0.W", "0.b", "2.W", "2.b", "4.W", "4.b"]
    assert [value.shape for value, _ in views.values()] == [(3, 4), (4,), (4, 5), (5,), (5, 2), (2,)]
    assert_same_bits("params", np.concatenate([value.ravel() for value, _ in views.values()]), network.params)
    assert_same_bits("grads", np.concatenate([grad.ravel() for _, grad in views.values()]), network.grads)
    assert network.params.shape == network.grads.shape == (sum(value.size for value, _ in views.values()),)


def test_layers_and_vector_are_one_memory_both_ways():
    network = small()
    for name, (value, grad) in network.views().items():
        layer, parameter = network.layers[int(name[0])], name[2:]
        for view, of_layer, vector in (
            (value, getattr(layer, parameter), network.params),
            (grad, getattr(layer, "d" + parameter), network.grads),
        ):
            assert np.shares_memory(view, vector) and np.shares_memory(of_layer, vector), name
            vector[:] = 7
            assert (of_layer == 7).all(), f"{name}: a change of the vector does not reach the layer"
            of_layer[...] = 8
            reached = (vector == 8).sum()
            assert reached == view.size, f"{name}: of {view.size} changes {reached} reach the vector"


def test_params_and_grads_are_two_memories():
    network = small()
    assert not np.shares_memory(network.params, network.grads)


def test_a_change_of_the_vector_changes_the_next_forward():
    network, x, _ = small_case()
    before = network.forward(x).copy()
    network.params *= 1.1
    assert np.abs(network.forward(x) - before).min() > 0


def test_the_same_seed_gives_the_same_weights_in_both_precisions():
    single, double = small(np.float32, seed=5), small(np.float64, seed=5)
    assert (single.params.dtype, double.params.dtype) == (np.float32, np.float64)
    assert_same_bits("params", single.params, double.params.astype(np.float32))
    assert_same_bits("params of a second network", small(np.float64, seed=5).params, double.params)
    assert (small(np.float64, seed=6).params != double.params).any()


def test_the_generator_that_is_given_is_the_one_that_is_used():
    """One rng for two networks gives two different ones, and no global generator takes part."""
    rng = np.random.default_rng(0)
    first, second = (Network([Dense(3, 4)], rng, np.float64) for _ in range(2))
    assert (first.params != second.params).any()
    before = np.random.get_state()
    again = Network([Dense(3, 4)], np.random.default_rng(0), np.float64)
    assert_same_bits("params", again.params, first.params)
    for name, part, old in zip(("kind", "keys", "position"), np.random.get_state(), before, strict=False):
        assert_same_bits(f"{name} of the global generator", part, old)


def test_float32_is_the_default_and_stays():
    network = Network([Dense(3, 4), LeakyReLU(), Dense(4, 2), Sigmoid()], np.random.default_rng(0))
    out = network.forward(np.ones((5, 3), np.float32))
    dx = network.backward(np.ones((5, 2), np.float32))
    assert {a.dtype for a in (network.params, network.grads, out, dx)} == {np.dtype(np.float32)}


def test_a_network_keeps_a_list_of_its_own():
    layers = [Dense(3, 4), Tanh()]
    network = Network(layers, np.random.default_rng(0))
    layers.append(Dense(7, 2))
    assert network.forward(np.ones((5, 3), np.float32)).shape == (5, 4)


def test_a_network_introduces_itself():
    network = Network([Dense(2, 1), Sigmoid()], np.random.default_rng(0))
    assert repr(network) == "Network([Dense(2, 1), Sigmoid()])"


def test_an_mlp_is_a_dense_layer_for_each_pair_of_sizes_and_a_leaky_relu_between_any_two():
    layers = mlp((5, 4, 3, 2), "xavier", "dcgan", 0.1)
    shown = ["Dense(5, 4)", "LeakyReLU(0.1)", "Dense(4, 3)", "LeakyReLU(0.1)", "Dense(3, 2)"]
    assert [repr(layer) for layer in layers] == shown
    assert [layer.init for layer in layers[::2]] == ["xavier", "xavier", "dcgan"]
    assert [repr(layer) for layer in mlp((5, 2))] == ["Dense(5, 2)"]


def test_an_mlp_begins_as_rectifiers_need_it():
    first, bend, last = mlp((5, 4, 3))
    assert (first.init, bend.alpha, last.init) == ("he", 0.2, "he")
