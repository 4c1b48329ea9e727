"""Few labels: losses are their formulas, both steps follow their gradients, only the labels that were given count."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import SEEDS, SIZES, assert_close, assert_gradient, assert_parameter_gradients, assert_same_bits
from hypothesis import given
from hypothesis import strategies as st

from tinygan import semi_supervised
from tinygan.data import DataError, Dataset
from tinygan.gradcheck import numeric_gradient
from tinygan.layers import Dense
from tinygan.losses import bce_with_logits, softmax_cross_entropy
from tinygan.network import Network
from tinygan.semi_supervised import (
    FewLabels,
    Noise,
    Recipe,
    any_class,
    class_or_fake,
    draw_labeled,
    feature_matching,
    log_sum_exp,
)

CLASSES = st.integers(2, 5)
for_both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- losses --------------------------------------------------------------------------------------


@given(SEEDS, SIZES, CLASSES)
def test_log_sum_exp_is_its_formula_and_its_slope_the_derivative(seed, n, classes):
    logits, ds = 3 * rng(seed).normal(size=(n, classes)), rng(seed + 1).normal(size=(n, 1))
    s, slope = log_sum_exp(logits)
    assert_close("s", s, np.log(np.exp(logits).sum(axis=1, keepdims=True)), 1e-13)
    expected = numeric_gradient(lambda: float(np.sum(ds * log_sum_exp(logits)[0])), logits)
    assert_gradient("d(loss)/d(logits)", ds * slope, expected)


@given(SEEDS, SIZES, CLASSES, st.sampled_from([0, 1]))
def test_any_class_is_a_class_more_whose_logit_is_0(seed, n, classes, target):
    """Softmax over K + 1 classes, of which the last is "fake" with the logit 0."""
    logits = 3 * rng(seed).normal(size=(n, classes))
    e = np.exp(np.hstack([logits, np.zeros((n, 1))]))
    fake = e[:, -1] / e.sum(axis=1)
    loss, dlogits = any_class(logits, target)
    assert_close("loss", loss, -np.mean(np.log(1 - fake if target else fake)), 1e-10)
    assert_gradient("d(loss)/d(logits)", dlogits, numeric_gradient(lambda: any_class(logits, target)[0], logits))


def parts(seed, sizes, classes):
    """Logits of labeled, unlabeled and generated samples, and labels."""
    random = rng(seed)
    labeled, unlabeled, fake = (2 * random.normal(size=(n, classes)) for n in sizes)
    return labeled, random.integers(classes, size=sizes[0]), unlabeled, fake


def check_class_or_fake(seed=0, sizes=(2, 3, 4), classes=3):
    """Each of the three gradients against the measured one."""
    given_parts = parts(seed, sizes, classes)
    loss, *gradients = semi_supervised.class_or_fake(*given_parts)
    logits = [given_parts[i] for i in (0, 2, 3)]
    for name, x, gradient in zip(("labeled", "unlabeled", "fake"), logits, gradients, strict=True):
        expected = numeric_gradient(lambda: semi_supervised.class_or_fake(*given_parts)[0], x)
        assert_gradient(f"d(loss)/d({name} logits)", gradient, expected)


@given(SEEDS, st.tuples(SIZES, SIZES, SIZES), CLASSES)
def test_the_three_gradients_of_the_discriminators_loss_are_its_derivatives(seed, sizes, classes):
    check_class_or_fake(seed, sizes, classes)


def test_the_discriminators_loss_is_the_sum_that_the_paper_has():
    labeled, labels, unlabeled, fake = parts(3, (4, 5, 5), 3)
    Z = [np.exp(logits).sum(axis=1) for logits in (labeled, unlabeled, fake)]
    right = np.exp(labeled)[np.arange(4), labels] / Z[0]
    expected = -np.mean(np.log(right)) - 0.5 * np.mean(np.log(Z[1] / (Z[1] + 1))) + 0.5 * np.mean(np.log(Z[2] + 1))
    assert_close("loss", class_or_fake(labeled, labels, unlabeled, fake)[0], expected, 1e-12)


@for_both_precisions
@pytest.mark.parametrize("s, target, value, slope", [(1000, 1, 0, 0), (1000, 0, 1000, 1), (-1000, 1, 1000, -1)])
def test_logits_of_plus_and_minus_1000_are_exact(dtype, s, target, value, slope):
    logits = np.full((2, 4), s, dtype)
    with np.errstate(all="raise", under="ignore"):
        loss, dlogits = any_class(logits, target)
    assert loss == pytest.approx(value, abs=2)  # log 4 more than s
    np.testing.assert_allclose(dlogits, np.full((2, 4), slope / 8), rtol=1e-6, atol=1e-300)
    assert dlogits.dtype == dtype


@for_both_precisions
def test_one_logit_of_1000_among_others_of_minus_1000_is_that_class(dtype):
    logits = np.array([[-1000, 1000, -1000]], dtype)
    with np.errstate(all="raise", under="ignore"):
        s, slope = log_sum_exp(logits)
        losses = class_or_fake(logits, np.array([1]), logits, -abs(logits))
    assert s[0, 0] == 1000 and slope.tolist() == [[0, 1, 0]]
    assert all(np.isfinite(part).all() for part in losses) and losses[0] == 0


@given(SEEDS, SIZES, SIZES, SIZES)
def test_feature_matching_is_the_squared_distance_of_means_and_its_gradient_the_derivative(seed, n, m, features):
    real, fake = rng(seed).normal(size=(n, features)), 1 + rng(seed + 1).normal(size=(m, features))
    loss, dfake = feature_matching(real, fake)
    assert_close("loss", loss, np.linalg.norm(real.mean(axis=0) - fake.mean(axis=0)) ** 2, 1e-12)
    assert_gradient("dfake", dfake, numeric_gradient(lambda: feature_matching(real, fake)[0], fake))
    assert (dfake == dfake[0]).all()


# ---- noise ---------------------------------------------------------------------------------------


def test_noise_has_its_width_in_training_and_is_gone_in_inference():
    network = Network([Noise(0.5, rng())], rng())
    x = np.ones((200, 50), np.float32)
    out = network.forward(x).copy()
    assert out.dtype == np.float32 and (out - x).std() == pytest.approx(0.5, rel=0.02)
    assert abs((out - x).mean()) < 0.02 and not np.array_equal(network.forward(x), out)
    with network.inference():
        assert_same_bits("out", network.forward(x), x)


def test_noise_passes_gradients_and_tangents_on():
    layer, v = Noise(0.5, rng()), rng(1).normal(size=(3, 2))
    layer.forward(np.zeros((3, 2)))
    assert_same_bits("dx", layer.backward(v), v)
    assert_same_bits("out_v", layer.tangent(v), v)
    assert layer.tangent_backward(v) is None
    assert_same_bits("dx", layer.tangent_backward(v, 2 * v), 2 * v)


# ---- the steps -----------------------------------------------------------------------------------

SMALL = Recipe(hidden=(5, 4), g_hidden=(6,), latent_dim=3, batch=8, steps=40)


def images(n=40):
    """Noise of 8 by 8 bytes in three classes."""
    random = rng(1)
    return Dataset("images", random.integers(256, size=(n, 64), dtype=np.uint8), np.arange(n) % 3, (8, 8))


def small_run(seed=0, rows=range(6), dataset=None, **choices):
    """A run in float64."""
    return FewLabels(dataset or images(), np.array(rows), SMALL._replace(**choices), seed, np.float64)


class SameNumbers:
    def integers(self, high):
        return 7


def frozen(run):
    """The same noise in each pass, and parameters at which no bias's gradient is small."""
    for layer in run.discriminator.layers:
        if isinstance(layer, Noise):
            layer._work["drawn"] = layer.sigma * rng(3).standard_normal(3000)
            layer.rng = SameNumbers()
    for network in (run.generator, run.discriminator):
        network.params += 0.1 * rng(5).normal(size=network.params.size)
    return run


def check_steps(run):
    """Both gradients of a run against their losses', over every parameter."""
    x_labeled, x_real, z = rng(6).uniform(size=(3, 64)), rng(7).uniform(size=(8, 64)), rng(8).normal(size=(8, 3))
    labels = np.array([0, 2, 1])

    def d_loss():
        return run.discriminator_gradients(x_labeled, labels, x_real, run.generator.forward(z))

    def g_loss():
        return run.generator_gradients(x_real, run.generator.forward(z))

    d_loss()
    assert_parameter_gradients(run.discriminator, d_loss, "D ")
    g_loss()
    # a batch normalization takes away what the bias before it adds
    assert_parameter_gradients(run.generator, g_loss, "G ", vanishing=("0.b",))


@pytest.mark.parametrize("matching", [True, False])
def test_both_steps_follow_their_gradients(matching):
    check_steps(frozen(small_run(matching=matching)))


@pytest.mark.breadth
def test_so_does_the_one_of_a_discriminator_that_pays_for_disagreement():
    check_steps(frozen(small_run(distort=1.0, agree=0.6)))


def test_each_step_changes_one_player_only():
    run = small_run()
    x = rng(7).uniform(size=(8, 64))
    x_fake = run.generator.forward(rng(8).normal(size=(8, 3)))
    kept = run.generator.grads.copy()
    run.discriminator_gradients(x[:3], np.array([0, 2, 1]), x, x_fake)
    assert_same_bits("G's gradient", run.generator.grads, kept)
    kept = run.discriminator.grads.copy()
    run.generator_gradients(x, x_fake)
    assert_same_bits("D's gradient", run.discriminator.grads, kept)


def no_softmax(logits, target):
    s, _ = log_sum_exp(logits)
    loss, ds = bce_with_logits(s, target)
    return loss, np.tile(ds, logits.shape[1])


def no_half(labeled, labels, unlabeled, fake):
    losses = softmax_cross_entropy(labeled, labels), any_class(unlabeled, 1), any_class(fake, 0)
    return losses[0][0] + 0.5 * (losses[1][0] + losses[2][0]), *(dlogits for _, dlogits in losses)


def targets_swapped(labeled, labels, unlabeled, fake):
    loss, dlabeled, dunlabeled, dfake = class_or_fake(labeled, labels, unlabeled, fake)
    return loss, dlabeled, -dunlabeled, -dfake


def not_a_mean(real, fake):
    loss, dfake = feature_matching(real, fake)
    return loss, dfake * len(fake)


def each_to_the_mean(real, fake):
    """Every fake by itself is pulled to the mean of the real features."""
    return feature_matching(real, fake)[0], 2 / len(fake) * (fake - real.mean(axis=0))


@pytest.mark.parametrize(
    "name, mistake",
    [
        ("any_class", no_softmax),
        ("class_or_fake", no_half),
        ("class_or_fake", targets_swapped),
        ("feature_matching", not_a_mean),
        ("feature_matching", each_to_the_mean),
    ],
)
def test_a_planted_mistake_is_caught(monkeypatch, name, mistake):
    monkeypatch.setattr(semi_supervised, name, mistake)
    with pytest.raises(AssertionError, match="relative error"):
        check_steps(frozen(small_run()))


def test_a_hidden_unit_begins_with_mean_0_and_variance_1_and_its_weights_keep_their_length():
    run = small_run(dataset=images(400))
    noise, first = run.discriminator.layers[:2]
    lengths = np.linalg.norm(first.W, axis=0)
    out = first.forward(noise.forward(images(400).x / 255))
    assert abs(out.mean(axis=0)).max() < 0.2 and (abs(out.var(axis=0) - 1) < 0.3).all()
    before = first.W.copy()
    for _ in range(5):
        run.step()
    assert not np.allclose(first.W, before)
    np.testing.assert_allclose(np.linalg.norm(first.W, axis=0), lengths, rtol=1e-12)


def test_only_real_images_are_distorted_each_in_its_own_way(monkeypatch):
    run, seen = small_run(distort=1.0), []
    gradients = run.discriminator_gradients
    monkeypatch.setattr(run, "discriminator_gradients", lambda *parts: seen.extend(parts) or gradients(*parts))
    drawn, forward = [], run.generator.forward
    monkeypatch.setattr(run.generator, "forward", lambda z: drawn.append(forward(z)) or drawn[-1])
    run.step()
    x_labeled, _, x_real, x_fake = seen
    assert x_fake is drawn[0]
    for batches, x in ((run.labeled, x_labeled), (run.unlabeled, x_real)):
        given = batches.x[batches.rows] / 255
        assert x.shape == given.shape and (abs(x - given).max(axis=1) > 0).all()


def test_features_are_what_the_last_layer_sees():
    """A step of G does not feel the weights behind the features."""
    run = frozen(small_run())
    x_real, z = rng(7).uniform(size=(8, 64)), rng(8).normal(size=(8, 3))
    run.generator_gradients(x_real, run.generator.forward(z))
    kept = run.generator.grads.copy()
    assert isinstance(run.discriminator.layers[-1], Dense)
    run.discriminator.layers[-1].W[...] = 7
    run.generator_gradients(x_real, run.generator.forward(z))
    assert_same_bits("G's gradient", run.generator.grads, kept)


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", [1, 10])
def test_as_many_labels_of_each_class_are_drawn_none_twice(each):
    labels = rng().permutation(np.repeat([0, 1, 2], [10, 30, 60]))
    rows = draw_labeled(labels, each, rng(1))
    assert np.bincount(labels[rows]).tolist() == [each] * 3 and len(set(rows)) == 3 * each
    assert not np.array_equal(rows, draw_labeled(labels, each, rng(2)))


@pytest.mark.parametrize("each, why", [(4, "class 1 has 3 examples"), (0, "1 at least"), (-1, "1 at least")])
def test_labels_that_are_not_there_cannot_be_drawn(each, why):
    with pytest.raises(DataError, match=why) as error:
        draw_labeled(np.array([0] * 17 + [1] * 3), each, rng())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("labels, why", [(None, "no labels"), ([1, 2, 2], "label 0"), ([0, 0], "one class")])
def test_labels_that_are_no_classes_are_refused(labels, why):
    with pytest.raises(ValueError, match=why):
        draw_labeled(None if labels is None else np.array(labels), 1, rng())


def test_no_other_label_is_looked_at():
    """A run whose other labels are wrong is the same to the bit."""
    dataset, rows = images(), [0, 1, 2, 3, 4, 5]
    wrong = dataset.labels.copy()
    wrong[6:] = 0
    runs = [small_run(rows=rows, dataset=dataset._replace(labels=labels)) for labels in (dataset.labels, wrong)]
    for run in runs:
        for _ in range(5):
            run.step()
    assert_same_bits("D", runs[0].discriminator.params, runs[1].discriminator.params)
    assert_same_bits("G", runs[0].generator.params, runs[1].generator.params)


def test_the_same_seed_is_the_same_run_and_another_is_not():
    runs = [small_run(seed) for seed in (0, 0, 1)]
    for run in runs:
        for _ in range(3):
            run.step()
    first, same, other = (run.average.params for run in runs)
    assert_same_bits("the averaged D", first, same)
    assert not np.array_equal(first, other)


def moons(n, random):
    """Two half circles that reach into each other, in [0, 1]², and which of them."""
    labels, angle = random.permutation(np.arange(n) % 2), random.uniform(0, np.pi, n)
    x = np.where(labels, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)]).T
    x = (x + random.normal(0, 0.1, (n, 2)) + [1.5, 1.25]) / [4, 3]
    return Dataset("moons", x.astype(np.float32), labels, (2,))


@pytest.mark.breadth
def test_what_has_no_label_helps():
    """Two moons, three labels in each: the other points lead the border between them."""
    dataset, test = moons(2000, rng(1)), moons(1000, rng(2))
    rows = draw_labeled(dataset.labels, 3, rng(3))
    recipe = Recipe(hidden=(64, 64, 64), g_hidden=(64, 64), latent_dim=2, noise=(0.01, 0.2), steps=700)
    few = dataset._replace(x=dataset.x[rows], labels=dataset.labels[rows])
    wrong = {}
    for name, seen, which in (("all", dataset, rows), ("labeled", few, np.arange(6))):
        run = FewLabels(seen, which, recipe)
        for _ in range(recipe.steps):
            run.step()
        wrong[name] = np.mean(run.predict(test.x) != test.labels)
    assert wrong["all"] < 0.02 and wrong["labeled"] > 0.05, wrong
