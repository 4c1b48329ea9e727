"""A conditional GAN: labels go beside z and beside what D sees, and penalties act on the samples alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from commands import answer, refusal
from helpers import assert_parameter_gradients, assert_same_bits, measured_gradient
from small_runs import TINY, assert_same_state, images, points, trained

from tinygan.app import runs
from tinygan.app.cli import main
from tinygan.conditions import Condition, class_counts, draw_labels, one_hot, with_labels
from tinygan.data import Dataset
from tinygan.gan import draw_latents
from tinygan.gradient_penalty import R1, WGANGP
from tinygan.layers import Dense, LeakyReLU, Sigmoid
from tinygan.network import Network
from tinygan.recipes import PRESETS, Config, build_gan
from tinygan.scoring.scores import agreement
from tinygan.training import Training

CONDITIONAL = replace(TINY, conditional=True)


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- labels --------------------------------------------------------------------------------------


def test_a_label_is_one_number_that_is_1():
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    z = rng().normal(size=(2, 4)).astype(np.float32)
    told = with_labels(z, np.array([2, 0]), 3)
    assert told.dtype == np.float32
    np.testing.assert_array_equal(told, np.hstack([z, [[0, 0, 1], [1, 0, 0]]]))


def test_labels_are_drawn_as_often_as_the_data_have_them():
    counts = class_counts(np.repeat([0, 1, 2], [1000, 3000, 6000]))
    assert counts == (1000, 3000, 6000)
    drawn = np.bincount(draw_labels(rng(), 10_000, counts))
    expected = np.array(counts)
    assert (abs(drawn - expected) < 5 * np.sqrt(expected)).all()


def test_latents_without_classes_are_what_they_were():
    z = draw_latents(rng(5), 7, 3)
    told = draw_latents(rng(5), 7, 3, (2, 2))
    assert_same_bits("noise", told[:, :3], z)
    assert (told[:, 3:].sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    "labels, why",
    [(None, "no labels"), ([0, 0, 0], "one class"), ([1, 2, 3], "label 0"), ([0, 1, 3], "label 2")],
)
def test_labels_that_are_no_classes_are_refused(labels, why):
    with pytest.raises(ValueError, match=why):
        class_counts(None if labels is None else np.array(labels))


# ---- the layer -----------------------------------------------------------------------------------


def test_condition_appends_the_label_to_the_real_and_to_the_generated_half():
    condition = Condition(3)
    condition.labels = one_hot(np.array([1, 2]), 3, np.float64)
    x = rng().normal(size=(4, 5))
    np.testing.assert_array_equal(condition.forward(x), np.hstack([x, one_hot(np.array([1, 2, 1, 2]), 3)]))


@pytest.mark.parametrize("given", [None, 2])
def test_condition_says_how_many_labels_it_was_given(given):
    condition = Condition(3)
    condition.labels = None if given is None else np.zeros((given, 3))
    with pytest.raises(ValueError, match=r"Condition\(3\): .* labels for 5 samples"):
        condition.forward(np.zeros((5, 2)))


def conditional_gan(seed=0, **choices):
    """A conditional GAN in float64 without kinks at its data, a batch, its latents and labels."""
    config = replace(CONDITIONAL, **choices)
    gan = build_gan(config, (2,), rng(seed), np.float64, classes=3)
    for network in (gan.generator, gan.discriminator):
        network.params += 0.1 * rng(seed + 1).normal(size=network.params.size)
    labels = np.array([0, 2, 1, 1])
    (condition,) = (layer for layer in gan.discriminator.layers if isinstance(layer, Condition))
    condition.labels = one_hot(labels, 3, np.float64)
    x_real = rng(seed + 2).normal(size=(4, 2))
    z = with_labels(rng(seed + 3).normal(size=(4, 3)), labels, 3)
    return gan, x_real, z


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
def test_the_steps_of_a_conditional_gan_follow_their_gradients(penalty):
    gan, x_real, z = conditional_gan()
    gan.penalty = penalty
    check_step(gan, x_real, z)


class LabelsOfRealOnly(Condition):
    """A planted mistake: generated samples are shown without their labels."""

    def forward(self, x):
        out = super().forward(x)
        out[len(self.labels) :, -self.classes :] = 0
        return out


class DropsTheWrongEnd(Condition):
    """A planted mistake: dx is taken from the wrong columns."""

    def backward(self, dout, param_grads=True, input_grad=True):
        return dout[:, self.classes :]


@pytest.mark.parametrize("mistake", [LabelsOfRealOnly, DropsTheWrongEnd])
def test_a_planted_mistake_is_caught(mistake):
    gan, x_real, z = conditional_gan()
    (condition,) = (layer for layer in gan.discriminator.layers if isinstance(layer, Condition))
    condition.__class__ = mistake
    if mistake is LabelsOfRealOnly:  # its gradients are right, but those of another game
        seen = condition.forward(np.concatenate([x_real, x_real]))
        assert not np.array_equal(*np.split(seen, 2))
    else:
        with pytest.raises(AssertionError):
            check_step(gan, x_real, z)


def test_a_penalty_feels_the_samples_and_not_the_labels():
    """∂D/∂x has the width of a sample, and its penalty is that of the slope in these directions alone."""
    labels, x = one_hot(np.array([0, 1]), 2, np.float64), rng(1).normal(size=(2, 3))
    network = Network([Condition(2), Dense(5, 4), LeakyReLU(0.2), Dense(4, 1)], rng())
    network = Network(network.layers, rng(), np.float64)
    network.layers[0].labels = labels
    slope = measured_gradient(lambda: float(network.forward(x).sum()), x)
    network.forward(x)
    assert R1(2.0)(network, x, x) == pytest.approx(np.sum(slope**2) / len(x), rel=1e-6)


# ---- runs ----------------------------------------------------------------------------------------


def test_the_generator_is_asked_for_the_classes_that_the_discriminator_is_shown():
    training = Training(replace(CONDITIONAL, batch=4), images())
    seen = {}
    forward = training.gan.generator.forward
    training.gan.generator.forward = lambda z: seen.setdefault("z", z.copy()) is None or forward(z)
    training.train_step()
    rows = training.batches.rows
    np.testing.assert_array_equal(seen["z"][:, 3:], one_hot(images().labels[rows], 10))
    np.testing.assert_array_equal(training.conditions[0].labels, one_hot(images().labels[rows], 10))


@pytest.mark.parametrize("data", [images, points])
def test_a_resumed_conditional_run_is_the_undisturbed_one(data):
    whole, first = trained(CONDITIONAL, data()), trained(CONDITIONAL, data(), steps=3)
    second = Training(CONDITIONAL, data())
    second.restore(*first.state())
    for _ in second.run():
        pass
    assert_same_state(second.state(), whole.state())


def test_snapshots_of_images_have_a_row_for_each_class_and_a_column_for_each_latent():
    latents = Training(CONDITIONAL, images()).latents
    assert latents.shape == (100, 3 + 10)
    grid = latents.reshape(10, 10, 13)
    assert (grid[:, :, :3] == grid[:1, :, :3]).all() and (grid[:, :, 3:].argmax(axis=2).T == np.arange(10)).all()


@pytest.mark.breadth
def test_a_ring_whose_modes_are_asked_for_loses_none():
    """Eight modes, a thousand steps: each point lies in the mode that was asked for."""
    config = replace(PRESETS["points"], conditional=True, steps=600)
    training = trained(config, points(2000))
    z = draw_latents(rng(3), 800, config.latent_dim, training.class_counts)
    x, asked = training.generate(z), z[:, config.latent_dim :].argmax(axis=1)
    centers = np.array([points(2000).x[points(2000).labels == k].mean(axis=0) for k in range(8)])
    seen = np.argmin(((x[:, None] - centers) ** 2).sum(axis=2), axis=1)
    (_, share, _), (_, each, _) = agreement(seen, asked, 8)
    assert share > 0.95 and min(each) > 0.8


def test_agreement_counts_what_was_asked_for():
    rows = list(agreement(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]), 4))
    assert [value for _, value, _ in rows] == [0.75, [1.0, 1.0, 0.5, None]]


# ---- the command line ----------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path):
    """A finished conditional run's folder, and one that knows no classes."""
    about = {"name": "scribbles", "data": "scribbles", "sha256": ""}
    for name, config in (("told", CONDITIONAL), ("untold", TINY)):
        (tmp_path / name).mkdir()
        runs.Saver(tmp_path / name, trained(config, images()), about, (30, "seconds")).save()
    return tmp_path


def test_samples_are_of_the_classes_that_were_asked_for(asked, capsys):
    out = asked / "x.npy"
    assert main(["sample", str(asked / "told"), "--class", "7,2", "--count", "3", "--out", str(out)]) == 0
    assert np.load(out).shape == (6, 28, 28)
    assert np.load(asked / "x.labels.npy").tolist() == [7, 7, 7, 2, 2, 2]
    assert "100 samples" in answer(capsys, "sample", asked / "told", "--class", "all")[1]


@pytest.mark.parametrize(
    "run, classes, why", [("told", "12", "0 to 9"), ("told", "x", "numbers"), ("untold", "1", "--conditional")]
)
def test_classes_that_cannot_be_drawn_are_refused(asked, capsys, run, classes, why):
    err = refusal(capsys, "sample", asked / run, "--class", classes)
    assert "--class" in err and why in err
    assert not (asked / run / "sample.png").exists()


@pytest.mark.parametrize(
    "labels, why", [(None, "no labels"), (np.ones(20, int), "label 0"), (np.zeros(20, int), "one class")]
)
def test_data_without_classes_are_refused(labels, why):
    dataset = Dataset("images", images().x, labels)
    with pytest.raises(ValueError, match=why):
        Training(CONDITIONAL, dataset)


def test_a_pack_has_no_label():
    with pytest.raises(ValueError, match="^pack: "):
        Config(conditional=True, pack=2)


def test_a_class_with_three_examples_is_trained_on():
    dataset = images()._replace(labels=np.array([0] * 17 + [1] * 3))
    assert trained(CONDITIONAL, dataset).class_counts == (17, 3)


def test_a_generator_of_images_has_a_sigmoid_at_its_end_with_classes_too():
    layers = build_gan(CONDITIONAL, (28, 28), rng(), classes=10).generator.layers
    assert isinstance(layers[-1], Sigmoid) and layers[0].shapes["W"][0] == 13
