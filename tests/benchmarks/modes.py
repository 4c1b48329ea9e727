"""Which games keep all modes of the ring and the grid: modes and high-quality share over many seeds.

    python tests/benchmarks/modes.py                                   everything: hours on two cores
    python tests/benchmarks/modes.py --data ring --games r1 --seeds 3  one row, minutes

Every game has the networks, batch, learning rate and number of steps of the preset "points" and
differs in what the table says. The published rows are PacGAN's (Lin et al. 2018, table 1: some
400,000 steps, a generator of four layers of 400 with batch normalization) and VEEGAN's as quoted there.
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than two threads

from dataclasses import replace
from multiprocessing import get_context

import numpy as np

from tinygan import synthetic
from tinygan.gan import draw_latents
from tinygan.objectives import LeastSquares
from tinygan.recipes import PRESETS
from tinygan.scoring.metrics import mode_report
from tinygan.training import Training

POINTS = PRESETS["points"]
PLAIN = replace(POINTS, penalty="none")
GAMES = {
    "non-saturating": PLAIN,
    "minimax": replace(PLAIN, objective="minimax"),
    "least squares, 0-1": replace(PLAIN, objective="least-squares"),
    "least squares, pearson": replace(PLAIN, objective="least-squares", coding=LeastSquares.codings["pearson"]),
    "packing 2": replace(PLAIN, pack=2),
    "packing 4": replace(PLAIN, pack=4),
    "r1": POINTS,
    # 0.1 and five critic steps: as in the paper's own script for points; its 10 is for images
    "wgan-gp": replace(PLAIN, objective="wasserstein", penalty="wgan-gp", gamma=0.1, d_steps=5),
}
PUBLISHED = {
    "ring": ["GAN | 6.3 | 98.2 %", "PacGAN4 | 7.8 | 95.9 %", "VEEGAN | 8.0 | 52.9 %"],
    "grid": ["GAN | 17.3 | 94.8 %", "PacGAN4 | 24.8 | 93.6 %", "VEEGAN | 24.6 | 40 %"],
}


def play(task):
    """(modes, high-quality share, seconds) of one run."""
    data, config = task
    dataset = {"ring": synthetic.ring, "grid": synthetic.grid}[data](100_000, np.random.default_rng(0))
    training = Training(config, dataset)
    for _ in training.run():
        pass
    z = draw_latents(np.random.default_rng(config.seed + 1000), 2500, config.latent_dim)
    report = mode_report(training.generate(z), *synthetic.MIXTURES[data])
    return report.modes, report.high_quality, training.seconds


def mean(values, scale=1.0):
    """mean ± standard error."""
    values = np.array(values) * scale
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():.1f} ± {error:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=POINTS.steps)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print("| data | game | modes | high quality | seconds |\n|---|---|---|---|---|")
    with get_context("spawn").Pool(args.processes) as pool:
        for data in args.data:
            for game in args.games:
                configs = [replace(GAMES[game], seed=seed, steps=args.steps) for seed in range(args.seeds)]
                results = []
                for result in pool.imap(play, [(data, config) for config in configs]):
                    modes, quality, _ = result
                    print(f"{data}, {game}, seed {len(results)}: {modes} modes, {quality:.1%}", file=sys.stderr)
                    results.append(result)
                modes, quality, seconds = zip(*results, strict=True)
                row = f"| {data} | {game} | {mean(modes)} | {mean(quality, 100)} % | {np.mean(seconds):.0f} |"
                print(row, flush=True)
            for row in PUBLISHED[data]:
                print(f"| {data} | published: {row} | |")


if __name__ == "__main__":
    main()
