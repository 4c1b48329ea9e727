"""How often a code is a class: MNIST without its labels, over many seeds.

    python tests/benchmarks/codes.py                                   the preset "infogan", ten seeds
    python tests/benchmarks/codes.py --seeds 3 4 --steps 6000 --code-weight 2
    python tests/benchmarks/codes.py --seeds 3 --picture codes.png     and a picture, a row for each code

Other options are those of ``tinygan train``. The codes are matched with the classes, one with one, as well as
can be. "Read" is the share of the 10,000 test images of which D, which has never seen a label, guesses the code
that stands for their class, and "sorted" that of the 60,000 training images whose group does; "drawn" the share of
5,000 samples in which the classifier sees the class that their code stands for. Seconds are those of one core, for
sorting and game. "Mixed up" are the classes whose test images are read as another, where it is more than one in five.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from dataclasses import replace
from pathlib import Path

import numpy as np

from tinygan.app.arguments import config_from, parse
from tinygan.app.cache import load_classifier
from tinygan.codes import guessed_labels
from tinygan.conditions import with_labels
from tinygan.data import as_floats
from tinygan.gan import draw_latents
from tinygan.plots import save_samples
from tinygan.recipes import load_data
from tinygan.scoring.metrics import frechet, moments
from tinygan.scoring.scores import matched
from tinygan.training import Training


def mixed_up(stands_for, labels):
    """["4 as 9: 97 %", ...]: test images of a class that are read as another, where it is more than one in five."""
    shares = [(k, j, np.mean(stands_for[labels == k] == j)) for k in range(10) for j in [*range(10), -1] if j != k]
    return [f"{k} as {j if j >= 0 else 'none'}: {100 * share:.0f} %" for k, j, share in shares if share > 0.2]


def share_read(training, test):
    """(% of test images whose code stands for their class, the codes, the classes that they stand for)."""
    read = guessed_labels(training.gan.discriminator, training.config.codes, as_floats(test.x))
    stands_for = matched(read, test.labels)
    return 100 * np.mean(stands_for == test.labels), read, stands_for


def draw(path, training, order):
    """Save a picture: a row for each code, in this order, and in each column one z."""
    z = draw_latents(np.random.default_rng(3), 12, training.config.latent_dim)
    x = training.generate(with_labels(np.tile(z, (len(order), 1)), np.repeat(order, 12), training.config.codes))
    save_samples(path, x, training.shape, f"seed {training.config.seed}", columns=12)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(10))
    parser.add_argument("--picture", type=Path)
    args, rest = parser.parse_known_args()
    train, test = load_data("mnist"), load_data("mnist", "test")
    base = config_from(parse(["train", "--preset", "infogan", *rest]), train)
    classifier = load_classifier(train, lambda line: None)
    of_real = moments(classifier.features(train.x))
    print(
        "| seed | sorted, % | read, % | drawn, % | Fréchet distance | seconds | mixed up |\n|" + 7 * "---|", flush=True
    )
    results = []
    for seed in args.seeds:
        training, start = Training(replace(base, seed=seed), train), time.process_time()
        for _ in training.run():
            pass
        seconds = time.process_time() - start
        z = draw_latents(np.random.default_rng(seed + 1000), 5000, base.latent_dim, training.class_counts)
        x, given = training.generate(z), z[:, base.latent_dim :].argmax(axis=1)
        seen = classifier.predict(x)
        read_share, read, stands_for = share_read(training, test)
        sorted_share = 100 * np.mean(matched(training.groups, train.labels) == train.labels) if base.sort else np.nan
        shares = sorted_share, read_share, 100 * np.mean(matched(given, seen) == seen)
        distance = frechet(moments(classifier.features(x)), of_real)
        results.append((*shares, distance, seconds))
        cells = "{:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.0f}".format(*results[-1])
        print(f"| {seed} | {cells} | {'; '.join(mixed_up(stands_for, test.labels))} |", flush=True)
        if args.picture:
            codes, first = np.unique(read, return_index=True)
            absent = np.setdiff1d(np.arange(base.codes), codes)
            draw(args.picture, training, [*codes[np.argsort(stands_for[first] % (base.codes + 1))], *absent])
    if len(results) > 1:
        mean, spread = np.mean(results, axis=0), np.std(results, axis=0, ddof=1)
        cells = " | ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean[:4], spread, strict=False))
        print(f"| mean ± standard deviation | {cells} | {mean[4]:.0f} | |")


if __name__ == "__main__":
    main()
