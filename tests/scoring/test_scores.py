"""The table of scores: real images score as real, and every known fault shows in the line meant for it."""

from __future__ import annotations

import json
import math
import os
import time

import numpy as np
import pytest

from tinygan.data import DataError, Dataset, as_floats, load_mnist
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import frechet, moments
from tinygan.scoring.scores import (
    EARLY,
    Examiner,
    RealImages,
    Score,
    evenly,
    names_of_measures,
    score_images,
    score_points,
    table,
    verdict,
)
from tinygan.synthetic import MIXTURES, digits, grid, ring

MNIST = os.environ.get("TINYGAN_DATA", "")
CHEAP = ["frechet", "classes", "missing", "class_kl", "confidence"]
FULL = [*CHEAP, "precision", "recall", "nearest", "parzen", "parzen_error", "parzen_sigma"]


@pytest.fixture(scope="module")
def real():
    train, test = digits(3000, np.random.default_rng(0)), digits(1500, np.random.default_rng(1))
    return RealImages(Classifier.train(train, steps=300), train, test)


def values(samples, real, full=False):
    return {score.name: score.value for score in score_images(samples, real, full)}


# ---- images ------------------------------------------------------------------------------------


def test_it_has_all_lines_in_their_order_and_the_cheap_ones_first(real):
    for full, names in ((False, CHEAP), (True, FULL)):
        scores = score_images(real.test.x[:100], real, full)
        assert [score.name for score in scores] == names
        assert all(score.meaning and "\n" not in score.meaning for score in scores)


def test_the_column_real_is_what_test_images_score(real):
    """Test images given as samples therefore have the same number in both columns."""
    for name, value, real_value, _ in score_images(real.test.x, real):
        if not name.startswith("parzen"):
            assert value == real_value, f"{name}: {value}, real {real_value}"


def test_no_more_samples_are_compared_than_there_are_test_images(real):
    """So that both columns are made from equal numbers."""
    few = RealImages(real.classifier, real.train, real.test._replace(x=real.test.x[:60], labels=real.test.labels[:60]))
    samples = real.test.x[100:400]
    assert score_images(samples, few, full=True) == score_images(samples[:60], few, full=True)


def test_parzens_line_compares_with_training_images(real):
    for name, value, real_value, _ in score_images(evenly(real.known, 500), real):
        if name.startswith("parzen"):
            assert value == real_value, f"{name}: {value}, real {real_value}"


def test_what_chooses_parzens_sigma_is_not_among_the_training_images_that_it_is_compared_with():
    x = np.zeros((60_000, 784), np.uint8)
    train = Dataset("black", x, np.zeros(60_000, int))
    real = RealImages(Classifier(784, 10, np.random.default_rng(0)), train, train)
    assert (len(real.known), len(real.valid)) == (50_000, 10_000)
    assert np.shares_memory(real.valid[0], x[50_000]) and np.shares_memory(real.known[-1], x[49_999])


def test_real_images_score_well_and_noise_badly_in_every_line(real):
    noise = np.random.default_rng(0).random((500, 784), dtype=np.float32)
    good, bad = values(evenly(real.test.x, 500), real, full=True), values(noise, real, full=True)
    assert bad["frechet"] > 20 * good["frechet"]
    assert good["missing"] == [] and len(bad["missing"]) >= 5
    assert good["class_kl"] < 0.02 < bad["class_kl"]
    assert good["confidence"] > 0.9
    assert min(good["precision"], good["recall"]) > 0.6 and bad["precision"] == bad["recall"] == 0
    assert bad["nearest"] > 2 * good["nearest"]
    assert bad["parzen"] < good["parzen"] - 100


def test_the_frechet_distance_is_from_all_training_images(real):
    samples = real.test.x[:200]
    features = real.classifier.features
    expected = frechet(moments(features(samples)), moments(features(real.train.x)))
    assert values(samples, real)["frechet"] == expected == real.frechet(samples)


def test_blur_is_seen_by_the_frechet_distance(real):
    images = as_floats(real.test.x).reshape(-1, 28, 28)
    blurred = sum(np.roll(images, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    assert real.frechet(np.clip(blurred, 0, 1).reshape(-1, 784)) > 2 * real.frechet(real.test.x)


def test_the_classes_are_counted(real):
    x, labels = real.test.x, real.test.labels
    shares = values(np.concatenate([x[labels == 3][:60], x[labels == 7][:20]]), real)["classes"]
    assert len(shares) == 10 and sum(shares) == pytest.approx(1)
    assert shares[3] == pytest.approx(0.75, abs=0.05) and shares[7] == pytest.approx(0.25, abs=0.05)


def test_a_collapse_is_recognized_and_the_missing_classes_are_named(real):
    some = values(real.test.x[(real.test.labels != 2) & (real.test.labels != 8)], real)
    assert {2, 8} <= set(some["missing"]) and len(some["missing"]) == 2
    one = values(np.repeat(real.test.x[real.test.labels == 4][:1], 100, axis=0), real, full=True)
    assert one["missing"] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert one["class_kl"] == pytest.approx(math.log(10))
    assert one["recall"] < 0.05


def test_a_single_class_looks_real_but_does_not_cover_the_others(real):
    fours = values(real.test.x[real.test.labels == 4], real, full=True)
    assert fours["precision"] > 0.6 and fours["recall"] < 0.2


def test_parzens_sigma_is_chosen_on_the_validation_images(real):
    chosen = RealImages(real.classifier, real.train, real.test)
    chosen.valid = samples = real.test.x[:200]  # exactly what the samples are: the narrower, the likelier
    assert values(samples, chosen, full=True)["parzen_sigma"] == pytest.approx(0.1)
    assert values(samples, real, full=True)["parzen_sigma"] > 0.15


def test_a_generator_that_remembers_is_recognized_by_its_nearest_neighbors(real):
    scores = {score.name: score for score in score_images(evenly(real.train.x, 500), real)}
    assert scores["nearest"].value == 0 < scores["nearest"].real


def test_the_order_of_the_test_images_does_not_decide_about_the_column_real(real):
    by_label = np.argsort(real.test.labels, kind="stable")
    sorted_test = real.test._replace(x=real.test.x[by_label], labels=real.test.labels[by_label])
    same = RealImages(real.classifier, real.train, sorted_test)
    scores = {score.name: score.real for score in score_images(real.test.x[:300], same, full=False)}
    assert scores["missing"] == [] and scores["class_kl"] < 0.05


def test_bytes_and_floats_score_alike(real):
    x = real.test.x[:200]
    of_bytes, of_floats = values(x, real, full=True), values(as_floats(x), real, full=True)
    for name in FULL:
        assert of_floats[name] == pytest.approx(of_bytes[name], rel=1e-4, abs=1e-6), name


def test_a_program_can_read_the_scores(real):
    for scores in (score_images(real.test.x[:50], real), score_points(np.zeros((9, 2)), "ring")):
        text = json.dumps([score._asdict() for score in scores], allow_nan=False)
        assert json.loads(text)[0]["value"] == scores[0].value


def test_what_is_no_image_is_refused_in_one_line(real):
    for samples, fact in (
        (np.zeros((5, 783)), r"\(5, 783\).*\(N, 784\)"),
        (np.zeros(784), r"\(784,\)"),
        (np.zeros((1, 784)), "at least 2"),
        (np.full((5, 784), np.nan), "not finite"),
        (np.full((5, 784), 255.0), "255 to 255"),
        (np.full((5, 784), -0.1), "-0.1"),
    ):
        with pytest.raises(DataError, match=fact):
            score_images(samples, real)


def test_too_few_real_images_are_refused_in_one_line(real):
    few = Dataset("few", real.train.x[:9], real.train.labels[:9])
    for train, test in ((few, real.test), (real.train, few)):
        with pytest.raises(DataError, match="too few real images"):
            RealImages(real.classifier, train, test)
        with pytest.raises(DataError, match="too few real images"):
            Examiner(train, test, 3)


@pytest.mark.long  # a busy machine would fail it
def test_a_snapshot_can_afford_the_frechet_distance(real):
    """2,000 samples, features included, in less than 0.15 s: the best of five."""
    samples = np.random.default_rng(0).random((2000, 784), dtype=np.float32)
    times = []
    for _ in range(5):
        start = time.thread_time()
        real.frechet(samples)
        times.append(time.thread_time() - start)
    assert min(times) < 0.15, f"{min(times):.3f} s"


# ---- images without labels -----------------------------------------------------------------------


@pytest.fixture
def unlabeled(real):
    train, test = (split._replace(labels=None) for split in (real.train, real.test))
    return Examiner(train, test, latent_dim=3, load=lambda dataset: pytest.fail("asked for a classifier"))


def test_without_labels_only_the_pixels_are_compared(unlabeled, real):
    samples = real.test.x[:50]
    for full, names in ((False, ["nearest"]), (True, ["nearest", "parzen", "parzen_error", "parzen_sigma"])):
        rows = unlabeled.scores(samples, full)
        assert [row.name for row in rows] == names
        labeled = {row.name: row for row in score_images(samples, real, full=True)}
        assert all(row == labeled[row.name] for row in rows)
        assert table(rows) and verdict(rows, step=10) == verdict(rows, step=24_000) == ""


def test_without_labels_nothing_is_measured_at_a_snapshot(unlabeled):
    """Not even samples are made."""
    measured = unlabeled.measure(lambda z: pytest.fail("asked for samples"))
    assert np.isnan([*measured, *unlabeled.floor()]).all()


def test_without_labels_neighbors_are_found(unlabeled, real):
    remembered = as_floats(real.train.x[[5, 700]])
    assert np.array_equal(unlabeled.neighbors(remembered), real.train.x[[5, 700]])


# ---- points ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_a_perfect_sampler_scores_what_the_column_real_says(name):
    centers, sigma = MIXTURES[name]
    rng, n = np.random.default_rng(0), 2500
    points = rng.normal(centers[rng.integers(len(centers), size=n)], sigma)
    scores = {score.name: score for score in score_points(points, name)}
    assert list(scores) == ["modes", "high_quality", "missing", "mode_kl", "spread"]
    assert scores["modes"].value == scores["modes"].real == len(centers)
    assert scores["missing"].value == scores["missing"].real == []
    assert scores["high_quality"].real == pytest.approx(0.9889, abs=1e-4)
    for name, tolerance in (("high_quality", 0.01), ("mode_kl", 0.005), ("spread", 0.05)):
        assert scores[name].value == pytest.approx(scores[name].real, abs=tolerance), name


def test_a_sampler_of_three_modes_of_the_ring_is_seen():
    centers, sigma = MIXTURES["ring"]
    rng = np.random.default_rng(0)
    points = rng.normal(centers[rng.integers(3, size=900)], sigma / 2)
    scores = {score.name: score.value for score in score_points(points, "ring")}
    assert scores["modes"] == 3 and scores["missing"] == [3, 4, 5, 6, 7]
    assert scores["mode_kl"] == pytest.approx(math.log(8 / 3), abs=0.01)
    assert scores["spread"] == pytest.approx(0.5, abs=0.05)


def test_points_that_hit_no_mode_have_no_spread():
    scores = {score.name: score.value for score in score_points(np.zeros((100, 2)), "ring")}
    assert scores["modes"] == 0 and scores["high_quality"] == 0 and scores["spread"] is None


def test_what_is_no_point_is_refused_in_one_line():
    for samples in (np.zeros((5, 3)), np.array([[0, np.inf], [0, 0]])):
        with pytest.raises(DataError):
            score_points(samples, "ring")


# ---- the examiner ------------------------------------------------------------------------------


def test_the_measures_of_images_are_the_frechet_distance_and_the_classes(real):
    examiner = Examiner(real.train, real.test, latent_dim=3, load=lambda dataset: real.classifier)
    asked = []

    def generate(z, x=real.test.x):
        asked.append(z.copy())
        return as_floats(evenly(x, len(z)))

    distance, classes = examiner.measure(generate)
    samples = as_floats(evenly(real.test.x, len(asked[0])))
    assert asked[0].shape == (2000, 3)
    assert distance == pytest.approx(real.frechet(samples), rel=1e-6) and classes == 10
    assert examiner.measure(lambda z: 1 - generate(z))[0] > 10 * distance, "negatives must be far worse"
    assert np.array_equal(asked[0], asked[1]), "the latents must not change from snapshot to snapshot"
    few = real.test.x[np.isin(real.test.labels, (3, 4, 7))]
    assert examiner.measure(lambda z: generate(z, few))[1] == 3
    remembered = as_floats(real.train.x[[5, 700, 31]])
    assert np.array_equal(examiner.neighbors(remembered), real.train.x[[5, 700, 31]])


def test_the_measures_of_points_are_the_share_of_good_ones_and_the_modes():
    centers, _ = MIXTURES["grid"]
    examiner = Examiner(grid(1000, np.random.default_rng(0)), None, latent_dim=2)

    def half_of_them(z):
        points = centers[np.arange(len(z)) % 25]
        points[::2] += 1  # between the modes
        return points

    assert examiner.measure(half_of_them) == (pytest.approx(0.5, abs=1e-3), 25)
    assert examiner.measure(lambda z: np.tile(centers[:4], (len(z) // 4, 1))) == (1, 4)


def test_the_floor_is_what_perfect_samples_measure(real):
    """Of images: test images, as many as there are samples at a snapshot. Of points: a perfect sampler's."""
    examiner = Examiner(real.train, real.test, latent_dim=3, load=lambda dataset: real.classifier)
    assert examiner.floor() == examiner.measure(lambda z: evenly(real.test.x, len(z)))
    for name, make in (("ring", ring), ("grid", grid)):
        examiner = Examiner(make(1000, np.random.default_rng(0)), None, latent_dim=2)
        quality, captured = examiner.measure(lambda z, make=make: make(len(z), np.random.default_rng(1)).x)
        assert examiner.floor()[0] == pytest.approx(quality, abs=4 * math.sqrt(0.9889 * 0.0111 / 2500))
        assert examiner.floor()[1] == captured == len(MIXTURES[name].centers)


def test_the_measures_have_names_for_either_kind():
    assert names_of_measures(True) == ("Fréchet distance", "classes")
    assert names_of_measures(False) == ("high-quality share", "modes")


def test_only_images_limit_how_many_samples_are_compared(real):
    assert Examiner(real.train, real.test, 3).comparable(10_000) == len(real.test.x)
    assert Examiner(real.train, real.test, 3).comparable(50) == 50
    assert Examiner(grid(1000, np.random.default_rng(0)), None, 2).comparable(10_000) == 10_000


def test_the_table_has_a_line_for_every_score_and_the_verdict_names_what_is_missing():
    centers, sigma = MIXTURES["ring"]
    rng = np.random.default_rng(0)
    whole, part = (score_points(rng.normal(centers[rng.integers(n, size=900)], sigma), "ring") for n in (8, 3))
    lines = table(part).splitlines()
    assert len(lines) == 1 + len(part)
    assert {line.split()[0] for line in lines[1:]} == {row.name for row in part}
    assert verdict(whole, step=5000) == verdict(whole, step=5) == ""
    collapsed = verdict(part, step=5000)
    assert collapsed.startswith("Collapsed") and "modes 3, 4, 5, 6, 7" in collapsed


# ---- the verdict -------------------------------------------------------------------------------


def scored(frechet, missing, never=()):
    """Scores of images, as far as the verdict asks for them; real images have a Fréchet distance of 2."""
    return [Score("frechet", frechet, 2.0, ""), Score("missing", missing, [*never], "")]


@pytest.mark.parametrize(
    "step, frechet, missing, word, lost",
    [
        (10, 527.0, [0, 1, 2, 4], "Not trained yet", ""),  # it has hardly begun
        (10, 527.0, [], "Not trained yet", ""),
        (EARLY, 40.0, [7], "Too early", "classes 7"),
        (EARLY + 1, 40.0, [7], "Collapsed", "classes 7"),
        (900, 40.0, [], "", ""),
        (24_000, 430.0, [0, 1], "Collapsed", "classes 0, 1"),
        (24_000, 10.0, [3], "Collapsed", "classes 3"),
        (EARLY, 430.0, [], "Not trained yet", ""),
        (EARLY + 1, 430.0, [], "Not trained", ""),  # long enough, and yet
        (24_000, 5.0, [], "", ""),
    ],
)
def test_not_trained_yet_and_not_trained_and_collapsed_are_three_verdicts(step, frechet, missing, word, lost):
    said = verdict(scored(frechet, missing), step)
    assert said.split(":")[0].startswith(word) and bool(said) == bool(word) and lost in said, said
    assert ("yet" in said) == ("yet" in word) and (not said or f"{step:,}" in said or word == "Collapsed"), said
    assert ("take more steps" in said) == (word != "" and step <= EARLY), said
    assert len(said) <= 150 and "\n" not in said


def test_a_class_that_real_images_do_not_have_is_no_loss():
    """Labels need not begin at 0."""
    assert verdict(scored(5.0, [0], never=[0]), 24_000) == ""
    said = verdict(scored(5.0, [0, 3], never=[0]), 24_000)
    assert said.startswith("Collapsed") and "classes 3." in said


def test_points_that_are_nowhere_near_a_mode_are_not_trained():
    scores = score_points(np.random.default_rng(0).normal(size=(900, 2)), "ring")
    assert verdict(scores, step=10).startswith("Not trained yet")
    assert verdict(scores, step=24_000).startswith("Not trained:")


# ---- the table ---------------------------------------------------------------------------------


def test_the_table_says_which_share_is_which_class():
    rows = [Score("frechet", 3.0, 1.5, "distance"), Score("classes", [0.25, 0.75, 0.0], [0.5, 0.5, 0.0], "share")]
    assert table(rows).splitlines()[2:] == [
        "class              0     1     2",
        "samples, %      25.0  75.0   0.0",
        "real, %         50.0  50.0   0.0",
    ]


# ---- MNIST -------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.skipif(not os.path.isdir(MNIST), reason="needs TINYGAN_DATA, a folder with MNIST")
def test_remembered_mnist_images_have_the_published_parzen_likelihood_of_the_true_distribution():
    """Theis et al. 2016, table 1: 243."""
    train, test = load_mnist("train"), load_mnist("test")
    real = RealImages(Classifier(784, 10, np.random.default_rng(0)), train, test)
    scores = {score.name: score for score in score_images(evenly(train.x, 10_000), real)}
    assert abs(scores["parzen"].real - 243) < 2 * scores["parzen_error"].real
