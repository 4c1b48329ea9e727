"""Scoring exists to hold a generator's samples against the right real data, and to say the result.

An ``Examiner`` knows for each kind of data what there is to measure: images have a judge, points
have modes. It is what ``tinygan train`` asks at every snapshot, and ``tinygan score`` at length.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tinygan.judge import load_judge
from tinygan.metrics import nearest_neighbours
from tinygan.scores import RealImages, score_images, score_points
from tinygan.training import draw_latents


class Examiner:
    """What samples of one dataset are measured with.

    dataset     the ``data.Dataset`` that the generator learns from
    test        a Dataset of the same kind that nobody has learned from; only needed for images
    latent_dim  of the generator
    report      optional; called with a line of text before a judge is trained
    """

    def __init__(self, dataset, test, latent_dim, report=None):
        self.dataset, self.test, self.report = dataset, test, report
        self.images = dataset.x.dtype == np.uint8
        self.latents = draw_latents(np.random.default_rng(2), 2000 if self.images else 2500, latent_dim)

    @cached_property
    def real(self):
        return RealImages(load_judge(self.dataset, self.report), self.dataset, self.test)

    def quality(self, generate):
        """One number for ``generate(z)``: the Fréchet distance of 2,000 images, or the share of good points."""
        samples = generate(self.latents)
        if self.images:
            return self.real.frechet(samples)
        return next(row.value for row in score_points(samples, self.dataset.name) if row.name == "high_quality")

    def scores(self, samples, full=False):
        """[metrics.Score, ...] of samples; ``full`` takes a minute or two for images."""
        if self.images:
            return score_images(samples, self.real, full)
        return score_points(samples, self.dataset.name)

    def neighbours(self, samples):
        """The training images (n, 784) that are nearest to samples (n, 784)."""
        return self.dataset.x[nearest_neighbours(samples, self.dataset.x)[1]]


def quality_name(images):
    """What ``Examiner.quality`` is called."""
    return "Fréchet distance" if images else "high-quality share"


def table(scores):
    """Scores as text: name, value, what real data get, meaning."""

    def text(value):
        if isinstance(value, list):
            return " ".join(map(text, value)) or "none"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    short = [row for row in scores if not (isinstance(row.value, list) and len(row.value) > 3)]
    lines = [f"{'':14} {'samples':>10} {'real':>10}"]
    lines += [f"{row.name:14} {text(row.value):>10} {text(row.real):>10}  {row.meaning}" for row in short]
    lines += [f"{row.name:14} {text(row.value)}  ({row.meaning})" for row in scores if row not in short]
    return "\n".join(lines)


def verdict(scores):
    """One line that says so if the generator has collapsed, or ""."""
    lost = next(row for row in scores if row.name == "missing").value
    kind = "modes" if any(row.name == "modes" for row in scores) else "classes"
    return f"Collapsed: its samples lack the {kind} {', '.join(map(str, lost))}." if lost else ""
