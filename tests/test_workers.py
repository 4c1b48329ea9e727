"""Several workers train as one process does: to rounding in float64, whatever the game, and each time alike."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_same_bits
from small_runs import assert_same_state, images, points

from tinygan import sharing, workers
from tinygan.recipes import OBJECTIVES, OPTIMIZERS, PENALTIES, Config
from tinygan.sharing import Follower, Leader, Memory
from tinygan.training import NumericalError, Training
from tinygan.workers import Worker, deal, team

SMALL = Config(gamma=0.05, latent_dim=3, hidden=(6, 5), batch=11, beta1=0.5, lr=0.01, steps=10)


# ---- the mathematics, in threads, which start in no time -------------------------------------------


def trained_alone(config, dataset):
    """A Training of one process in float64, at its end."""
    training = Training(config, dataset, dtype=np.float64)
    sort(training)
    for _ in range(config.steps):
        training.train_step()
    return training


def sort(training):
    """What ``Training.run`` begins with, where it is wanted."""
    for _ in training.sort() if training.config.sort else ():
        pass


def trained_together(config, dataset):
    """The same by ``config.workers`` workers: the one that leads."""
    memory, leader, failed = Memory(), Leader(config.workers - 1), []
    leader.look = lambda k: failed and pytest.fail(str(failed))

    def work(k, crew):
        try:
            worker = Worker(k, config, dataset, memory, crew, np.float64)
            crew.arrive()
            if k == 0:
                sort(worker)
            for _ in range(config.steps):
                worker.train_step()
            return worker
        except Exception as error:
            failed.append(f"worker {k}: {error!r}")

    Worker(0, config, dataset, memory, leader, np.float64)  # makes the memory
    followers = [Follower(link) for link in leader.links]
    for k, crew in enumerate(followers, start=1):
        crew.look = lambda: failed and pytest.fail(str(failed))
        threading.Thread(target=work, args=(k, crew), daemon=True).start()
    leading = work(0, leader)
    assert not failed
    return leading


@pytest.fixture
def threads(monkeypatch):
    """A thread that spins holds up the one that it waits for."""
    monkeypatch.setattr(sharing, "SPINS", 0)


def assert_equal_to_rounding(together, alone):
    """The same weights, the same average, the same losses."""
    for player in ("generator", "discriminator"):
        ours, theirs = (getattr(training.gan, player).params for training in (together, alone))
        assert np.abs(ours - theirs).max() < 1e-12, player
    assert np.abs(together.average.params - alone.average.params).max() < 1e-12
    assert np.abs(together.sums - alone.sums).max() < 1e-11  # of ten losses


# Where real and generated samples move a bias alike, Wasserstein's gradient of it is 1 - 1. What is left is
# rounding, which Adagrad, RMSprop and Adam divide by its own size: these meet the other games.
GAMES = [
    dict(objective=objective, penalty=penalty, optimizer=optimizer)
    for objectives, optimizers in (([*OBJECTIVES][:3], OPTIMIZERS), (["wasserstein"], ["sgd", "momentum", "nesterov"]))
    for (objective, penalty), optimizer in zip(
        itertools.product(objectives, PENALTIES), itertools.cycle(optimizers), strict=False
    )
]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_ten_steps_of_every_game_are_those_of_one_process(n, threads):
    """11 samples are dealt out as 5 and 6; 3, 4 and 4; 2, 3, 3 and 3."""
    for name, every in (("objective", OBJECTIVES), ("penalty", PENALTIES), ("optimizer", OPTIMIZERS)):
        assert {game[name] for game in GAMES} == set(every)
    for game in GAMES:
        config = replace(SMALL, **game)
        together = trained_together(replace(config, workers=n), points())
        assert_equal_to_rounding(together, trained_alone(config, points()))


@pytest.mark.parametrize(
    "choices",
    [
        dict(pack=2, batch=14, d_steps=3),
        dict(beta1=0.0, penalty_every=1, decay_from=0.0, gamma_end=0.01),
        dict(hidden=(5,), channels=(4, 3), centered=True),
        dict(conditional=True),
        dict(codes=4, continuous=2),
        dict(distort=1.0, codes=4, hidden=(5,)),
        dict(sort=5, codes=4),
    ],
    ids=lambda choices: next(iter(choices)),
)
def test_so_are_those_of_packs_of_schedules_of_images_and_of_classes(choices, threads):
    config, dataset = replace(SMALL, **choices), images() if {"channels", "distort", "sort"} & {*choices} else points()
    assert_equal_to_rounding(trained_together(replace(config, workers=3), dataset), trained_alone(config, dataset))


@pytest.mark.parametrize("mistake", ["weights", "share", "part"])
def test_a_mistake_in_the_shares_is_noticed(mistake, threads, monkeypatch):
    """A mean that forgets how many samples a share has, a share that two workers take, a part that nobody does."""

    def mistaken(n, workers, unit=1):
        slices = deal(n, workers, unit)
        if mistake == "part" and unit == 16:
            slices[-1] = slice(slices[-1].start, n - 1)
        if mistake == "share" and unit == 1:
            slices[1] = slices[0]
        return slices

    monkeypatch.setattr(workers, "deal", mistaken)
    if mistake == "weights":
        make = workers.Together.__init__
        monkeypatch.setattr(
            workers.Together,
            "__init__",
            lambda self, rule, slots, grads, weights, part, crew: make(
                self, rule, slots, grads, 0 * weights + 1 / len(weights), part, crew
            ),
        )
    together = trained_together(replace(SMALL, workers=2), points())
    with pytest.raises(AssertionError):
        assert_equal_to_rounding(together, trained_alone(SMALL, points()))


@pytest.mark.parametrize("n, unit", [(1, 1), (7, 1), (14, 2), (1000, 16)])
def test_everything_is_dealt_out_once_and_evenly(n, unit):
    for k in range(1, 5):
        slices = deal(n, k, unit)
        assert np.concatenate([np.arange(n)[each] for each in slices]).tolist() == list(range(n))
        sizes = [each.stop - each.start for each in slices]
        assert all(size % unit == 0 for size in sizes[:-1]) and max(sizes) - min(sizes) <= 2 * unit


def test_an_average_an_optimizer_and_a_clock_are_those_of_the_run(threads):
    """What the leader saves is whole: the state has what that of one process has, with the same numbers."""
    config = replace(SMALL, optimizer="adam")
    ours, theirs = (
        trained_together(replace(config, workers=3), points()).state(),
        trained_alone(config, points()).state(),
    )
    assert ours[0].keys() == theirs[0].keys()
    for name, array in theirs[0].items():
        assert np.abs(ours[0][name] - array).max(initial=0) < 1e-12, name
    assert {name for name in theirs[1] if ours[1][name] != theirs[1][name]} == {"config"}


# ---- in processes ----------------------------------------------------------------------------------


def test_processes_do_what_threads_do_and_a_team_goes_on_where_another_ended(threads):
    config = replace(SMALL, workers=2, steps=8)
    whole = trained_together(config, points()).state()
    with team(config, points(), dtype=np.float64) as first:
        for _ in range(5):
            first.train_step()
        arrays, values = first.state()
        halfway = {name: array.copy() for name, array in arrays.items()}, values
    with team(config, points(), halfway, dtype=np.float64) as second:
        for _ in range(3):
            second.train_step()
        assert_same_state(second.state(), whole)
    assert_same_bits("generator", second.gan.generator.params, whole[0]["generator"])  # the memory is still there


def test_what_diverges_is_noticed_by_the_leader_at_the_same_step():
    config = replace(SMALL, penalty="none", optimizer="sgd", objective="wasserstein", lr=1e12)
    with pytest.raises(NumericalError) as alone:
        [None for _ in Training(config, points()).run()]
    with pytest.raises(NumericalError) as together, team(replace(config, workers=2), points()) as training:
        [None for _ in training.run()]
    assert str(together.value) == str(alone.value)


def test_several_workers_need_samples_for_each_that_do_not_feel_each_other():
    for choices in ({"batch": 4, "workers": 5}, {"pack": 2, "batch": 4, "workers": 3}, {"workers": 0}):
        with pytest.raises(ValueError, match="^workers: "):
            Config(**choices)
    with pytest.raises(ValueError, match="^workers: .*batch_norm"):
        Config(channels=(4,), batch_norm=True, workers=2)
    Config(channels=(4,), batch_norm=True, workers=1)
