"""A run learns, says truly what it does, depends on nothing but its choices, and can stop after any step.

All in memory, with networks so small that a run takes milliseconds; files and processes are the
business of ``tests/app``.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from pathlib import Path

import numpy as np
import processes
import pytest
from helpers import assert_close, assert_same_bits
from small_runs import CLOCK, TINY, assert_same_state, images, points, trained

from tinygan import synthetic, training
from tinygan.app import checkpoint
from tinygan.network import Network
from tinygan.recipes import OBJECTIVES, OPTIMIZERS, PENALTIES, Config, build_gan
from tinygan.training import NumericalError, Row, Training, draw_latents, generate

replace = dataclasses.replace


@pytest.fixture
def clock(monkeypatch):
    """A clock by which every step takes a quarter of a second."""
    now = [0.0]

    def tick():
        now[0] += 0.25
        return now[0]

    monkeypatch.setattr(training.time, "perf_counter", tick)


# ---- it learns -----------------------------------------------------------------------------------


def test_a_short_run_brings_the_samples_to_all_eight_modes_of_the_ring():
    config = Config(latent_dim=2, hidden=(64, 64), gamma=0.01, lr=4e-3, decay_from=0.0, average=0.99, steps=1500)
    run = trained(config, synthetic.ring(5000, np.random.default_rng(0)))

    def distances(samples):  # to each of the 8 modes, (n, 8)
        return np.linalg.norm(samples[:, None] - synthetic.ring_centers(), axis=2)

    (_, before), (_, after) = run.frames[0], run.frames[-1]
    far, near = (distances(samples).min(axis=1).mean() for samples in (before, after))
    assert near < 0.2 and near < far / 3, f"mean distance to the nearest mode: {far:.3f} before, {near:.3f} after"
    shares = np.bincount(distances(after).argmin(axis=1), minlength=8) / len(after)
    assert shares.min() > 0.1 / 8, f"a mode has less than a tenth of its fair share: {shares}"


def test_every_step_moves_both_players_and_the_average():
    run = Training(TINY, points())
    vectors = run.gan.generator.params, run.gan.discriminator.params, run.average.params
    for _ in range(5):
        before = [vector.copy() for vector in vectors]
        run.train_step()
        for name, was, vector in zip(("generator", "discriminator", "average"), before, vectors, strict=True):
            assert (was != vector).any(), f"step {run.step} left the {name} as it was"


def test_the_learning_rate_falls_linearly_to_zero_over_the_last_part():
    run = Training(replace(TINY, steps=10, lr=0.5, decay_from=0.6), points())
    rates = []
    for _ in run.run():
        rates.append(run.gan.g_optimizer.lr)
        assert run.gan.d_optimizer.lr == run.gan.g_optimizer.lr
    np.testing.assert_allclose(rates[1:], [0.5] * 7 + [0.375, 0.25, 0.125], rtol=1e-12)


def test_a_gamma_of_zero_stays_zero():
    """What falls by a factor never begins to."""
    run = trained(replace(TINY, steps=4, gamma=0.0, gamma_end=0.1), points())
    assert run.gan.penalty.gamma == 0


def test_gamma_falls_by_the_same_factor_in_each_step():
    run = Training(replace(TINY, steps=4, gamma=1.6, gamma_end=0.1), points())
    strengths = [run.gan.penalty.gamma for _ in run.run()]
    np.testing.assert_allclose(strengths[1:], [1.6, 0.8, 0.4, 0.2], rtol=1e-12)  # the next would be gamma_end


@pytest.mark.parametrize("penalty", ["none", "clip", "wgan-gp"])
def test_the_schedule_of_gamma_is_that_of_r1_alone(penalty):
    config = replace(TINY, penalty=penalty, gamma=0.5)
    (arrays, values), (expected_arrays, expected) = (
        trained(c).state() for c in (replace(config, gamma_end=0.1), config)
    )
    assert_same_state((arrays, values | {"config": expected["config"]}), (expected_arrays, expected))


def test_clipping_holds_every_parameter_of_the_discriminator():
    run = trained(replace(TINY, penalty="clip", gamma=0.05, objective="wasserstein"))
    assert np.abs(run.gan.discriminator.params).max() == np.float32(0.05)


# ---- how long ------------------------------------------------------------------------------------


def test_steps_are_counted():
    assert trained(replace(TINY, steps=7)).step == 7


@pytest.mark.parametrize("epochs, d_steps, steps", [(1, 1, 9), (2.5, 1, 21), (1, 2, 5), (0.001, 1, 1)])
def test_epochs_are_passes_through_the_data(epochs, d_steps, steps):
    """50 points in batches of 6, each step of the game taking d_steps batches."""
    run = trained(replace(TINY, steps=None, epochs=epochs, d_steps=d_steps))
    assert run.step == steps == run.total_steps
    assert run.batches.epoch == pytest.approx(6 * d_steps * steps / 50)


@pytest.mark.parametrize("limits", [{}, {"steps": 3, "epochs": 1.0}, {"steps": 3, "epochs": 1.0, "minutes": 1.0}])
def test_a_run_without_just_one_limit_is_refused(limits):
    with pytest.raises(ValueError, match="one limit"):
        Training(replace(TINY, **{"steps": None, **limits}), points())


def test_minutes_are_time_spent_in_steps(clock):
    run = trained(replace(TINY, steps=None, minutes=0.1))
    assert (run.seconds, run.step) == (6.0, 24)


def test_minutes_go_on_from_what_was_spent(clock):
    config = replace(TINY, steps=None, minutes=0.1)
    resumed = Training(config, points())
    resumed.restore(*trained(config, steps=10).state())
    assert resumed.seconds == 2.5
    for _ in resumed.run():
        pass
    assert (resumed.seconds, resumed.step) == (6.0, 24)


# ---- what it says --------------------------------------------------------------------------------


def test_a_row_is_the_mean_since_the_row_before(monkeypatch):
    config = replace(TINY, steps=12, penalty_every=1)
    fine = trained(config).history
    monkeypatch.setattr(Training, "ROWS", 3)
    monkeypatch.setattr(Training, "FRAMES", 0)  # each would add a row
    coarse = trained(config).history
    assert [row.step for row in fine] == [*range(1, 13)] and [row.step for row in coarse] == [4, 8, 12]
    for i, row in enumerate(coarse):
        part = fine[4 * i : 4 * i + 4]
        for name in ("d_loss", "penalty", "g_loss", "d_real", "d_fake"):
            mean = np.mean([getattr(r, name) for r in part])
            assert getattr(row, name) == pytest.approx(mean, rel=1e-12), f"{name} of row {i}"
        assert (row.epoch, row.d_grad, row.g_grad) == (part[-1].epoch, part[-1].d_grad, part[-1].g_grad)


def test_a_row_says_what_the_step_computed():
    """The same first step, taken by hand from the same random numbers."""
    dataset, config = points(), replace(TINY, penalty="none")
    run = trained(config, dataset, steps=1)
    rng = np.random.default_rng(config.seed)
    gan = build_gan(config, (2,), rng)
    x_fake = gan.generator.forward(draw_latents(rng, 6, 3))
    order = np.arange(50)
    rng.shuffle(order)
    x_real = dataset.x[order[:6]]
    d = gan.discriminator_step(x_real, x_fake)
    d_grad = np.linalg.norm(gan.discriminator.grads)
    g_loss = gan.generator_step(x_fake)

    def probability(logits):
        return np.mean(1 / (1 + np.exp(-logits.astype(np.float64))))

    expected = {
        "step": 1,
        "epoch": 6 / 50,
        "d_loss": d.loss,
        "g_loss": g_loss,
        "d_real": probability(d.real_logits),
        "d_fake": probability(d.fake_logits),
        "d_grad": d_grad,
        "g_grad": np.linalg.norm(gan.generator.grads),
    }
    row = run.history[0]
    for name, value in expected.items():
        assert getattr(row, name) == pytest.approx(value, rel=1e-6), name
    assert_same_bits("generator", run.gan.generator.params, gan.generator.params)


@pytest.mark.parametrize("penalty", ["none", "clip", "r1", "wgan-gp"])
def test_the_loss_of_a_row_is_the_games_alone_and_the_penalty_stands_beside_it(penalty, monkeypatch):
    """The two together are what D's step went down."""
    run, results = Training(replace(TINY, penalty=penalty, penalty_every=1), points()), []
    step = run.gan.discriminator_step
    monkeypatch.setattr(run.gan, "discriminator_step", lambda *batch: results.append(step(*batch)) or results[-1])
    for _ in run.run():
        pass
    for row, d in zip(run.history, results, strict=True):
        game, _, _ = run.gan.objective.discriminator(d.real_logits, d.fake_logits)
        assert row.d_loss == pytest.approx(game, rel=1e-5)
        assert row.penalty == d.penalty and (row.penalty > 0) == (penalty in ("r1", "wgan-gp"))
        assert row.d_loss + row.penalty == pytest.approx(d.loss, rel=1e-6)


def test_images_per_second_are_what_the_discriminator_saw_by_the_clock(clock, monkeypatch):
    monkeypatch.setattr(Training, "ROWS", 2)
    for row in trained(replace(TINY, d_steps=2, steps=8)).history:
        assert row.images_per_second == 2 * 6 / 0.25
        assert row.seconds == row.step * 0.25


# ---- rows and frames -----------------------------------------------------------------------------


def smallest(steps):
    return Training(replace(TINY, steps=steps, hidden=(2,), batch=1, latent_dim=1), points())


@pytest.mark.parametrize("steps", [1, 3, 40, 199, 200, 201, 1000])
def test_rows_are_spread_evenly_and_end_with_the_run(steps, monkeypatch):
    monkeypatch.setattr(Training, "FRAMES", 0)
    run = smallest(steps)
    events = list(run.run())
    at = [row.step for row in run.history]
    assert len(at) == min(steps, 200) and at[-1] == steps
    assert max(np.diff([0, *at])) <= math.ceil(steps / 200)
    assert len(events) == steps + 1 and events.count("row") == len(at)


def test_a_frame_adds_a_row_where_there_is_none():
    run = trained(replace(TINY, steps=300, hidden=(2,)))
    at = {row.step for row in run.history}
    assert at >= {step for step, _ in run.frames[1:]} and 200 < len(at) == len(run.history) <= 240


@pytest.mark.parametrize("steps", [1, 7, 100, 1000, 2500])
def test_frames_are_spread_by_the_logarithm_from_a_thousandth_of_the_run_on(steps):
    run = smallest(steps)
    events = list(run.run())
    at = [step for step, _ in run.frames]
    assert at[0] == 0 and at[-1] == steps and len(at) == len(set(at)) <= Training.FRAMES + 1
    marks = np.ceil(np.geomspace(steps / 1000, steps, Training.FRAMES + 1)[1:] - 1e-6)
    assert at[1:] == sorted({int(mark) for mark in marks}), "each is the first step at or beyond its mark"
    assert events.count("frame") == len(at)


def test_a_long_run_has_all_its_frames_and_half_of_them_early():
    """At the square root of a thousandth: 3 % of the run."""
    steps = np.arange(1, 100_001) / 100_000
    marks = [training.mark(training.stretched(progress), Training.FRAMES) for progress in steps]
    at = steps[np.flatnonzero(np.diff([0, *marks]))]
    assert len(at) == Training.FRAMES
    assert at[0] == pytest.approx(0.001 ** (1 - 1 / 40), rel=0.01) and at[-1] == 1
    assert np.ptp(np.diff(np.log(at))) < 0.03, "the factor from one frame to the next is always the same"
    assert np.median(at) == pytest.approx(0.001**0.5, rel=0.1)


def test_no_progress_is_no_mark():
    assert training.stretched(0) == training.stretched(0.001 / 2) == 0 and training.stretched(1) == 1


def test_frames_show_the_average_and_always_the_same_latents():
    run = Training(replace(TINY, average=0.9), points())
    expected = []
    for event in run.run():
        if event == "frame":
            average = Network(training.generator_layers(run.config, (2,)), np.random.default_rng(9))
            average.params[:] = run.average.params
            expected.append(average.forward(run.latents).copy())
    assert len(run.frames) == len(expected) == 7, "one before the first step, and one after each"
    for (step, samples), wanted in zip(run.frames, expected, strict=True):
        assert_same_bits(f"frame of step {step}", samples, wanted)
    assert_same_bits("latents", run.latents, Training(run.config, points()).latents)


@pytest.mark.parametrize("shape", [(28, 28), (8, 9), (8, 9, 3)])
def test_frames_of_images_are_bytes(shape):
    run = trained(replace(TINY, steps=1), images(shape=shape))
    step, samples = run.frames[-1]
    assert samples.dtype == np.uint8 and samples.shape == (64, math.prod(shape))
    np.testing.assert_array_equal(samples, np.round(run.generate(run.latents) * 255))


def test_the_samples_are_measured_at_every_frame_but_the_first(monkeypatch):
    monkeypatch.setattr(Training, "FRAMES", 10)
    asked = []

    def measure(generate):
        samples = generate(draw_latents(np.random.default_rng(0), 7, 3))
        assert samples.shape == (7, 2)
        asked.append(run.step)
        return 0.5 * len(asked), len(asked)

    run = Training(TINY, points(), measure)
    for _ in run.run():
        pass
    assert asked == [step for step, _ in run.frames[1:]] == [1, 2, 4, 6]
    measured = [(row.step, row.quality, row.captured) for row in run.history if not math.isnan(row.quality)]
    assert measured == [(1, 0.5, 1), (2, 1.0, 2), (4, 1.5, 3), (6, 2.0, 4)]
    assert all(math.isnan(row.captured) == math.isnan(row.quality) for row in run.history)


def test_samples_do_not_depend_on_the_chunks_they_are_made_in():
    run = trained(TINY)
    z = draw_latents(np.random.default_rng(0), 23, 3)
    whole = generate(run.gan.generator, z).copy()
    parts = generate(run.gan.generator, z, chunk=5)
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)
    assert parts.base is None or parts.flags.owndata, "a sample must not change with the next forward"


# ---- the same run again --------------------------------------------------------------------------


def test_the_same_choices_give_the_same_run_bit_for_bit():
    assert_same_state(trained(TINY).state(), trained(TINY).state())


def test_another_seed_gives_another_run():
    a, b = trained(TINY), trained(replace(TINY, seed=1))
    for name, array in a.state()[0].items():
        if name in ("generator", "discriminator", "average", "frames", "order"):
            assert (array != b.state()[0][name]).any(), name


def test_looking_changes_nothing(monkeypatch):
    """Neither snapshots, however many, nor the measure, whatever it asks for."""
    plain = trained(TINY).state()
    monkeypatch.setattr(Training, "FRAMES", 1)
    looked_at = Training(TINY, points(), lambda generate: (generate(np.ones((600, 3), np.float32)).mean(), 1))
    for _ in looked_at.run():
        looked_at.generate(looked_at.latents[:1])
        looked_at.state()
    arrays, values = looked_at.state()
    watched = ("frames", "frame_steps", "history")
    for name in plain[0].keys() - {*watched}:
        assert_same_bits(name, arrays[name], plain[0][name])
    assert values["rng"] == plain[1]["rng"]


DIGEST = """
import sys
sys.path.insert(0, sys.argv[1])
from small_runs import TINY, images, trained
from tinygan.app import checkpoint
arrays, values = trained(TINY, images()).state()
arrays.pop("history")
print(checkpoint.digest(arrays).hex(), values["rng"]["state"]["state"])
"""


def test_two_processes_run_the_same_run_bit_for_bit():
    here = str(Path(__file__).parent)
    both = [processes.start("-c", DIGEST, here) for _ in range(2)]
    (first, err), (second, _) = (process.communicate(timeout=60) for process in both)
    assert first == second and len(first) > 64, err


# ---- stop anywhere -------------------------------------------------------------------------------


def resumed(config, dataset, stop, folder):
    """A run that was stopped after ``stop`` steps, written down, and taken up by another object."""
    checkpoint.save(folder / "checkpoint.npz", *trained(config, dataset, stop).state())
    run = Training(config, dataset)
    run.restore(*checkpoint.load(folder / "checkpoint.npz"))
    assert run.step == stop
    for _ in run.run():
        pass
    return run


@pytest.mark.parametrize("stop", range(7))
def test_a_run_stopped_after_any_step_ends_the_same(tmp_path, stop):
    assert_same_state(resumed(TINY, points(), stop, tmp_path).state(), trained(TINY).state())


def choices():
    for optimizer in OPTIMIZERS:
        yield {"optimizer": optimizer}
    for objective in OBJECTIVES:
        yield {"objective": objective}
    for penalty in PENALTIES:
        yield {"penalty": penalty}
    yield from [
        {"pack": 2},
        {"pack": 3, "penalty": "wgan-gp"},
        {"d_steps": 3},
        {"average": 0.0},
        {"decay_from": 0.2},
        {"gamma_end": 1e-3},
    ]
    yield from [
        {"penalty_every": 3},
        {"batch": 64},
        {"coding": (-1.0, 1.0, 0.0), "objective": "least-squares"},
    ]


KINDS = {"points": points, "images": images, "colors": lambda: images(shape=(8, 9, 3), labeled=False)}


@pytest.mark.parametrize("choice", list(choices()), ids=lambda choice: ",".join(f"{k}={v}" for k, v in choice.items()))
def test_a_run_of_any_kind_stopped_half_way_ends_the_same(tmp_path, choice):
    config = replace(TINY, **choice)
    for kind, make in KINDS.items():
        (tmp_path / kind).mkdir()
        assert_same_state(resumed(config, make(), 3, tmp_path / kind).state(), trained(config, make()).state())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_run_with_images_inside_stopped_half_way_ends_the_same(tmp_path, batch_norm):
    config = replace(TINY, channels=(3, 2), batch_norm=batch_norm)
    whole = trained(config, images())
    assert whole.gan.generator.statistics.size == (2 * (5 + 4 + 3 + 2) if batch_norm else 0)
    run = resumed(config, images(), 3, tmp_path)
    assert_same_state(run.state(), whole.state())
    assert_same_bits("samples", run.generate(run.latents), whole.generate(whole.latents))


def test_what_is_shown_has_the_running_statistics_of_the_generator_that_plays():
    """A sample does not depend on which others are made with it."""
    run = trained(replace(TINY, channels=(3, 2), batch_norm=True), images())
    together = run.generate(run.latents)
    assert_close("one alone", run.generate(run.latents[5:6])[0], together[5], 1e-5)
    run.gan.generator.statistics *= 2
    assert np.abs(run.generate(run.latents) - together).max() > 1e-3


def test_a_run_stopped_between_two_rows_loses_no_part_of_a_mean(tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "ROWS", 2)
    monkeypatch.setattr(Training, "FRAMES", 1)
    assert_same_state(resumed(TINY, points(), 2, tmp_path).state(), trained(TINY).state())


def test_only_the_clock_is_left_out_of_the_comparison():
    """The test's own ruler: a change in the last bit of anything else is seen."""
    assert set(CLOCK) < set(Row._fields)
    state = trained(TINY).state()
    for name, array in state[0].items():
        changed = array.copy()
        changed.reshape(-1).view(np.uint8)[0] ^= 1
        with pytest.raises(AssertionError):
            assert_same_state(({**state[0], name: changed}, state[1]), state)
    for name in state[1].keys() - {"seconds"}:
        with pytest.raises(AssertionError):
            assert_same_state((state[0], {**state[1], name: "changed"}), state)


# ---- numbers that are lost -----------------------------------------------------------------------


def spoil(run, player, index, name, value):
    """From now on this player's optimizer writes such a number into that layer and into all behind it."""
    network, optimizer = getattr(run.gan, player), getattr(run.gan, f"{player[0]}_optimizer")

    def step(params, grads):
        for layer in network.layers[index:]:
            if layer.shapes:
                getattr(layer, name).flat[-1] = value

    optimizer.step = step


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "player, index, name, layer",
    [
        ("discriminator", 0, "W", "layer 0, Dense(2, 4)"),
        ("discriminator", 2, "b", "layer 2, Dense(4, 5)"),
        ("generator", 2, "W", "layer 2, Dense(5, 4)"),
        ("generator", 4, "b", "layer 4, Dense(4, 2)"),
    ],
)
def test_a_parameter_that_is_lost_stops_the_run_at_that_step_and_is_named(player, index, name, layer, value):
    run = trained(TINY, steps=2)
    spoil(run, player, index, name, value)
    with warnings.catch_warnings(), pytest.raises(NumericalError) as caught:
        warnings.simplefilter("error")
        for _ in run.run():
            pass
    assert str(caught.value).startswith(f"step 3: not a finite number, first in {name} of the {player}'s {layer}; ")
    assert "smaller lr" in str(caught.value)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_lost_stops_the_run_at_that_step(monkeypatch, player, value):
    run = trained(TINY, steps=2)
    real = getattr(run.gan.objective, player)
    monkeypatch.setattr(run.gan.objective, player, lambda *logits: (value, *real(*logits)[1:]))
    with pytest.raises(NumericalError, match=f"^step 3: a loss is not a finite number .*{value}.*smaller lr"):
        for _ in run.run():
            pass


def test_large_numbers_that_are_finite_stop_nothing():
    run = trained(TINY, steps=2)
    run.gan.generator.params[-1] = 1e30  # its square is beyond float32
    with np.errstate(over="ignore"):
        run.check_finite(0.0, 0.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_a_run_that_blows_up_of_itself_says_one_thing(optimizer):
    with warnings.catch_warnings(), pytest.raises(NumericalError, match="^step [1-9][0-9]*: ") as caught:
        warnings.simplefilter("error")
        trained(replace(TINY, optimizer=optimizer, lr=1e12))
    assert len(str(caught.value).splitlines()) == 1
