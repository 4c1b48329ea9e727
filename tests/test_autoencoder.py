"""The autoencoder and the VAE: the noise lets the gradient through, KL is its integral, every gradient is measured."""

from __future__ import annotations

import inspect
import types

import numpy as np
import pytest
from helpers import SEEDS, SIZES, assert_close, assert_gradient, assert_parameter_gradients
from hypothesis import given
from hypothesis import strategies as st

from tinygan import autoencoder
from tinygan.autoencoder import GaussianCode, build_autoencoder, kl_divergence
from tinygan.data import Minibatches
from tinygan.gradcheck import numeric_gradient
from tinygan.losses import bce_with_logits, least_squares


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- the divergence --------------------------------------------------------------------------------


@pytest.mark.parametrize("mean, variance", [(0.0, 1.0), (1.5, 1.0), (0.0, 0.2), (-0.7, 3.0)])
def test_the_divergence_is_the_integral_of_its_definition(mean, variance):
    z = np.linspace(-30, 30, 200_001)
    log_q = -((z - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2
    log_p = -(z**2) / 2 - np.log(2 * np.pi) / 2
    integral = np.sum(np.exp(log_q) * (log_q - log_p)) * (z[1] - z[0])
    loss, _ = kl_divergence(np.array([[mean, np.log(variance)]]))
    assert loss == pytest.approx(integral, abs=1e-9)


def test_the_divergence_adds_over_latents_and_is_a_mean_over_the_batch():
    code = rng().normal(size=(4, 6))
    each = [kl_divergence(code[[n]][:, [i, 3 + i]])[0] for n in range(4) for i in range(3)]
    assert kl_divergence(code)[0] == pytest.approx(sum(each) / 4, rel=1e-13)


@given(SEEDS, SIZES, SIZES)
def test_the_gradient_of_the_divergence_is_its_derivative(seed, n, latent_dim):
    code = rng(seed).normal(size=(n, 2 * latent_dim))
    expected = numeric_gradient(lambda: kl_divergence(code)[0], code)
    assert_gradient("d(loss)/d(code)", kl_divergence(code)[1], expected)


def test_a_code_like_the_prior_costs_nothing_and_one_nearly_like_it_the_right_little():
    loss, dcode = kl_divergence(np.zeros((3, 4)))
    assert loss == 0 and not dcode.any()
    code = np.array([[0.0, 1e-7]])
    loss, dcode = kl_divergence(code)
    assert loss == pytest.approx(1e-14 / 4, rel=1e-2), "v - 1 - log v cancels"
    assert dcode[0, 1] == pytest.approx(0.5e-7, rel=1e-6)


# ---- the noise -----------------------------------------------------------------------------------


@given(SEEDS, SIZES, SIZES)
def test_the_gradient_passes_through_the_noise(seed, n, latent_dim):
    code, dout = rng(seed).normal(size=(n, 2 * latent_dim)), rng(seed + 1).normal(size=(n, latent_dim))

    def forward():
        layer.rng = rng(7)  # the same noise
        return layer.forward(code)

    layer = GaussianCode(None)
    forward()
    expected = numeric_gradient(lambda: np.sum(dout * forward()), code)
    forward()
    assert_gradient("dx", layer.backward(dout), expected)


def test_codes_have_the_mean_and_the_variance_that_they_were_given():
    code = np.tile([0.5, -2.0, np.log(0.25), np.log(4)], (100_000, 1))
    z = GaussianCode(rng()).forward(code)
    assert z.mean(axis=0) == pytest.approx([0.5, -2.0], abs=5 * 2 / np.sqrt(100_000))
    assert z.var(axis=0) == pytest.approx([0.25, 4.0], rel=0.05)


def test_outside_of_training_the_code_is_its_mean():
    layer, code = GaussianCode(rng()), rng(1).normal(size=(3, 4))
    layer.training = False
    np.testing.assert_array_equal(layer.forward(code), code[:, :2])
    assert layer.forward(code.astype(np.float32)).dtype == np.float32


# ---- both networks -------------------------------------------------------------------------------


def model(variational, seed=0, build=build_autoencoder, **choices):
    """A small one in float64, whose every parameter has a part in the cost, and a batch."""
    made = build((5, 4, 2), rng(seed), variational, dtype=np.float64, **choices)
    for network in (made.encoder, made.decoder):
        network.params += 0.3 * rng(seed + 1).normal(size=network.params.size)
    return made, rng(seed + 2).uniform(0.1, 0.9, (3, 5))


def cost_of(made, x, beta=1.0):
    """The cost as one number, with the same noise each time."""
    if hasattr(made, "draw"):
        made.draw.rng = rng(9)
    reconstruction, divergence = made.gradients(x)
    return reconstruction + beta * divergence


@pytest.mark.parametrize("loss", [bce_with_logits, least_squares], ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("kind, beta", [("autoencoder", 1.0), ("VAE", 1.0), ("VAE", 0.3)])
def test_both_networks_go_down_the_cost_that_is_returned(kind, beta, loss):
    made, x = model(kind == "VAE", loss=loss, **({"beta": beta} if kind == "VAE" else {}))
    cost_of(made, x)
    assert_parameter_gradients(made.encoder, lambda: cost_of(made, x, beta), "encoder ")
    cost_of(made, x)
    assert_parameter_gradients(made.decoder, lambda: cost_of(made, x, beta), "decoder ")


MISTAKES = [  # where, what stands there, what is put there
    ("kl_divergence", "[mean, 0.5 * excess]", "[2 * mean, 0.5 * excess]"),
    ("kl_divergence", "[mean, 0.5 * excess]", "[mean, excess]"),
    ("kl_divergence", "[mean, 0.5 * excess]", "[mean, -0.5 * excess]"),
    ("kl_divergence", "[mean, 0.5 * excess]", "[mean, 0.5 * (excess + 1)]"),
    ("kl_divergence", "[mean, 0.5 * excess]", "[0.5 * excess, mean]"),
    ("kl_divergence", "axis=1) / len(code)", "axis=1) / code.size"),
    ("kl_divergence", "axis=1) / len(code)", "axis=1)"),
    ("kl_divergence", "[mean, 0.5 * excess]", "[mean, 0.5005 * excess]"),
    ("GaussianCode", '* self.kept("spread") / 2', '* self.kept("spread")'),
    ("GaussianCode", 'dout * self.kept("spread") / 2', "0 * dout"),
    ("GaussianCode", '[dout, dout * self.kept("spread") / 2]', "[dout, dout / 2]"),
    ("GaussianCode", "np.exp(log_variance / 2)", "np.exp(log_variance)"),
    ("VAE", "self.beta * dcode", "0 * dcode"),
    ("VAE", "self.draw.backward(dz) + ", ""),
    ("VAE", "self.beta * dcode", "dcode / x.shape[1]"),
]


@pytest.mark.parametrize("name, old, new", MISTAKES)
def test_a_planted_mistake_is_measured(name, old, new):
    right = inspect.getsource(getattr(autoencoder, name))
    assert old in right
    module = types.ModuleType("wrong")
    exec(inspect.getsource(autoencoder).replace(right, right.replace(old, new)), vars(module))
    made, x = model(True, build=module.build_autoencoder)
    cost_of(made, x)
    with pytest.raises(AssertionError, match="encoder"):
        assert_parameter_gradients(made.encoder, lambda: cost_of(made, x), "encoder ")


def test_a_vae_without_noise_and_divergence_is_an_autoencoder():
    vae, x = model(True, beta=0.0)
    vae.draw.training = False
    plain, _ = model(False)
    for index, layer in enumerate(plain.encoder.layers):
        for name in layer.shapes:
            kept = getattr(vae.encoder.layers[index], name)
            getattr(layer, name)[...] = kept[..., : getattr(layer, name).shape[-1]]
    plain.decoder.params[:] = vae.decoder.params
    assert vae.gradients(x).reconstruction == plain.gradients(x).reconstruction
    assert_close("decoder", vae.decoder.grads, plain.decoder.grads, 1e-14)
    np.testing.assert_array_equal(vae.encode(x), plain.encode(x))


# ---- the loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variational", [False, True])
def test_it_learns_to_tell_a_few_samples_apart(variational):
    x = rng(3).integers(0, 2, (6, 20)).astype(np.float32)
    made = build_autoencoder((20, 32, 4), rng(), variational, lr=0.01)
    costs = [sum(cost) for cost in made.fit(Minibatches(x, 6, rng(1)), 600)]
    assert costs[0] > 12 and costs[-1] < (8 if variational else 0.5)
    right = np.mean((made.decode(made.encode(x)) > 0) == x)
    assert right > (0.9 if variational else 0.99)


@given(st.booleans())
def test_the_same_seed_gives_the_same_model(variational):
    def trained():
        made = build_autoencoder((8, 6, 2), rng(5), variational)
        batches = Minibatches(rng(1).random((30, 8), dtype=np.float32), 4, rng(2))
        return list(made.fit(batches, 5)), made.decoder.params

    (costs, params), (same_costs, same_params) = trained(), trained()
    assert costs == same_costs and np.array_equal(params, same_params)


def test_the_vaes_two_costs_bound_what_a_sample_costs():
    """On a table of two Gaussian numbers -log p(x) is known: the bound lies above it, and comes close."""
    x = (rng(1).normal(size=(20_000, 1)) @ np.array([[1.0, 0.8]]) + 0.3 * rng(2).normal(size=(20_000, 2))).astype("f4")
    covariance = np.array([[1.0, 0.8], [0.8, 0.64]]) + 0.09 * np.eye(2)
    truth = np.log(2 * np.pi) + np.log(np.linalg.det(covariance)) / 2 + 1  # entropy of p, in nats
    constant = np.log(2 * np.pi * 0.09)  # -log N(x; out, 0.3² I) = ‖x - out‖²/(2·0.09) + this

    def gaussian(out, target):
        loss, dout = least_squares(out, target)
        return loss / 0.09, dout / 0.09

    vae = build_autoencoder((2, 16, 1), rng(), lr=3e-3, loss=gaussian)
    costs = np.array(list(vae.fit(Minibatches(x, 100, rng(3)), 3000)))[-500:]
    bound = costs.sum(axis=1).mean() + constant
    assert truth - 0.03 < bound < truth + 0.15
