"""Images sorted without labels: the steps of it, what is joined, what is found, and runs that begin with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from commands import answer, train
from helpers import assert_parameter_gradients, assert_same_bits
from small_runs import TINY, assert_same_state, draw_quickly, images, trained, write_folder

from tinygan import kinds, training
from tinygan.data import Dataset
from tinygan.distortion import Distortion, agreement
from tinygan.kinds import Sorter, joined
from tinygan.losses import softmax
from tinygan.network import Network
from tinygan.scoring.scores import matched
from tinygan.training import Training

SORTED = replace(TINY, codes=4, sort=4)


def rng(seed=0):
    return np.random.default_rng(seed)


def quadrants(n=600):
    """Images of 8 x 8 bytes in which one quadrant is bright, whose number is the label."""
    random = rng(4)
    labels = random.integers(4, size=n)
    x = np.zeros((n, 2, 4, 2, 4), np.uint8)
    x[np.arange(n), labels // 2, :, labels % 2] = random.integers(100, 256, size=(n, 1, 1))
    return Dataset("quadrants", x.reshape(n, 64), labels, (8, 8))


def sort(dataset, steps, seed=0):
    """A Sorter at the end of its steps."""
    sorter = Sorter(dataset.x, dataset.shape, 4, steps, rng(seed))
    for _ in range(steps):
        sorter.step()
    return sorter


# ---- what is joined ------------------------------------------------------------------------------


def test_kinds_that_are_taken_for_each_other_are_joined():
    """Six kinds, of which 0 and 4, 1 and 2, 3 and 5 are confused."""
    joint = np.eye(6)
    for i, j in ((0, 4), (1, 2), (3, 5)):
        joint[i, j] = joint[j, i] = 0.5
    joint, groups = (joint + 0.01) / (joint + 0.01).sum(), np.eye(6)
    for n_groups in (5, 4, 3):
        groups = joined(joint, groups)
        assert groups.shape == (6, n_groups) and (groups.sum(axis=1) == 1).all()
    assert {tuple(np.flatnonzero(column)) for column in groups.T} == {(0, 4), (1, 2), (3, 5)}


def test_pairs_are_joined_evenly_until_there_are_as_many_groups_as_are_wanted():
    sorter, numbers = Sorter(images().x, (28, 28), 3, 40, rng()), []
    for _ in range(40):
        sorter.step()
        numbers.append(sorter.groups.shape[1])
    start, end = (int(40 * share) for share in kinds.JOINING)
    assert numbers[0] == numbers[start - 2] == 3 * kinds.KINDS and numbers[end] == numbers[-1] == 3
    assert all(0 <= before - after <= 1 for before, after in zip(numbers, numbers[1:], strict=False))


# ---- the steps -----------------------------------------------------------------------------------


class Fixed(Distortion):
    """The same two distortions in every step, so that a loss can be measured again."""

    turn = 0

    def forward(self, x):
        self.turn = 1 - self.turn
        self.rng = rng(6 + self.turn)
        return super().forward(x)


class Same:
    """The same batch in every step."""

    def next(self):
        return rng(3).random((5, 16))


class Still:
    """An optimizer that leaves everything as it is."""

    def step(self, params, grads):
        pass


def still(groups, monkeypatch):
    """A Sorter in float64 whose steps change nothing, with two groups or without."""
    monkeypatch.setattr(kinds, "HIDDEN", (6,))
    sorter = Sorter(np.zeros((5, 16), np.uint8), (4, 4), 2, 10**6, rng(), np.float64)
    sorter.batches, sorter.distortion, sorter.optimizer = Same(), Fixed(rng(), (4, 4), 1.0), Still()
    sorter.network.params += rng(1).normal(size=sorter.network.params.size)
    if groups:
        sorter.groups = np.eye(2)[np.arange(2 * kinds.KINDS) % 2]
    return sorter


@pytest.mark.parametrize("groups", [False, True])
def test_a_step_follows_its_gradient(groups, monkeypatch):
    sorter = still(groups, monkeypatch)
    sorter.step()
    # a batch normalization takes away what the bias before it adds
    assert_parameter_gradients(sorter.network, sorter.step, "", vanishing=("0.b",))


def test_a_step_is_about_the_groups_of_what_is_read(monkeypatch):
    sorter = still(True, monkeypatch)
    x, distortion = Same().next(), Fixed(rng(), (4, 4), 1.0)
    out = sorter.network.forward(np.concatenate([distortion.forward(x), distortion.forward(x)]))
    p, q = np.split(softmax(out) @ sorter.groups, 2)
    assert sorter.step() == pytest.approx(agreement(np.log(p), np.log(q))[0], rel=1e-12)


def test_the_learning_rate_falls_in_the_last_fifth():
    sorter, rates = Sorter(images().x, (28, 28), 2, 10, rng()), []
    for _ in range(10):
        sorter.step()
        rates.append(sorter.optimizer.lr)
    assert rates == pytest.approx([kinds.LR] * 9 + [kinds.LR / 2])


def test_a_step_in_which_the_readings_change_places_is_caught(monkeypatch):
    monkeypatch.setattr(kinds, "agreement", lambda *given: (agreement(*given)[0], *agreement(*given)[:0:-1]))
    sorter = still(True, monkeypatch)
    sorter.step()
    with pytest.raises(AssertionError):
        assert_parameter_gradients(sorter.network, sorter.step, "", vanishing=("0.b",))


# ---- what is found -------------------------------------------------------------------------------


@pytest.mark.breadth
def test_groups_are_what_bending_does_not_change():
    dataset = quadrants()
    groups = sort(dataset, 300).groups_of(dataset.x)
    assert np.mean(matched(groups, dataset.labels) == dataset.labels) > 0.95


def test_the_same_random_numbers_are_the_same_groups_and_how_many_are_read_at_once_does_not_matter():
    dataset = quadrants(200)
    first, same, other = (sort(dataset, 30, seed) for seed in (0, 0, 1))
    assert_same_bits("groups", first.groups_of(dataset.x), same.groups_of(dataset.x))
    assert not np.array_equal(first.network.params, other.network.params)
    assert_same_bits(
        "groups", np.concatenate([first.groups_of(x) for x in np.split(dataset.x, 4)]), first.groups_of(dataset.x)
    )


def test_what_reads_is_the_average_each_image_by_itself():
    dataset = quadrants(200)
    sorter = sort(dataset, 30)
    sorter.network.statistics[:] = 0.1 + rng(5).random(sorter.network.statistics.size)
    network = Network(sorter.network.layers, rng())  # other parameters
    network.params[:], network.statistics[:] = sorter.average.params, sorter.network.statistics
    with network.inference():
        p = softmax(network.forward(dataset.x.astype(np.float32) / 255)) @ sorter.groups
    assert_same_bits("groups", sorter.groups_of(dataset.x), p.argmax(axis=1))


# ---- runs ----------------------------------------------------------------------------------------


def test_no_label_is_looked_at():
    labeled, without = (trained(SORTED, images(labeled=labeled)) for labeled in (True, False))
    assert_same_state(labeled.state(), without.state())


def test_a_run_sorts_once_and_d_is_told_the_groups_of_its_batch(monkeypatch):
    sorters = []
    monkeypatch.setattr(training, "Sorter", lambda *given: sorters.append(Sorter(*given)) or sorters[-1])
    run, told = Training(SORTED, images()), []
    step = run.gan.discriminator_step
    run.gan.discriminator_step = lambda *given: told.append((run.gan.groups, run.batches.rows.copy())) or step(*given)
    assert run.groups.shape == (20,) and not run.groups.any()
    for _ in run.run():
        pass
    assert len(sorters) == 1 and len(told) == SORTED.steps
    assert_same_bits("groups", run.groups, sorters[0].groups_of(images().x))
    for groups, rows in told:
        assert_same_bits("groups of the batch", groups, run.groups[rows])


@pytest.mark.parametrize("events", [3, 6, 8], ids=["while it sorts", "as the game begins", "in the game"])
def test_a_run_that_is_interrupted_anywhere_is_the_undisturbed_one(events):
    first = Training(SORTED, images())
    for _ in zip(range(events), first.run(), strict=False):
        pass
    second = Training(SORTED, images())
    second.restore(*first.state())
    if first.step:  # the groups are known
        second.sort = None
    for _ in second.run():
        pass
    assert_same_state(second.state(), trained(SORTED, images()).state())


def test_groups_that_no_code_stands_for_are_refused():
    arrays, values = trained(SORTED, images()).state()
    kept = arrays["groups"].copy()
    for groups in (0 * kept - 1, 0 * kept + 4, kept[1:], kept.astype(float)):
        with pytest.raises(ValueError, match="groups"):
            Training(SORTED, images()).restore({**arrays, "groups": groups}, values)


def test_the_command_sorts_once_and_says_so(tmp_path, capsys, monkeypatch):
    draw_quickly(monkeypatch.setattr)
    data, run = write_folder(tmp_path / "data", images(40)), tmp_path / "run"
    code, out, err = answer(capsys, *train(data, run, "--codes", "4", "--sort", "3"))
    assert code == 0 and "4 groups" in out, err
    code, out, err = answer(capsys, "train", "--resume", run, "--steps", "8")
    assert code == 0 and "groups" not in out, err
