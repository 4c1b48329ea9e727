"""Who fills in best? A descent on z, GAIN, the same network without its adversary, and the controls.

    python tests/benchmarks/filling.py images --who controls descent --runs runs/0 runs/1 runs/2 --to figures.jsonl
    python tests/benchmarks/filling.py images --who GAIN "without adversary" --to figures.jsonl
    python tests/benchmarks/filling.py tables --to figures.jsonl
    python tests/benchmarks/filling.py tables --csv FILE.csv --hide 20% --to figures.jsonl
    python tests/benchmarks/filling.py tables --who GAIN --seeds 3 4 5 6 7 8 9 --to figures.jsonl
    python tests/benchmarks/filling.py show figures.jsonl

Images: 300 test images of MNIST. The descent uses finished runs of the preset `default`, one for each seed, and the
controls learn from all 60,000 training images as they are; the networks from the same images, of each of which a
part is hidden, for good. Parts: a share of the pixels; one of the four halves; a square of 14 by 14, anywhere.
Error: root of the mean squared difference of a hidden pixel. Class: how often the classifier sees the true class in
the filled image.

Tables of 5,000 rows: `waves` (``tinygan.synthetic``), and `gaussian`, where regression is right. Parts: a share of
the entries; of each row four neighboring columns; of half the rows the same four columns. Error: in standard
deviations of the column. Or a CSV file of numbers, without gaps: error as a share of the column's range, which is
the measure of the papers.

A loss that is not a finite number ends the program. Shapes: N examples, I entries of each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from itertools import product
from pathlib import Path

import numpy as np

from tinygan.app import runs
from tinygan.app.cache import load_classifier
from tinygan.data import DataError, as_floats, load_mnist
from tinygan.filling import (
    Descent,
    fill,
    fill_by_regression,
    fill_with_mean,
    fill_with_nearest,
    mean_and_covariance,
    missing_at_random,
)
from tinygan.gain import build_gain, column_means, fill_from_nearest_rows, incomplete_moments
from tinygan.gan import draw_latents
from tinygan.synthetic import fill_waves, waves

GAINS = {  # what is learned, and how
    "GAIN": {},
    "without adversary": {"alpha": None},
    "GAIN, half hidden": {"hide": 0.5},
    "without, half hidden": {"alpha": None, "hide": 0.5},
}
WHO = ("controls", "descent", *GAINS)


def learned(who, x, known, seed, units, steps, batch=128):
    """Yield (who, a network that has learned to fill in); GAIN also with its last weights, as its authors have it."""
    for hidden, name in product(units, [name for name in GAINS if name in who]):
        gain = build_gain(x.shape[1], np.random.default_rng(seed), hidden, **GAINS[name])
        for step, result in enumerate(gain.fit(x, known, steps, batch), 1):
            if not np.isfinite(result).all():
                sys.exit(f"{name}, seed {seed}, step {step}: a loss is not a finite number")
        yield f"{name}, {hidden} units", gain
        if name == "GAIN":
            gain.average.params[:] = gain.generator.params
            yield f"GAIN, last weights, {hidden} units", gain


# ---- images --------------------------------------------------------------------------------------


PARTS_OF_IMAGES = ("25%", "50%", "75%", "half", "square")


def known_pixels(hide, rng, n):
    """Which pixels of n images are known, (n, 784)."""
    if hide.endswith("%"):
        return missing_at_random(rng, n, 784, float(hide[:-1]) / 100)
    known = np.ones((n, 28, 28), np.float32)
    for image in known:
        if hide == "half":
            np.rot90(image, rng.integers(4))[14:] = 0
        else:
            top, left = rng.integers(15, size=2)
            image[top : top + 14, left : left + 14] = 0
    return known.reshape(n, -1)


def images_filled(args, hide, seed, train, x, known):
    """Yield (who, filled images)."""
    if "controls" in args.who:
        yield "mean image", fill_with_mean(x, known, train)
        yield "nearest training image", fill_with_nearest(x, known, train)
        yield "linear regression", np.clip(fill_by_regression(x, known, *mean_and_covariance(train)), 0, 1)
    if "descent" in args.who:
        trained, gan = runs.load_gan(Path(args.runs[seed]), print)
        z = draw_latents(np.random.default_rng(seed), 4 * len(x), trained.config.latent_dim)
        for name, starts, realism in (("descent", 4, 0.0), ("descent, 0.01 D", 4, 0.01), ("one start", 1, 0.0)):
            descent = Descent(gan.generator, x, known, z[: starts * len(x)], gan.discriminator, gan.objective, realism)
            for _ in descent.run():
                pass
            yield name, descent.filled()
    rng = np.random.default_rng(seed + 100)
    parts = np.concatenate([known_pixels(hide, rng, 1000) > 0 for _ in range(len(train) // 1000)])
    for name, gain in learned(args.who, as_floats(train), parts, seed, [128], args.steps or 4000, 64):
        yield name, gain.filled(x, known)


def images(args):
    """Yield a row of figures for each filler, part that is hidden and seed."""
    train, test = load_mnist("train"), load_mnist("test")
    classifier = load_classifier(train)
    for seed, hide in product(args.seeds, args.hide or PARTS_OF_IMAGES):
        rows = np.random.default_rng(seed).choice(len(test.x), 300, replace=False)
        x, labels = as_floats(test.x[rows]), test.labels[rows]
        known = known_pixels(hide, np.random.default_rng(seed + 200), len(x))
        gaps = known == 0
        for name, filled in [("the true image", x), *images_filled(args, hide, seed, train.x, x, known)]:
            error = np.sqrt(np.mean((filled[gaps] - x[gaps]) ** 2))
            agreement = np.mean(classifier.predict(np.clip(filled, 0, 1)) == labels)
            yield {"of": f"images, {hide}", "who": name, "seed": seed, "error": error, "class": agreement}


# ---- tables --------------------------------------------------------------------------------------


PARTS_OF_TABLES = ("25%", "50%", "75%", "columns", "rows")
MIXING = np.random.default_rng(7).normal(size=(2, 8))
GAUSSIAN = MIXING.T @ MIXING + 0.09 * np.eye(8)


def gaussian(n, rng):
    """A table (n, 8) of two hidden causes, mixed, with noise of 0.3."""
    return rng.normal(size=(n, 2)) @ MIXING + rng.normal(0, 0.3, (n, 8))


TABLES = {  # how it is drawn, and the best that can be said of its gaps
    "waves": (waves, fill_waves),
    "gaussian": (gaussian, lambda x, known: fill_by_regression(x, known, np.zeros(8), GAUSSIAN, ridge=0)),
}


def known_cells(hide, rng, n, columns):
    """Which entries of a table are known, (n, columns)."""
    if hide.endswith("%"):
        return missing_at_random(rng, n, columns, float(hide[:-1]) / 100)
    known = np.ones((n, columns), np.float32)
    if hide == "rows":
        known[: n // 2, 2:6] = 0
    else:
        first = rng.integers(columns, size=(n, 1))
        np.put_along_axis(known, (first + np.arange(4)) % columns, 0, axis=1)
    return known


def tables(args):
    """Yield a row of figures for each filler, table, part that is hidden and seed."""
    for seed, table, hide in product(args.seeds, [args.csv] if args.csv else TABLES, args.hide or PARTS_OF_TABLES):
        rng = np.random.default_rng(seed)
        x = np.loadtxt(table, delimiter=",", skiprows=1) if args.csv else TABLES[table][0](5000, rng)
        scale = np.ptp(x, axis=0) if args.csv else x.std(axis=0)
        known = known_cells(hide, rng, *x.shape)
        fillings = [*table_filled(args, x, known, seed)]
        if "controls" in args.who and not args.csv:
            fillings.append(("the best possible", TABLES[table][1](x, known)))
        for name, filled in fillings:
            error = ((filled - x) / scale)[known == 0]
            yield {"of": f"{table}, {hide}", "who": name, "seed": seed, "error": np.sqrt(np.mean(error**2))}


def table_filled(args, x, known, seed):
    """Yield (who, the table filled in); networks see the entries between 0 and 1."""
    low = np.where(known > 0, x, np.inf).min(axis=0)
    unit = np.where(known > 0, x, -np.inf).max(axis=0) - low
    if "controls" in args.who:
        yield "column mean", fill(x, known, column_means(x, known))
        yield "nearest row", fill_from_nearest_rows(x, known)
        yield "linear regression (EM)", fill_by_regression(x, known, *incomplete_moments(x, known), ridge=1e-6)
    scaled = ((x - low) / unit).astype(np.float32)
    units, steps = ([x.shape[1]], 10_000) if args.csv else ([8, 64], 3000)
    for name, gain in learned(args.who, scaled, known, seed, units, args.steps or steps):
        yield name, fill(x, known, gain.filled(scaled, known) * unit + low)


# ---- figures -------------------------------------------------------------------------------------


def show(path):
    """Print a table for each measure: a row for each filler, mean over the seeds (least to largest)."""
    figures = [json.loads(line) for line in Path(path).read_text().splitlines()]
    for kind in dict.fromkeys(row["of"].split(",")[0] for row in figures):
        own = [row for row in figures if row["of"].split(",")[0] == kind]
        hides, names = (list(dict.fromkeys(row[key] for row in own)) for key in ("of", "who"))
        for measure in ("error", "class"):
            if measure not in own[0]:
                continue
            print(f"\n| {measure} | {' | '.join(hides)} |\n|---{'|---' * len(hides)}|")
            for name in names:
                cells = []
                for hide in hides:
                    values = [row[measure] for row in own if (row["of"], row["who"]) == (hide, name)]
                    cells.append(f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else "")
                print(f"| {name} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("images", "tables", "show"))
    parser.add_argument("figures", nargs="?", help="the file to show")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--hide", nargs="+", help=f"{', '.join(PARTS_OF_IMAGES)}; columns, rows".replace("%", "%%"))
    parser.add_argument("--csv", help="of tables: a file of numbers under a header, without gaps")
    parser.add_argument("--steps", type=int, help="of the networks")
    parser.add_argument("--runs", nargs="*", default=[], help="finished runs of the preset `default`, seeds 0, 1, ...")
    parser.add_argument("--who", nargs="+", choices=WHO, default=WHO, help="descent: of images only")
    parser.add_argument("--to", help="file to append the figures to, a JSON object in each line")
    args = parser.parse_args()
    if args.what == "show":
        show(args.figures)
        return
    try:
        for row in {"images": images, "tables": tables}[args.what](args):
            line = json.dumps({key: float(value) if key in ("error", "class") else value for key, value in row.items()})
            print(line, flush=True)
            if args.to:
                with open(args.to, "a") as file:
                    file.write(line + "\n")
    except DataError as error:
        sys.exit(f"filling.py: {error}")


if __name__ == "__main__":
    main()
