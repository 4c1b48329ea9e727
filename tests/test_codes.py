"""Codes that D guesses: the loss of a guess, the game around it, runs, and what becomes of them on the ring."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from commands import answer, refusal, train
from helpers import assert_close, assert_gradient, assert_parameter_gradients, assert_same_bits, measured_gradient
from hypothesis import given
from hypothesis import strategies as st
from small_runs import TINY, assert_same_state, images, points, trained, write_folder

from tinygan.app import runs
from tinygan.app.cli import main
from tinygan.codes import NUMBERS, InfoGAN, gaussian_loss, guessed_labels
from tinygan.distortion import Distortion, agreement
from tinygan.gan import GAN, draw_latents
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU
from tinygan.network import Network
from tinygan.objectives import NonSaturating
from tinygan.recipes import PRESETS, build_gan
from tinygan.scoring.metrics import best_matching
from tinygan.scoring.scores import matched
from tinygan.training import Training

CODED = replace(TINY, codes=4, continuous=2)


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- the loss ------------------------------------------------------------------------------------


def test_the_loss_of_a_number_is_minus_the_log_of_a_bell_curve():
    means, values = rng().normal(size=(2, 5, 3))
    density = np.exp(-0.5 * (means - values) ** 2)  # without its constant
    expected = -np.mean(np.log(np.prod(density, axis=1)))
    assert gaussian_loss(means, values)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_values", [1, 3])
def test_the_gradient_of_the_loss_of_a_number_is_the_measured_one(n_values):
    means, values = rng().normal(size=(2, 5, n_values))
    expected = measured_gradient(lambda: gaussian_loss(means, values)[0], means)
    assert_gradient("d(loss)/d(means)", gaussian_loss(means, values)[1], expected)


@pytest.mark.parametrize("factor", [-1, 1 / 3, 5, 1.001], ids=["sign", "mean over C", "sum over N", "a thousandth"])
def test_a_planted_mistake_in_the_loss_is_caught(factor):
    means, values = rng().normal(size=(2, 5, 3))
    expected = measured_gradient(lambda: gaussian_loss(means, values)[0], means)
    with pytest.raises(AssertionError):
        assert_gradient("d(loss)/d(means)", factor * gaussian_loss(means, values)[1], expected)


# ---- the steps -----------------------------------------------------------------------------------


def coded_gan(seed=0, **choices):
    """A GAN in float64 whose D guesses four values and two numbers, a batch, and its latents."""
    config = replace(CODED, code_weight=0.7, penalty="none", **choices)
    gan = build_gan(config, (2,), rng(seed), np.float64, classes=config.codes)
    for network in (gan.generator, gan.discriminator):
        network.params += 0.1 * rng(seed + 1).normal(size=network.params.size)
    z = draw_latents(rng(seed + 3), 4, config.latent_dim, (1,) * config.codes).astype(float)
    gan.z = z
    return gan, rng(seed + 2).normal(size=(4, 2)), z


def check_step(gan, x_real, z):
    """Both players' gradients are the derivatives of their losses, over every parameter."""

    def d_loss():
        if isinstance(gan.penalty, WGANGP):
            gan.penalty.rng = rng(9)
        return gan.discriminator_gradients(x_real, gan.generator.forward(z)).loss

    def g_loss():
        return gan.generator_gradients(gan.generator.forward(z))

    d_loss()
    assert_parameter_gradients(gan.discriminator, d_loss, "D ")
    g_loss()
    assert_parameter_gradients(gan.generator, g_loss, "G ")


@pytest.mark.parametrize("penalty", [None, R1(0.7), WGANGP(rng(), 3.0)], ids=["none", "R1", "WGAN-GP"])
def test_the_steps_of_a_gan_with_codes_follow_their_gradients(penalty):
    gan, x_real, z = coded_gan()
    gan.penalty = penalty
    check_step(gan, x_real, z)


@pytest.mark.parametrize("choices", [dict(codes=0), dict(continuous=0), dict(objective="least-squares")], ids=str)
def test_so_do_those_with_one_kind_of_code_and_of_another_game(choices):
    check_step(*coded_gan(seed=1, **choices))


@pytest.mark.parametrize("choices", [{}, dict(continuous=0)], ids=str)
def test_so_do_those_where_real_samples_have_codes_as_well(choices):
    gan, x_real, z = coded_gan(seed=2, **choices)
    gan.groups = np.array([3, 0, 0, 2])
    check_step(gan, x_real, z)


class GuessesForNothing(InfoGAN):
    """A planted mistake: G's loss has the guesses, and its gradient has not."""

    def guess(self, out, dout):
        loss = super().guess(out, dout)
        if len(dout) == len(self.z):
            dout[:, 1:] = 0
        return loss


class OfNeighbors(InfoGAN):
    """A planted mistake: each guess gets the gradient of another sample's."""

    def guess(self, out, dout):
        loss = super().guess(out, dout)
        dout[:, 1:] = np.roll(dout[:, 1:], 1, axis=0)
        return loss


class WeightInTheValueOnly(InfoGAN):
    """A planted mistake: the gradient is not weighted."""

    def guess(self, out, dout):
        loss = super().guess(out, dout)
        dout[:, 1:] /= self.weight
        return loss


class OnRealToo(InfoGAN):
    """A planted mistake: the guesses about real samples, which have no code, get a gradient as well."""

    def discriminator_gradients(self, x_real, x_fake):
        backward = self.discriminator.backward
        n = len(x_real)

        def mistaken(dout, **which):
            dout[:n, 1:] = dout[n : 2 * n, 1:]
            return backward(dout, **which)

        self.discriminator.backward = mistaken
        result = super().discriminator_gradients(x_real, x_fake)
        self.discriminator.backward = backward
        return result


class OfReal(InfoGAN):
    """A planted mistake: a real sample gets the gradient of the wrong code."""

    def guess_code(self, out, dout, labels):
        loss = super().guess_code(out, dout, labels)
        if labels is self.groups:
            super().guess_code(out, dout, labels[::-1])
        return loss


MISTAKES = [GuessesForNothing, OfNeighbors, WeightInTheValueOnly, OnRealToo, OfReal]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_in_the_steps_is_caught(mistake):
    gan, x_real, z = coded_gan()
    gan.__class__ = mistake
    gan.groups = np.array([3, 0, 0, 2]) if mistake is OfReal else None
    with pytest.raises(AssertionError):
        check_step(gan, x_real, z)


def test_both_players_pay_for_wrong_guesses_and_for_nothing_else_more_than_without():
    gan, x_real, z = coded_gan()
    plain = NonSaturating()
    x_fake = gan.generator.forward(z).copy()
    real, fake = (gan.discriminator.forward(x).copy() for x in (x_real, x_fake))
    p = np.exp(fake[:, 1:5]) / np.exp(fake[:, 1:5]).sum(axis=1, keepdims=True)
    squares = np.sum((fake[:, 5:] - z[:, :2]) ** 2, axis=1)
    code = 0.7 * np.mean(-np.log(np.sum(p * z[:, 3:], axis=1)) + NUMBERS * 0.5 * squares)
    result = gan.discriminator_gradients(x_real, x_fake)
    assert result.loss == pytest.approx(plain.discriminator(real[:, :1], fake[:, :1])[0] + code, rel=1e-12)
    assert_same_bits("logits", result.real_logits, gan.discriminator.forward(np.vstack([x_real, x_fake]))[:4, :1])
    g_loss = gan.generator_gradients(gan.generator.forward(z))
    assert g_loss == pytest.approx(plain.generator(fake[:, :1])[0] + code, rel=1e-12)


def test_d_pays_for_the_codes_of_real_samples_and_g_does_not():
    gan, x_real, z = coded_gan()
    x_fake = gan.generator.forward(z).copy()
    d_loss, g_loss = gan.discriminator_gradients(x_real, x_fake).loss, gan.generator_gradients(gan.generator.forward(z))
    real = gan.discriminator.forward(x_real)[:, 1:5].copy()
    gan.groups = np.array([3, 0, 0, 2])
    log_p = real - np.log(np.exp(real).sum(axis=1, keepdims=True))
    expected = d_loss - 0.7 * np.mean(log_p[np.arange(4), gan.groups])
    assert gan.discriminator_gradients(x_real, x_fake).loss == pytest.approx(expected, rel=1e-12)
    assert gan.generator_gradients(gan.generator.forward(z)) == g_loss


def test_a_penalty_feels_the_logit_and_not_the_guesses():
    """The penalty of D with guesses is that of the network that ends in the logit alone."""
    x = rng(1).normal(size=(5, 3))
    whole = Network([Dense(3, 4), LeakyReLU(0.2), Dense(4, 6)], rng(), np.float64)
    alone = Network([Dense(3, 4), LeakyReLU(0.2), Dense(4, 1)], rng(), np.float64)
    for name in ("W", "b"):
        getattr(alone.layers[0], name)[...] = getattr(whole.layers[0], name)
        getattr(alone.layers[2], name)[...] = getattr(whole.layers[2], name)[..., :1]
    for network in (whole, alone):
        network.backward(0 * network.forward(x))  # gradients of zero, to which the penalty adds
    assert R1(2.0)(whole, x, x) == pytest.approx(R1(2.0)(alone, x, x), rel=1e-12)
    assert_close("dW", whole.layers[0].dW, alone.layers[0].dW, 1e-12)
    assert_close("dW", whole.layers[2].dW[:, :1], alone.layers[2].dW, 1e-12)
    assert not whole.layers[2].dW[:, 1:].any()


def test_the_game_without_codes_is_the_plain_one():
    assert type(build_gan(TINY, (2,), rng())) is GAN
    assert type(build_gan(CODED, (2,), rng(), classes=4)) is InfoGAN


def test_guessed_labels_do_not_depend_on_how_many_are_read_at_once():
    d = build_gan(CODED, (2,), rng(), classes=4).discriminator
    x = rng(1).normal(size=(7, 2)).astype(np.float32)
    expected = d.forward(x)[:, 1:5].argmax(axis=1)
    np.testing.assert_array_equal(guessed_labels(d, 4, x, chunk=3), expected)


# ---- distortion ----------------------------------------------------------------------------------


class Fixed(Distortion):
    """The same distortions in every pass, so that a loss can be measured again."""

    def forward(self, x):
        self.rng = rng(6)
        return super().forward(x)


@pytest.mark.parametrize("shape", [(9, 8), (8, 8, 3)])
def test_a_distortion_hands_each_gradient_back_to_where_its_pixel_came_from(shape):
    distortion, (x, dout) = Fixed(rng(), shape, 1.0), rng(1).normal(size=(2, 3, np.prod(shape)))
    distortion.forward(x)
    expected = measured_gradient(lambda: np.sum(dout * distortion.forward(x)), x)
    assert_gradient("dx", distortion.backward(dout), expected)


def test_without_strength_nothing_is_distorted_and_with_it_every_image_in_its_own_way():
    x = np.tile(rng().random((1, 784), np.float32), (4, 1))
    assert_same_bits("x", Distortion(rng(), (28, 28), 0.0).forward(x), x)
    bent = Distortion(rng(), (28, 28), 1.0).forward(x)
    assert bent.dtype == np.float32 and len(np.unique(bent, axis=0)) == 4


def test_a_distortion_moves_by_at_most_its_pixels_evenly_to_all_sides():
    """A point in the middle, which nothing but a shift moves far."""
    x = np.zeros((1000, 21, 21), np.float32)
    x[:, 9:12, 9:12] = 1
    bent = Distortion(rng(), (21, 21), 1.0).forward(x.reshape(1000, -1)).reshape(x.shape)
    down, right = np.mgrid[:21, :21] - 10
    where = np.array([(bent * axis).sum(axis=(1, 2)) / bent.sum(axis=(1, 2)) for axis in (down, right)])
    assert 1.7 < abs(where).max() < 3.5 and abs(where.mean(axis=1)).max() < 0.15
    assert where.std(axis=1) == pytest.approx(2 / 3**0.5, rel=0.15)


def test_what_comes_in_from_outside_is_black():
    bent = Distortion(rng(), (8, 8), 1.0).forward(np.ones((50, 64), np.float32))
    assert set(np.unique(bent)) == {0, 1} and 0.6 < bent.mean() < 0.99


def distorted_gan(**choices):
    """An InfoGAN of images of 4 x 4 pixels in float64, a batch and its latents."""
    config = replace(CODED, distort=1.0, penalty="none", code_weight=0.7, **choices)
    gan = build_gan(config, (4, 4), rng(), np.float64, classes=4)
    for network in (gan.generator, gan.discriminator):
        network.params += 0.1 * rng(1).normal(size=network.params.size)
    gan.distortion = Fixed(rng(), (4, 4), 1.0)
    gan.z = draw_latents(rng(3), 4, 3, (1,) * 4).astype(float)
    return gan, rng(2).random((4, 16)), gan.z


def test_the_steps_with_distorted_samples_follow_their_gradients():
    check_step(*distorted_gan())


class ForgetsToBendBack(Fixed):
    """A planted mistake: the gradient stays where the distorted pixel is."""

    def backward(self, dout):
        return dout


def test_a_gradient_that_is_not_bent_back_is_caught():
    gan, x_real, z = distorted_gan()
    gan.distortion = ForgetsToBendBack(rng(), (4, 4), 1.0)
    with pytest.raises(AssertionError):
        check_step(gan, x_real, z)


# ---- agreement -----------------------------------------------------------------------------------


def two_readings(seed=0, n=6, classes=4):
    return 2 * rng(seed).normal(size=(2, n, classes))


def test_agreement_is_the_mutual_information_of_two_readings_of_an_image():
    p, q = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) for logits in two_readings())
    joint = np.zeros((4, 4))
    for n, i, j in itertools.product(range(6), range(4), range(4)):
        joint[i, j] += (p[n, i] * q[n, j] + p[n, j] * q[n, i]) / 12
    mutual = np.sum(joint * np.log(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0))))
    assert agreement(*two_readings())[0] == pytest.approx(-mutual, rel=1e-12)


def check_agreement(agreement):
    readings = two_readings()
    for name, logits, gradient in zip(("logits", "others"), readings, agreement(*readings)[1:], strict=True):
        assert_gradient(f"d(loss)/d({name})", gradient, measured_gradient(lambda: agreement(*readings)[0], logits))


def test_the_gradients_of_the_agreement_are_the_measured_ones():
    check_agreement(agreement)


MISTAKEN_AGREEMENTS = {
    "the sign": lambda a, b: (agreement(a, b)[0], *(-dlogits for dlogits in agreement(a, b)[1:])),
    "the other's": lambda a, b: (agreement(a, b)[0], *agreement(a, b)[:0:-1]),
    "not a mean": lambda a, b: (agreement(a, b)[0], *(len(a) * dlogits for dlogits in agreement(a, b)[1:])),
    "a thousandth": lambda a, b: (agreement(a, b)[0], *(1.001 * dlogits for dlogits in agreement(a, b)[1:])),
}


@pytest.mark.parametrize("mistake", MISTAKEN_AGREEMENTS.values(), ids=MISTAKEN_AGREEMENTS)
def test_a_planted_mistake_in_the_agreement_is_caught(mistake):
    with pytest.raises(AssertionError):
        check_agreement(mistake)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_agreement_is_log_k_where_all_are_read_alike_and_nothing_where_all_are_one(dtype):
    sure = 1000 * np.eye(4, dtype=dtype)
    for logits, expected in ((sure, -np.log(4)), (sure[[0, 0, 0]], 0), (0 * sure, 0)):
        loss, *gradients = agreement(logits, logits)
        assert loss == pytest.approx(expected, abs=1e-6)
        assert all(np.isfinite(dlogits).all() and dlogits.dtype == dtype for dlogits in gradients)


def test_the_agreement_of_groups_is_that_of_what_their_kinds_add_up_to():
    groups = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    p, q = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) for logits in two_readings())
    of_groups = agreement(np.log(p @ groups), np.log(q @ groups))[0]
    assert agreement(*two_readings(), groups)[0] == pytest.approx(of_groups, rel=1e-12)
    check_agreement(lambda logits, others: agreement(logits, others, groups))


def test_a_gradient_that_forgets_the_groups_is_caught():
    groups = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    with pytest.raises(AssertionError):
        check_agreement(lambda a, b: (agreement(a, b, groups)[0], *agreement(a, b)[1:]))


# ---- code against class --------------------------------------------------------------------------


def total(table, matching):
    return sum(table[row, column] for row, column in enumerate(matching) if column >= 0)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_the_best_matching_is_the_best_of_all(rows, columns, seed):
    table = rng(seed).integers(0, 9, (rows, columns))
    found = best_matching(table)
    assert found.shape == (rows,) and np.count_nonzero(found >= 0) == min(rows, columns)
    assert len(set(found[found >= 0])) == min(rows, columns) and found.max() < columns
    places = [*range(columns), *[-1] * max(0, rows - columns)]
    assert total(table, found) == max(total(table, each) for each in itertools.permutations(places, rows))


def test_a_matching_of_many_is_found_at_once():
    order = rng().permutation(100)
    np.testing.assert_array_equal(best_matching(np.eye(100)[order] + 0.001 * rng(1).random((100, 100))), order)


def test_ten_codes_that_each_show_half_of_a_kind_are_right_one_time_in_two():
    """Exercise 2 of lesson 17: what splits five kinds evenly is matched with half of them."""
    given = np.repeat(np.arange(10), 7)
    seen = given // 2
    assert np.mean(matched(given, seen) == seen) == 0.5
    assert np.mean(matched(seen, given) == given) == 0.5  # five codes, ten kinds


def test_a_code_that_splits_a_class_stands_for_none():
    """Codes 0 and 1 share class 0, code 2 shows both of classes 1 and 2: one class, and one code, are left over."""
    given = np.repeat([0, 1, 2], [6, 4, 10])
    seen = np.repeat([0, 0, 1, 2], [6, 4, 7, 3])
    stands_for = matched(given, seen)
    assert stands_for[0] == 0 and stands_for[-1] == 1 and np.mean(stands_for == seen) == 13 / 20
    assert (matched(np.arange(4), np.array([0, 0, 1, 1])) == -1).sum() == 2


# ---- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, choices",
    [
        (points, {}),
        (points, dict(codes=0)),
        (points, dict(continuous=0)),
        (images, dict(distort=0.5)),
        (images, dict(sort=3)),
    ],
)
def test_a_resumed_run_with_codes_is_the_undisturbed_one(data, choices):
    config = replace(CODED, **choices)
    whole, first = trained(config, data()), trained(config, data(), steps=3)
    second = Training(config, data())
    second.restore(*first.state())
    for _ in second.run():
        pass
    assert_same_state(second.state(), whole.state())


def test_d_has_to_guess_what_g_was_given():
    training = Training(replace(CODED, d_steps=2), points())
    given, asked = [], []
    forward, guess = training.gan.generator.forward, training.gan.guess
    training.gan.generator.forward = lambda z: given.append(z.copy()) or forward(z)
    training.gan.guess = lambda *parts: asked.append(training.gan.z.copy()) or guess(*parts)
    training.train_step()
    assert len(given) == 2 and len(asked) == 3  # two steps of D, and one of G with the latents of the second
    for theirs, ours in zip(asked, [*given, given[-1]], strict=True):
        assert_same_bits("z", theirs, ours)


def test_no_label_is_needed():
    assert trained(CODED, images(labeled=False)).class_counts == (1, 1, 1, 1)


@pytest.mark.breadth
def test_a_ring_of_eight_is_divided_among_eight_codes():
    config = replace(PRESETS["points"], codes=8, steps=600)
    training = trained(config, points(2000))
    z = draw_latents(rng(3), 800, config.latent_dim, training.class_counts)
    x, given = training.generate(z), z[:, config.latent_dim :].argmax(axis=1)
    centers = np.array([points(2000).x[points(2000).labels == k].mean(axis=0) for k in range(8)])
    seen = np.argmin(((x[:, None] - centers) ** 2).sum(axis=2), axis=1)
    assert np.mean(matched(given, seen) == seen) > 0.9
    read = guessed_labels(training.gan.discriminator, 8, points(2000).x)
    assert np.mean(matched(read, points(2000).labels) == points(2000).labels) > 0.9


# ---- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choices, name",
    [
        (dict(codes=1), "codes"),
        (dict(codes=-1), "codes"),
        (dict(codes=2, conditional=True), "codes"),
        (dict(codes=2, pack=2), "pack"),
        (dict(continuous=1, pack=2), "pack"),
        (dict(continuous=4), "continuous"),
        (dict(codes=2, code_weight=0), "code_weight"),
        (dict(distort=1.0), "distort"),
        (dict(codes=2, distort=3.0), "distort"),
        (dict(sort=1), "sort"),
        (dict(codes=21, sort=1), "sort"),
        (dict(codes=2, sort=-1), "sort"),
    ],
    ids=str,
)
def test_codes_that_no_run_can_have_are_refused(choices, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        replace(TINY, **choices)


@pytest.mark.parametrize(
    "words, name",
    [
        ("--codes 1", "--codes"),
        ("--codes x", "--codes"),
        ("--codes 4 --conditional", "--codes"),
        ("--codes 4 --pack 2", "--pack"),
        ("--continuous 9", "--continuous"),
        ("--code-weight 2", "--code-weight"),
        ("--codes 4 --code-weight 0", "--code-weight"),
        ("--distort 1", "--distort"),
        ("--codes 4 --distort 1", "--distort"),
        ("--codes 4 --sort 1", "--sort"),
        ("--sort 1", "--sort"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_a_line(words, name, capsys, tmp_path):
    err = refusal(capsys, *train("ring", tmp_path / "run", *words.split()))
    assert name in err and not (tmp_path / "run").exists()


@pytest.fixture
def finished(tmp_path):
    """Finished runs: with both codes, with a continuous one alone, with none."""
    about = {"name": "scribbles", "data": "scribbles", "sha256": ""}
    for name, config in (("both", CODED), ("continuous", replace(TINY, continuous=1)), ("none", TINY)):
        (tmp_path / name).mkdir()
        runs.Saver(tmp_path / name, trained(config, images()), about, (30, "seconds")).save()
    return tmp_path


def test_a_picture_has_a_row_for_each_code_and_a_column_for_each_value(finished, capsys):
    out = finished / "x.npy"
    assert main(["sample", str(finished / "both"), "--vary", "1", "--count", "5", "--out", str(out)]) == 0
    labels = np.load(finished / "x.labels.npy").reshape(4, 5)
    assert (labels.T == np.arange(4)).all()
    trained_run = runs.load_generator(finished / "both", print)
    z = np.zeros((4, 5, 7), np.float32)
    z[:, :, :3] = draw_latents(rng(0), 5, 3)[0]
    z[:, :, 1] = np.linspace(-2, 2, 5)
    z[:, :, 3:] = np.eye(4)[:, None]
    np.testing.assert_allclose(
        np.load(out).reshape(20, -1), trained_run.generator.forward(z.reshape(20, 7)), rtol=1e-5, atol=1e-6
    )
    assert "10 samples" in answer(capsys, "sample", finished / "continuous", "--vary", "0")[1]
    assert "40 samples" in answer(capsys, "sample", finished / "both", "--class", "all")[1]


@pytest.mark.parametrize(
    "run, words, why",
    [
        ("both", "--vary 2", "0 to 1"),
        ("both", "--vary x", "whole number"),
        ("both", "--class 4", "0 to 3"),
        ("none", "--vary 0", "--continuous"),
        ("continuous", "--class 0", "--codes"),
    ],
)
def test_codes_that_cannot_be_drawn_are_refused(finished, capsys, run, words, why):
    err = refusal(capsys, "sample", finished / run, *words.split())
    assert why in err and not (finished / run / "sample.png").exists()


@pytest.mark.breadth
def test_a_run_with_codes_is_scored_by_what_its_codes_stand_for(tmp_path, capsys):
    data = write_folder(tmp_path / "data", images(40))
    write_folder(data, images(40), "test")
    run = tmp_path / "run"
    assert answer(capsys, *train(data, run, "--codes", "10", "--continuous", "1"))[0] == 0
    code, out, err = answer(capsys, "score", run, "--count", "40", "--json")
    assert code == 0, err
    rows = json.loads(out)
    assert 0.1 <= rows["agreement"]["value"] <= 1 and 0.1 <= rows["agreement"]["real"] <= 1
    assert len(rows["agreement_each"]["value"]) == 10
