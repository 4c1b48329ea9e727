"""The session without a browser: every step is that of a plain run, and going back is exact."""

from __future__ import annotations

import base64
import sys
from dataclasses import replace

import numpy as np
import pytest
from small_runs import TINY, assert_same_state, images, points

from tinygan.lab import session, slow
from tinygan.lab.challenges import CHALLENGES
from tinygan.lab.playing import Lab, with_changes
from tinygan.lab.session import CHOICES, LIVE, Branch, Setting, Source, read, text_of
from tinygan.recipes import Config
from tinygan.training import NumericalError, Training

CONFIG = replace(TINY, steps=200, latent_dim=2)
ANOTHER = {  # of every choice that can change on the way
    "objective": "least-squares", "coding": (-1.0, 1.0, 0.0), "penalty": "none", "gamma": 1.0, "gamma_end": 0.1,
    "penalty_every": 2, "batch": 8, "optimizer": "rmsprop", "lr": 0.02, "beta1": 0.5,
    "decay_from": 0.0, "average": 0.0, "d_steps": 2, "steps": 300,
}  # fmt: skip


def source(config=CONFIG, dataset=None, **more):
    return Source(dataset or points(), "--data ring", config, **more)


def branch(config=CONFIG, changes=(), dataset=None, **more):
    return Branch("A", source(config, dataset, **more), with_changes(Setting(0, config), changes))


def advanced(run, steps):
    for _ in range(steps):
        assert run.advance()
    return run


def plain(config, steps, dataset=None):
    training = Training(config, dataset or points())
    for _ in training.run():
        if training.step == steps:
            return training


def copied(training):
    arrays, values = training.state()
    return {name: array.copy() for name, array in arrays.items()}, values


@pytest.mark.parametrize("more", [{}, {"penalty": "wgan-gp"}, {"d_steps": 2}, {"conditional": True}, {"pack": 2}])
def test_its_steps_are_those_of_a_plain_run(more):
    config = replace(CONFIG, **more)
    assert_same_state(advanced(branch(config), 90).training.state(), plain(config, 90).state())


def test_looking_changes_nothing():
    run = branch()
    for _ in range(70):
        run.eye().picture(run.arrays())
        run.eye().at(run.arrays(), 0.5, 0.5)
        run.advance()
        run.eye().weight(run.arrays(), "G", "0.W", 0)
        run.eye().layers(run.arrays())
    assert_same_state(run.training.state(), plain(CONFIG, 70).state())


@pytest.mark.parametrize("step", [0, 1, 63, 64, 65, 128, 149])
def test_every_earlier_step_is_exact_and_so_is_what_follows(step):
    run = advanced(branch(), 150)
    end = copied(run.training)
    run.goto(step)
    assert_same_state(
        run.training.state(),
        plain(CONFIG, step).state() if step else Branch("B", source(), [Setting(0, CONFIG)]).training.state(),
    )
    run.goto(150)
    assert_same_state(run.training.state(), end)
    assert run.last == 150 and len(run.means()) == 150


def test_back_is_exact_also_where_only_one_player_learned_and_choices_changed():
    changes = [(20, "players", "D"), (40, "players", "both"), (70, "optimizer", "sgd"), (90, "batch", 9)]
    run, states = branch(changes=changes), {}
    for step in range(1, 121):
        run.advance()
        states[step] = copied(run.training)
    for step in (119, 95, 71, 70, 41, 30, 10):
        run.goto(step)
        assert_same_state(run.training.state(), states[step])


@pytest.mark.parametrize("players, moves", [("D", [True, False]), ("G", [False, True]), ("both", [True, True])])
def test_who_rests_keeps_every_bit(players, moves):
    run = advanced(branch(), 5)
    before = [network.params.copy() for network in (run.training.gan.discriminator, run.training.gan.generator)]
    run.change("players", players)
    run.advance()
    after = run.training.gan.discriminator.params, run.training.gan.generator.params
    assert [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == moves


@pytest.mark.parametrize("name", LIVE)
def test_a_change_before_the_first_step_is_the_plain_run_of_the_other_choice(name):
    run = branch()
    run.change(name, ANOTHER[name])
    config = replace(CONFIG, **{name: ANOTHER[name]})
    assert_same_state(advanced(run, 10).training.state(), plain(config, 10).state())


@pytest.mark.parametrize("name", LIVE)
def test_a_change_on_the_way_counts_and_is_noted(name):
    objective = {"coding": "least-squares"}.get(name, "non-saturating")
    optimizer, gamma = "adam", 0.25
    config = replace(CONFIG, objective=objective, optimizer=optimizer, gamma=gamma)
    run = advanced(branch(config), 30)
    run.change(name, ANOTHER[name])
    assert run.changes() == [(30, name, ANOTHER[name])]
    advanced(run, 10)
    again = advanced(branch(config, run.changes()), 40)
    assert_same_state(again.training.state(), run.training.state())
    same = np.array_equal(run.training.gan.generator.params, plain(config, 40).gan.generator.params)
    assert same == (name in ("average", "steps"))  # what does not touch the players


def test_a_branch_has_the_same_past_and_the_first_is_left_alone():
    run = advanced(branch(), 100)
    end = copied(run.training)
    run.goto(40)
    other = run.branch("B")
    assert_same_state(other.training.state(), run.training.state())
    advanced(other, 60)
    assert_same_state(other.training.state(), end)
    other.goto(40)
    third = other.branch("C")
    third.change("lr", 0.5)
    advanced(third, 30)
    assert not np.array_equal(third.training.gan.generator.params, plain(CONFIG, 70).gan.generator.params)
    there = copied(third.training)
    advanced(third, 30)
    third.goto(70)
    assert_same_state(third.training.state(), there)
    third.goto(20)
    assert_same_state(third.training.state(), plain(CONFIG, 20).state())
    run.goto(100)
    assert_same_state(run.training.state(), end)


@pytest.mark.parametrize("before, after", [("adam", "sgd"), ("adagrad", "rmsprop"), ("momentum", "nesterov")])
def test_another_optimizer_starts_anew_and_another_rate_does_not(before, after):
    run = advanced(branch(replace(CONFIG, optimizer=before)), 10)
    run.change("lr", 0.02)
    advanced(run, 2)
    assert run.training.gan.d_optimizer.t == run.training.gan.g_optimizer.t == 12
    run.change("optimizer", after)
    advanced(run, 3)
    assert run.training.gan.d_optimizer.t == run.training.gan.g_optimizer.t == 3


def test_the_past_cannot_be_changed_in_place():
    run = advanced(branch(), 10)
    run.goto(5)
    with pytest.raises(ValueError, match="lr"):
        run.change("lr", 0.5)


def test_the_command_repeats_the_run():
    run = branch()
    run.change("players", "D")
    run.change("batch", 7)
    advanced(run, 7)
    run.change("lr", 0.02)
    run.change("players", "G")
    advanced(run, 5)
    words = run.command().split("--set ")[1:]
    changes = []
    for word in words:
        step, _, choice = word.strip().rpartition(":")
        name, _, text = choice.partition("=")
        changes.append((int(step or 0), name, read(name, text)))
    first = with_changes(Setting(0, CONFIG), changes)
    again = advanced(Branch("A", source(), first), 12)
    assert_same_state(again.training.state(), run.training.state())


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_can_be_read_as_it_is_written(name):
    for config in (CONFIG, Config(steps=5, g_slope=0.25, gamma_end=1e-7, coding=(-1.0, 1.0, 0.0), channels=(4, 2))):
        value = getattr(config, name)
        if value is not None or CHOICES[name].default is None:
            assert read(name, text_of(value)) == value


@pytest.mark.parametrize(
    "name, text",
    [
        ("lr", "fast"),
        ("lr", "-1"),
        ("lr", "nan"),
        ("batch", "1.5"),
        ("objective", "chess"),
        ("hidden", "a,b"),
        ("wings", "2"),
        ("batch", ""),
    ],
)
def test_a_wrong_choice_is_told_by_its_name(name, text):
    with pytest.raises(ValueError, match=f"^{name}: "):
        read(name, text)


def test_snapshots_stay_within_their_budget_and_every_step_can_still_be_reached(monkeypatch):
    monkeypatch.setattr(session, "BUDGET", 2_000_000)
    run = advanced(branch(replace(CONFIG, steps=2000)), 1500)
    assert run.every > 64 and len(run.snapshots) > 3 and run.size() <= 2_000_000
    run.goto(777)
    assert_same_state(run.training.state(), plain(replace(CONFIG, steps=2000), 777).state())


def test_a_run_that_breaks_stays_at_the_step_before():
    run = branch(changes=[(5, "lr", 1e11), (5, "optimizer", "sgd"), (5, "penalty", "none")])
    with pytest.raises(NumericalError):
        advanced(run, 150)
    assert run.step == run.last >= 5
    assert np.isfinite(run.training.gan.generator.params).all()


def test_the_end_of_a_run_is_its_end():
    run = advanced(branch(replace(CONFIG, steps=20)), 20)
    assert not run.advance() and run.step == 20
    run.change("steps", 21)
    assert run.advance() and not run.advance()


# ---- what is seen --------------------------------------------------------------------------------


def unpacked(packed):
    return np.frombuffer(base64.b64decode(packed["i2"]), "<i2").reshape(packed["shape"]) * packed["scale"]


@pytest.mark.parametrize("objective", ["minimax", "non-saturating", "least-squares", "wasserstein"])
def test_arrows_are_minus_n_times_the_measured_slope_of_g_s_loss(objective):
    run = advanced(branch(replace(CONFIG, objective=objective)), 20)
    eye = run.eye()
    eye.take(run.arrays())
    x = points(4).x * 0.7 + 0.05
    gan = eye.networks(np.float64)
    eye.take(run.arrays(), gan)
    force, h = eye.forces(x), 1e-6
    for n in range(4):
        for i in range(2):
            losses = []
            for sign in (1, -1):
                moved = x.astype(np.float64)
                moved[n, i] += sign * h
                losses.append(gan.objective.generator(gan.discriminator.forward(moved))[0])
            assert force[n, i] == pytest.approx(-4 * (losses[0] - losses[1]) / (2 * h), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("more", [{}, {"conditional": True}, {"pack": 2}, {"latent_dim": 1}, {"average": 0.0}])
def test_a_picture_shows_what_the_generator_makes(more):
    run = advanced(branch(replace(CONFIG, **more)), 10)
    picture = run.eye().picture(run.arrays())
    run.eye().take(run.arrays())
    fakes = run.eye().gan.generator.forward(run.training.latents[:200])
    assert np.allclose(unpacked(picture["fakes"]), fakes, atol=1e-3)
    assert unpacked(picture["surface"]).shape == (40, 40) and ("averaged" in picture) == (
        run.training.config.average > 0
    )


@pytest.mark.parametrize("kind", ["fixed", "between", "direction", "gradient", "nearest"])
@pytest.mark.parametrize("conditional", [False, True])
def test_pictures_of_images(kind, conditional):
    dataset = images(30)
    run = advanced(branch(replace(CONFIG, latent_dim=3, conditional=conditional), dataset=dataset), 3)
    picture = run.eye().picture(
        run.arrays(), {"kind": kind, "direction": 7}, lambda x: dataset.x[np.zeros(len(x), int)]
    )
    ((name, packed),) = picture.items()
    n = 100 if conditional and kind in ("fixed", "gradient") else 64  # a row for each class
    assert (name, packed["shape"]) == ("tints" if kind == "gradient" else "images", [n, 784])
    if kind == "nearest":
        assert np.allclose(unpacked(packed)[1], dataset.x[0] / 255, atol=1e-3)
    if kind == "between":
        assert np.allclose(unpacked(packed)[7], unpacked(packed)[8], atol=1e-3)


@pytest.mark.parametrize("player", ["G", "D"])
@pytest.mark.parametrize("more", [{}, {"objective": "wasserstein"}, {"conditional": True}, {"pack": 3}])
def test_a_weight_s_derivative_is_what_is_measured(player, more):
    run = advanced(branch(replace(CONFIG, **more)), 15)
    eye, arrays = run.eye(), run.arrays()
    name = "2.W" if player == "G" or not (run.training.classes or "pack" in more) else "3.W"  # behind one layer more
    errors = [eye.weight(arrays, player, name, index) for index in range(6)]
    assert all(said["error"] < 1e-5 or abs(said["derivative"] - said["measured"]) < 1e-9 for said in errors)
    assert any(abs(said["derivative"]) > 1e-6 for said in errors)


def test_a_weight_that_is_not_there_is_refused():
    run = branch()
    for player, name, index in (("X", "0.W", 0), ("G", "9.W", 0), ("G", "0.W", 10**6), ("G", "0.W", -1)):
        with pytest.raises(ValueError):
            run.eye().weight(run.arrays(), player, name, index)


def test_dead_units_are_counted():
    run = advanced(branch(), 3)
    run.training.gan.generator.layers[0].b[:2] = -1e4
    said = run.eye().layers(run.arrays())["G"]
    assert said[1]["units"] == 5 and said[1]["dead"] == 2
    assert sum(said[1]["slope"]["counts"]) == CONFIG.batch * 5


# ---- slow motion ---------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"penalty": "wgan-gp", "objective": "wasserstein"}, {"conditional": True}])
def test_slow_motion_takes_the_step_and_shows_the_source_that_runs(more):
    config = replace(CONFIG, **more)
    run = advanced(branch(config), 9)
    before = sys.gettrace()
    seen = slow.watch(run.advance, lambda: run.eye().picture(run.arrays()))
    assert sys.gettrace() is before
    assert_same_state(run.training.state(), plain(config, 10).state())
    assert len(seen["pictures"]) == 3
    stages = list(dict.fromkeys(line[2] for line in seen["lines"]))
    wanted = ["D forward", "D loss", "D backward", "D update", "G forward", "G loss", "G backward", "G update"]
    assert [stage for stage in stages if stage in wanted and stage != "G forward"] == [
        w for w in wanted if w != "G forward"
    ]
    for key, number, _, _, _ in seen["lines"]:
        source = seen["sources"][key]
        assert 0 <= number - source["first"] < len(source["text"].splitlines())
    texts = {each["name"]: each["text"] for each in seen["sources"]}
    assert any("np.matmul(x.T, dout, out=self.dW)" in text for text in texts.values())
    line = next(each for each in seen["lines"] if "self.dW" in each[4])
    assert line[4]["self.dW"][0].count("x") == 1


def test_slow_motion_leaves_out_what_only_measures():
    def lines(measure):
        run = advanced(branch(measure=measure), 8)
        frames = len(run.training.frames)
        seen = slow.watch(run.advance, dict)
        assert len(run.training.frames) == frames + 1
        return seen["lines"]

    z = np.zeros((5, 2), np.float32)
    assert len(lines(None)) == len(lines(lambda generate: (float(generate(z).mean()), 1)))
    assert lines(None)[0][2] == "step"


# ---- challenges ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHALLENGES)
def test_every_challenge_is_answered_from_its_run(name, monkeypatch):
    asked = CHALLENGES[name]
    short = asked._replace(until=20, runs=tuple(tuple((min(s, 10), n, v) for s, n, v in run) for run in asked.runs))
    monkeypatch.setitem(CHALLENGES, name, short)
    config = replace(CONFIG, batch=20)
    given = source(
        config, points(1200), measure=lambda generate: (float(generate(np.zeros((2, 2), np.float32)).mean()), 1)
    )
    lab = Lab(given, load=lambda _: given)
    lab.do_challenge(name, 0)
    lab.do_pause()
    with lab.lock:
        while lab.advance():
            pass
    assert lab.challenge["right"] in range(len(asked.choices)) and lab.challenge["numbers"]
