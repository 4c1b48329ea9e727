"""Errors on MNIST's 10,000 test images of what has learned from few labels: mean and spread over draws of the labels.

    python tests/benchmarks/few_labels.py                                all ways, 100 labels, five draws
    python tests/benchmarks/few_labels.py --ways matching --draws 0 1    some of them
    python tests/benchmarks/few_labels.py --labels 1000 --ways alone distorted imagined

Draw r chooses the labeled images and seeds the run. The Fréchet distance of 10,000 samples is measured in the
features of the package's classifier, which has seen all labels; the errors have nothing to do with it. Seconds are
those of one core, for the training alone.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tinygan.app.cache import load_classifier
from tinygan.data import Dataset, Minibatches, as_bytes, as_floats
from tinygan.distortion import Distortion, agreement
from tinygan.gan import draw_latents, generate
from tinygan.losses import softmax_cross_entropy
from tinygan.network import Network
from tinygan.optimizers import Adam, MovingAverage
from tinygan.recipes import PRESETS, load_data
from tinygan.scoring.metrics import frechet, moments
from tinygan.semi_supervised import FewLabels, Recipe, draw_labeled, hidden_lengths, keep, noisy_layers, normalize
from tinygan.training import Training

RECIPE = Recipe(steps=6000)
IMAGINED = replace(PRESETS["default"], conditional=True, steps=4000)  # a conditional GAN of the labeled images


def semi_supervised(train, test, draw, rows, recipe):
    """(errors, samples, seconds) of a discriminator that also sees all images without their labels."""
    run = FewLabels(train, rows, recipe, seed=draw)
    start = time.process_time()
    for _ in range(recipe.steps):
        run.step()
    seconds = time.process_time() - start
    z = draw_latents(np.random.default_rng(draw), 10_000, recipe.latent_dim)
    return np.sum(run.predict(test.x) != test.labels), generate(run.generator, z), seconds


def supervised(train, test, draw, rows, recipe, imagined=False):
    """(errors, samples, seconds) of the same network on labeled images alone, distorted, or half of them imagined."""
    rng, start, samples = np.random.default_rng(draw), time.process_time(), None
    labeled = Dataset("labeled", train.x[rows], train.labels[rows], train.shape)
    sources = [labeled]
    if imagined:
        samples, asked = imagine(labeled, draw)
        sources.append(Dataset("imagined", as_bytes(samples), asked, train.shape))
    network, reader = (Network(noisy_layers(recipe, 784, 10, rng), rng) for _ in range(2))
    normalize(network, as_floats(labeled.x[:500]))
    lengths = hidden_lengths(network)
    distortion = Distortion(rng, train.shape, recipe.distort) if recipe.distort else None
    average, adam = MovingAverage(network.params, recipe.average), Adam(recipe.lr, recipe.beta1)
    batches = [Minibatches(source.x, recipe.batch // len(sources), rng) for source in sources]
    unlabeled = Minibatches(train.x, recipe.batch, rng)
    for step in range(recipe.steps):
        adam.lr = recipe.lr * min(1.0, 2 * (1 - step / recipe.steps))
        x = np.concatenate([b.next() for b in batches])
        labels = np.concatenate([s.labels[b.rows] for s, b in zip(sources, batches, strict=True)])
        x = distortion.forward(x) if distortion else x
        if recipe.agree:
            others = unlabeled.next()
            x = np.concatenate([x, distortion.forward(others), distortion.forward(others)])
        logits = network.forward(x)
        dlogits, n = np.empty_like(logits), len(labels)
        _, dlogits[:n] = softmax_cross_entropy(logits[:n], labels)
        if recipe.agree:
            _, *slopes = agreement(*np.split(logits[n:], 2))
            dlogits[n:] = recipe.agree * np.concatenate(slopes)
        network.backward(dlogits, input_grad=False)
        adam.step(network.params, network.grads)
        keep(lengths)
        average.update(network.params)
    reader.params[:] = average.params
    predicted = generate(reader, as_floats(test.x)).argmax(axis=1)
    return np.sum(predicted != test.labels), samples, time.process_time() - start


def imagine(labeled, draw):
    """10,000 samples of a conditional GAN of the labeled images, and what was asked for."""
    training = Training(replace(IMAGINED, seed=draw), labeled)
    for _ in training.run():
        pass
    z = draw_latents(np.random.default_rng(draw), 10_000, IMAGINED.latent_dim, training.class_counts)
    return training.generate(z), z[:, IMAGINED.latent_dim :].argmax(axis=1)


DISTORTED = {"distort": 0.7}
AGREED = {"distort": 0.7, "agree": 1.0, "lr": 3e-3, "noise": (0.3, 0.3)}
WAYS = {  # how, and what is not as in the recipe
    "alone": (supervised, {}, {}),
    "distorted": (supervised, DISTORTED, {}),
    "imagined": (supervised, {}, {"imagined": True}),
    "distorted+imagined": (supervised, DISTORTED, {"imagined": True}),
    "matching": (semi_supervised, {}, {}),
    "matching+distorted": (semi_supervised, DISTORTED, {}),
    "agreement": (supervised, AGREED, {}),
    "matching+agreement": (semi_supervised, AGREED, {}),
    "usual": (semi_supervised, {"matching": False}, {}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--labels", type=int, default=100, help="of all classes together")
    parser.add_argument("--draws", type=int, nargs="+", default=range(5))
    parser.add_argument("--steps", type=int, default=RECIPE.steps, help="of the discriminator")
    args = parser.parse_args()
    train, test = (load_data("mnist", split) for split in ("train", "test"))
    classifier = load_classifier(train, print)
    real = moments(classifier.features(train.x))
    for way in args.ways:
        rows = []
        for draw in args.draws:
            labeled = draw_labeled(train.labels, args.labels // 10, np.random.default_rng([draw, args.labels]))
            function, changes, more = WAYS[way]
            recipe = RECIPE._replace(steps=args.steps, **changes)
            errors, samples, seconds = function(train, test, draw, labeled, recipe, **more)
            distance = np.nan if samples is None else frechet(moments(classifier.features(samples)), real)
            rows.append((errors, distance, seconds))
            print(
                f"{way}, {args.labels} labels, draw {draw}: {errors} errors, {distance:.2f}, {seconds:.0f} s",
                flush=True,
            )
        errors, distances, seconds = np.transpose(rows)
        spread = errors.std(ddof=1) if len(errors) > 1 else np.nan
        print(
            f"| {way} | {args.labels} | {errors.mean():.0f} ± {spread:.0f} | "
            f"{' '.join(f'{e:.0f}' for e in errors)} | {distances.mean():.1f} | {seconds.mean():.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
