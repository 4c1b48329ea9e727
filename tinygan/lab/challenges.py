"""The challenges: predict, run, be told. Every answer is computed from the run that has just been seen.

A challenge begins one run or two, with changes on their way, and stops them at a step. Its judge is given
these Branches and returns (which choice is right, the numbers that say so).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygan.gan import generate


class Challenge(NamedTuple):
    """A question and what will answer it.

    runs    for each run its changes, (step, name, value), from the recipe of the ring
    until   the step at which they stop
    """

    title: str
    lesson: str
    question: str
    choices: tuple[str, ...]
    runs: tuple
    until: int
    judge: Callable


# ---- what judges measure -------------------------------------------------------------------------


def fakes_of(branch, generator="generator"):
    """Return the fixed latents' samples, (N, 2), and the Eye that made them."""
    eye, arrays = branch.eye(), branch.arrays()
    eye.take(arrays, generator=generator)
    return generate(eye.gan.generator, eye.latents), eye


def lengths(vectors):
    """Return the length of each row."""
    return np.linalg.norm(vectors, axis=1)


def loss_of(branch, column, start, stop):
    """Return the mean loss from one step to another; column 0 is D's, 2 is G's."""
    return float(branch.means()[start:stop, column].mean())


def mean_slope(branch, x):
    """Return the mean of ‖∂D/∂x‖ at these points."""
    _, eye = fakes_of(branch)
    return float(lengths(eye.slopes(x)).mean())


# ---- judges --------------------------------------------------------------------------------------


def who_is_pushed(branches):
    """Compare the pushes of the quarter that D rejects most surely with those of the quarter it rejects least."""
    fakes, eye = fakes_of(branches[0])
    order = np.argsort(eye.judge(fakes)[:, 0])
    forces = lengths(eye.forces(fakes))
    n = len(fakes) // 4
    rejected, accepted = float(forces[order[:n]].mean()), float(forces[order[-n:]].mean())
    right = 0 if rejected > 2 * accepted else 1 if accepted > 2 * rejected else 2
    return right, f"Mean push of the most surely rejected quarter {rejected:.2g}, of the least rejected {accepted:.2g}."


def where_the_loss_goes(branches):
    """Name the landmark that D's loss came nearest to."""
    branch = branches[0]
    landmark = branch.training.gan.objective.equilibrium[0]
    loss = loss_of(branch, 0, -200, None)
    marks = 0.0, landmark, 2 * landmark
    right = int(np.argmin([abs(loss - mark) for mark in marks]))
    return right, f"D's loss, mean of the last 200 steps: {loss:.3f}; the landmark is {landmark:.3f}."


def what_became_of_the_fakes(branches):
    """Say whether the fakes stayed, gathered among the data or left them, since only G learned."""
    branch = branches[0]
    end, start = branch.step, branch.settings[-1].step
    after, _ = fakes_of(branch)
    branch.goto(start)
    before, _ = fakes_of(branch)
    branch.goto(end)
    moved = float(lengths(after - before).mean())
    data = branch.source.dataset.x[:500]
    away = float(np.median([lengths(data - fake).min() for fake in after]))
    right = 0 if moved < 0.1 else 1 if away < 0.5 else 2
    return right, f"They moved by {moved:.2f} in the mean, and half of them are more than {away:.2g} from all data."


def what_the_loss_says(branches):
    """Compare G's loss early and late, and what became of the fakes meanwhile."""
    branch = branches[0]
    end, losses, shares = branch.step, [], []
    for step in (end // 5, end):
        branch.goto(step)
        losses.append(loss_of(branch, 2, -100, None))
        shares.append(100 * branch.training.measure(branch.training.generate)[0])
    right = int(np.digitize(losses[1] / losses[0], [0.9, 1.1]))
    (early, late), (few, many) = losses, shares
    shares = f"the share of good fakes from {few:.0f} to {many:.0f} %"
    return right, f"G's loss went from {early:.3f} to {late:.3f}, {shares}."


def how_far_apart(branches):
    """Measure how far apart two runs made the same latents."""
    (a, _), (b, _) = map(fakes_of, branches)
    apart = float(lengths(a - b).mean())
    return int(np.digitize(apart, [0.01, 0.1])), f"The fakes of the same latent are {apart:.2g} apart, in the mean."


def which_way_beyond(branches):
    """Say where fakes are pushed that D takes for more than real."""
    _, eye = fakes_of(branches[0])
    target = eye.gan.objective.c
    places = eye.places[eye.judge(eye.places)[:, 0] > target]
    if not len(places):
        return 2, f"D's output is nowhere above {target:g} here."
    up = float(np.mean(np.sum(eye.forces(places) * eye.slopes(places), axis=1) > 0))
    right = 0 if up > 0.5 else 1
    return right, f"Of {len(places)} places where D says more than {target:g}, {100 * up:.0f} % are pushed uphill."


def how_much_steeper(branches):
    """Compare D's slope at the data, of two runs."""
    slopes = [mean_slope(branch, branch.source.dataset.x[:500]) for branch in branches]
    right = int(np.digitize(slopes[1] / slopes[0], [1.5, 5]))
    return right, f"Mean slope of D at the data: with R1 {slopes[0]:.3g}, without {slopes[1]:.3g}."


def what_haste_does(branches):
    """Compare a run with one of a larger learning rate."""
    usual, hasty = branches
    if hasty.last < usual.last:
        return 2, f"The hasty run's numbers were finite until step {hasty.last}."
    shares = [100 * branch.training.measure(branch.training.generate)[0] for branch in branches]
    return int(shares[1] < shares[0]), f"Share of high quality: {shares[0]:.0f} %, and hastily {shares[1]:.0f} %."


def how_steep_between(branches):
    """Measure the critic's slope between data and fakes."""
    fakes, eye = fakes_of(branches[0])
    real = branches[0].source.dataset.x[: len(fakes)]
    t = np.random.default_rng(0).random((len(fakes), 1)).astype(np.float32)
    slope = float(lengths(eye.slopes(t * real + (1 - t) * fakes)).mean())
    return int(np.argmin([slope, abs(slope - 1), abs(slope - 10)])), f"Mean slope between data and fakes: {slope:.2f}."


def does_it_end(branches):
    """Say whether the critic's loss settled or went on falling."""
    branch = branches[0]
    half = branch.last // 2
    early, late = loss_of(branch, 0, half - 100, half), loss_of(branch, 0, -100, None)
    return int(late < 1.5 * early), f"The critic's loss at half-time {early:.3g}, at the end {late:.3g}."


WHO = ("those that D rejects most surely", "those that D rejects least surely", "all about alike")
CHALLENGES = {
    "far-ahead": Challenge(
        "Far ahead, minimax", "08_saturation",
        "The game is minimax, and D has trained alone for 400 steps. Which fakes are pushed hardest?",
        WHO, (((0, "objective", "minimax"), (0, "penalty", "none"), (0, "players", "D")),), 400, who_is_pushed,
    ),
    "far-behind": Challenge(
        "Far ahead, non-saturating", "08_saturation",
        "The same D, but the non-saturating game. Which fakes are pushed hardest?",
        WHO, (((0, "penalty", "none"), (0, "players", "D")),), 400, who_is_pushed,
    ),
    "alone": Challenge(
        "D alone", "07_game",
        "G rests, D trains alone for 1,000 steps. Where does D's loss go?",
        ("towards 0", "towards 2 log 2 = 1.386", "towards 4 log 2"),
        (((0, "penalty", "none"), (0, "players", "D")),), 1000, where_the_loss_goes,
    ),
    "no-answer": Challenge(
        "G alone", "07_game",
        "After 300 steps of both D rests, and G trains alone for 500 steps. What becomes of the fakes?",
        ("they stay where they are", "they gather among the data", "they leave the data"),
        (((300, "players", "G"),),), 800, what_became_of_the_fakes,
    ),
    "loss-says": Challenge(
        "What the loss says", "09_two_dimensions",
        "3,000 steps. The fakes get better from step 600 to the end; what does the loss of G do meanwhile?",
        ("it falls by a tenth or more", "it stays within a tenth", "it rises by a tenth or more"), ((),),
        3000, what_the_loss_says,
    ),
    "butterfly": Challenge(
        "A millionth", "09_two_dimensions",
        "Two runs with the same seed; the second's learning rate is larger by a millionth. "
        "How far apart are their fakes after 3,000 steps?",
        ("less than 0.01", "0.01 to 0.1", "more than 0.1, a mode's distance or so"), ((), ((0, "lr", "* 1.000001"),)),
        3000, how_far_apart,
    ),
    "quarter": Challenge(
        "A quarter", "11_least_squares",
        "Least squares, 3,000 steps of both. Which number is D's loss nearest to at the end?",
        ("0: D wins", "1/4: the fakes are as the data", "1/2: D is worse than a coin"),
        (((0, "objective", "least-squares"),),), 3000, where_the_loss_goes,
    ),
    "beyond": Challenge(
        "More than real", "11_least_squares",
        "Least squares: where D says more than 1, the target of a real sample, which way would a fake be pushed?",
        ("uphill, to where D says even more", "downhill, back to 1", "D says nowhere more than 1"),
        (((0, "objective", "least-squares"), (0, "penalty", "none")),), 500, which_way_beyond,
    ),
    "penalty": Challenge(
        "Without the penalty", "12_collapse",
        "Two runs, the second without R1. After 1,500 steps, how much steeper is the second D at the data?",
        ("hardly: less than 1.5 times", "1.5 to 5 times", "more than 5 times"), ((), ((0, "penalty", "none"),)),
        1500, how_much_steeper,
    ),
    "hasty": Challenge(
        "Ten times the learning rate", "12_collapse",
        "Two runs, the second with ten times the learning rate. Which has more good fakes after 2,000 steps?",
        ("the hasty one", "the usual one", "the hasty one's numbers do not stay finite"), ((), ((0, "lr", "* 10"),)),
        2000, what_haste_does,
    ),
    "critic": Challenge(
        "The critic's slope", "13_wasserstein",
        "Wasserstein with WGAN-GP. How steep is the critic between data and fakes after 1,000 steps?",
        ("flat, near 0", "near 1", "near 10"),
        (((0, "objective", "wasserstein"), (0, "penalty", "wgan-gp"), (0, "gamma_end", None), (0, "gamma", 10.0)),),
        1000, how_steep_between,
    ),
    "unbound": Challenge(
        "A critic without bounds", "13_wasserstein",
        "Wasserstein without any penalty; G rests, the critic trains alone. What does its loss do in 1,000 steps?",
        ("it settles at minus the distance of the fakes", "it falls on and on"),
        (((0, "objective", "wasserstein"), (0, "penalty", "none"), (0, "players", "D")),), 1000, does_it_end,
    ),
}  # fmt: skip
