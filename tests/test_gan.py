"""The two steps, end to end: every parameter of both networks moves down the printed loss, and only its own.

Games × activations × packing × penalties: whatever a step returns as its loss, the gradients that
it used are the measured derivatives of that very number.
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
    randomize,
    without_cancellation,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.gan import GAN, draw_latents, generate
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU, Pack, Sigmoid, Tanh
from tinygan.network import Network
from tinygan.objectives import LeastSquares, Minimax, NonSaturating, Wasserstein
from tinygan.optimizers import SGD, Adam

OBJECTIVES = {
    "non-saturating": NonSaturating,
    "minimax": Minimax,
    "least-squares-0-1": lambda: LeastSquares(*LeastSquares.codings["0-1"]),
    "least-squares-pearson": lambda: LeastSquares(*LeastSquares.codings["pearson"]),
    "wasserstein": Wasserstein,
}
PENALTIES = {
    "no-penalty": lambda: None,
    "R1": lambda: R1(gamma=0.7),
    "WGANGP": lambda: WGANGP(np.random.default_rng(3), strength=2.0),
}
for_every_objective = pytest.mark.parametrize("objective", OBJECTIVES)
for_every_penalty = pytest.mark.parametrize("penalty", PENALTIES)
for_every_pack = pytest.mark.parametrize("pack", [1, 2, 3])
for_every_activation = pytest.mark.parametrize("activation", [LeakyReLU, Sigmoid, Tanh])


class Setting:
    """A small GAN in float64 with a batch for it: n samples of n_inputs numbers, n latents."""

    def __init__(
        self,
        objective="non-saturating",
        activation=LeakyReLU,
        pack=1,
        penalty="no-penalty",
        n=6,
        latent_dim=2,
        n_inputs=3,
        n_hidden=3,
        seed=0,
        optimizer=lambda: SGD(1e-3),
    ):
        rng = np.random.default_rng(seed)
        g_layers = [Dense(latent_dim, n_hidden), activation(), Dense(n_hidden, n_inputs), Sigmoid()]
        d_layers = [Dense(pack * n_inputs, n_hidden), activation(), Dense(n_hidden, 2), activation(), Dense(2, 1)]
        d_layers = [Pack(pack), *d_layers] if pack > 1 else d_layers
        self.generator = Network(g_layers, rng, np.float64)
        self.discriminator = Network(d_layers, rng, np.float64)
        self.penalty = penalty
        self.gan = GAN(
            self.generator,
            self.discriminator,
            OBJECTIVES[objective](),
            optimizer(),
            optimizer(),
            PENALTIES[penalty](),
        )
        # Fake samples lie in (0, 1), so real and fake ones do not cancel each other.
        self.x_real, self.z = rng.uniform(1, 2, (n, n_inputs)), rng.normal(size=(n, latent_dim))

        for network in (self.generator, self.discriminator):
            without_cancellation(randomize(network, rng), rng)
        clear_of_kinks_and_plateaus(self.generator, self.z)
        seen = np.concatenate(self.seen_by_discriminator(self.d_loss))
        clear_of_kinks_and_plateaus(self.discriminator, seen)

    def d_loss(self):
        """The discriminator's printed loss; the penalty starts afresh, so that it draws the same ε."""
        self.gan.penalty = PENALTIES[self.penalty]()
        return self.gan.discriminator_gradients(self.x_real, self.x_fake()).loss

    def g_loss(self):
        return self.gan.generator_gradients(self.x_fake())

    def x_fake(self):
        return self.generator.forward(self.z)

    def seen_by_discriminator(self, call):
        """Copies of everything that goes into the discriminator during the call."""
        seen, forward = [], self.discriminator.forward
        self.discriminator.forward = lambda x: seen.append(x.copy()) or forward(x)
        try:
            call()
        finally:
            del self.discriminator.forward
        return seen


@st.composite
def sizes(draw, pack):
    numbers = {name: draw(st.integers(1, 3)) for name in ("latent_dim", "n_inputs", "n_hidden")}
    return {"n": pack * draw(st.integers(2, 3)), "seed": draw(SEEDS), "pack": pack, **numbers}


# ---- the gradients -------------------------------------------------------------------------------


@for_every_penalty
@for_every_pack
@for_every_activation
@for_every_objective
@settings(max_examples=3)
@given(data=st.data())
def test_the_discriminators_gradients_are_derivatives_of_its_printed_loss(objective, activation, pack, penalty, data):
    s = Setting(objective, activation, penalty=penalty, **data.draw(sizes(pack)))
    s.d_loss()
    # In the Wasserstein game real and fake logits pull with equal weights, so what shifts all of
    # them alike has no effect: the last bias, and behind equal masks or a few units others too.
    vanishing = []
    if objective == "wasserstein":
        biases = {name: grad for name, (_, grad) in s.discriminator.views().items() if name.endswith("b")}
        vanishing = [name for name, grad in biases.items() if np.abs(grad).max() < 1e-12]
        assert [*s.discriminator.views()][-1] in vanishing
    assert_parameter_gradients(s.discriminator, s.d_loss, "discriminator: ", vanishing)


@for_every_pack
@for_every_activation
@for_every_objective
@settings(max_examples=5)
@given(data=st.data())
def test_the_generators_gradients_are_derivatives_of_its_printed_loss(objective, activation, pack, data):
    s = Setting(objective, activation, **data.draw(sizes(pack)))
    s.g_loss()
    assert_parameter_gradients(s.generator, s.g_loss, "generator: ")


@for_every_penalty
@for_every_objective
def test_a_small_step_lowers_the_loss_by_lr_times_the_squared_gradient(objective, penalty):
    """For plain gradient descent, to first order: so the step follows the gradient, in scale and sign."""
    lr = 1e-6
    s = Setting(objective, penalty=penalty, optimizer=lambda: SGD(lr))
    before = s.gan.discriminator_step(s.x_real, s.x_fake()).loss
    squared = np.sum(s.discriminator.grads**2)
    assert (before - s.d_loss()) / (lr * squared) == pytest.approx(1, rel=1e-3)

    before = s.gan.generator_step(s.x_fake())
    squared = np.sum(s.generator.grads**2)
    assert (before - s.g_loss()) / (lr * squared) == pytest.approx(1, rel=1e-3)


# ---- what is returned ----------------------------------------------------------------------------


@for_every_penalty
@for_every_pack
def test_the_returned_logits_are_those_of_a_fresh_forward(pack, penalty):
    s = Setting(pack=pack, penalty=penalty)
    x_fake = s.generator.forward(s.z).copy()
    expected = [s.discriminator.forward(x).copy() for x in (s.x_real, x_fake)]
    result = s.gan.discriminator_step(s.x_real, s.x_fake())
    s.gan.discriminator_step(-s.x_real, -x_fake)  # what was returned must not be a work array
    s.gan.generator_step(s.x_fake())
    for name, logits in zip(("real_logits", "fake_logits"), expected, strict=True):
        assert logits.shape == (len(s.x_real) // pack, 1)
        assert_close(name, getattr(result, name), logits, 1e-14)


@for_every_objective
@for_every_penalty
def test_the_returned_loss_is_the_objective_of_the_returned_logits_plus_the_penalty(objective, penalty):
    s = Setting(objective, penalty=penalty)
    result = s.gan.discriminator_gradients(s.x_real, s.x_fake())
    expected = s.gan.objective.discriminator(result.real_logits, result.fake_logits)[0]
    if penalty != "no-penalty":
        x_fake = s.generator.forward(s.z)
        expected = expected + PENALTIES[penalty]()(s.discriminator, s.x_real, x_fake)
    assert_close("d_loss", result.loss, expected, 1e-14)


def test_the_discriminator_sees_real_samples_first_and_then_fake_ones():
    s = Setting(penalty="R1")
    x_fake, n = s.x_fake().copy(), len(s.x_real)
    both, penalized = s.seen_by_discriminator(s.d_loss)
    assert_same_bits("the first half", both[:n], s.x_real)
    assert_same_bits("the second half", both[n:], x_fake)
    assert_same_bits("what R1 is computed on", penalized, s.x_real)
    (seen,) = s.seen_by_discriminator(s.g_loss)
    assert_same_bits("in the generator's step", seen, x_fake)


def test_steps_with_other_batch_sizes_in_between_leave_no_trace():
    s = Setting(n=6)
    expected = s.gan.discriminator_gradients(s.x_real, s.x_fake())
    d_grads = s.discriminator.grads.copy()
    for n in (2, 1, 5):
        s.gan.discriminator_gradients(s.x_real[:n], s.generator.forward(s.z[:n]))
        s.gan.generator_gradients(s.generator.forward(s.z[:n]))
    got = s.gan.discriminator_gradients(s.x_real, s.x_fake())
    assert_same_bits("loss", got.loss, expected.loss)
    assert_same_bits("discriminator.grads", s.discriminator.grads, d_grads)


@pytest.mark.parametrize("n_real, n_fake, width", [(6, 2, 3), (2, 6, 3), (6, 6, 2)])
def test_real_and_fake_samples_of_two_shapes_are_an_error_that_names_both(n_real, n_fake, width):
    s = Setting()
    with pytest.raises(ValueError, match=rf"\({n_real}, {width}\) and \({n_fake}, 3\)"):
        s.gan.discriminator_step(np.ones((n_real, width)), s.x_fake()[:n_fake])


def test_a_batch_that_cannot_be_packed_is_an_error_that_says_so():
    s = Setting(pack=3)
    with pytest.raises(ValueError, match="4 .*packs of 3"):
        s.gan.generator_step(s.generator.forward(s.z[:4]))


# ---- frozen means frozen -------------------------------------------------------------------------


def bits(network, optimizer):
    """Everything that belongs to one player."""
    state = {slot: getattr(optimizer, slot).copy() for slot in optimizer.slots}
    state |= {"params": network.params.copy(), "grads": network.grads.copy(), "t": np.array(optimizer.t)}
    return state


@for_every_objective
@for_every_penalty
@for_every_pack
def test_each_step_changes_every_tensor_of_its_player_and_no_bit_of_the_other(objective, penalty, pack):
    s = Setting(objective, penalty=penalty, pack=pack, optimizer=lambda: Adam(1e-2))
    gan = s.gan
    players = {
        "generator": (s.generator, gan.g_optimizer, lambda: gan.generator_step(s.x_fake())),
        "discriminator": (s.discriminator, gan.d_optimizer, lambda: gan.discriminator_step(s.x_real, s.x_fake())),
    }
    for _, _, step in players.values():
        step()  # so that both optimizers have a state
    last_bias = [*s.discriminator.views()][-1]
    for name, other in (("generator", "discriminator"), ("discriminator", "generator")):
        network, optimizer, step = players[name]
        moving = {tensor: values.copy() for tensor, (values, _) in network.views().items()}
        frozen, t = bits(*players[other][:2]), optimizer.t
        step()
        for part, value in bits(*players[other][:2]).items():
            assert_same_bits(f"{other}'s {part} after a step of the {name}", value, frozen[part])
        for tensor, (values, _) in network.views().items():
            if (name, tensor, objective) != ("discriminator", last_bias, "wasserstein"):  # has no gradient there
                assert (values != moving[tensor]).any(), f"{name}'s {tensor} did not move in its own step"
        assert optimizer.t == t + 1


def test_gradients_without_a_step_change_no_parameter():
    s = Setting(penalty="R1", optimizer=lambda: Adam(1e-2))
    before = s.generator.params.copy(), s.discriminator.params.copy()
    s.d_loss()
    s.g_loss()
    assert_same_bits("generator.params", s.generator.params, before[0])
    assert_same_bits("discriminator.params", s.discriminator.params, before[1])


@for_every_penalty
def test_samples_and_latents_are_not_changed(penalty):
    s = Setting(penalty=penalty)
    before = s.x_real.copy(), s.z.copy()
    s.gan.discriminator_step(s.x_real, s.x_fake())
    s.gan.generator_step(s.x_fake())
    assert_same_bits("x_real", s.x_real, before[0])
    assert_same_bits("z", s.z, before[1])


# ---- nothing is done that nobody needs -----------------------------------------------------------


def test_no_gradient_is_computed_that_nobody_needs():
    """Not of the images in D's step, not of D's parameters in G's step, not of the latents, ever."""
    s, asked = Setting(), []
    for name, network in (("D", s.gan.discriminator), ("G", s.gan.generator)):
        first, backward = network.layers[0], network.layers[0].backward

        def recorded(dout, param_grads, input_grad, name=name, backward=backward):
            asked.append((name, param_grads, input_grad))
            return backward(dout, param_grads, input_grad)

        first.backward = recorded
    s.gan.discriminator_step(s.x_real, s.x_fake())
    assert asked == [("D", True, False)], "(player, its parameters' gradients, its inputs' gradients)"
    s.gan.generator_step(s.x_fake())
    assert asked[1:] == [("D", False, True), ("G", True, False)]


# ---- latents and samples -------------------------------------------------------------------------


def test_latents_are_normal_numbers_in_single_precision_of_the_generator_that_is_given():
    z = draw_latents(np.random.default_rng(3), 50, 4)
    assert_same_bits("z", z, np.random.default_rng(3).standard_normal((50, 4), dtype=np.float32))
    assert z.dtype == np.float32


def test_where_there_are_classes_a_label_is_appended_as_often_as_it_is_frequent():
    z = draw_latents(np.random.default_rng(3), 4000, 2, class_counts=(1, 3, 0))
    assert_same_bits("z", z[:, :2], np.random.default_rng(3).standard_normal((4000, 2), dtype=np.float32))
    labels = z[:, 2:]
    assert labels.shape == (4000, 3) and (np.sort(labels, axis=1) == [0, 0, 1]).all()
    assert np.abs(labels.mean(axis=0) - [0.25, 0.75, 0]).max() < 0.03


@pytest.mark.parametrize("chunk", [1, 3, 7, 8])
def test_samples_made_in_chunks_are_those_of_one_pass_and_stay_as_they_are(chunk):
    generator = Network([Dense(3, 4), LeakyReLU(0.2), Dense(4, 2)], np.random.default_rng(0), np.float64)
    z = np.random.default_rng(1).normal(size=(7, 3))
    at_once = generator.forward(z).copy()
    samples = generate(generator, z, chunk)
    generator.forward(-z)  # fills the same work arrays again
    assert_close("samples", samples, at_once, 1e-12)
