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

from tinygan import codes
from tinygan.app import runs
from tinygan.app.cli import main
from tinygan.codes import Coded, code_loss, codes_in, guessed_labels
from tinygan.gan import draw_latents
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU
from tinygan.network import Network
from tinygan.objectives import NonSaturating, Wasserstein
from tinygan.recipes import PRESETS, build_gan
from tinygan.scoring.metrics import best_matching
from tinygan.scoring.scores import matched
from tinygan.training import Training

CODED = replace(TINY, codes=4, continuous=2)


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- the loss ------------------------------------------------------------------------------------


def guesses_of(seed=0, n=5, n_labels=4, n_values=2):
    """Guesses, labels and values, in float64."""
    draw = rng(seed)
    return draw.normal(size=(n, n_labels + n_values)), draw.integers(n_labels, size=n), draw.normal(size=(n, n_values))


def test_the_code_loss_is_minus_the_log_of_what_was_guessed():
    guesses, labels, values = guesses_of()
    expected = 0.0
    for guess, label, value in zip(guesses, labels, values, strict=True):
        p = np.exp(guess[:4]) / np.exp(guess[:4]).sum()
        gaussian = np.exp(-0.5 * (guess[4:] - value) ** 2)  # without its constant
        expected -= (np.log(p[label]) + np.log(gaussian).sum()) / len(guesses)
    assert code_loss(guesses, labels, values)[0] == pytest.approx(expected, rel=1e-12)


SIZES = [(4, 2), (4, 0), (2, 1), (0, 1), (0, 3)]


@pytest.mark.parametrize("n_labels, n_values", SIZES)
def test_the_gradient_of_the_code_loss_is_the_measured_one(n_labels, n_values):
    draw = rng(1)
    guesses, values = draw.normal(size=(5, n_labels + n_values)), draw.normal(size=(5, n_values))
    labels = draw.integers(n_labels, size=5) if n_labels else None
    _, dguesses = code_loss(guesses, labels, values)
    expected = measured_gradient(lambda: code_loss(guesses, labels, values)[0], guesses)
    assert_gradient("d(loss)/d(guesses)", dguesses, expected)


def mean_over_the_values(guesses, labels, values):
    loss, dguesses = code_loss(guesses, labels, values)
    dguesses[:, -2:] /= 2
    return loss, dguesses


def sign_of_the_values(guesses, labels, values):
    loss, dguesses = code_loss(guesses, labels, values)
    dguesses[:, -2:] *= -1
    return loss, dguesses


def ends_exchanged(guesses, labels, values):
    loss, dguesses = code_loss(guesses, labels, values)
    return loss, np.roll(dguesses, 2, axis=1)


def labels_of_neighbors(guesses, labels, values):
    return code_loss(guesses, labels, values)[0], code_loss(guesses, np.roll(labels, 1), values)[1]


def a_thousandth(guesses, labels, values):
    loss, dguesses = code_loss(guesses, labels, values)
    return loss, 1.001 * dguesses


LOSS_MISTAKES = [mean_over_the_values, sign_of_the_values, ends_exchanged, labels_of_neighbors, a_thousandth]


@pytest.mark.parametrize("mistake", LOSS_MISTAKES)
def test_a_planted_mistake_in_the_loss_is_caught(mistake):
    guesses, labels, values = guesses_of()
    expected = measured_gradient(lambda: mistake(guesses, labels, values)[0], guesses)
    with pytest.raises(AssertionError):
        assert_gradient("d(loss)/d(guesses)", mistake(guesses, labels, values)[1], expected)


# ---- the steps -----------------------------------------------------------------------------------


def coded_gan(seed=0, **choices):
    """A GAN in float64 whose D guesses four values and two numbers, a batch, and its latents."""
    config = replace(CODED, code_weight=0.7, penalty="none", **choices)
    gan = build_gan(config, (2,), rng(seed), np.float64, classes=config.codes)
    for network in (gan.generator, gan.discriminator):
        network.params += 0.1 * rng(seed + 1).normal(size=network.params.size)
    z = draw_latents(rng(seed + 3), 4, config.latent_dim, (1,) * config.codes).astype(float)
    gan.objective.z = z
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


class GuessesForNothing(Coded):
    """A planted mistake: G's loss has the code loss, and its gradient has not."""

    def generator(self, fake):
        loss, dfake = super().generator(fake)
        dfake[:, 1:] = 0
        return loss, dfake


class OnRealToo(Coded):
    """A planted mistake: the guesses about real samples, which have no code, get a gradient as well."""

    def discriminator(self, real, fake):
        loss, dreal, dfake = super().discriminator(real, fake)
        dreal[:, 1:] = dfake[:, 1:]
        return loss, dreal, dfake


class WeightInTheValueOnly(Coded):
    """A planted mistake: the gradient is not weighted."""

    def code_loss(self, fake):
        loss, dguesses = super().code_loss(fake)
        return loss, dguesses / self.weight


@pytest.mark.parametrize("mistake", [GuessesForNothing, OnRealToo, WeightInTheValueOnly])
def test_a_planted_mistake_in_the_game_is_caught(mistake):
    gan, x_real, z = coded_gan()
    gan.objective.__class__ = mistake
    with pytest.raises(AssertionError):
        check_step(gan, x_real, z)


def test_both_players_pay_for_wrong_guesses_and_for_nothing_else_more_than_without():
    gan, x_real, z = coded_gan()
    plain = NonSaturating()
    x_fake = gan.generator.forward(z).copy()
    real, fake = (gan.discriminator.forward(x).copy() for x in (x_real, x_fake))
    guesses, labels = fake[:, 1:], z[:, 3:].argmax(axis=1)
    code = 0.7 * code_loss(guesses, labels, z[:, :2])[0]
    d_loss = plain.discriminator(real[:, :1], fake[:, :1])[0]
    assert gan.discriminator_gradients(x_real, x_fake).loss == pytest.approx(d_loss + code, rel=1e-12)
    assert gan.generator_gradients(gan.generator.forward(z)) == pytest.approx(
        plain.generator(fake[:, :1])[0] + code, rel=1e-12
    )
    assert gan.objective.score(real).shape == (4, 1)


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
    assert type(build_gan(TINY, (2,), rng()).objective) is NonSaturating
    for name, objective in (("non-saturating", NonSaturating), ("wasserstein", Wasserstein)):
        coded = build_gan(replace(CODED, objective=name), (2,), rng(), classes=4).objective
        assert coded.equilibrium == objective.equilibrium


def test_the_codes_in_latents_are_those_that_were_drawn():
    z = draw_latents(rng(), 9, 3, (1, 1, 1, 1))
    labels, values = codes_in(z, 4, 2)
    assert_same_bits("values", values, z[:, :2])
    np.testing.assert_array_equal(np.eye(4)[labels], z[:, 3:])
    assert codes_in(z, 0, 1)[0] is None


def test_guessed_labels_do_not_depend_on_how_many_are_read_at_once():
    d = build_gan(CODED, (2,), rng(), classes=4).discriminator
    x = rng(1).normal(size=(7, 2)).astype(np.float32)
    expected = d.forward(x)[:, 1:5].argmax(axis=1)
    np.testing.assert_array_equal(guessed_labels(d, 4, x, chunk=3), expected)


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


def test_a_code_that_splits_a_class_stands_for_none():
    """Codes 0 and 1 share class 0, code 2 shows both of classes 1 and 2: one class, and one code, are left over."""
    given = np.repeat([0, 1, 2], [6, 4, 10])
    seen = np.repeat([0, 0, 1, 2], [6, 4, 7, 3])
    stands_for = matched(given, seen)
    assert stands_for[0] == 0 and stands_for[-1] == 1 and np.mean(stands_for == seen) == 13 / 20
    assert (matched(np.arange(4), np.array([0, 0, 1, 1])) == -1).sum() == 2


# ---- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [images, points])
@pytest.mark.parametrize("choices", [{}, dict(codes=0), dict(continuous=0)], ids=str)
def test_a_resumed_run_with_codes_is_the_undisturbed_one(data, choices):
    config = replace(CODED, **choices)
    whole, first = trained(config, data()), trained(config, data(), steps=3)
    second = Training(config, data())
    second.restore(*first.state())
    for _ in second.run():
        pass
    assert_same_state(second.state(), whole.state())


def test_d_has_to_guess_what_g_was_given(monkeypatch):
    training = Training(CODED, points())
    given, asked = [], []
    forward = training.gan.generator.forward
    training.gan.generator.forward = lambda z: given.append(z.copy()) or forward(z)
    monkeypatch.setattr(codes, "code_loss", lambda *a: asked.append(a[1:]) or code_loss(*a))
    training.train_step()
    assert len(given) == 1 and len(asked) == 2  # D's step and G's
    for labels, values in asked:
        np.testing.assert_array_equal(np.eye(4)[labels], given[0][:, 3:])
        np.testing.assert_array_equal(values, given[0][:, :2])


def test_no_label_is_needed():
    assert trained(CODED, images(labeled=False)).class_counts == (1, 1, 1, 1)


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
