"""The scores: all metrics side by side, since any single one can be fooled, each beside what real data get.

Shapes: N samples, K classes or modes. Images are (N, I), floats in [0, 1] or bytes; points (N, 2).
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tinygan.data import DataError, as_floats
from tinygan.gan import draw_latents
from tinygan.scoring import metrics
from tinygan.scoring.classifier import Classifier
from tinygan.scoring.metrics import kl_from_uniform, missing, moments
from tinygan.synthetic import MIXTURES


class Score(NamedTuple):
    """One line of the table, of plain numbers and lists (and None where there is nothing to measure).

    ``real`` is the same score of as many real examples, in place of the samples.
    """

    name: str
    value: float | list | None
    real: float | list
    meaning: str


# ---- images ------------------------------------------------------------------------------------


class RealImages:
    """Real images, as pixels and as their classifier sees them: what samples are compared with.

    Samples are compared with the training images, which the GAN was asked to imitate; the Moments
    of all of them are computed once. Test images, from which neither classifier nor GAN has learned,
    stand in for samples to say what a perfect generator would score. ``train`` and ``test`` are
    ``data.Dataset``s. Without labels there is no classifier, None, and nothing that needs it is measured.
    """

    def __init__(self, classifier, train, test):
        check_enough(train, test)
        self.classifier, self.train, self.test = classifier, train, test
        # As Goodfellow et al. 2014 split MNIST: 50,000, and 10,000 to choose Parzen's σ with.
        self.known, self.valid = np.split(train.x, [len(train.x) * 5 // 6])
        if classifier:
            self.classes = int(train.labels.max()) + 1
            self.moments = moments(classifier.features(train.x))

    def frechet(self, samples):
        """Return the Fréchet distance of samples from the training images; cheap enough for every snapshot."""
        return metrics.frechet(moments(self.classifier.features(samples)), self.moments)


def check_enough(train, test):
    """Raise DataError for splits that are too small to compare samples with."""
    if min(len(train.x), len(test.x)) < 10:
        raise DataError(f"{train.name}: too few real images: scores need at least 10 of each split")


def score_images(samples, real, full=True, asked=None, guess=None):
    """Return [Score, ...] of samples (N, I), for ``real`` RealImages; N is usually 10,000.

    Only as many samples are compared with real images as there are test images, so that both
    columns are made from equal numbers. ``full=False`` leaves out what takes more than a second.
    ``asked`` (N,) are the labels that a conditional generator was given; or its codes, where ``guess``(x)
    returns the codes (n,) that D reads off x. These stand for the classes that they are best matched with,
    and in place of the classifier's reading of test images is D's.
    Raises DataError if these are no images.
    """
    check_samples(samples, real.train)
    samples = samples[: len(real.test.x)]
    stand_in = evenly(real.test.x, len(samples))
    rows = []
    if real.classifier:
        rows += zip(classified(samples, real), classified(stand_in, real), strict=True)
        if asked is not None:
            seen, asked = real.classifier.predict(samples), asked[: len(samples)]
            real_seen, real_asked = real.classifier.predict(stand_in), evenly(real.test.labels, len(samples))
            if guess:
                asked = matched(asked, seen)
                real_seen, real_asked = real_asked, matched(guess(as_floats(stand_in)), real_asked)
            read, real_read = (agreement(*pair, real.classes) for pair in ((seen, asked), (real_seen, real_asked)))
            rows += zip(read, real_read, strict=True)
        if full:
            rows += zip(compared(samples, real), compared(stand_in, real), strict=True)
    if full or not real.classifier:
        rows += zip(by_pixels(samples, real), by_pixels(stand_in, real), strict=True)
    if full:
        remembered = evenly(real.known, len(samples))
        rows += zip(likelihood(samples, real), likelihood(remembered, real), strict=True)
    return [Score(name, value, real_value, meaning) for (name, value, meaning), (_, real_value, _) in rows]


def classified(x, real):
    """Yield what the classifier says at once: (name, value, meaning) for each score."""
    probabilities = real.classifier.probabilities(x)
    counts = np.bincount(probabilities.argmax(axis=1), minlength=real.classes)
    yield "frechet", real.frechet(x), "Fréchet distance from the training images; 0 is best"
    yield "classes", (counts / len(x)).tolist(), "share of each class"
    yield "missing", missing(counts), "classes with less than a tenth of their fair share"
    yield "class_kl", kl_from_uniform(counts), "KL divergence of the shares from equal ones, nats"
    yield "confidence", float(probabilities.max(axis=1).mean()), "probability of the likeliest class, mean"


def matched(codes, seen):
    """Return the class that each of the codes (N,) stands for, (N,), by its best matching with the classes seen, (N,).

    Every code stands for another class. One that is left over, because there are more codes, stands for none, -1.
    """
    table = np.zeros((codes.max() + 1, seen.max() + 1), int)
    np.add.at(table, (codes, seen), 1)
    return metrics.best_matching(table)[codes]


def agreement(seen, asked, classes):
    """Yield how often the class seen, (N,), is the one that was asked for, (N,): (name, value, meaning)."""
    right = seen == asked
    yield "agreement", float(right.mean()), "share that shows the class that was asked for, or that its code stands for"
    each = [float(right[asked == k].mean()) if (asked == k).any() else None for k in range(classes)]
    yield "agreement_each", each, "the same, class by class"


def compared(x, real):
    """Yield what takes a comparison with many real images, in the classifier's features."""
    real_features = real.classifier.features(evenly(real.train.x, len(x)))
    precision, recall = metrics.precision_recall(real_features, real.classifier.features(x))
    yield "precision", precision, "share of samples that look real"
    yield "recall", recall, "share of real images that the samples cover"


def by_pixels(x, real):
    """Yield what needs no classifier."""
    distances, _ = metrics.nearest_neighbors(evenly(x, 1000), real.train.x)
    yield "nearest", float(np.median(distances)), "distance to the nearest training image, median, pixels"


def likelihood(x, real):
    """Yield Parzen's window; test images are what it predicts, so training images stand in for samples."""
    result = metrics.parzen(x, real.valid[:1000], real.test.x[:10_000])
    yield "parzen", result.mean, "Parzen log-likelihood of the test images, nats (real: training images)"
    yield "parzen_error", result.standard_error, "its standard error"
    yield "parzen_sigma", result.sigma, "its width σ, pixels"


def evenly(x, n):
    """Return at most n rows of x, evenly spread, so that an order in x does not matter."""
    return x[np.linspace(0, len(x) - 1, min(n, len(x))).astype(int)]


# ---- points ------------------------------------------------------------------------------------


def score_points(samples, name, asked=None, guess=None):
    """Return [Score, ...] of samples (N, 2) of the mixture "ring" or "grid"; ``real`` is what to expect of a
    perfect sampler. N is usually 2,500. Raises DataError if these are no points."""
    check_samples(samples, None)
    mixture = MIXTURES[name]
    report, modes = metrics.mode_report(samples, *mixture), len(mixture.centers)
    measured = report.spread[np.isfinite(report.spread)]
    spread = float(np.median(measured)) if len(measured) else None
    chance_kl = (modes - 1) / (2 * len(samples))
    rows = [
        Score("modes", report.modes, modes, "modes captured"),
        Score("high_quality", report.high_quality, 1 - math.exp(-4.5), "share within 3σ of the nearest mode"),
        Score("missing", report.missing, [], "modes with less than a tenth of their fair share"),
        Score("mode_kl", report.kl, chance_kl, "KL divergence of the modes' shares from equal ones, nats"),
        Score("spread", spread, 1.0, "σ of a mode's samples over the true one, median over the modes"),
    ]
    if asked is not None:
        distances = [np.sum((samples - center) ** 2, axis=1) for center in mixture.centers]
        seen = np.argmin(distances, axis=0)
        asked = matched(asked, seen) if guess else asked
        (_, share, meaning), (_, each, the_same) = agreement(seen, asked, modes)
        rows.append(Score("agreement", share, 1.0, meaning))
        rows.append(Score("agreement_each", each, [1.0] * modes, the_same))
    return rows


def check_samples(samples, images):
    """Raise DataError for samples that cannot be scored; ``images`` is a Dataset like them, None for points."""
    n_inputs = images.x.shape[1] if images else 2
    if samples.ndim != 2 or samples.shape[1] != n_inputs or len(samples) < 2:
        raise DataError(f"samples of shape {samples.shape}: give an array (N, {n_inputs}), N at least 2")
    if not np.isfinite(samples).all():
        raise DataError("some samples are not finite numbers: train again, with a smaller learning rate")
    if images and samples.dtype != np.uint8 and not 0 <= samples.min() <= samples.max() <= 1:
        span = f"{samples.min():.3g} to {samples.max():.3g}"
        raise DataError(f"the pixels reach from {span}: give bytes, or floats in [0, 1]")


# ---- either ------------------------------------------------------------------------------------


class Examiner:
    """What samples of one dataset are measured with, whichever its kind: images have a classifier, points modes.

    dataset     the ``data.Dataset`` that the generator learns from
    test        a Dataset of the same kind that nobody has learned from; only needed for images
    latent_dim  of the generator
    class_counts  of a conditional generator's classes
    load        load(dataset) returns the ``Classifier`` of images; by default it is trained when it is needed

    Raises DataError if there are too few images.
    """

    def __init__(self, dataset, test, latent_dim, load=Classifier.train, class_counts=()):
        self.dataset, self.test, self.load = dataset, test, load
        self.images = dataset.is_image
        if self.images:
            check_enough(dataset, test)  # now, and not at the first snapshot of a run
        self.latents = draw_latents(np.random.default_rng(2), 2000 if self.images else 2500, latent_dim, class_counts)

    @cached_property
    def real(self):
        """The RealImages, when they are first needed."""
        classifier = None if self.dataset.labels is None else self.load(self.dataset)
        return RealImages(classifier, self.dataset, self.test)

    def measure(self, generate):
        """Return (quality, captured) of ``generate(z)``, nan where there is nothing to measure with.

        Of 2,000 images the Fréchet distance and the number of classes that are not missing; of 2,500
        points the share of high quality and the number of modes captured.
        """
        if self.images and not self.real.classifier:
            return math.nan, math.nan
        return self.measured(generate(self.latents))

    def measured(self, samples):
        """Return (quality, captured) of these samples."""
        if not self.images:
            report = metrics.mode_report(samples, *MIXTURES[self.dataset.name])
            return report.high_quality, report.modes
        counts = np.bincount(self.real.classifier.predict(samples), minlength=self.real.classes)
        return self.real.frechet(samples), self.real.classes - len(missing(counts))

    def floor(self):
        """Return ``measure`` of perfect samples: of as many test images, or of a perfect sampler's points."""
        if not self.images:
            return 1 - math.exp(-4.5), len(MIXTURES[self.dataset.name].centers)
        if not self.real.classifier:
            return math.nan, math.nan
        return self.measured(evenly(self.test.x, len(self.latents)))

    def comparable(self, n):
        """Return how many of n samples are compared with as many real examples."""
        return min(n, len(self.test.x)) if self.images else n

    def scores(self, samples, full=False, asked=None, guess=None):
        """Return [Score, ...] of samples; ``full`` takes up to a minute for images.

        ``asked`` (N,) are their labels, or their codes, where there is a ``guess``.
        """
        if self.images:
            return score_images(samples, self.real, full, asked, guess)
        return score_points(samples, self.dataset.name, asked, guess)

    def neighbors(self, samples):
        """Return the training images (n, I) that are nearest to samples (n, I)."""
        return self.dataset.x[metrics.nearest_neighbors(samples, self.dataset.x)[1]]


def names_of_measures(images):
    """Return what the two numbers of ``Examiner.measure`` are called."""
    return ("Fréchet distance", "classes") if images else ("high-quality share", "modes")


def table(scores):
    """Return scores as text: name, value, what real data get, meaning."""

    def text(value):
        if isinstance(value, list):
            return " ".join(map(text, value)) or "none"
        return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)

    lines = [f"{'':14} {'samples':>10} {'real':>10}"]
    for row in scores:
        if row.name == "classes":
            continue
        if isinstance(row.value, list) and len(row.value) > 3:
            lines.append(f"{row.name:14} {text(row.value)}  ({row.meaning})")
        else:
            lines.append(f"{row.name:14} {text(row.value):>10} {text(row.real):>10}  {row.meaning}")
    for row in scores:
        if row.name == "classes":
            percent = [["class", *range(len(row.value))]]
            percent += [
                [name, *(f"{100 * share:.1f}" for share in shares)]
                for name, shares in (("samples, %", row.value), ("real, %", row.real))
            ]
            lines += [f"{name:14}" + "".join(f"{cell:>6}" for cell in cells) for name, *cells in percent]
    return "\n".join(lines)


EARLY = 2000  # steps; a run of no more has hardly begun


def verdict(scores, step):
    """Return one line that says so if the generator of a run at ``step`` has not learned, or has collapsed, or ""."""
    rows = {row.name: row for row in scores}
    if "missing" not in rows:  # there was no classifier
        return ""
    images = "frechet" in rows
    lost = [each for each in rows["missing"].value if each not in rows["missing"].real]
    lack = f"its samples lack the {'classes' if images else 'modes'} {', '.join(map(str, lost))}"
    unlike = rows["frechet"].value > 100 * rows["frechet"].real if images else rows["high_quality"].value < 0.1
    if step <= EARLY:
        if unlike:
            return f"Not trained yet: after {step:,} steps the samples do not look like the data; take more steps."
        return f"Too early to judge: after {step:,} steps {lack}; take more steps." if lost else ""
    if unlike and not lost:
        cure = "look at its curves, and try a smaller learning rate or R1 as the penalty"
        return f"Not trained: after {step:,} steps the samples do not look like the data; {cure}."
    return f"Collapsed: {lack}." if lost else ""
